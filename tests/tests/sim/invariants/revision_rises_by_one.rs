//! Every command is one revision, taken or refused; the uptime only rises.

use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    let (before, applied) = world.last;
    let (now, clock) = (world.catalog.revision().0, world.catalog.header.uptime.0);
    if now != before + applied || now != world.model.revision {
        return Err(format!("{before} and {applied} commands make {now}, the model is at {}", world.model.revision));
    }
    if clock != world.model.clock {
        return Err(format!("the clock is {clock}, the model's is {}", world.model.clock));
    }
    Ok(())
}
