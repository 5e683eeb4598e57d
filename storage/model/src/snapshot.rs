//! Cluster snapshots: the policy, the jobs and their state machine.
//!
//! | from | event | to |
//! |---|---|---|
//! | – | `Begin` | INITIALIZING |
//! | INITIALIZING | `Cut` | SNAPSHOTING |
//! | SNAPSHOTING | `Recut` | SNAPSHOTING |
//! | SNAPSHOTING | `Uploaded` | FINISHED |
//! | FINISHED | `Retire` | EXPIRED |
//! | EXPIRED | `Deleted` | DELETED |
//! | EXPIRED | `Abandoned` | EXPIRED, and nothing is kept for it any more |
//! | INITIALIZING, SNAPSHOTING | `Failed` | ERROR |

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::{JobId, Revision, VolumeId};
use crate::retention::Retention;
use crate::time::{UnixMillis, Uptime};

/// Automated snapshots have this before their time in milliseconds; manual ones may not.
pub const AUTOMATED_PREFIX: &str = "automated_cluster_snapshot_";
/// A snapshot whose objects cannot be deleted keeps files for no longer than this, in milliseconds of uptime.
pub const ABANDON_AFTER_MILLIS: u64 = 86_400_000;

/// Automated snapshots are on, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPolicy {
    /// Where snapshots go.
    pub volume: VolumeId,
    /// Start to start. None: `automated_cluster_snapshot_interval_seconds`.
    pub interval_seconds: Option<u64>,
    /// When it was turned on.
    pub enabled_at: UnixMillis,
    /// The same moment on the clock that never jumps.
    pub enabled_uptime: Uptime,
    /// Which of them are kept.
    pub retention: Retention,
}

/// Who asked for a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SnapshotKind {
    /// The interval.
    Automated,
    /// CREATE CLUSTER SNAPSHOT.
    Manual,
    /// Another timeline: a restore found the manifest in the store, and its catalog does not know it.
    Foreign,
}

impl fmt::Display for SnapshotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SnapshotKind::Automated => "AUTOMATED",
            SnapshotKind::Manual => "MANUAL",
            SnapshotKind::Foreign => "FOREIGN",
        })
    }
}

/// The states of a snapshot job, spelled as StarRocks spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// The job exists; the volume is being reached.
    Initializing,
    /// The cut is made and pinned; sections are uploaded.
    Snapshoting,
    /// The manifest is in the store: restorable.
    Finished,
    /// No longer offered; its objects are being deleted.
    Expired,
    /// Gone from the store; unpinned.
    Deleted,
    /// Failed or cancelled; unpinned.
    Error,
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JobState::Initializing => "INITIALIZING",
            JobState::Snapshoting => "SNAPSHOTING",
            JobState::Finished => "FINISHED",
            JobState::Expired => "EXPIRED",
            JobState::Deleted => "DELETED",
            JobState::Error => "ERROR",
        })
    }
}

/// What happens to a job once it has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobEvent {
    /// This log entry's own revision is the cut.
    Cut,
    /// The frozen view of the last cut is lost: cut again.
    Recut,
    /// The manifest of `cut` is in the store.
    Uploaded {
        /// A cut of this job.
        cut: Revision,
        /// Of the manifest, hex.
        sha256: String,
        /// Of manifest and sections.
        bytes: u64,
    },
    /// Beyond retention, or automation was turned off.
    Retire,
    /// Void marker written, manifest and sections gone.
    Deleted,
    /// It cannot go on. Void markers of its cuts are written, or the volume cannot be reached.
    Failed {
        /// The whole cause chain.
        cause: String,
    },
    /// Its objects could not be deleted for a day: it keeps nothing any more. They are deleted when the store answers.
    Abandoned,
}

impl JobEvent {
    /// Its name, for messages and logs.
    pub fn name(&self) -> &'static str {
        match self {
            JobEvent::Cut => "Cut",
            JobEvent::Recut => "Recut",
            JobEvent::Uploaded { .. } => "Uploaded",
            JobEvent::Retire => "Retire",
            JobEvent::Deleted => "Deleted",
            JobEvent::Failed { .. } => "Failed",
            JobEvent::Abandoned => "Abandoned",
        }
    }
}

/// An event that the state does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("a snapshot job in state {state} cannot take the event {event}")]
pub struct IllegalTransition {
    /// The state it is in.
    pub state: JobState,
    /// The event that came.
    pub event: String,
}

impl JobState {
    /// The state after `event`.
    pub fn next(self, event: &JobEvent) -> Result<JobState, IllegalTransition> {
        match (self, event) {
            (JobState::Initializing, JobEvent::Cut) => Ok(JobState::Snapshoting),
            (JobState::Snapshoting, JobEvent::Recut) => Ok(JobState::Snapshoting),
            (JobState::Snapshoting, JobEvent::Uploaded { .. }) => Ok(JobState::Finished),
            (JobState::Finished, JobEvent::Retire) => Ok(JobState::Expired),
            (JobState::Expired, JobEvent::Deleted) => Ok(JobState::Deleted),
            (JobState::Expired, JobEvent::Abandoned) => Ok(JobState::Expired),
            (JobState::Initializing | JobState::Snapshoting, JobEvent::Failed { .. }) => Ok(JobState::Error),
            (state, event) => Err(IllegalTransition { state, event: event.name().to_owned() }),
        }
    }

    /// Whether the job still has to become FINISHED or ERROR.
    pub fn is_unfinished(self) -> bool {
        matches!(self, JobState::Initializing | JobState::Snapshoting)
    }

    /// Whether the job's row may be trimmed from the history.
    pub fn is_final(self) -> bool {
        matches!(self, JobState::Deleted | JobState::Error)
    }
}

/// A snapshot job, from `Begin` until its row is trimmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotJob {
    /// Its id.
    pub id: JobId,
    /// `automated_cluster_snapshot_{epoch ms}` or the manual name.
    pub name: String,
    /// Who asked.
    pub kind: SnapshotKind,
    /// Where it goes.
    pub volume: VolumeId,
    /// Its directory in the store, as users see it.
    pub path: String,
    /// Where it stands.
    pub state: JobState,
    /// When it began.
    pub created_at: UnixMillis,
    /// The same moment on the clock that never jumps.
    pub created_uptime: Uptime,
    /// When it became FINISHED or ERROR.
    pub finished_at: Option<UnixMillis>,
    /// Its cuts, oldest first; each is pinned until the job ends or chooses one. Of a FOREIGN one, whose cut is a revision of
    /// another timeline: the revisions of this timeline that it pins.
    pub cuts: Vec<Revision>,
    /// The cut of the manifest, once FINISHED.
    pub cut: Option<Revision>,
    /// Tablet and worker commands applied up to the cut.
    pub starmgr_id: u64,
    /// SHA-256 of the manifest, hex.
    pub sha256: String,
    /// Bytes of manifest and sections.
    pub bytes: u64,
    /// What SHOW says beside the state once it is over.
    pub detail: String,
    /// Why it is ERROR.
    pub error: String,
    /// COMMENT of a manual snapshot.
    pub comment: String,
    /// Every state it took, oldest first; the first is INITIALIZING, and that of a FOREIGN one FINISHED.
    pub history: Vec<JobChange>,
    /// CANCEL CLUSTER SNAPSHOT was said while it was unfinished.
    pub cancelled: bool,
    /// When it became EXPIRED, on the clock that never jumps.
    pub expired_uptime: Option<Uptime>,
    /// Its objects could not be deleted for a day: what they need is not kept any more.
    pub abandoned: bool,
}

/// A snapshot job took a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobChange {
    /// The state.
    pub state: JobState,
    /// When.
    pub at: UnixMillis,
    /// The log entry that did it.
    pub revision: Revision,
}

impl SnapshotJob {
    /// Puts the job into a state and writes that into its history. A state that it is in already, as after another cut,
    /// is not written again.
    pub fn enter(&mut self, state: JobState, at: UnixMillis, revision: Revision) {
        if self.history.last().is_none_or(|last| last.state != state) {
            self.history.push(JobChange { state, at, revision });
        }
        self.state = state;
    }

    /// Whether it is a snapshot of another timeline: it says nothing of this one.
    pub fn is_foreign(&self) -> bool {
        self.kind == SnapshotKind::Foreign
    }

    /// The revisions whose files this job keeps.
    pub fn pins(&self) -> &[Revision] {
        match self.state {
            JobState::Expired if self.abandoned => &[],
            JobState::Snapshoting => &self.cuts,
            JobState::Finished | JobState::Expired if self.is_foreign() => &self.cuts,
            JobState::Finished | JobState::Expired => self.cut.as_slice(),
            JobState::Initializing | JobState::Deleted | JobState::Error => &[],
        }
    }

    /// Whether it has waited for its deletion for so long that it may be abandoned.
    pub fn is_overdue(&self, now: Uptime) -> bool {
        let since = self.expired_uptime.filter(|_| self.state == JobState::Expired && !self.abandoned);
        since.is_some_and(|since| now.since(since) >= ABANDON_AFTER_MILLIS)
    }

    /// The cuts whose manifest may be in the store.
    pub fn manifest_cuts(&self) -> &[Revision] {
        if self.is_foreign() { self.cut.as_slice() } else { &self.cuts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_job_pins_other_revisions_than_that_of_its_manifest() {
        let mut job = SnapshotJob {
            id: JobId(1),
            name: "s".to_owned(),
            kind: SnapshotKind::Manual,
            volume: VolumeId(1),
            path: String::new(),
            state: JobState::Finished,
            created_at: UnixMillis(0),
            created_uptime: Uptime::default(),
            finished_at: None,
            cuts: vec![Revision(3), Revision(5)],
            cut: Some(Revision(5)),
            starmgr_id: 0,
            sha256: String::new(),
            bytes: 0,
            detail: String::new(),
            error: String::new(),
            comment: String::new(),
            history: Vec::new(),
            cancelled: false,
            expired_uptime: None,
            abandoned: false,
        };
        assert_eq!((job.pins(), job.manifest_cuts()), (&[Revision(5)][..], &[Revision(3), Revision(5)][..]));
        (job.kind, job.cut) = (SnapshotKind::Foreign, Some(Revision(99)));
        let both = [Revision(3), Revision(5)];
        for (state, pins) in [(JobState::Finished, &both[..]), (JobState::Expired, &both), (JobState::Deleted, &[])] {
            job.state = state;
            assert_eq!((job.pins(), job.manifest_cuts()), (pins, &[Revision(99)][..]), "{state}");
        }
        (job.state, job.abandoned) = (JobState::Expired, true);
        assert_eq!((job.pins(), job.manifest_cuts()), (&[][..], &[Revision(99)][..]), "nothing is kept for it");
        (job.abandoned, job.expired_uptime) = (false, Some(Uptime(5)));
        let late = Uptime(5 + ABANDON_AFTER_MILLIS);
        assert!(job.is_overdue(late) && !job.is_overdue(Uptime(late.0 - 1)));
        job.abandoned = true;
        assert!(!job.is_overdue(late), "only once");
    }

    #[test]
    fn all_pairs_of_state_and_event() {
        use JobState::*;
        let states = [Initializing, Snapshoting, Finished, Expired, Deleted, Error];
        let uploaded = JobEvent::Uploaded { cut: Revision(1), sha256: String::new(), bytes: 0 };
        let failed = JobEvent::Failed { cause: String::new() };
        let (retire, abandoned) = (JobEvent::Retire, JobEvent::Abandoned);
        let events = [JobEvent::Cut, JobEvent::Recut, uploaded, retire, JobEvent::Deleted, failed, abandoned];
        // Rows: states; columns: events; the state after, or None where the pair is illegal.
        let table = [
            [Some(Snapshoting), None, None, None, None, Some(Error), None],
            [None, Some(Snapshoting), Some(Finished), None, None, Some(Error), None],
            [None, None, None, Some(Expired), None, None, None],
            [None, None, None, None, Some(Deleted), None, Some(Expired)],
            [None; 7],
            [None; 7],
        ];
        for (state, row) in states.iter().zip(table) {
            for (event, after) in events.iter().zip(row) {
                assert_eq!(state.next(event).ok(), after, "{state} + {}", event.name());
            }
        }
    }
}
