//! A seeded simulation of the catalog against a model that was written from the specification alone: random commands,
//! loads that come too late, queries that run on, snapshots whose leader dies anywhere, garbage that is really deleted,
//! images in the middle, restores from whatever is restorable. After every step every named invariant is checked.
//!
//! `STARKEEP_SIM_SEED=n` repeats one seed, `STARKEEP_SIM_STEPS=n` makes each run longer, `STARKEEP_SIM_RUNS=n` makes more.

mod alter;
mod compact;
mod gc;
mod invariants;
mod loads;
mod model;
mod names;
mod restored_tables;
mod schema;
mod snapshots;
mod store;
mod world;

use world::World;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(seed: u64, steps: u64, is_restless: bool) -> World {
    let mut world = World { is_restless, ..World::new(seed) };
    for step in 0..steps {
        let what = world.step();
        if let Err(broken) = invariants::check(&world) {
            let last: Vec<_> = world.history.iter().rev().take(25).rev().cloned().collect();
            panic!("seed {seed}, step {step} ({what}): {broken}\nthe last steps:\n  {}", last.join("\n  "));
        }
    }
    world
}

fn run_many(runs: u64, steps: u64, is_restless: bool, must_happen: &[&'static str]) {
    let is_full = number("STARKEEP_SIM_STEPS").is_none_or(|given| given >= steps)
        && number("STARKEEP_SIM_RUNS").is_none_or(|given| given >= runs);
    let steps = number("STARKEEP_SIM_STEPS").unwrap_or(steps);
    let runs = number("STARKEEP_SIM_RUNS").unwrap_or(runs);
    let seeds: Vec<u64> = match number("STARKEEP_SIM_SEED") {
        Some(seed) => vec![seed],
        None => {
            // Half of them are the same every time, half are new.
            let fresh = rand::random::<u32>();
            (1..=runs / 2).chain((0..runs - runs / 2).map(|n| u64::from(fresh) + n)).collect()
        }
    };
    println!("sim: seeds {seeds:?}, {steps} steps each (STARKEEP_SIM_SEED=n repeats one)");
    let alone = seeds.len() == 1;
    let mut done = world::Tally::default();
    for seed in seeds {
        done.add(&run(seed, steps, is_restless).tally);
    }
    println!("sim: {done:?}");
    // A simulation in which nothing happens proves nothing.
    if !alone && is_full {
        let idle = done.idle(must_happen);
        assert!(idle.is_empty(), "these never happened: {idle:?}");
    }
}

#[test]
fn the_catalog_does_what_the_model_says() {
    run_many(24, 400, false, world::MUST_HAPPEN);
}

/// Whatever is restored, and whatever is thrown away after it: what a manifest in the store needs, older or newer, of this
/// timeline or of another, is there until that snapshot is dropped.
#[test]
fn any_snapshot_can_be_restored_after_any_other() {
    run_many(24, 1000, true, world::RESTLESS_MUST_HAPPEN);
}

#[test]
fn the_same_seed_is_the_same_world() {
    let (one, two) = (run(7, 150, false), run(7, 150, false));
    assert_eq!(one.history, two.history);
    let bytes = |world: &World| storage_catalog::image::to_bytes(&world.catalog).unwrap();
    assert_eq!(bytes(&one), bytes(&two));
}
