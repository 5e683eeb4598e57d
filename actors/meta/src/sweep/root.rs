//! A service root while it is swept.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actors_messages::compute::{COMPUTE_NODE, DeleteObjects, ListDirectory, Listing};
use runtime_actor::{Clock, Pulse, SystemClock};
use runtime_raft::Meta;
use runtime_rpc::Peer;
use serde::Serialize;
use storage_catalog::Catalog;
use storage_model::{ObjectName, Revision, ServiceId, StorageVolume, UnixMillis};
use storage_snapshot::retire;
use storage_volume::Volume;
use storage_volume::layout::{IMAGE, Layout, SnapshotObject, parse_data_object, parse_snapshot_object};

use super::dead::Closure;

/// A node may take this long for one directory.
const DEADLINE: Duration = Duration::from_secs(120);
/// Objects deleted at a time.
const BATCH: usize = 1000;

/// What was in a directory.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub directories: Vec<String>,
    pub objects: u64,
    pub deleted: u64,
    /// What was deleted that other timelines had left.
    pub dead: Taken,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Taken {
    pub objects: u64,
    pub bytes: u64,
}

impl Taken {
    pub(super) fn add(&mut self, more: Taken) {
        self.objects += more.objects;
        self.bytes += more.bytes;
    }
}

/// A service root, as one node sees it.
pub(super) struct Root {
    pub meta: Meta,
    pub peer: Peer,
    pub volume: StorageVolume,
    pub pulse: Pulse,
    /// What the timelines left of which this cluster is not; None: it was never restored, and leaves it alone.
    pub dead: Option<Arc<Closure>>,
}

impl Root {
    /// One directory: what it holds, and what of that nobody can ever name is deleted.
    pub(super) async fn sweep(&self, path: &str, may_delete: impl Fn() -> bool) -> Result<Level, String> {
        if path.is_empty()
            && let Some(unknown) = self.unknown_snapshot().await?
        {
            let volume = &self.volume.name;
            tracing::warn!(volume, unknown, "a volume holds a snapshot that is not known here: it is not swept");
            return Ok(Level::default());
        }
        let mut level = Level::default();
        if path.is_empty() && self.dead.is_some() {
            level.dead = self.sweep_images(&may_delete).await?;
        }
        let listing = self.list(path).await?;
        // Read after the listing: whatever was committed before that is known.
        let found = orphans(&self.meta.view(), &listing, self.dead.as_deref());
        level.objects = listing.objects.len() as u64;
        level.directories = listing.directories.into_iter().filter(|directory| may_hold_data(directory)).collect();
        level.deleted = self.delete_all(&found.own, &may_delete).await?.objects;
        // A copy may have brought them here since the sweep began, for a snapshot that nobody here knows of.
        if !found.dead.is_empty() && self.unknown_snapshot().await?.is_none() {
            level.dead.add(self.delete_all(&found.dead, &may_delete).await?);
        }
        Ok(level)
    }

    async fn delete_all(&self, objects: &[(ObjectName, u64)], may_delete: &impl Fn() -> bool) -> Result<Taken, String> {
        let mut taken = Taken::default();
        for batch in objects.chunks(BATCH) {
            if !may_delete() {
                return Err("the owner claims were not read lately".to_owned());
            }
            taken.objects += self.delete(batch.iter().map(|(object, _)| object.clone()).collect()).await?;
            taken.bytes += batch.iter().map(|(_, size)| size).sum::<u64>();
        }
        Ok(taken)
    }

    /// What snapshots have left of which neither a job nor a manifest is there: their uploads never ended, or their manifests are
    /// void.
    async fn sweep_images(&self, may_delete: &impl Fn() -> bool) -> Result<Taken, String> {
        let mut taken = Taken::default();
        for directory in self.list(IMAGE).await?.directories {
            let Listing { directories, objects, .. } = self.list(&directory).await?;
            let name = directory.rsplit('/').next().unwrap_or_default();
            // Read after the listing, as above.
            let catalog = self.meta.view();
            let is_void = |object: &ObjectName| matches!(parse_snapshot_object(object), Some(SnapshotObject::Void(_)));
            let is_clean = directories.is_empty() && objects.iter().all(is_void);
            if is_clean || catalog.jobs().any(|job| job.name == name) || !live_cuts(&objects).is_empty() {
                continue;
            }
            if !may_delete() {
                return Err("the owner claims were not read lately".to_owned());
            }
            self.pulse.beat();
            let volume = Volume::open(&self.volume).map_err(|e| storage_volume::error_chain(&e))?;
            let layout = Layout(catalog.identity().service_id.clone());
            let at = UnixMillis(SystemClock.now_unix_ms());
            let removed = retire::delete(&volume, &layout, name, &[], "nobody knows it", at).await;
            let removed = removed.map_err(|e| e.chain())?;
            taken.add(Taken { objects: removed.objects, bytes: removed.bytes });
        }
        Ok(taken)
    }

    async fn list(&self, path: &str) -> Result<Listing, String> {
        self.pulse.beat();
        let message = ListDirectory { volume: self.volume.clone(), service: self.service(), path: path.to_owned() };
        self.peer.ask(COMPUTE_NODE, message, DEADLINE).await.map_err(|e| e.to_string())?
    }

    fn service(&self) -> ServiceId {
        self.meta.view().identity().service_id.clone()
    }

    /// A snapshot here that can be restored and that no job of the catalog is about: its files may be no longer known.
    async fn unknown_snapshot(&self) -> Result<Option<String>, String> {
        for directory in self.list(IMAGE).await?.directories {
            let objects = self.list(&directory).await?.objects;
            let catalog = self.meta.view();
            let name = directory.rsplit('/').next().unwrap_or_default();
            let known = |cut: &Revision| {
                let mut jobs = catalog.jobs().filter(|job| job.volume == self.volume.id && job.name == name);
                jobs.any(|job| job.manifest_cuts().contains(cut))
            };
            if live_cuts(&objects).iter().any(|cut| !known(cut)) {
                return Ok(Some(directory));
            }
        }
        Ok(None)
    }

    async fn delete(&self, objects: Vec<ObjectName>) -> Result<u64, String> {
        fail::fail_point!("sweep.delete.before");
        self.pulse.beat();
        let message = DeleteObjects { volume: self.volume.clone(), service: self.service(), objects };
        let answer = self.peer.ask(COMPUTE_NODE, message, DEADLINE).await.map_err(|e| e.to_string())?;
        match answer.failed.first() {
            Some((object, cause)) => Err(format!("{object} could not be deleted: {cause}")),
            None => Ok(answer.deleted.len() as u64),
        }
    }
}

/// The cuts whose manifests are there and not voided.
fn live_cuts(objects: &[ObjectName]) -> BTreeSet<Revision> {
    let found: Vec<_> = objects.iter().filter_map(|object| parse_snapshot_object(object)).collect();
    let is_void = |cut: &Revision| found.contains(&SnapshotObject::Void(*cut));
    let manifests = found.iter().filter_map(|object| match object {
        SnapshotObject::Manifest(cut) => Some(*cut),
        _ => None,
    });
    manifests.filter(|cut| !is_void(cut)).collect()
}

/// What nobody can ever name of a listing, with sizes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Orphans {
    /// Written by loads of this incarnation that were given up.
    own: Vec<(ObjectName, u64)>,
    /// Written by other incarnations, and needed by none of their snapshots.
    dead: Vec<(ObjectName, u64)>,
}

fn orphans(catalog: &Catalog, listing: &Listing, others: Option<&Closure>) -> Orphans {
    let (floor, own) = (catalog.header.txn_floor, catalog.identity().incarnation.short());
    let mut found = Orphans::default();
    for (object, size) in listing.objects.iter().zip(listing.sizes.iter().copied().chain(std::iter::repeat(0))) {
        let Some(place) = parse_data_object(object) else { continue };
        let is_own = place.name.incarnation == own;
        if is_own && place.name.txn.0 < floor && !catalog.has_object(object) {
            found.own.push((object.clone(), size));
        } else if !is_own && others.is_some_and(|others| !others.needs(object)) && !catalog.has_object(object) {
            found.dead.push((object.clone(), size));
        }
    }
    found
}

/// Whether a directory below a service root is one of `db{db}`, `db{db}/{table}`, … down to `data`.
fn may_hold_data(path: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    path.split('/').enumerate().all(|(depth, part)| match depth {
        0 => part.strip_prefix("db").is_some_and(is_number),
        1 | 2 => is_number(part),
        3 => part == "data",
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_counts_until_it_is_voided() {
        let object = |name: &str| format!("meta/image/s/{name}");
        let objects = ["7.manifest.json", "9.manifest.json", "7.void", "readme"].map(object);
        assert_eq!(live_cuts(&objects), BTreeSet::from([Revision(9)]));
    }

    fn catalog() -> Catalog {
        let identity = storage_catalog::ClusterIdentity {
            cluster_id: storage_model::ClusterId(1),
            token: "t".to_owned(),
            service_id: ServiceId("svc".to_owned()),
            incarnation: storage_model::Incarnation("aa".repeat(16)),
            epoch: storage_model::Epoch(2),
        };
        let mut catalog = Catalog::genesis(identity, UnixMillis(1));
        catalog.header.txn_floor = 10;
        catalog
    }

    #[test]
    fn what_another_timeline_left_goes_unless_one_of_its_snapshots_needs_it() {
        let object = |name: &str| format!("db1/2/3/data/{name}.parquet");
        let names = ["aaaaaaaa_9_1_1", "aaaaaaaa_10_1_1", "bbbbbbbb_9_1_1", "bbbbbbbb_99_1_1", "strange"];
        let listing =
            Listing { directories: Vec::new(), objects: names.map(object).to_vec(), sizes: vec![1, 2, 3, 4, 5] };
        let found = orphans(&catalog(), &listing, None);
        assert_eq!((found.own, found.dead), (vec![(object("aaaaaaaa_9_1_1"), 1)], Vec::new()));
        let needed = Closure::of([object("bbbbbbbb_99_1_1")]);
        let found = orphans(&catalog(), &listing, Some(&needed));
        assert_eq!((found.own.len(), found.dead), (1, vec![(object("bbbbbbbb_9_1_1"), 3)]));
    }

    #[test]
    fn only_directories_of_data_are_entered() {
        for path in ["db1", "db1/2", "db1/2/3", "db1/2/3/data"] {
            assert!(may_hold_data(path), "{path}");
        }
        for path in ["meta", "owner", "db", "dbx", "db1/x", "db1/2/3/meta", "db1/2/3/data/x", ""] {
            assert!(!may_hold_data(path), "{path}");
        }
    }
}
