//! The orphan sweeper: objects that a load, a delete or a compaction has written and that were never committed. First the
//! catalog gives up all transactions that are old, so that nothing they wrote can be named any more; then the roots are
//! listed, one directory at a time, and what the catalog does not know *after* that is deleted. What is not of this very
//! incarnation, or has no name that we read, is left alone; so is a whole root that holds a snapshot which the catalog does not
//! know (a copy), for that may need what the catalog has forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use actors_messages::compute::{COMPUTE_NODE, DeleteObjects, ListDirectory, Listing};
use runtime_actor::{Actor, Answer, Context, Handle, Message, Pulse};
use runtime_raft::Meta;
use runtime_rpc::Peer;
use serde::Serialize;
use storage_catalog::{Catalog, Command};
use storage_model::{ObjectName, Revision, ServiceId, StorageVolume, VolumeId};
use storage_volume::layout::{IMAGE, SnapshotObject, parse_data_object, parse_snapshot_object};
use tokio::sync::watch;

use crate::look::Look;
use crate::nodes::NodeDirectory;
use crate::owner::Ownership;
use crate::settings::SettingsReader;

/// Between two looks when there was nothing to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a directory that could not be read.
const RETRY: Duration = Duration::from_secs(30);
/// A directory that fails so often is left to the next sweep.
const MOST_FAILURES: u32 = 5;
/// Between two directories: nobody waits for a sweep.
const PAUSE: Duration = Duration::from_millis(50);
/// A node may take this long for one directory.
const DEADLINE: Duration = Duration::from_secs(120);
/// Objects deleted at a time.
const BATCH: usize = 1000;
/// Moments of the past that are remembered.
const MOMENTS: u32 = 4;

/// The role.
pub struct OrphanSweeper {
    meta: Meta,
    directory: NodeDirectory,
    ownership: watch::Receiver<Ownership>,
    settings: SettingsReader,
    /// What the next transaction was, and when; the oldest first.
    moments: VecDeque<(Instant, u64)>,
    /// Directories of the sweep that is under way, below the service roots.
    open: BTreeMap<VolumeId, VecDeque<Directory>>,
    /// The floor of the sweep that was begun last: a new leader sweeps once for what the one before it gave up.
    swept_below: u64,
    working: bool,
    /// Volumes that refused something, and when they are tried again: they do not hold up the others.
    put_off: HashMap<VolumeId, Instant>,
    /// Nodes are asked in turn.
    asked: usize,
    counts: Counts,
    last_error: String,
}

/// A directory that is still to be swept.
#[derive(Clone, Debug)]
struct Directory {
    /// Below the service root; empty: the root itself.
    path: String,
    /// How often that failed.
    failures: u32,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    sweeps: u64,
    directories: u64,
    objects: u64,
    deleted: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct OrphanSweeperState {
    /// Loads below this were given up.
    floor: u64,
    open_directories: usize,
    #[serde(flatten)]
    counts: Counts,
    last_error: String,
}

/// Old transactions were given up, or could not be.
#[derive(Debug)]
struct GivenUp(Result<(), String>);

impl Message for GivenUp {
    type Reply = ();
    const NAME: &'static str = "GivenUp";
}

/// A directory was swept, or could not be.
#[derive(Debug)]
struct Swept {
    volume: VolumeId,
    directory: Directory,
    came: Result<Level, String>,
}

impl Message for Swept {
    type Reply = ();
    const NAME: &'static str = "Swept";
}

/// What was in a directory.
#[derive(Debug, Default)]
struct Level {
    directories: Vec<String>,
    objects: u64,
    deleted: u64,
}

impl OrphanSweeper {
    /// A sweeper of this leader's roots.
    pub fn new(
        meta: Meta,
        directory: NodeDirectory,
        ownership: watch::Receiver<Ownership>,
        settings: SettingsReader,
    ) -> OrphanSweeper {
        OrphanSweeper {
            meta,
            directory,
            ownership,
            settings,
            moments: VecDeque::new(),
            open: BTreeMap::new(),
            swept_below: 0,
            working: false,
            put_off: HashMap::new(),
            asked: 0,
            counts: Counts::default(),
            last_error: String::new(),
        }
    }

    fn look(&mut self, cx: &Context<Self>) {
        let now = cx.clock().monotonic();
        let min_age = (self.settings)().orphan_age;
        let catalog = self.meta.view();
        let floor = self.remember(now, min_age, catalog.header.next_txn);
        if self.working || catalog.is_careful() || self.ownership.borrow().refusal().is_some() {
            return;
        }
        self.put_off.retain(|_, until| *until > now);
        if !self.open.is_empty() {
            return self.sweep_next(&catalog, cx);
        }
        if catalog.header.txn_floor > self.swept_below {
            self.swept_below = catalog.header.txn_floor;
            let root = || VecDeque::from([Directory { path: String::new(), failures: 0 }]);
            self.open = catalog.volumes().map(|volume| (volume.id, root())).collect();
            return self.sweep_next(&catalog, cx);
        }
        if let Some(below) = floor.filter(|floor| *floor > catalog.header.txn_floor) {
            self.working = true;
            let meta = self.meta.clone();
            cx.effect(async move {
                let given_up = meta.propose(Command::GiveUpTxns { below }).await;
                GivenUp(given_up.map(drop).map_err(|e| e.to_string()))
            });
        }
    }

    /// What the next transaction was at the last remembered moment that is old enough.
    fn remember(&mut self, now: Instant, min_age: Duration, next_txn: u64) -> Option<u64> {
        let is_due = self.moments.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= min_age / MOMENTS);
        if is_due {
            self.moments.push_back((now, next_txn));
        }
        let is_old = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) >= min_age;
        while self.moments.get(1).is_some_and(is_old) {
            self.moments.pop_front();
        }
        self.moments.front().filter(|moment| is_old(moment)).map(|(_, txn)| *txn)
    }

    /// One directory of a volume that is not put off.
    fn sweep_next(&mut self, catalog: &Catalog, cx: &Context<Self>) {
        let nodes = self.directory.alive();
        let Some((_, peer)) = nodes.get(self.asked % nodes.len().max(1)) else { return };
        let Some(id) = self.open.keys().find(|volume| !self.put_off.contains_key(volume)).copied() else { return };
        let Some(directory) = self.open.get_mut(&id).and_then(VecDeque::pop_back) else { return };
        let Some(volume) = catalog.volume(id).map(|volume| volume.as_ref().clone()) else {
            self.open.remove(&id);
            return;
        };
        self.asked = self.asked.wrapping_add(1);
        self.working = true;
        let (meta, peer, pulse) = (self.meta.clone(), peer.clone(), cx.pulse());
        let (owner, clock) = (self.ownership.clone(), cx.clock().clone());
        cx.effect(async move {
            let may_delete = move || owner.borrow().allows_deletes(id, clock.monotonic());
            let root = Root { meta, peer, volume, pulse };
            let came = root.sweep(&directory.path, may_delete).await;
            tokio::time::sleep(PAUSE).await;
            Swept { volume: id, directory, came }
        });
    }

    /// It is tried again, after the others of its volume; and given up for this sweep when that does not help.
    fn failed(&mut self, volume: VolumeId, directory: Directory, error: String, now: Instant) {
        let path = &directory.path;
        let failures = directory.failures + 1;
        if failures >= MOST_FAILURES {
            tracing::warn!(%volume, path, error, "a directory cannot be swept for orphans; the next sweep looks again");
        } else {
            if error != self.last_error {
                tracing::warn!(%volume, path, error, "the sweep for orphans is held up; it goes on by itself");
            }
            self.open.entry(volume).or_default().push_front(Directory { failures, ..directory });
        }
        self.put_off.insert(volume, now + RETRY);
        self.last_error = error;
    }

    /// Volumes of which nothing is left to be swept.
    fn close(&mut self) {
        self.open.retain(|_, directories| !directories.is_empty());
        if self.open.is_empty() {
            self.counts.sweeps += 1;
        }
    }
}

/// A service root, as one node sees it.
struct Root {
    meta: Meta,
    peer: Peer,
    volume: StorageVolume,
    pulse: Pulse,
}

impl Root {
    /// One directory: what it holds, and what of that nobody can ever name is deleted.
    async fn sweep(&self, path: &str, may_delete: impl Fn() -> bool) -> Result<Level, String> {
        if path.is_empty()
            && let Some(unknown) = self.unknown_snapshot().await?
        {
            let volume = &self.volume.name;
            tracing::warn!(volume, unknown, "a volume holds a snapshot that is not known here: it is not swept");
            return Ok(Level::default());
        }
        let listing = self.list(path).await?;
        // Read after the listing: whatever was committed before that is known.
        let orphans = orphans(&self.meta.view(), &listing);
        let directories = listing.directories.into_iter().filter(|directory| may_hold_data(directory)).collect();
        let mut level = Level { directories, objects: listing.objects.len() as u64, deleted: 0 };
        for batch in orphans.chunks(BATCH) {
            if !may_delete() {
                return Err("the owner claims were not read lately".to_owned());
            }
            level.deleted += self.delete(batch.to_vec()).await?;
        }
        Ok(level)
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

/// The objects of a listing that loads of this incarnation wrote which were given up, and that no file is in.
fn orphans(catalog: &Catalog, listing: &Listing) -> Vec<ObjectName> {
    let (floor, own) = (catalog.header.txn_floor, catalog.identity().incarnation.short());
    let is_orphan = |object: &&ObjectName| {
        parse_data_object(object).is_some_and(|place| place.name.incarnation == own && place.name.txn.0 < floor)
            && !catalog.has_object(object)
    };
    listing.objects.iter().filter(is_orphan).cloned().collect()
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

impl Actor for OrphanSweeper {
    const ROLE: &'static str = "orphan_sweeper";
    type State = OrphanSweeperState;

    fn observe(&self) -> OrphanSweeperState {
        OrphanSweeperState {
            floor: self.meta.view().header.txn_floor,
            open_directories: self.open.values().map(VecDeque::len).sum::<usize>() + usize::from(self.working),
            counts: self.counts,
            last_error: self.last_error.clone(),
        }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.every(LOOK_EVERY, || Look);
    }
}

impl Handle<Look> for OrphanSweeper {
    fn handle(&mut self, _: Look, cx: &mut Context<Self>) -> Answer<()> {
        fail::fail_point!("handler.orphan_sweeper");
        self.look(cx);
        Answer::done()
    }
}

impl Handle<GivenUp> for OrphanSweeper {
    fn handle(&mut self, GivenUp(came): GivenUp, cx: &mut Context<Self>) -> Answer<()> {
        self.working = false;
        match came {
            Ok(()) => self.look(cx),
            // The next look tries again.
            Err(error) => self.last_error = error,
        }
        Answer::done()
    }
}

impl Handle<Swept> for OrphanSweeper {
    fn handle(&mut self, message: Swept, cx: &mut Context<Self>) -> Answer<()> {
        let Swept { volume, directory, came } = message;
        self.working = false;
        match came {
            Ok(level) => {
                self.counts.directories += 1;
                self.counts.objects += level.objects;
                self.counts.deleted += level.deleted;
                if level.deleted > 0 {
                    let (path, deleted) = (directory.path, level.deleted);
                    tracing::info!(%volume, path, deleted, "objects that nobody committed were deleted");
                }
                let below = level.directories.into_iter().map(|path| Directory { path, failures: 0 });
                self.open.entry(volume).or_default().extend(below);
                self.last_error.clear();
                self.close();
                self.look(cx);
            }
            Err(error) => {
                self.failed(volume, directory, error, cx.clock().monotonic());
                self.close();
            }
        }
        Answer::done()
    }
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
