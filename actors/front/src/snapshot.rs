//! Cluster snapshots: ON, OFF, ALTER and SHOW of automation, snapshots by hand, tables that come back from them, and the end of a restore. Checks come in a fixed order:
//! privilege (before this room), state, volume, the store itself, the log.

pub(crate) mod manual;
mod restore;

use actors_messages::supervisor::Reconcile;
use runtime_mysql::MySqlError;
use runtime_sql::Statement;
use runtime_sql::statement::Properties;
use storage_catalog::{Catalog, Command, Rejection};
use storage_model::{JobState, RetentionChange, SnapshotKind, StorageVolume};

use crate::session::{Running, Session};
use crate::sheet::{Item, Sheet, row};
use crate::{errors, volumes};

/// Runs one of the statements of this room.
pub(crate) async fn run(session: &Session, statement: &Statement, running: &Running) -> Result<(), MySqlError> {
    let command = match statement {
        Statement::AdminSetAutomatedSnapshotOn { interval_seconds, volume, properties } => {
            let catalog = session.catalog();
            if catalog.header.snapshot_policy.is_some() {
                return Err(errors::rejection(&Rejection::SnapshotsAreOn));
            }
            let retention = retention(properties)?;
            check_interval(*interval_seconds)?;
            let target = target(&catalog, volume.as_deref())?;
            let volume = Some(target.name.clone());
            volumes::preflight(session, target).await?;
            Command::EnableSnapshots { volume, interval_seconds: *interval_seconds, retention }
        }
        Statement::AdminSetAutomatedSnapshotOff => Command::DisableSnapshots,
        Statement::AdminAlterAutomatedSnapshot { interval_seconds, volume, properties } => {
            let catalog = session.catalog();
            if catalog.header.snapshot_policy.is_none() {
                return Err(errors::rejection(&Rejection::SnapshotsAreOff));
            }
            let retention = retention(properties)?;
            check_interval(*interval_seconds)?;
            if let Some(name) = volume {
                volumes::preflight(session, target(&catalog, Some(name))?).await?;
            }
            Command::AlterSnapshots { volume: volume.clone(), interval_seconds: *interval_seconds, retention }
        }
        Statement::AdminFinishRestore => Command::FinishRestore,
        Statement::CreateClusterSnapshot { if_not_exists, name, comment, volume } => {
            let (comment, volume) = (comment.as_deref(), volume.as_deref());
            manual::create(session, running, name, comment, volume, *if_not_exists).await?;
            tell_supervisor(session);
            return Ok(());
        }
        Statement::DropClusterSnapshot { if_exists, name } => {
            match manual::drop_(&session.catalog(), name, *if_exists)? {
                Some(command) => command,
                None => return Ok(()),
            }
        }
        Statement::RestoreTable { source, snapshot, target, properties } => {
            return restore::table(session, running, source, snapshot, target, properties).await;
        }
        Statement::CancelClusterSnapshot { name } => Command::CancelSnapshot { name: name.clone() },
        other => return Err(errors::unsupported(other.statement_kind())),
    };
    session.front().propose(command).await?;
    tell_supervisor(session);
    Ok(())
}

fn tell_supervisor(session: &Session) {
    if let Err(lost) = session.front().reconcile.tell(Reconcile) {
        // It looks by itself in a moment.
        tracing::debug!(%lost, "the snapshot job supervisor was not told of a change");
    }
}

/// What PROPERTIES say of which snapshots are kept.
fn retention(properties: &Properties) -> Result<RetentionChange, MySqlError> {
    RetentionChange::parse(&properties.0).map_err(MySqlError::analyzing)
}

fn check_interval(seconds: Option<u64>) -> Result<(), MySqlError> {
    match seconds {
        Some(0) => Err(MySqlError::analyzing("the interval of automated snapshots must be at least one second")),
        _ => Ok(()),
    }
}

/// The volume that snapshots go to: named, or the default.
fn target(catalog: &Catalog, name: Option<&str>) -> Result<StorageVolume, MySqlError> {
    let found = match name {
        Some(name) => catalog.volume_by_name(name).ok_or_else(|| Rejection::UnknownVolume(name.to_owned())),
        None => catalog.header.default_volume.and_then(|id| catalog.volume(id)).ok_or(Rejection::NoDefaultVolume),
    };
    let volume = found.map_err(|why| errors::rejection(&why))?;
    if !volume.enabled {
        return Err(errors::rejection(&Rejection::VolumeDisabled(volume.name.clone())));
    }
    Ok(volume.as_ref().clone())
}

/// ADMIN SHOW AUTOMATED CLUSTER SNAPSHOT.
pub(crate) fn show_automated(session: &Session) -> Sheet {
    let catalog = session.catalog();
    let sheet = automated(&catalog, session.front().settings.snapshot_interval_seconds());
    sheet.in_zone(&session.variables.zone())
}

fn automated(catalog: &Catalog, default_interval: u64) -> Sheet {
    let sheet = Sheet::text(&["Enabled", "Interval", "StorageVolume", "LastSnapshotTime", "NextSnapshotTime"]);
    let Some(policy) = &catalog.header.snapshot_policy else {
        return sheet.with(vec![Item::from(false), Item::Null, Item::Null, Item::Null, Item::Null]);
    };
    let seconds = policy.interval_seconds.unwrap_or(default_interval);
    let automated = || catalog.jobs().rev().filter(|job| job.kind == SnapshotKind::Automated);
    let last = automated().find(|job| job.state == JobState::Finished).map(|job| job.created_at);
    // Start to start; the first one begins when it is turned on.
    let newest = automated().next().filter(|job| job.created_uptime >= policy.enabled_uptime);
    let next = newest.map_or(policy.enabled_at, |job| job.created_at.plus(seconds.saturating_mul(1000)));
    let shown = Item::at;
    let volume = catalog.volume(policy.volume).map(|v| v.name.clone());
    sheet.with(row![true, format!("{seconds} SECOND"), volume, last.map(shown), shown(next)])
}
