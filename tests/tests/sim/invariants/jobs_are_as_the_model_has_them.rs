//! Snapshot jobs: states, cuts and pins.

use std::collections::BTreeSet;

use crate::sim::model::Job;
use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    let (catalog, model) = (&world.catalog, &world.model);
    let found: Vec<_> = catalog
        .jobs()
        .map(|j| {
            // What a snapshot of another timeline pins shows in what is kept, and is not told in cuts.
            let cuts: Vec<u64> = if j.is_foreign() { Vec::new() } else { j.cuts.iter().map(|c| c.0).collect() };
            (j.name.clone(), j.state, cuts, j.cut.map(|c| c.0), j.is_foreign())
        })
        .collect();
    let row = |j: &Job| (j.name.clone(), j.state, j.cuts.clone(), j.cut, j.foreign.is_some());
    let expected: Vec<_> = model.jobs.values().map(row).collect();
    if found != expected {
        return Err(format!("the jobs are {found:?}, the model has {expected:?}"));
    }
    let own = catalog.pinning_jobs().filter(|(job, _)| !job.is_foreign());
    let pins: BTreeSet<u64> = own.flat_map(|(_, pins)| pins).map(|pin| pin.0).collect();
    if pins != model.pins() {
        return Err(format!("the pins are {pins:?}, the model has {:?}", model.pins()));
    }
    Ok(())
}
