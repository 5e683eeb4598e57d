//! Snapshots that somebody asks for: CREATE, DROP, CANCEL and VERIFY.

use std::sync::Arc;
use std::time::Duration;

use actors_messages::supervisor::{CreateSnapshot, SnapshotProblem, VerifySnapshot};
use runtime_mysql::MySqlError;
use storage_catalog::{Catalog, Command, Rejection};
use storage_model::snapshot::{AUTOMATED_PREFIX, JobEvent};
use storage_model::{JobState, SnapshotJob, SnapshotKind};

use crate::session::{Running, Session};
use crate::sheet::{Sheet, row};
use crate::{errors, volumes};

/// A name becomes a directory in the store.
const LONGEST_NAME: usize = 128;
pub(super) const SUPERVISOR: &str = "snapshot job supervisor";

/// CREATE CLUSTER SNAPSHOT. Returns once the job has begun; one that runs is waited for.
pub(crate) async fn create(
    session: &Session,
    running: &Running,
    name: &str,
    comment: Option<&str>,
    volume: Option<&str>,
    if_not_exists: bool,
) -> Result<(), MySqlError> {
    check_name(name)?;
    let catalog = session.catalog();
    if living(&catalog, name).is_some() {
        let exists = Rejection::SnapshotExists(name.to_owned());
        return if if_not_exists { Ok(()) } else { Err(errors::rejection(&exists)) };
    }
    let target = super::target(&catalog, volume)?;
    let message =
        CreateSnapshot { name: name.to_owned(), volume: target.id, comment: comment.unwrap_or_default().to_owned() };
    volumes::preflight(session, target).await?;
    let seconds = session.variables.number("query_timeout");
    let begun = async {
        let asked = session.front().create_snapshot.ask_within(message, Duration::from_secs(seconds.max(1))).await;
        asked.map_err(|lost| errors::ask(&lost, SUPERVISOR, true))?.map_err(|failure| errors::propose(&failure))
    };
    match running.within("Query", "query_timeout", seconds, begun).await {
        Ok(_) => Ok(()),
        // Another session was quicker.
        Err(_) if if_not_exists && living(&session.catalog(), name).is_some() => Ok(()),
        Err(error) => Err(error),
    }
}

/// DROP CLUSTER SNAPSHOT, by hand or of another timeline: no longer restorable at once, deleted from the store in the background.
pub(crate) fn drop_(catalog: &Catalog, name: &str, if_exists: bool) -> Result<Option<Command>, MySqlError> {
    let Some(job) = living(catalog, name) else {
        let unknown = Rejection::UnknownSnapshot(name.to_owned());
        return if if_exists { Ok(None) } else { Err(errors::rejection(&unknown)) };
    };
    if job.kind == SnapshotKind::Automated {
        return Err(MySqlError::common(format_args!(
            "cluster snapshot {name} is automated: it goes when the retention keeps it no longer, or with ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF"
        )));
    }
    match job.state {
        JobState::Finished => {
            let (event, detail) = (JobEvent::Retire, "dropped by DROP CLUSTER SNAPSHOT".to_owned());
            Ok(Some(Command::SnapshotEvent { job: job.id, event, detail }))
        }
        // It is on its way out already.
        JobState::Expired => Ok(None),
        state => Err(MySqlError::common(format_args!(
            "cluster snapshot {name} is still {state}: CANCEL CLUSTER SNAPSHOT {name} gives it up"
        ))),
    }
}

/// ADMIN VERIFY CLUSTER SNAPSHOT: a row for everything that a restore would stumble over; none: it can be restored.
pub(crate) async fn verify(
    session: &Session,
    running: &Running,
    name: &str,
    with_data: bool,
) -> Result<Sheet, MySqlError> {
    if living(&session.catalog(), name).is_none() {
        return Err(errors::rejection(&Rejection::UnknownSnapshot(name.to_owned())));
    }
    let seconds = session.variables.number("query_timeout");
    let message = VerifySnapshot { name: name.to_owned(), with_data };
    let asked = async {
        let asked = session.front().verify_snapshot.ask_within(message, Duration::from_secs(seconds.max(1))).await;
        asked.map_err(|lost| errors::ask(&lost, SUPERVISOR, false))?.map_err(MySqlError::common)
    };
    let problems = running.within("Query", "query_timeout", seconds, asked).await?;
    let mut sheet = Sheet::text(&["StorageVolume", "Object", "Problem"]);
    for SnapshotProblem { volume, object, what } in problems {
        sheet.push(row![volume, object, what]);
    }
    Ok(sheet)
}

/// The snapshot of this name that is not gone. Should another timeline have left one of the same name, then one that is on
/// its way out does not hide the other.
fn living<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a Arc<SnapshotJob>> {
    let named = || catalog.jobs().rev().filter(|job| job.name == name && !job.state.is_final());
    named().find(|job| job.state != JobState::Expired).or_else(|| named().next())
}

fn check_name(name: &str) -> Result<(), MySqlError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
        return Err(MySqlError::analyzing(format_args!(
            "Incorrect cluster snapshot name '{name}': 1 to {LONGEST_NAME} letters, digits, _ and -"
        )));
    }
    if name.starts_with(AUTOMATED_PREFIX) {
        return Err(MySqlError::analyzing(format_args!(
            "Incorrect cluster snapshot name '{name}': names of automated snapshots begin with {AUTOMATED_PREFIX}"
        )));
    }
    Ok(())
}
