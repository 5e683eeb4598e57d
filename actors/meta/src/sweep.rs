//! The orphan sweeper: objects that a load, a delete or a compaction has written and that were never committed. First the
//! catalog gives up all transactions that are old, so that nothing they wrote can be named any more; then the roots are
//! listed, one directory at a time, and what the catalog does not know *after* that is deleted. What is not of this very
//! incarnation, or has no name that we read, is left alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actors_messages::compute::{COMPUTE_NODE, DeleteObjects, ListDirectory, Listing};
use runtime_actor::{Actor, Answer, Context, Handle, Message};
use runtime_raft::Meta;
use runtime_rpc::Peer;
use serde::Serialize;
use storage_catalog::{Catalog, Command};
use storage_model::{ObjectName, ServiceId, StorageVolume, VolumeId};
use storage_volume::layout::parse_data_object;
use tokio::sync::watch;

use crate::nodes::NodeDirectory;
use crate::owner::Ownership;
use crate::settings::SettingsReader;

/// Between two looks when there was nothing to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a directory that could not be read.
const RETRY: Duration = Duration::from_secs(30);
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
    open: Vec<(VolumeId, String)>,
    working: bool,
    not_before: Option<Instant>,
    counts: Counts,
    last_error: String,
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
    sweeps: u64,
    directories: u64,
    objects: u64,
    deleted: u64,
    last_error: String,
}

#[derive(Debug)]
struct Look;

impl Message for Look {
    type Reply = ();
    const NAME: &'static str = "Look";
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
    path: String,
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
            open: Vec::new(),
            working: false,
            not_before: None,
            counts: Counts::default(),
            last_error: String::new(),
        }
    }

    fn look(&mut self, cx: &Context<Self>) {
        let now = cx.clock().monotonic();
        let min_age = (self.settings)().orphan_age;
        let catalog = self.meta.view();
        let floor = self.remember(now, min_age, catalog.header.next_txn);
        if self.working || catalog.is_careful() || self.not_before.is_some_and(|at| now < at) {
            return;
        }
        if let Some((volume, path)) = self.open.pop() {
            return self.sweep(&catalog, volume, path, cx);
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

    fn sweep(&mut self, catalog: &Catalog, id: VolumeId, path: String, cx: &Context<Self>) {
        let Some(volume) = catalog.volume(id).map(|volume| volume.as_ref().clone()) else { return };
        let nodes = self.directory.alive();
        let at = self.counts.directories as usize % nodes.len().max(1);
        let Some((_, peer)) = nodes.get(at) else { return self.put_off(id, path, "no compute node is alive", cx) };
        let (meta, peer, owner, clock) = (self.meta.clone(), peer.clone(), self.ownership.clone(), cx.clock().clone());
        self.working = true;
        cx.effect(async move {
            let may_delete = move || owner.borrow().allows_deletes(id, clock.monotonic());
            let came = sweep(&meta, &peer, volume, &path, may_delete).await;
            tokio::time::sleep(PAUSE).await;
            Swept { volume: id, path, came }
        });
    }

    fn put_off(&mut self, volume: VolumeId, path: String, error: impl Into<String>, cx: &Context<Self>) {
        self.open.push((volume, path));
        self.not_before = Some(cx.clock().monotonic() + RETRY);
        self.last_error = error.into();
    }
}

/// One directory: what it holds, and what of that nobody can ever name is deleted.
async fn sweep(
    meta: &Meta,
    peer: &Peer,
    volume: StorageVolume,
    path: &str,
    may_delete: impl Fn() -> bool,
) -> Result<Level, String> {
    let service = meta.view().identity().service_id.clone();
    let message = ListDirectory { volume: volume.clone(), service: service.clone(), path: path.to_owned() };
    let listing = peer.ask(COMPUTE_NODE, message, DEADLINE).await.map_err(|e| e.to_string())??;
    // Read after the listing: whatever was committed before that is known.
    let orphans = orphans(&meta.view(), &listing);
    let directories = listing.directories.into_iter().filter(|directory| may_hold_data(directory)).collect();
    let mut level = Level { directories, objects: listing.objects.len() as u64, deleted: 0 };
    for batch in orphans.chunks(BATCH) {
        if !may_delete() {
            return Err("the owner claims were not read lately".to_owned());
        }
        level.deleted += delete(peer, &volume, &service, batch.to_vec()).await?;
    }
    Ok(level)
}

async fn delete(
    peer: &Peer,
    volume: &StorageVolume,
    service: &ServiceId,
    objects: Vec<ObjectName>,
) -> Result<u64, String> {
    fail::fail_point!("sweep.delete.before");
    let message = DeleteObjects { volume: volume.clone(), service: service.clone(), objects };
    let answer = peer.ask(COMPUTE_NODE, message, DEADLINE).await.map_err(|e| e.to_string())?;
    match answer.failed.first() {
        Some((object, cause)) => Err(format!("{object} could not be deleted: {cause}")),
        None => Ok(answer.deleted.len() as u64),
    }
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
        let Counts { sweeps, directories, objects, deleted } = self.counts;
        OrphanSweeperState {
            floor: self.meta.view().header.txn_floor,
            open_directories: self.open.len() + usize::from(self.working),
            sweeps,
            directories,
            objects,
            deleted,
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
            Ok(()) => {
                self.open = self.meta.view().volumes().map(|volume| (volume.id, String::new())).collect();
                self.look(cx);
            }
            Err(error) => {
                self.not_before = Some(cx.clock().monotonic() + RETRY);
                self.last_error = error;
            }
        }
        Answer::done()
    }
}

impl Handle<Swept> for OrphanSweeper {
    fn handle(&mut self, message: Swept, cx: &mut Context<Self>) -> Answer<()> {
        let Swept { volume, path, came } = message;
        self.working = false;
        match came {
            Ok(level) => {
                self.counts.directories += 1;
                self.counts.objects += level.objects;
                self.counts.deleted += level.deleted;
                if level.deleted > 0 {
                    tracing::info!(%volume, path, deleted = level.deleted, "objects that nobody committed were deleted");
                }
                self.open.extend(level.directories.into_iter().map(|directory| (volume, directory)));
                if self.open.is_empty() {
                    self.counts.sweeps += 1;
                    self.last_error.clear();
                }
                self.look(cx);
            }
            Err(error) => {
                if error != self.last_error {
                    tracing::warn!(%volume, path, error, "the sweep for orphans is held up; it goes on by itself");
                }
                self.put_off(volume, path, error, cx);
            }
        }
        Answer::done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
