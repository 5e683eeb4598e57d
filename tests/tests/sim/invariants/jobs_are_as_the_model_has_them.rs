//! Snapshot jobs: states, cuts and pins.

use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    let (catalog, model) = (&world.catalog, &world.model);
    let found: Vec<_> = catalog
        .jobs()
        .map(|j| (j.name.clone(), j.state, j.cuts.iter().map(|c| c.0).collect::<Vec<_>>(), j.cut.map(|c| c.0)))
        .collect();
    let expected: Vec<_> = model.jobs.values().map(|j| (j.name.clone(), j.state, j.cuts.clone(), j.cut)).collect();
    if found != expected {
        return Err(format!("the jobs are {found:?}, the model has {expected:?}"));
    }
    let pins: Vec<u64> = catalog.pins().into_iter().map(|pin| pin.0).collect();
    if pins != model.pins().into_iter().collect::<Vec<_>>() {
        return Err(format!("the pins are {pins:?}, the model has {:?}", model.pins()));
    }
    Ok(())
}
