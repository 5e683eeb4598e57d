//! How long each phase of a snapshot job may take: a store that takes requests and never answers them ends no job late, and
//! keeps no lane for ever.

use std::future::Future;
use std::time::Duration;

use storage_model::{SnapshotJob, Uptime};

/// To read the owner claims of a root.
pub(super) const CLAIMS: Duration = Duration::from_secs(60);
/// To ask the store whether a manifest of a job is there.
pub(super) const ASK: Duration = Duration::from_secs(60);
/// To write one void marker.
pub(super) const VOID: Duration = Duration::from_secs(60);
/// To take away the void markers that a new manifest lists.
pub(super) const SWEEP_VOIDS: Duration = Duration::from_secs(300);
/// To delete the objects of one snapshot; what is left then goes with the next attempt.
pub(super) const DELETE: Duration = Duration::from_secs(600);

/// The work of a phase, which fails when it does not end in time.
pub(super) async fn within<T>(
    phase: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let ended = tokio::time::timeout(limit, work).await;
    ended.unwrap_or_else(|_| Err(format!("{phase} timed out: no end within {} s", limit.as_secs())))
}

/// What is left of the time that a job has as a whole: its upload may take all of it.
pub(super) fn left(job: &SnapshotJob, limit: Duration, now: Uptime) -> Duration {
    limit.saturating_sub(Duration::from_millis(now.since(job.created_uptime)))
}

/// Why a job is given up that was not done in time, and how far it was.
pub(super) fn ran_out(how_far: &str, limit: Duration) -> String {
    let limit = limit.as_secs();
    format!("timed out: not finished within automated_cluster_snapshot_timeout_seconds = {limit} ({how_far})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_phase_without_an_end_is_an_error_that_names_it() {
        let hangs = within("reading the claims", Duration::ZERO, std::future::pending::<Result<(), String>>());
        assert_eq!(hangs.await.unwrap_err(), "reading the claims timed out: no end within 0 s");
        assert_eq!(within("it", ASK, async { Ok(7) }).await, Ok(7));
    }

    #[test]
    fn a_job_that_ran_out_says_how_far_it_was() {
        let says = ran_out("uploading 3/12 sections, 14 of 40 MiB", Duration::from_secs(5));
        assert!(
            says.starts_with("timed out: ") && says.ends_with("= 5 (uploading 3/12 sections, 14 of 40 MiB)"),
            "{says}"
        );
    }
}
