//! Automated snapshots on and off, and the events of snapshot jobs.

use std::sync::Arc;

use storage_model::snapshot::JobEvent;
use storage_model::{JobId, JobState, Retention, RetentionChange, SnapshotJob, SnapshotKind, SnapshotPolicy, VolumeId};

use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply};

/// One of so many rows is of a job that is over, at least.
const LEAST_OVER_PART: usize = 4;

impl Catalog {
    pub(super) fn enable_snapshots(
        &mut self,
        volume: Option<&str>,
        interval_seconds: Option<u64>,
        retention: RetentionChange,
    ) -> Reply {
        if self.header.snapshot_policy.is_some() {
            return Err(Rejection::SnapshotsAreOn);
        }
        let volume = match volume {
            Some(name) => self.usable_volume(name)?,
            None => self.header.default_volume.ok_or(Rejection::NoDefaultVolume)?,
        };
        let (enabled_at, enabled_uptime) = (self.header.clock, self.header.uptime);
        let retention = Retention::default().with(retention);
        let policy = SnapshotPolicy { volume, interval_seconds, enabled_at, enabled_uptime, retention };
        self.header.snapshot_policy = Some(policy);
        Ok(Outcome::Done)
    }

    pub(super) fn disable_snapshots(&mut self) -> Reply {
        self.header.snapshot_policy.take().map(|_| Outcome::Done).ok_or(Rejection::SnapshotsAreOff)
    }

    pub(super) fn alter_snapshots(
        &mut self,
        volume: Option<&str>,
        interval_seconds: Option<u64>,
        retention: RetentionChange,
    ) -> Reply {
        let mut policy = self.header.snapshot_policy.clone().ok_or(Rejection::SnapshotsAreOff)?;
        if let Some(name) = volume {
            policy.volume = self.usable_volume(name)?;
        }
        policy.interval_seconds = interval_seconds.or(policy.interval_seconds);
        policy.retention = policy.retention.with(retention);
        self.header.snapshot_policy = Some(policy);
        Ok(Outcome::Done)
    }

    pub(super) fn begin_snapshot(
        &mut self,
        kind: SnapshotKind,
        name: &str,
        volume: VolumeId,
        comment: &str,
        max_history: u32,
    ) -> Reply {
        if let Some(running) = self.unfinished_job() {
            return Err(Rejection::SnapshotRunning(running.name.clone()));
        }
        if kind == SnapshotKind::Automated && self.header.snapshot_policy.is_none() {
            return Err(Rejection::SnapshotsAreOff);
        }
        // A name is free again once its snapshot is gone; the old row goes then, so that a name is always one snapshot.
        if self.jobs.values().any(|j| j.name == name && !j.state.is_final()) {
            return Err(Rejection::SnapshotExists(name.to_owned()));
        }
        let target = self.volumes.get(&volume).ok_or_else(|| Rejection::UnknownVolume(volume.to_string()))?;
        let root = target.location.trim_end_matches('/');
        let path = format!("{root}/{}/meta/image/{name}", self.header.identity.service_id);
        let former: Vec<_> = self.jobs.values().filter(|j| j.name == name).map(|j| j.id).collect();
        for id in former {
            self.jobs.remove(&id);
        }
        self.trim_jobs(max_history);
        let id = JobId(self.draw_id());
        let mut job = SnapshotJob {
            id,
            name: name.to_owned(),
            kind,
            volume,
            path,
            state: JobState::Initializing,
            created_at: self.header.clock,
            created_uptime: self.header.uptime,
            finished_at: None,
            cuts: Vec::new(),
            cut: None,
            starmgr_id: 0,
            sha256: String::new(),
            bytes: 0,
            detail: String::new(),
            error: String::new(),
            comment: comment.to_owned(),
            history: Vec::new(),
            cancelled: false,
            expired_uptime: None,
            abandoned: false,
        };
        job.enter(JobState::Initializing, self.header.clock, self.header.revision);
        self.jobs.insert(id, Arc::new(job));
        Ok(Outcome::Job(id))
    }

    pub(super) fn cancel_snapshot(&mut self, name: Option<&str>) -> Reply {
        let running = self.unfinished_job().cloned();
        let job = match (running, name) {
            (Some(job), None) => job,
            (Some(job), Some(name)) if job.name == name => job,
            (_, Some(name)) if !self.jobs.values().any(|j| j.name == name) => {
                return Err(Rejection::UnknownSnapshot(name.to_owned()));
            }
            _ => return Err(Rejection::NoSnapshotRunning),
        };
        let cancelled = SnapshotJob { cancelled: true, ..job.as_ref().clone() };
        self.jobs.insert(cancelled.id, Arc::new(cancelled));
        Ok(Outcome::Done)
    }

    pub(super) fn snapshot_event(&mut self, id: JobId, event: &JobEvent, detail: &str) -> Reply {
        let mut job = self.jobs.get(&id).ok_or(Rejection::UnknownJob(id))?.as_ref().clone();
        if matches!(event, JobEvent::Retire | JobEvent::Deleted | JobEvent::Abandoned) && self.is_careful() {
            return Err(Rejection::Careful);
        }
        if *event == JobEvent::Abandoned && job.state == JobState::Expired && !job.is_overdue(self.header.uptime) {
            return Err(Rejection::Stale(format!("cluster snapshot {} does not wait for long enough", job.name)));
        }
        job.enter(job.state.next(event)?, self.header.clock, self.header.revision);
        job.detail = detail.to_owned();
        match event {
            JobEvent::Cut | JobEvent::Recut => {
                job.cuts.push(self.header.revision);
                job.starmgr_id = self.header.starmgr_id;
            }
            JobEvent::Uploaded { cut, sha256, bytes } => {
                if !job.cuts.contains(cut) {
                    return Err(Rejection::NotACut { job: id, cut: *cut });
                }
                job.cut = Some(*cut);
                job.sha256 = sha256.clone();
                job.bytes = *bytes;
                job.finished_at = Some(self.header.clock);
            }
            JobEvent::Failed { cause } => {
                job.error = cause.clone();
                job.finished_at = Some(self.header.clock);
            }
            JobEvent::Retire => job.expired_uptime = Some(self.header.uptime),
            JobEvent::Abandoned => job.abandoned = true,
            JobEvent::Deleted => {}
        }
        let finished = matches!(event, JobEvent::Uploaded { .. }) && job.kind == SnapshotKind::Automated;
        self.jobs.insert(id, Arc::new(job));
        if finished && !self.is_careful() {
            self.expire_predecessors(id);
        }
        Ok(Outcome::Done)
    }

    /// An automated snapshot has become restorable: those that no rule of the retention keeps now are no longer offered.
    fn expire_predecessors(&mut self, newest: JobId) {
        let policy = self.header.snapshot_policy.as_ref();
        let retention = policy.map_or_else(Retention::default, |policy| policy.retention);
        let is_restorable = |job: &&Arc<SnapshotJob>| {
            job.id <= newest && job.kind == SnapshotKind::Automated && job.state == JobState::Finished
        };
        let taken: Vec<_> = self.jobs.values().filter(is_restorable).map(|job| (job.id, job.created_uptime)).collect();
        for id in retention.beyond(&taken, self.header.uptime) {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            let expired = Arc::make_mut(job);
            expired.enter(JobState::Expired, self.header.clock, self.header.revision);
            expired.expired_uptime = Some(self.header.uptime);
        }
    }

    /// Keeps at most `max_history` rows, the one that is about to begin among them; only DELETED and ERROR go, and however
    /// many snapshots are kept, the last of those stay: back-off counts them, and the next manifest tells that they are dead.
    fn trim_jobs(&mut self, max_history: u32) {
        let keep = (max_history.max(2) as usize).saturating_sub(1);
        let over = self.jobs.values().filter(|job| job.state.is_final()).count();
        let spared = max_history as usize / LEAST_OVER_PART;
        let excess = self.jobs.len().saturating_sub(keep).min(over.saturating_sub(spared));
        let gone: Vec<_> = self.jobs.values().filter(|j| j.state.is_final()).map(|j| j.id).take(excess).collect();
        for id in gone {
            self.jobs.remove(&id);
        }
    }
}
