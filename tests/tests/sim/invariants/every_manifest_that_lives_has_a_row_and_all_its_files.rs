//! Whoever wrote a manifest, and however often the cluster was restored since: while nobody has given it up, the catalog
//! has a row for it, and what it needs is in the store.

use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    for (name, manifest) in world.store.manifests.iter().filter(|(_, manifest)| !manifest.is_void) {
        let cut = manifest.cut;
        let mut rows = world.catalog.jobs().filter(|job| job.name == *name && !job.state.is_final());
        if !rows.any(|job| job.manifest_cuts().iter().any(|known| known.0 == cut)) {
            return Err(format!("{name} at {cut} can be restored and has no row"));
        }
        if let Some(gone) = manifest.needs.difference(&world.store.objects).next() {
            return Err(format!("{name} at {cut} of {} needs {gone}, which is deleted", manifest.incarnation));
        }
    }
    Ok(())
}
