//! `cluster_snapshots` and `cluster_snapshot_jobs`.

use storage_catalog::Catalog;
use storage_model::{JobId, JobState};

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
    for job in catalog.jobs().filter(|job| job.state == JobState::Finished) {
        sheet.push(vec![
            (&job.name).into(),
            job.kind.to_string().into(),
            Item::at(job.created_at),
            job.cut.map(|cut| cut.0).into(),
            job.starmgr_id.into(),
            "".into(),
            catalog.volume(job.volume).map(|volume| volume.name.clone()).into(),
            (&job.path).into(),
        ]);
    }
    sheet
}

/// Every job that is remembered. `running`: what the supervisor says of the one that runs.
pub(super) fn jobs(catalog: &Catalog, running: Option<&(JobId, String)>) -> Sheet {
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
        let progress = running.filter(|(id, _)| *id == job.id && job.state.is_unfinished()).map(|(_, text)| text);
        sheet.push(vec![
            (&job.name).into(),
            job.id.0.into(),
            Item::at(job.created_at),
            job.finished_at.map_or(Item::Null, Item::at),
            job.state.to_string().into(),
            progress.filter(|text| !text.is_empty()).unwrap_or(&job.detail).into(),
            (&job.error).into(),
        ]);
    }
    sheet
}
