//! What the snapshot job supervisor does to the store and proposes: each effect idempotent, each ends in one event.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actors_messages::supervisor::job_trace;
use runtime_actor::{Clock, Pulse, SystemClock, trace};
use runtime_raft::{Meta, ProposeError};
use storage_catalog::{Command, Outcome};
use storage_model::snapshot::JobEvent;
use storage_model::{JobId, JobState, Revision, SnapshotJob, SnapshotKind, StorageVolume, UnixMillis, VolumeId};
use storage_snapshot::manifest::{Facts, Manifest};
use storage_snapshot::owner::Owners;
use storage_snapshot::{owner, retire, upload};
use storage_volume::Volume;
use storage_volume::layout::Layout;
use tokio::sync::watch;

use super::Detail;
use super::decide::{JobStep, SweepStep, is_wanted};
use super::limits::{self, within};
use super::steps::{self, Uploading};
use crate::nodes::NodeDirectory;
use crate::owner::{Ownership, describe_lease, is_lease_on, live_leases, newest_hold};

/// Files that one agent looks at in one message.
pub(super) const ATTEST_BATCH: usize = 2000;
/// An undecidable job waits no longer than this.
const UNDECIDED_MILLIS: u64 = 86_400_000;
/// What SHOW says of a snapshot that is abandoned.
const ABANDONED: &str =
    "abandoned: it could not be deleted for a day, and keeps no files any more; it is deleted when the store answers";

pub(super) struct Effects {
    pub meta: Meta,
    pub directory: NodeDirectory,
    pub detail: Detail,
    pub ownership: watch::Receiver<Ownership>,
    pub product_version: String,
    pub history: u32,
    /// What a job may take as a whole.
    pub limit: Duration,
    /// An upload may take hours: as long as it gets on, it is no stall.
    pub pulse: Pulse,
}

/// Why an effect did not end in its event.
enum Trouble {
    /// The job cannot become FINISHED: give it up with this cause.
    Fatal(String),
    /// Whether a manifest is in the store is not known: leave the job as it is and ask again.
    Undecided(String),
}

/// Write, read, list and delete with the real client.
pub(super) async fn preflight(spec: &StorageVolume) -> Result<(), String> {
    let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
    volume.probe().await.map(drop).map_err(|e| storage_volume::error_chain(&e))
}

fn now() -> UnixMillis {
    UnixMillis(SystemClock.now_unix_ms())
}

/// A job with everything that its effects need.
pub(super) struct Site {
    pub job: Arc<SnapshotJob>,
    volume: Volume,
    layout: Layout,
}

async fn read_owners(site: &Site) -> Result<Owners, String> {
    let read = async { owner::owners(&site.volume, &site.layout).await.map_err(|e| e.chain()) };
    steps::part("read_claims", within("reading the owner claims", limits::CLAIMS, read)).await
}

/// The new manifest names every dead cut: their void markers are not needed any more.
async fn sweep_voids(site: &Site, cut: Revision) -> Result<(), String> {
    let path = site.layout.manifest(&site.job.name, cut);
    let bytes = site.volume.get(&path).await.map_err(|e| storage_volume::error_chain(&e))?;
    let manifest = Manifest::parse(&bytes, &path).map_err(|e| e.chain())?;
    retire::sweep_voids(&site.volume, &site.layout, &manifest).await.map(drop).map_err(|e| e.chain())
}

/// The manifest of one of the job's cuts, if it is in the store.
async fn published(site: &Site) -> Result<Option<upload::Uploaded>, String> {
    let (volume, layout, job) = (&site.volume, &site.layout, &site.job);
    let asked = async { upload::published(volume, layout, &job.name, &job.cuts).await.map_err(|e| e.chain()) };
    within("asking whether the manifest is there", limits::ASK, asked).await
}

impl Effects {
    /// What is left of the time of a job.
    fn left(&self, job: &SnapshotJob) -> Duration {
        limits::left(job, self.limit, self.meta.now().uptime)
    }

    /// What was said last of the running job.
    fn said(&self) -> String {
        let detail = self.detail.lock().unwrap_or_else(PoisonError::into_inner);
        detail.as_ref().map_or_else(String::new, |(_, text)| text.clone())
    }

    /// What is said is a sign of life.
    pub(super) fn say(&self, job: JobId, text: String) {
        self.pulse.beat();
        *self.detail.lock().unwrap_or_else(PoisonError::into_inner) = Some((job, text));
    }

    fn site(&self, job: JobId) -> Result<Site, String> {
        let catalog = self.meta.view();
        let job = catalog.job(job).ok_or_else(|| format!("job {job} is gone"))?.clone();
        let spec = catalog.volume(job.volume).ok_or_else(|| format!("volume {} is gone", job.volume))?;
        let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
        Ok(Site { job, volume, layout: Layout(catalog.identity().service_id.clone()) })
    }

    async fn propose(&self, job: &SnapshotJob, event: JobEvent, detail: &str) -> Result<(), String> {
        steps::part(event.name(), self.proposed(job, event, detail)).await
    }

    async fn proposed(&self, job: &SnapshotJob, event: JobEvent, detail: &str) -> Result<(), String> {
        self.check_may_change()?;
        let to = job.state.next(&event).map_err(|e| e.to_string())?;
        let (name, cause) = (event.name(), matches!(event, JobEvent::Failed { .. }));
        let command = Command::SnapshotEvent { job: job.id, event: event.clone(), detail: detail.to_owned() };
        #[cfg(feature = "failpoints")]
        if let Some((before, _)) = points_of(&event) {
            fail::fail_point!(before);
        }
        match self.meta.propose(command).await {
            Ok(_) => {
                #[cfg(feature = "failpoints")]
                if let Some((_, after)) = points_of(&event) {
                    fail::fail_point!(after);
                }
                let revision = self.meta.view().revision();
                tracing::info!(job = %job.id, name = job.name, from = %job.state, to = %to, event = name, %revision, "snapshot job");
                if cause
                    && let JobEvent::Failed { cause } = event
                    && !job.cancelled
                {
                    tracing::error!(job = %job.id, name = job.name, cause, "a cluster snapshot failed; it is tried again");
                }
                if !to.is_unfinished() {
                    *self.detail.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                Ok(())
            }
            // The state was read a moment ago: what does not fit any more is decided anew.
            Err(ProposeError::Rejected(rejection)) => Err(format!("{name} of job {}: {rejection}", job.id)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whoever was superseded says nothing more of jobs, not even that they failed.
    fn check_may_change(&self) -> Result<(), String> {
        self.ownership.borrow().refusal().map_or(Ok(()), |refused| Err(refused.to_string()))
    }

    pub(super) async fn run(&self, step: JobStep) -> Result<(), String> {
        let catalog = self.meta.view();
        match step {
            JobStep::Begin { volume, name } => self.begin(volume, name).await,
            JobStep::Initialize(job) => steps::of_job(&catalog, job, "initialize", self.initialize(job)).await,
            JobStep::Upload(job, cut) => {
                let uploaded = async {
                    match self.upload(job, cut).await {
                        Ok(()) => Ok(()),
                        Err(Trouble::Undecided(cause)) => {
                            self.say(job, format!("waiting for the store: {cause}"));
                            Err(cause)
                        }
                        Err(Trouble::Fatal(cause)) => {
                            trace::label("fatal", cause.as_str());
                            steps::part("abandon", self.abandon(job, cause)).await
                        }
                    }
                };
                steps::of_job(&catalog, job, "upload", uploaded).await
            }
            JobStep::Abandon(job, cause) => steps::of_job(&catalog, job, "abandon", self.abandon(job, cause)).await,
        }
    }

    async fn begin(&self, volume: VolumeId, name: String) -> Result<(), String> {
        let (kind, max_history) = (SnapshotKind::Automated, self.history);
        let command = Command::BeginSnapshot { kind, name: name.clone(), volume, comment: String::new(), max_history };
        self.check_may_change()?;
        fail::fail_point!("job.begin.before");
        let mut span = steps::unborn("begin");
        let begun = self.meta.propose(command).await.map_err(|e| e.to_string());
        if let Ok(Outcome::Job(job)) = &begun {
            span.join(job_trace(&self.meta.view().identity().incarnation, *job));
            span.label("job", job.to_string());
        }
        span.around(async { begun.map(drop) }).await?;
        fail::fail_point!("job.begin.after");
        tracing::info!(name, to = %JobState::Initializing, event = "Begin", "snapshot job");
        Ok(())
    }

    /// Reaches the volume, then cuts.
    async fn initialize(&self, id: JobId) -> Result<(), String> {
        self.say(id, "reaching the storage volume".to_owned());
        let site = match self.site(id) {
            Ok(site) => site,
            Err(cause) => return self.abandon(id, cause).await,
        };
        if let Err(cause) = self.check_owner(&site).await {
            return self.abandon(id, cause).await;
        }
        self.propose(&site.job, JobEvent::Cut, "").await
    }

    /// No leader writes a manifest without having read the owner claims a moment before.
    async fn check_owner(&self, site: &Site) -> Result<(), String> {
        self.owners(site).await.map(drop)
    }

    /// All claims, holds and leases of a root that is ours.
    async fn owners(&self, site: &Site) -> Result<Owners, String> {
        let owners = read_owners(site).await?;
        match self.owner_above(&owners, site) {
            Some(above) => Err(above),
            None => Ok(owners),
        }
    }

    /// Err: the root is another's, or everything is. Nothing more is written there: not even that a cut is dead, since what the
    /// other one cuts may be called the same. Claims that cannot be read do not say so.
    async fn check_not_supplanted(&self, site: &Site) -> Result<(), String> {
        self.check_may_change()?;
        let above = read_owners(site).await.ok().and_then(|owners| self.owner_above(&owners, site));
        above.map_or(Ok(()), Err)
    }

    /// Who owns the root, if that is neither this cluster nor one before it.
    fn owner_above(&self, owners: &Owners, site: &Site) -> Option<String> {
        let (claim, identity) = (owners.greatest()?, self.meta.view().identity().clone());
        let is_above = (claim.epoch, &claim.incarnation) > (identity.epoch, &identity.incarnation);
        let (incarnation, epoch) = (&claim.incarnation, claim.epoch);
        is_above.then(|| format!("incarnation {incarnation} of epoch {epoch} owns {}", site.volume.location()))
    }

    /// Until the data are another's.
    async fn refused(&self) {
        let mut ownership = self.ownership.clone();
        // A watch that is gone says nothing more.
        if ownership.wait_for(|ownership| ownership.refusal().is_some()).await.is_err() {
            std::future::pending().await
        }
    }

    async fn upload(&self, id: JobId, cut: Revision) -> Result<(), Trouble> {
        let site = self.site(id).map_err(Trouble::Fatal)?;
        let Some(frozen) = self.meta.frozen(cut) else {
            return self.take_up(&site).await;
        };
        fail::fail_point!("job.attest.before");
        let attested = self.attest(&site, &frozen);
        let attested = within("attesting the data files", self.left(&site.job), attested);
        steps::part("attest", attested).await.map_err(Trouble::Fatal)?;
        fail::fail_point!("job.attest.after");
        self.check_owner(&site).await.map_err(Trouble::Fatal)?;
        let term = self.meta.status().term;
        let facts = Facts::of_job(&frozen, id, &self.product_version, term)
            .ok_or_else(|| Trouble::Fatal(format!("the frozen catalog of revision {cut} does not know its job")))?;
        let uploading = Uploading::begin();
        let progress = |p: upload::Progress| {
            uploading.progress(&p);
            self.say(id, p.detail());
        };
        let (meta, left, ran_out) = (self.meta.clone(), self.left(&site.job), AtomicBool::new(false));
        let cancel = async {
            let mut revisions = meta.watch();
            let unwanted = async {
                tokio::select! {
                    () = async { while is_wanted(&meta.view(), id) && revisions.changed().await.is_ok() {} } => {}
                    () = self.refused() => {}
                }
            };
            ran_out.store(tokio::time::timeout(left, unwanted).await.is_err(), Ordering::Relaxed);
        };
        let uploaded = upload::upload(&site.volume, &site.layout, &frozen, &facts, progress, cancel).await;
        uploading.end(&uploaded);
        match uploaded {
            Ok(done) => self.finish(&site, &done).await.map_err(Trouble::Undecided),
            Err(_) if ran_out.load(Ordering::Relaxed) => {
                let cause = limits::ran_out(&self.said(), self.limit);
                Err(self.after_failed_upload(&site, cause).await)
            }
            Err(error) => Err(self.after_failed_upload(&site, error.chain()).await),
        }
    }

    /// The upload failed: is there a manifest after all? While the store cannot say, and one may have been sent, the job
    /// stays as it is.
    async fn after_failed_upload(&self, site: &Site, cause: String) -> Trouble {
        match published(site).await {
            Ok(Some(_)) => Trouble::Undecided(format!("{cause}; a manifest is there all the same")),
            Ok(None) => Trouble::Fatal(cause),
            Err(unreadable) => {
                Trouble::Undecided(format!("{cause}; and the store cannot say what is there: {unreadable}"))
            }
        }
    }

    /// This leader does not hold the frozen view. A former one may have written the manifest; else cut again.
    async fn take_up(&self, site: &Site) -> Result<(), Trouble> {
        self.check_owner(site).await.map_err(Trouble::Undecided)?;
        match published(site).await.map_err(Trouble::Undecided)? {
            Some(done) => self.finish(site, &done).await.map_err(Trouble::Undecided),
            None => self.propose(&site.job, JobEvent::Recut, "").await.map_err(Trouble::Undecided),
        }
    }

    async fn finish(&self, site: &Site, done: &upload::Uploaded) -> Result<(), String> {
        let (cut, sha256, bytes) = (done.cut, done.manifest_sha256.clone(), done.bytes);
        self.propose(&site.job, JobEvent::Uploaded { cut, sha256, bytes }, "").await?;
        fail::fail_point!("job.sweep_voids.before");
        let swept = within("sweeping void markers", limits::SWEEP_VOIDS, sweep_voids(site, cut)).await;
        if let Err(error) = swept {
            tracing::warn!(job = %site.job.id, error, "void markers that the new manifest lists were not swept");
        }
        Ok(())
    }

    /// Void markers for every cut first; then `Failed`. A store that takes no marker does not keep the job for ever: with
    /// no manifest there, there is nothing to void.
    async fn abandon(&self, id: JobId, cause: String) -> Result<(), String> {
        let catalog = self.meta.view();
        let job = catalog.job(id).ok_or_else(|| format!("job {id} is gone"))?.clone();
        if let Ok(site) = self.site(id) {
            self.check_not_supplanted(&site).await?;
        }
        if !job.cuts.is_empty() {
            let site = self.site(id)?;
            let mut unmarked = false;
            for cut in &job.cuts {
                self.pulse.beat();
                let void = async {
                    let void = retire::void(&site.volume, &site.layout, &job.name, *cut, &cause, now());
                    void.await.map_err(|e| e.chain())
                };
                if let Err(error) = steps::part("void", within("writing a void marker", limits::VOID, void)).await {
                    tracing::warn!(job = %id, %cut, error, "a void marker could not be written");
                    unmarked = true;
                }
            }
            // A store that says nothing for a day does not keep the cluster from its next snapshots, nor files for ever. The
            // next manifest in this volume lists the cuts as dead.
            let given_up = self.meta.now().uptime.since(job.created_uptime) > UNDECIDED_MILLIS;
            if given_up {
                tracing::error!(job = %id, name = job.name, "a snapshot job is abandoned undecided: its volume has not answered for a day");
            }
            if unmarked && !given_up {
                match published(&site).await {
                    Ok(None) => {}
                    Ok(Some(_)) => return Err(format!("job {id} has a manifest that cannot be voided: {cause}")),
                    Err(error) => return Err(format!("job {id} cannot be decided: {error}; {cause}")),
                }
            }
        }
        self.propose(&job, JobEvent::Failed { cause }, "").await
    }

    pub(super) async fn sweep(&self, step: SweepStep) -> (JobId, Result<(), String>) {
        let catalog = self.meta.view();
        match step {
            SweepStep::Retire(id) => (id, steps::of_job(&catalog, id, "retire", self.retire(id)).await),
            SweepStep::Delete(id) => (id, steps::of_job(&catalog, id, "delete", self.delete(id)).await),
            SweepStep::Abandon(id) => (id, steps::of_job(&catalog, id, "abandon", self.give_up(id)).await),
        }
    }

    async fn retire(&self, id: JobId) -> Result<(), String> {
        let catalog = self.meta.view();
        let job = catalog.job(id).ok_or_else(|| format!("job {id} is gone"))?;
        self.propose(job, JobEvent::Retire, "").await
    }

    /// A store that will not delete does not keep files of the cluster for ever. The objects stay to be deleted.
    async fn give_up(&self, id: JobId) -> Result<(), String> {
        let catalog = self.meta.view();
        let job = catalog.job(id).ok_or_else(|| format!("job {id} is gone"))?;
        self.propose(job, JobEvent::Abandoned, ABANDONED).await?;
        tracing::warn!(
            job = %id, name = job.name, path = job.path,
            "an expired cluster snapshot could not be deleted for a day: what it needs is not kept any more; its objects are deleted when the storage volume answers"
        );
        Ok(())
    }

    async fn delete(&self, id: JobId) -> Result<(), String> {
        let site = self.site(id)?;
        // The watch may have read them some seconds ago.
        self.is_needed_by_none(&site).await?;
        let (job, why) = (&site.job, "the snapshot has expired");
        let gone = async {
            // That of the cut that is restored first: whoever takes a lease looks afterwards whether it is marked.
            let mut cuts = job.manifest_cuts().to_vec();
            cuts.sort_by_key(|cut| Some(*cut) != job.cut);
            for cut in &cuts {
                let marked = retire::void(&site.volume, &site.layout, &job.name, *cut, why, now());
                marked.await.map_err(|e| e.chain())?;
            }
            // Who has it since then has seen no marker.
            self.is_needed_by_none(&site).await?;
            let gone = retire::delete(&site.volume, &site.layout, &job.name, &cuts, why, now());
            gone.await.map_err(|e| e.chain())
        };
        let gone = within("deleting the objects of a snapshot", limits::DELETE, gone).await?;
        // What another snapshot of the name needs goes with that one.
        if let Some(cause) = gone.undecided {
            return Err(format!("what is left of the expired snapshot {} could not be deleted: {cause}", job.name));
        }
        // From here on its files are not kept.
        self.is_needed_by_none(&site).await?;
        self.propose(job, JobEvent::Deleted, "").await?;
        Ok(())
    }

    /// Err: somebody holds the root of the snapshot, or has a lease on it.
    async fn is_needed_by_none(&self, site: &Site) -> Result<(), String> {
        let owners = self.owners(site).await?;
        let at = owners.now(now());
        if newest_hold(&owners, &self.meta.view().identity().incarnation, at).is_some() {
            return Err(format!("{} is held by a restore or a copy: nothing is deleted there", site.volume.location()));
        }
        match live_leases(&owners, at).iter().find(|lease| is_lease_on(lease, &site.job)) {
            Some(lease) => Err(describe_lease(lease)),
            None => Ok(()),
        }
    }
}

/// Where the harness may break things: before and after an event goes through the log.
#[cfg(feature = "failpoints")]
fn points_of(event: &JobEvent) -> Option<(&'static str, &'static str)> {
    Some(match event {
        JobEvent::Cut => ("job.cut.before", "job.cut.after"),
        JobEvent::Recut => ("job.recut.before", "job.recut.after"),
        JobEvent::Uploaded { .. } => ("job.finish.before", "job.finish.after"),
        JobEvent::Retire => ("job.retire.before", "job.retire.after"),
        JobEvent::Deleted => ("job.deleted.before", "job.deleted.after"),
        JobEvent::Failed { .. } => ("job.failed.before", "job.failed.after"),
        // It takes a day to come there.
        JobEvent::Abandoned => return None,
    })
}
