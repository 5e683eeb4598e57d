//! `GET /api/v2/snapshots`: jobs with their history, what can be restored, what is pinned and why, garbage.

use std::sync::Arc;
use std::time::Duration;

use actors_messages::supervisor::{JobDetails, RunningDetail};
use actors_meta::supervisor::decide::{interval, next_begin};
use runtime_actor::trace;
use serde_json::{Value, json};
use storage_catalog::{Catalog, Pinned};
use storage_model::{JobState, SnapshotJob, UnixMillis};

use super::Opened;

/// How long the supervisor may take to say how far an upload is.
const DETAIL: Duration = Duration::from_millis(300);

/// Everything about snapshots.
pub(super) async fn of(opened: &Opened) -> Value {
    let catalog = opened.meta.view();
    let now = opened.desk.front().clock.now_unix_ms();
    let details = job_details(opened, &catalog).await;
    let settings = (opened.settings)();
    let policy = catalog.header.snapshot_policy.as_ref().map(|policy| {
        json!({
            "volume": catalog.volume(policy.volume).map(|volume| volume.name.clone()),
            "interval_seconds": interval(&catalog, &settings).as_secs(),
            "enabled_ms": policy.enabled_at.0,
            "retention": policy.retention.properties(),
        })
    });
    let restorable = newest_restorable(&catalog).map(|job| {
        json!({
            "name": job.name,
            "finished_ms": job.finished_at.map(|at| at.0),
            "age_ms": now.saturating_sub(cut_at(job).0),
        })
    });
    let jobs = catalog.jobs().rev().map(|job| job_of(&catalog, job, &details)).collect::<Vec<_>>();
    json!({
        "policy": policy,
        "next_ms": next_begin(&catalog, &settings).map(|at| at.0),
        "jobs": jobs,
        "restorable": restorable,
        "pins": pins(&catalog),
        "gc": garbage(opened, &catalog).await,
        "consecutive_failures": consecutive_failures(&catalog),
        "now_unix_ms": now,
    })
}

async fn job_details(opened: &Opened, catalog: &Catalog) -> JobDetails {
    if catalog.jobs().next().is_none() {
        return JobDetails::default();
    }
    let asking = opened.desk.front().running_detail.ask_within(RunningDetail, DETAIL);
    trace::scope(runtime_actor::TraceId::routine(), asking).await.unwrap_or_default()
}

fn job_of(catalog: &Catalog, job: &SnapshotJob, details: &JobDetails) -> Value {
    let history = job.history.iter().map(
        |change| json!({ "state": change.state.to_string(), "at_ms": change.at.0, "revision": change.revision.0 }),
    );
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    json!({
        "id": job.id.0,
        "name": job.name,
        "type": job.kind.to_string(),
        "state": job.state.to_string(),
        "created_ms": job.created_at.0,
        "finished_ms": job.finished_at.map(|at| at.0),
        "detail": details.of(job).map_or_else(|| some(&job.detail), some),
        "error": some(&job.error),
        "comment": some(&job.comment),
        "volume": catalog.volume(job.volume).map(|volume| volume.name.clone()),
        "path": job.path,
        "cut": job.cut.map(|cut| cut.0),
        "cuts": job.manifest_cuts().iter().map(|cut| cut.0).collect::<Vec<_>>(),
        "bytes": (job.bytes > 0).then_some(job.bytes),
        "abandoned": job.abandoned,
        "history": history.collect::<Vec<_>>(),
    })
}

/// The newest that a restore would take: what is in it is as old as its cut. One of another timeline does not hold what this
/// cluster has done.
pub(super) fn newest_restorable(catalog: &Catalog) -> Option<&Arc<SnapshotJob>> {
    let own = catalog.jobs().filter(|job| job.state == JobState::Finished && !job.is_foreign());
    own.max_by_key(|job| job.cut)
}

/// When the job last cut: everything up to then is in it.
pub(super) fn cut_at(job: &SnapshotJob) -> UnixMillis {
    let cut = job.history.iter().rev().find(|change| change.state == JobState::Snapshoting);
    cut.map_or(job.created_at, |change| change.at)
}

/// How many of the last jobs failed, one after the other. A job that was cancelled says nothing about the store, nor does a
/// snapshot of another timeline.
pub(super) fn consecutive_failures(catalog: &Catalog) -> usize {
    let own = catalog.jobs().rev().filter(|job| !job.is_foreign());
    let over = own.filter(|job| !job.state.is_unfinished() && !job.error.starts_with("cancelled"));
    over.take_while(|job| job.state == JobState::Error).count()
}

fn pins(catalog: &Catalog) -> Vec<Value> {
    let reason = |job: &SnapshotJob| match job.state {
        JobState::Snapshoting => "a snapshot is being made of it",
        JobState::Finished if job.is_foreign() => "a restorable snapshot of another timeline",
        JobState::Finished => "a restorable snapshot",
        _ => "a snapshot that is being deleted",
    };
    let pin = |pin: Pinned| {
        json!({
            "revision": pin.revisions.last().map(|last| last.0),
            "reason": reason(&pin.job),
            "job": pin.job.name,
            "files": pin.files,
            "bytes": pin.bytes,
            "only_files": pin.only_files,
            "only_bytes": pin.only_bytes,
        })
    };
    catalog.pinned().into_iter().map(pin).collect()
}

/// How many removed files are condemned and not deleted yet.
pub(super) fn condemned(catalog: &Catalog) -> u64 {
    catalog.removed_files().filter(|file| file.condemned_at().is_some()).count() as u64
}

async fn garbage(opened: &Opened, catalog: &Catalog) -> Value {
    let (files, bytes) = catalog.gc_backlog();
    let state = opened.observers.state_of("gc_coordinator").await.unwrap_or_default();
    let last_error = state["last_error"].as_str().filter(|text| !text.is_empty());
    json!({
        "backlog_files": files,
        "backlog_bytes": bytes,
        "condemned_files": condemned(catalog),
        "condemned_total": state["condemned"],
        "deleted_total": state["deleted"],
        "forgotten_total": state["forgotten"],
        "erased_total": state["erased"],
        "last_error": last_error,
    })
}
