//! The orphan sweeper: objects that a load, a delete or a compaction has written and that were never committed. First the
//! catalog gives up all transactions that are old, so that nothing they wrote can be named any more; then the roots are
//! listed, one directory at a time, and what the catalog does not know *after* that is deleted. What has no name that we read is
//! left alone; so is a whole root that holds a snapshot which the catalog does not know (a copy), for that may need what the
//! catalog has forgotten. What other incarnations wrote is swept after a restore only, and not what their snapshots need.

mod dead;
mod root;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime_actor::{Actor, Answer, Context, Handle, Message};
use runtime_raft::Meta;
use serde::Serialize;
use storage_catalog::{Catalog, Command};
use storage_model::VolumeId;
use tokio::sync::watch;

use self::dead::{Closure, pause_after};
use self::root::{Level, Root, Taken};
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
    /// What the sweep that was begun last has spared of other timelines; None: it left all of them alone.
    others: Option<Arc<Closure>>,
    /// When others may be read again, and how often that has failed.
    read_again: Option<Instant>,
    read_failures: u32,
    /// What this sweep has taken of other timelines.
    dead: Taken,
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
    /// What other timelines had left, and was deleted.
    dead: Taken,
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

/// What the snapshots of other timelines need was read, or could not be.
#[derive(Debug)]
struct OthersRead(Result<Closure, String>);

impl Message for OthersRead {
    type Reply = ();
    const NAME: &'static str = "OthersRead";
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
            others: None,
            read_again: None,
            read_failures: 0,
            dead: Taken::default(),
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
        if self.has_others_to_read(&catalog, now) {
            self.working = true;
            let pulse = cx.pulse();
            cx.effect(async move { OthersRead(Box::pin(Closure::read(&catalog, &pulse)).await) });
            return;
        }
        if catalog.header.txn_floor > self.swept_below {
            self.begin(&catalog);
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

    /// After a restore, and whenever a snapshot of another timeline is gone: then less is spared.
    fn has_others_to_read(&self, catalog: &Catalog, now: Instant) -> bool {
        (self.settings)().sweeps_dead
            && catalog.header.restored.is_some()
            && self.read_again.is_none_or(|at| at <= now)
            && self.others.as_ref().is_none_or(|others| !others.is_of(catalog))
    }

    fn begin(&mut self, catalog: &Catalog) {
        self.swept_below = catalog.header.txn_floor;
        self.dead = Taken::default();
        let root = || VecDeque::from([Directory { path: String::new(), failures: 0 }]);
        // What is in a borrowed volume is for its owner to sweep.
        let own = catalog.volumes().filter(|volume| volume.borrowed.is_none());
        self.open = own.map(|volume| (volume.id, root())).collect();
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
        let dead = self.others.clone().filter(|_| (self.settings)().sweeps_dead);
        let (owner, clock) = (self.ownership.clone(), cx.clock().clone());
        cx.effect(async move {
            let may_delete = move || owner.borrow().allows_deletes(id, clock.monotonic());
            let root = Root { meta, peer, volume, pulse, dead };
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
            if let Some(others) = self.others.as_ref().filter(|_| self.dead != Taken::default()) {
                let (Taken { objects, bytes }, spared) = (self.dead, others.len());
                tracing::info!(
                    objects,
                    bytes,
                    spared,
                    "what other timelines left was swept; spared is what their snapshots need"
                );
            }
        }
    }
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

impl Handle<OthersRead> for OrphanSweeper {
    fn handle(&mut self, OthersRead(read): OthersRead, cx: &mut Context<Self>) -> Answer<()> {
        self.working = false;
        match read {
            Ok(others) => {
                self.others = Some(Arc::new(others));
                (self.read_again, self.read_failures) = (None, 0);
                self.begin(&self.meta.view());
                self.look(cx);
            }
            Err(error) => {
                if error != self.last_error {
                    tracing::warn!(error, "what other timelines left is not swept now");
                }
                // Nothing is known, and so nothing of theirs is taken.
                self.others = None;
                self.read_failures = self.read_failures.saturating_add(1);
                self.read_again = Some(cx.clock().monotonic() + pause_after(self.read_failures));
                self.last_error = error;
            }
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
                self.counts.dead.add(level.dead);
                self.dead.add(level.dead);
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
