//! What the state asks the snapshot job supervisor to do: pure.
//!
//! | the catalog shows | step |
//! |---|---|
//! | INITIALIZING | reach the volume, then `Cut` |
//! | SNAPSHOTING | attest, upload, then `Uploaded`; without a frozen view look for a manifest, else `Recut` |
//! | an unfinished job that was cancelled or runs too long, or an automated one while automation is off | void its cuts, then `Failed` |
//! | EXPIRED, and another cluster has a lease on it | nothing |
//! | EXPIRED | void marker, manifest and sections away, then `Deleted` |
//! | EXPIRED for a day, and it cannot be deleted | `Abandoned`: it keeps nothing any more, and is still to be deleted |
//! | FINISHED and automated while automation is off | `Retire` |
//! | nothing runs and the interval is over | `Begin` |

use std::time::Duration;

use storage_catalog::Catalog;
use storage_model::{
    JobId, JobState, Now, Revision, SnapshotJob, SnapshotKind, SnapshotPolicy, UnixMillis, Uptime, VolumeId,
};

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
    /// Keep nothing for it any more.
    Abandon(JobId),
}

/// What is known of the deletion of an expired snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The owner claims of its volume were read lately, and it is to be tried.
    Allowed,
    /// It was tried lately and failed, or the claims could not be read for long.
    Failed,
    /// Another cluster lives on it.
    Leased,
    /// None of these.
    Unknown,
}

/// The interval in force.
pub fn interval(catalog: &Catalog, settings: &MetaSettings) -> Duration {
    let own = catalog.header.snapshot_policy.as_ref().and_then(|p| p.interval_seconds);
    own.map_or(settings.snapshot_interval, Duration::from_secs)
}

/// The last automated job since automation was turned on, and how long after its start the next one begins.
fn last_and_pause<'a>(
    catalog: &'a Catalog,
    policy: &SnapshotPolicy,
    settings: &MetaSettings,
) -> Option<(&'a SnapshotJob, u64)> {
    let automated = catalog.jobs().filter(|j| j.kind == SnapshotKind::Automated);
    let since_on: Vec<&SnapshotJob> =
        automated.map(AsRef::as_ref).filter(|j| j.created_uptime >= policy.enabled_uptime).collect();
    let interval = interval(catalog, settings);
    let failed = |j: &&&SnapshotJob| j.state == JobState::Error && !j.cancelled;
    let failures = since_on.iter().rev().take_while(failed).count() as u32;
    let pause = match failures {
        0 => interval,
        n => FIRST_RETRY.saturating_mul(1 << (n - 1).min(16)).min(interval),
    };
    Some((since_on.last().copied()?, pause.as_millis() as u64))
}

/// When the next automated job is to begin, for people; None while automation is off.
pub fn next_begin(catalog: &Catalog, settings: &MetaSettings) -> Option<UnixMillis> {
    let policy = catalog.header.snapshot_policy.as_ref()?;
    let last = last_and_pause(catalog, policy, settings);
    Some(last.map_or(policy.enabled_at, |(last, pause)| last.created_at.plus(pause)))
}

/// Either clock may say that it is time: the wall's also counts while no frontend ran, the uptime also when the wall's was
/// set back. One snapshot too early does no harm, none for a year does.
fn is_due(catalog: &Catalog, policy: &SnapshotPolicy, settings: &MetaSettings, now: Now) -> bool {
    let last = last_and_pause(catalog, policy, settings);
    last.is_none_or(|(last, pause)| {
        now.uptime.since(last.created_uptime) >= pause || now.wall >= last.created_at.plus(pause)
    })
}

/// Whether a job may begin; Err: so many snapshots wait until they can be deleted that none may. Those that are leased wait
/// for another cluster, and not for the store.
pub fn waiting_for_deletion(catalog: &Catalog, is_leased: impl Fn(&SnapshotJob) -> bool) -> Result<(), u64> {
    let expired = catalog.jobs().filter(|j| j.state == JobState::Expired && !is_leased(j)).count();
    if expired < MOST_EXPIRED { Ok(()) } else { Err(expired as u64) }
}

/// The step for the running or the next job.
pub fn job_step(
    catalog: &Catalog,
    settings: &MetaSettings,
    now: Now,
    is_leased: impl Fn(&SnapshotJob) -> bool,
) -> Option<JobStep> {
    if let Some(job) = catalog.unfinished_job() {
        return Some(running_step(catalog, settings, now, job));
    }
    let policy = catalog.header.snapshot_policy.as_ref()?;
    if waiting_for_deletion(catalog, is_leased).is_err() || !is_due(catalog, policy, settings, now) {
        return None;
    }
    let newest = catalog.jobs().filter_map(|j| j.name.strip_prefix(storage_model::snapshot::AUTOMATED_PREFIX));
    let newest = newest.filter_map(|ms| ms.parse::<u64>().ok()).max().unwrap_or(0);
    let name = format!("{}{}", storage_model::snapshot::AUTOMATED_PREFIX, now.wall.0.max(newest + 1));
    Some(JobStep::Begin { volume: policy.volume, name })
}

fn running_step(catalog: &Catalog, settings: &MetaSettings, now: Now, job: &SnapshotJob) -> JobStep {
    let limit = settings.snapshot_timeout;
    if job.cancelled {
        return JobStep::Abandon(job.id, "cancelled by CANCEL CLUSTER SNAPSHOT".to_owned());
    }
    if job.kind == SnapshotKind::Automated && catalog.header.snapshot_policy.is_none() {
        return JobStep::Abandon(job.id, "cancelled: automated snapshots were turned off".to_owned());
    }
    if now.uptime.since(job.created_uptime) > limit.as_millis() as u64 {
        let text =
            format!("timed out: not finished within automated_cluster_snapshot_timeout_seconds = {}", limit.as_secs());
        return JobStep::Abandon(job.id, text);
    }
    match (job.state, job.cuts.last()) {
        (JobState::Snapshoting, Some(cut)) => JobStep::Upload(job.id, *cut),
        _ => JobStep::Initialize(job.id),
    }
}

/// Whether anybody still wants the unfinished job: else its upload stops at once.
pub fn is_wanted(catalog: &Catalog, job: JobId) -> bool {
    catalog.job(job).is_some_and(|job| {
        let automation = catalog.header.snapshot_policy.is_some();
        job.state.is_unfinished() && !job.cancelled && (automation || job.kind != SnapshotKind::Automated)
    })
}

/// Files that were there at this revision have been looked at: it is that of the newest snapshot. One of another timeline
/// says nothing, its cut is a revision of that one.
pub fn attested_up_to(catalog: &Catalog) -> Option<Revision> {
    let own = catalog.jobs().filter(|job| job.state == JobState::Finished && !job.is_foreign());
    own.filter_map(|job| job.cut).max()
}

/// The step for jobs that are over.
pub fn sweep_step(catalog: &Catalog, now: Uptime, deletion: impl Fn(&SnapshotJob) -> Deletion) -> Option<SweepStep> {
    if catalog.is_careful() {
        return None;
    }
    let off = catalog.header.snapshot_policy.is_none();
    let step_for = |job: &SnapshotJob| match job.state {
        JobState::Expired => match deletion(job) {
            Deletion::Allowed => Some(SweepStep::Delete(job.id)),
            Deletion::Failed if job.is_overdue(now) => Some(SweepStep::Abandon(job.id)),
            Deletion::Failed | Deletion::Leased | Deletion::Unknown => None,
        },
        JobState::Finished if off && job.kind == SnapshotKind::Automated => Some(SweepStep::Retire(job.id)),
        _ => None,
    };
    catalog.jobs().find_map(|job| step_for(job))
}

#[cfg(test)]
mod tests;
