//! What the state asks the snapshot job supervisor to do: pure.
//!
//! | the catalog shows | step |
//! |---|---|
//! | INITIALIZING | reach the volume, then `Cut` |
//! | SNAPSHOTING | attest, upload, then `Uploaded`; without a frozen view look for a manifest, else `Recut` |
//! | an unfinished automated job while automation is off, or one that runs too long | void its cuts, then `Failed` |
//! | EXPIRED | void marker, manifest and sections away, then `Deleted` |
//! | FINISHED and automated while automation is off | `Retire` |
//! | nothing runs and the interval is over | `Begin` |

use std::time::Duration;

use storage_catalog::Catalog;
use storage_model::{JobId, JobState, Revision, SnapshotJob, SnapshotKind, UnixMillis, VolumeId};

use crate::settings::MetaSettings;

/// The first pause after a failed job; doubled by each further failure, never longer than the interval.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// With more jobs than this waiting for deletion no new job begins.
const MOST_EXPIRED: usize = 10;

/// What to do about the job that runs, or about the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStep {
    /// Start a job.
    Begin {
        /// Where it goes.
        volume: VolumeId,
        /// Its name.
        name: String,
    },
    /// Reach the volume and cut.
    Initialize(JobId),
    /// Bring the snapshot of the last cut into the store.
    Upload(JobId, Revision),
    /// Give it up.
    Abandon(JobId, String),
}

/// What to do about jobs that are over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepStep {
    /// No longer offer it.
    Retire(JobId),
    /// Delete its objects.
    Delete(JobId),
}

/// The interval in force.
pub fn interval(catalog: &Catalog, settings: &MetaSettings) -> Duration {
    let own = catalog.header.snapshot_policy.as_ref().and_then(|p| p.interval_seconds);
    own.map_or(settings.snapshot_interval, Duration::from_secs)
}

/// When the next automated job is to begin; None while automation is off.
pub fn next_begin(catalog: &Catalog, settings: &MetaSettings) -> Option<UnixMillis> {
    let policy = catalog.header.snapshot_policy.as_ref()?;
    let automated = catalog.jobs().filter(|j| j.kind == SnapshotKind::Automated);
    let since_on: Vec<&SnapshotJob> =
        automated.map(AsRef::as_ref).filter(|j| j.created_at >= policy.enabled_at).collect();
    let Some(last) = since_on.last() else { return Some(policy.enabled_at) };
    let interval = interval(catalog, settings);
    let failures = since_on.iter().rev().take_while(|j| j.state == JobState::Error).count() as u32;
    let pause = match failures {
        0 => interval,
        n => FIRST_RETRY.saturating_mul(1 << (n - 1).min(16)).min(interval),
    };
    Some(last.created_at.plus(pause.as_millis() as u64))
}

/// The step for the running or the next job.
pub fn job_step(catalog: &Catalog, settings: &MetaSettings, now: UnixMillis) -> Option<JobStep> {
    if let Some(job) = catalog.unfinished_job() {
        return Some(running_step(catalog, settings, now, job));
    }
    let policy = catalog.header.snapshot_policy.as_ref()?;
    let expired = catalog.jobs().filter(|j| j.state == JobState::Expired).count();
    if expired >= MOST_EXPIRED || next_begin(catalog, settings)? > now {
        return None;
    }
    let newest = catalog.jobs().filter_map(|j| j.name.strip_prefix(storage_model::snapshot::AUTOMATED_PREFIX));
    let newest = newest.filter_map(|ms| ms.parse::<u64>().ok()).max().unwrap_or(0);
    let name = format!("{}{}", storage_model::snapshot::AUTOMATED_PREFIX, now.0.max(newest + 1));
    Some(JobStep::Begin { volume: policy.volume, name })
}

fn running_step(catalog: &Catalog, settings: &MetaSettings, now: UnixMillis, job: &SnapshotJob) -> JobStep {
    let limit = settings.snapshot_timeout;
    if job.kind == SnapshotKind::Automated && catalog.header.snapshot_policy.is_none() {
        return JobStep::Abandon(job.id, "cancelled: automated snapshots were turned off".to_owned());
    }
    if now.since(job.created_at) > limit.as_millis() as u64 {
        let text =
            format!("timed out: not finished within automated_cluster_snapshot_timeout_seconds = {}", limit.as_secs());
        return JobStep::Abandon(job.id, text);
    }
    match (job.state, job.cuts.last()) {
        (JobState::Snapshoting, Some(cut)) => JobStep::Upload(job.id, *cut),
        _ => JobStep::Initialize(job.id),
    }
}

/// The step for jobs that are over. `may_delete` tells whether the owner claims of a volume were read lately.
pub fn sweep_step(
    catalog: &Catalog,
    may_delete: impl Fn(VolumeId) -> bool,
    is_put_off: impl Fn(JobId) -> bool,
) -> Option<SweepStep> {
    if catalog.is_careful() {
        return None;
    }
    let off = catalog.header.snapshot_policy.is_none();
    let step_for = |job: &SnapshotJob| match job.state {
        JobState::Expired if may_delete(job.volume) && !is_put_off(job.id) => Some(SweepStep::Delete(job.id)),
        JobState::Finished if off && job.kind == SnapshotKind::Automated => Some(SweepStep::Retire(job.id)),
        _ => None,
    };
    catalog.jobs().find_map(|job| step_for(job))
}

#[cfg(test)]
mod tests;
