//! Borrowed roots: a cluster that is restored beside one that lives reads the files of the snapshot where they are, and writes
//! elsewhere. Files stay in their volume, which takes nothing any more; whatever could write there goes to its successor. The
//! snapshots in a borrowed root are its owner's, and no rows here.

use std::sync::Arc;

use storage_model::volume::BUILTIN_STORAGE_VOLUME;
use storage_model::{JobId, VolumeId};

use super::{Rebase, put_volume};
use crate::catalog::{Catalog, Trash};

/// Moves everything but files from the volumes that are borrowed to their successors.
pub(super) fn succeed(catalog: &mut Catalog, plan: &Rebase) {
    for (name, successor) in &plan.successors {
        let Some(borrowed) = catalog.volume_by_name(name).map(|volume| volume.id) else { continue };
        set_borrowed(catalog, borrowed);
        let known = catalog.volume_by_name(&successor.name).map(|volume| volume.id);
        let id = known.unwrap_or_else(|| put_volume(catalog, &successor.name, successor));
        move_writers(catalog, borrowed, id);
    }
    let borrowed = |id: &VolumeId| catalog.volumes.get(id).is_some_and(|volume| volume.borrowed.is_some());
    let theirs: Vec<JobId> = catalog.jobs.values().filter(|job| borrowed(&job.volume)).map(|job| job.id).collect();
    for job in theirs {
        catalog.jobs.remove(&job);
    }
}

/// It takes nothing new. fe.conf describes the builtin volume of this cluster, and not that of the other.
fn set_borrowed(catalog: &mut Catalog, id: VolumeId) {
    let Some(mut volume) = catalog.volumes.get(&id).map(|volume| volume.as_ref().clone()) else { return };
    volume.enabled = false;
    if volume.name == BUILTIN_STORAGE_VOLUME {
        let plain = format!("{BUILTIN_STORAGE_VOLUME}_borrowed");
        volume.name = if catalog.volume_by_name(&plain).is_none() { plain } else { format!("{plain}_{id}") };
    }
    catalog.volumes.insert(id, Arc::new(volume));
}

fn move_writers(catalog: &mut Catalog, from: VolumeId, to: VolumeId) {
    let header = &mut catalog.header;
    if header.default_volume == Some(from) {
        header.default_volume = Some(to);
    }
    if let Some(policy) = header.snapshot_policy.as_mut().filter(|policy| policy.volume == from) {
        policy.volume = to;
    }
    for database in catalog.databases.clone().values().filter(|database| database.volume == Some(from)) {
        let mut database = database.as_ref().clone();
        database.volume = Some(to);
        catalog.databases.insert(database.id, Arc::new(database));
    }
    for table in catalog.tables.clone().values().filter(|table| table.volume == from) {
        let mut table = table.as_ref().clone();
        table.volume = to;
        catalog.tables.insert(table.id, Arc::new(table));
    }
    for trash in catalog.trash.clone().values() {
        let trash = move_trash(trash.as_ref().clone(), from, to);
        catalog.trash.insert(trash.id, Arc::new(trash));
    }
}

fn move_trash(mut trash: Trash, from: VolumeId, to: VolumeId) -> Trash {
    if let Some(database) = trash.database.as_mut().filter(|database| database.volume == Some(from)) {
        database.volume = Some(to);
    }
    for table in trash.tables.iter_mut().filter(|table| table.volume == from) {
        Arc::make_mut(table).volume = to;
    }
    trash
}
