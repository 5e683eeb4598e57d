//! A query reads the catalog as it was when it began; its files are there until it ends.

use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    for query in &world.queries {
        if let Some(gone) = query.objects.difference(&world.store.objects).next() {
            return Err(format!("a query of revision {} reads {gone}, which is deleted", query.revision));
        }
    }
    Ok(())
}
