//! `cluster_snapshots`, `cluster_snapshot_jobs` and `cluster_snapshot_pins`.

use actors_messages::supervisor::JobDetails;
use storage_catalog::Catalog;
use storage_model::{JobState, SnapshotKind};

use crate::sheet::{Item, Kind, Sheet};

/// What can be restored: the FINISHED jobs.
pub(super) fn snapshots(catalog: &Catalog) -> Sheet {
    use Kind::{BigInt, DateTime, Text};
    let mut sheet = Sheet::new(&[
        ("SNAPSHOT_NAME", Text),
        ("SNAPSHOT_TYPE", Text),
        ("CREATED_TIME", DateTime),
        ("FE_JOURNAL_ID", BigInt),
        ("STARMGR_JOURNAL_ID", BigInt),
        ("PROPERTIES", Text),
        ("STORAGE_VOLUME", Text),
        ("STORAGE_PATH", Text),
    ]);
    let kept = retention(catalog);
    for job in catalog.jobs().filter(|job| job.state == JobState::Finished) {
        let properties = if job.kind == SnapshotKind::Automated { kept.as_str() } else { "" };
        sheet.push(vec![
            (&job.name).into(),
            job.kind.to_string().into(),
            Item::at(job.created_at),
            job.cut.map(|cut| cut.0).into(),
            job.starmgr_id.into(),
            properties.into(),
            catalog.volume(job.volume).map(|volume| volume.name.clone()).into(),
            (&job.path).into(),
        ]);
    }
    sheet
}

/// Which automated snapshots are kept, as a JSON object; empty while automation is off.
fn retention(catalog: &Catalog) -> String {
    let kept = catalog.header.snapshot_policy.as_ref().map(|policy| policy.retention.properties());
    kept.map_or_else(String::new, |kept| serde_json::json!(kept).to_string())
}

/// Every pin, with the removed files that it keeps, and those that nothing else does. Those of a snapshot of another timeline
/// are one row.
pub(super) fn pins(catalog: &Catalog) -> Sheet {
    use Kind::{BigInt, Text};
    let mut sheet = Sheet::new(&[
        ("SNAPSHOT_NAME", Text),
        ("JOB_ID", BigInt),
        ("SNAPSHOT_TYPE", Text),
        ("STATE", Text),
        ("REVISION", BigInt),
        ("FILES", BigInt),
        ("BYTES", BigInt),
        ("ONLY_FILES", BigInt),
        ("ONLY_BYTES", BigInt),
    ]);
    for pin in catalog.pinned() {
        sheet.push(vec![
            (&pin.job.name).into(),
            pin.job.id.0.into(),
            pin.job.kind.to_string().into(),
            pin.job.state.to_string().into(),
            pin.revisions.last().map(|revision| revision.0).into(),
            pin.files.into(),
            pin.bytes.into(),
            pin.only_files.into(),
            pin.only_bytes.into(),
        ]);
    }
    sheet
}

/// Every job that is remembered. `details`: what the supervisor says of the one that runs, and of those that are leased.
pub(super) fn jobs(catalog: &Catalog, details: &JobDetails) -> Sheet {
    use Kind::{BigInt, DateTime, Text};
    let mut sheet = Sheet::new(&[
        ("SNAPSHOT_NAME", Text),
        ("JOB_ID", BigInt),
        ("CREATED_TIME", DateTime),
        ("FINISHED_TIME", DateTime),
        ("STATE", Text),
        ("DETAIL_INFO", Text),
        ("ERROR_MESSAGE", Text),
    ]);
    for job in catalog.jobs() {
        sheet.push(vec![
            (&job.name).into(),
            job.id.0.into(),
            Item::at(job.created_at),
            job.finished_at.map_or(Item::Null, Item::at),
            job.state.to_string().into(),
            details.of(job).unwrap_or(&job.detail).into(),
            (&job.error).into(),
        ]);
    }
    sheet
}
