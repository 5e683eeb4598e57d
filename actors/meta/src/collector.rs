//! The GC coordinator: `Condemn` through the log, delete the objects, `Forget` through the log. What is in a borrowed volume is
//! forgotten and not deleted: it is another cluster's. Whatever dies in
//! between, the next one goes on where the catalog says.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use actors_messages::ReadPoints;
use actors_messages::collector::Collect;
use actors_messages::compute::{COMPUTE_NODE, DeleteObjects};
use runtime_actor::{Actor, Answer, Context, Handle, Message};
use runtime_raft::Meta;
use serde::Serialize;
use storage_catalog::{Catalog, Command, Outcome};
use storage_model::{FileId, Uptime, VolumeId};
use tokio::sync::watch;

use crate::frontends::leases::ReadLeases;
use crate::nodes::NodeDirectory;
use crate::owner::Ownership;
use crate::settings::{MetaSettings, SettingsReader};

/// Between two looks when there was nothing to do.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Files a step.
const BATCH: usize = 500;
/// After a deletion that failed.
const DELETE_RETRY: Duration = Duration::from_secs(30);
/// A node may take this long to delete a batch.
const DELETE_DEADLINE: Duration = Duration::from_secs(60);

/// The role.
pub struct GcCoordinator {
    meta: Meta,
    reads: ReadPoints,
    leases: ReadLeases,
    directory: NodeDirectory,
    ownership: watch::Receiver<Ownership>,
    settings: SettingsReader,
    working: bool,
    /// Volumes that refused a deletion, and when they are tried again: they do not hold up the others.
    put_off: HashMap<VolumeId, Instant>,
    counts: Counts,
    last_error: String,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    condemned: u64,
    deleted: u64,
    forgotten: u64,
    erased: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct CollectorState {
    condemned: u64,
    deleted: u64,
    forgotten: u64,
    erased: u64,
    backlog_files: u64,
    backlog_bytes: u64,
    last_error: String,
}

/// The one thing that the state asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Things in the recycle bin are too old.
    Erase,
    /// These objects may be deleted.
    Delete(VolumeId, Vec<FileId>),
    /// Nobody here needs these files of borrowed volumes.
    Forget(Vec<FileId>),
    /// Nothing keeps these files.
    Condemn(Vec<FileId>),
}

/// What the catalog asks for at `now`. Deleting comes first: it needs no new decision.
pub fn decide(
    catalog: &Catalog,
    settings: &MetaSettings,
    oldest_read: storage_model::Revision,
    now: Uptime,
    may_delete: impl Fn(VolumeId) -> bool,
) -> Option<Step> {
    if catalog.is_careful() {
        return None;
    }
    let is_borrowed = |id: VolumeId| catalog.volume(id).is_some_and(|volume| volume.borrowed.is_some());
    let mut by_volume: BTreeMap<VolumeId, Vec<FileId>> = BTreeMap::new();
    for file in catalog.condemned(BATCH, |id| !is_borrowed(id) && may_delete(id)) {
        by_volume.entry(file.volume).or_default().push(file.id);
    }
    if let Some((volume, files)) = by_volume.pop_first() {
        return Some(Step::Delete(volume, files));
    }
    let borrowed: Vec<FileId> = catalog.condemned(BATCH, is_borrowed).iter().map(|file| file.id).collect();
    if !borrowed.is_empty() {
        return Some(Step::Forget(borrowed));
    }
    let expire = settings.trash_expire.as_millis() as u64;
    if catalog.trash().any(|t| now.since(t.dropped_uptime) >= expire) {
        return Some(Step::Erase);
    }
    let grace = settings.gc_grace.as_millis() as u64;
    let wanted = |id| is_borrowed(id) || may_delete(id);
    let candidates = catalog.condemnable(oldest_read, now, grace, BATCH, wanted);
    (!candidates.is_empty()).then_some(Step::Condemn(candidates))
}

#[derive(Debug)]
struct StepDone {
    /// The volume in which objects were deleted.
    at: Option<VolumeId>,
    counts: Counts,
    error: Option<String>,
}

impl Message for StepDone {
    type Reply = ();
    const NAME: &'static str = "StepDone";
}

impl GcCoordinator {
    /// A coordinator of this leader's garbage.
    pub fn new(
        meta: Meta,
        reads: ReadPoints,
        leases: ReadLeases,
        directory: NodeDirectory,
        ownership: watch::Receiver<Ownership>,
        settings: SettingsReader,
    ) -> GcCoordinator {
        let (working, put_off, counts, last_error) = (false, HashMap::new(), Counts::default(), String::new());
        GcCoordinator { meta, reads, leases, directory, ownership, settings, working, put_off, counts, last_error }
    }

    fn step(&mut self, cx: &mut Context<Self>) {
        if self.working {
            return;
        }
        let settings = (self.settings)();
        let now = cx.clock().monotonic();
        let here = self.reads.oldest(|| self.meta.view());
        let ownership = self.ownership.borrow().clone();
        let catalog = self.meta.view();
        let me = self.meta.me().id;
        let others = catalog.frontends().map(|known| known.id).filter(|id| *id != me);
        let Some(oldest_read) = self.leases.oldest(here, others, tokio::time::Instant::now()) else { return };
        self.put_off.retain(|_, until| *until > now);
        let may_delete = |volume| ownership.allows_deletes(volume, now) && !self.put_off.contains_key(&volume);
        let Some(step) = decide(&catalog, &settings, oldest_read, self.meta.now().uptime, may_delete) else {
            return;
        };
        self.working = true;
        let at = match &step {
            Step::Delete(volume, _) => Some(*volume),
            Step::Erase | Step::Forget(_) | Step::Condemn(_) => None,
        };
        let (meta, directory, watch) = (self.meta.clone(), self.directory.clone(), self.ownership.clone());
        let clock = cx.clock().clone();
        cx.effect(async move {
            let mut counts = Counts::default();
            let done = match step {
                Step::Erase => erase(&meta, settings.trash_expire.as_millis() as u64).await.map(|n| counts.erased = n),
                Step::Forget(files) => forget(&meta, files).await.map(|n| counts.forgotten = n),
                Step::Condemn(files) => {
                    condemn(&meta, files, oldest_read, &settings).await.map(|n| counts.condemned = n)
                }
                Step::Delete(volume, files) => {
                    // Time may have passed since the decision: look again.
                    let allowed = watch.borrow().allows_deletes(volume, clock.monotonic());
                    delete(&meta, &directory, volume, files, allowed, &mut counts).await
                }
            };
            StepDone { at, counts, error: done.err() }
        });
    }
}

async fn erase(meta: &Meta, older_than_millis: u64) -> Result<u64, String> {
    fail::fail_point!("gc.erase.before");
    match meta.propose(Command::EraseTrash { older_than_millis }).await {
        Ok(Outcome::Erased(n)) => Ok(n),
        Ok(other) => Err(format!("EraseTrash was answered with {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

async fn condemn(
    meta: &Meta,
    files: Vec<FileId>,
    oldest_read: storage_model::Revision,
    settings: &MetaSettings,
) -> Result<u64, String> {
    let grace_millis = settings.gc_grace.as_millis() as u64;
    fail::fail_point!("gc.condemn.before");
    let condemned = meta.propose(Command::Condemn { files, oldest_read, grace_millis }).await;
    fail::fail_point!("gc.condemn.after");
    match condemned {
        Ok(Outcome::Condemned(files)) => Ok(files.len() as u64),
        Ok(other) => Err(format!("Condemn was answered with {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

async fn forget(meta: &Meta, files: Vec<FileId>) -> Result<u64, String> {
    fail::fail_point!("gc.forget.before");
    let forgotten = meta.propose(Command::Forget { files }).await;
    fail::fail_point!("gc.forget.after");
    match forgotten {
        Ok(Outcome::Erased(n)) => Ok(n),
        Ok(other) => Err(format!("Forget was answered with {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

async fn delete(
    meta: &Meta,
    directory: &NodeDirectory,
    volume: VolumeId,
    files: Vec<FileId>,
    allowed: bool,
    counts: &mut Counts,
) -> Result<(), String> {
    if !allowed {
        return Err("the owner claims were not read lately".to_owned());
    }
    let catalog = meta.view();
    let spec = catalog.volume(volume).ok_or_else(|| format!("volume {volume} is gone"))?.as_ref().clone();
    let named: BTreeMap<String, FileId> =
        files.iter().filter_map(|id| catalog.file(*id)).map(|f| (f.object.to_string(), f.id)).collect();
    let alive = directory.alive();
    let at = catalog.revision().0 as usize % alive.len().max(1);
    let (_, peer) = alive.get(at).ok_or_else(|| "no compute node is alive to delete objects".to_owned())?;
    let service = catalog.identity().service_id.clone();
    let message = DeleteObjects { volume: spec, service, objects: named.keys().cloned().collect() };
    fail::fail_point!("gc.delete.before");
    let answer = peer.ask(COMPUTE_NODE, message, DELETE_DEADLINE).await.map_err(|e| e.to_string())?;
    fail::fail_point!("gc.delete.after");
    counts.deleted = answer.deleted.len() as u64;
    let gone: Vec<FileId> = answer.deleted.iter().filter_map(|object| named.get(object).copied()).collect();
    if !gone.is_empty() {
        counts.forgotten = forget(meta, gone).await?;
    }
    match answer.failed.first() {
        Some((object, cause)) => {
            Err(format!("{} objects could not be deleted, {object}: {cause}", answer.failed.len()))
        }
        None => Ok(()),
    }
}

impl Actor for GcCoordinator {
    const ROLE: &'static str = "gc_coordinator";
    type State = CollectorState;

    fn observe(&self) -> CollectorState {
        let (backlog_files, backlog_bytes) = self.meta.view().gc_backlog();
        let Counts { condemned, deleted, forgotten, erased } = self.counts;
        let last_error = self.last_error.clone();
        CollectorState { condemned, deleted, forgotten, erased, backlog_files, backlog_bytes, last_error }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.every(LOOK_EVERY, || Collect);
    }
}

impl Handle<Collect> for GcCoordinator {
    fn handle(&mut self, _: Collect, cx: &mut Context<Self>) -> Answer<()> {
        fail::fail_point!("handler.gc_coordinator");
        self.step(cx);
        Answer::done()
    }
}

impl Handle<StepDone> for GcCoordinator {
    fn handle(&mut self, done: StepDone, cx: &mut Context<Self>) -> Answer<()> {
        self.working = false;
        self.counts.condemned += done.counts.condemned;
        self.counts.deleted += done.counts.deleted;
        self.counts.forgotten += done.counts.forgotten;
        self.counts.erased += done.counts.erased;
        match done.error {
            Some(error) => {
                if error != self.last_error {
                    tracing::warn!(error, "garbage collection is held up; it goes on by itself");
                }
                self.last_error = error;
                if let Some(volume) = done.at {
                    self.put_off.insert(volume, cx.clock().monotonic() + DELETE_RETRY);
                }
            }
            None => {
                self.last_error.clear();
                let Counts { condemned, deleted, forgotten, erased } = done.counts;
                // A step that changed nothing is not repeated at once.
                if condemned + deleted + forgotten + erased > 0 {
                    tracing::info!(condemned, deleted, forgotten, erased, "garbage collected");
                    self.step(cx);
                }
            }
        }
        Answer::done()
    }
}

#[cfg(test)]
mod tests;
