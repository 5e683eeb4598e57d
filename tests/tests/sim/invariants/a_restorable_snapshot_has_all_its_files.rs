//! Whatever a restore would find complete in the store has every data file that it names in the store.

use storage_model::JobState;

use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    for job in world.model.jobs.values() {
        let Some(manifest) = world.store.manifests.get(&job.name).filter(|m| !m.is_void) else {
            if job.state == JobState::Finished {
                return Err(format!("{} is FINISHED and has no manifest in the store", job.name));
            }
            continue;
        };
        if job.state.is_final() {
            return Err(format!("{} is {} and could still be restored", job.name, job.state));
        }
        if let Some(gone) = manifest.needs.difference(&world.store.objects).next() {
            return Err(format!("{} ({}) needs {gone}, which is deleted", job.name, job.state));
        }
    }
    Ok(())
}
