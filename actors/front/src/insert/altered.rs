//! A table that a job has made another while rows were written for what it was.

use storage_model::{AlterState, Table};

use crate::session::Session;

/// Whether partitions of the table are others now, and a job may be why: what was planned can be planned again.
pub(super) fn is_another(session: &Session, planned: &Table) -> bool {
    let catalog = session.catalog();
    let Some(now) = catalog.table(planned.id) else { return false };
    let is_altered = catalog.alter_jobs().any(|job| job.table == now.id && job.state == AlterState::Finished);
    let all = planned.partitions.iter().chain(&planned.temporary);
    is_altered && all.copied().any(|partition| !now.has_partition(partition))
}
