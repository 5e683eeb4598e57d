//! Statements about work that goes on behind them: jobs that write tables anew, and compaction.

use actors_messages::compactor::CompactNow;
use runtime_mysql::MySqlError;
use runtime_sql::QualifiedName;
use runtime_sql::statement::table::DistributionClause;
use storage_catalog::{ColumnChange, Command};
use storage_model::{AlterKind, Column, JobId};

use super::table::{default_buckets, distribution};
use crate::session::Session;
use crate::{errors, names};

/// ALTER TABLE … DISTRIBUTED BY.
pub(super) fn distribute(
    session: &Session,
    name: &QualifiedName,
    partitions: &[String],
    clause: &DistributionClause,
) -> Result<Command, MySqlError> {
    let current = session.database.as_deref();
    let database = names::writable_database(name, current)?;
    let (_, found) = names::stored_table(&session.catalog(), name, current)?;
    let (distribution, buckets_given) = distribution(Some(clause), &found.schema.columns)?;
    let buckets = buckets_given.unwrap_or_else(|| default_buckets(session.front().alive_nodes().len()));
    let (table, partitions) = (name.name.clone(), partitions.to_vec());
    Ok(Command::AlterDistribution { database, table, partitions, distribution, buckets_given, buckets })
}

/// CANCEL ALTER TABLE.
pub(crate) async fn cancel(
    session: &Session,
    kind: &str,
    name: &QualifiedName,
    jobs: &[u64],
) -> Result<(), MySqlError> {
    let current = session.database.as_deref();
    let (_, table) = names::stored_table(&session.catalog(), name, current)?;
    let kind = match kind {
        "COLUMN" => AlterKind::Columns,
        "OPTIMIZE" => AlterKind::Distribution,
        // There are no rollups.
        other => return Err(MySqlError::new(1064, *b"HY000", format!("Table[{}] is not under {other}.", table.name))),
    };
    let database = names::writable_database(name, current)?;
    let (table, jobs) = (name.name.clone(), jobs.iter().map(|id| JobId(*id)).collect());
    session.front().propose(Command::CancelAlter { database, table, kind, jobs }).await.map(drop)
}

/// Whether generated columns that are added can be computed as they are meant.
pub(super) async fn check_added(session: &Session, command: &Command) -> Result<(), MySqlError> {
    let Command::AlterColumns { database, table, changes } = command else { return Ok(()) };
    let computed = |change: &ColumnChange| match change {
        ColumnChange::Add { column, .. } => column.generated().is_some().then(|| column.clone()),
        _ => None,
    };
    let added: Vec<Column> = changes.iter().filter_map(computed).collect();
    let catalog = session.catalog();
    let Some(database) = catalog.database_by_name(database).filter(|_| !added.is_empty()) else { return Ok(()) };
    let Some(found) = catalog.table_by_name(database.id, table) else { return Ok(()) };
    let columns: Vec<Column> = found.schema.columns.iter().cloned().chain(added).collect();
    super::check_generated(session, &columns).await
}

/// ALTER TABLE … COMPACT: answered at once, done soon after, before what compaction chooses by itself.
pub(super) async fn compact(session: &Session, name: &QualifiedName, partitions: &[String]) -> Result<(), MySqlError> {
    let current = session.database.as_deref();
    names::writable_database(name, current)?;
    let catalog = session.catalog();
    let (_, table) = names::stored_table(&catalog, name, current)?;
    let mut chosen = Vec::new();
    for partition in partitions {
        let found = catalog.partitions_of(&table).find(|p| p.name.eq_ignore_ascii_case(partition));
        chosen.push(found.ok_or_else(|| MySqlError::no_such_partition(partition))?.id);
    }
    if partitions.is_empty() {
        chosen.clone_from(&table.partitions);
    }
    let message = CompactNow { table: table.id, partitions: chosen };
    session.front().compact.ask(message).await.map_err(|lost| errors::ask(&lost, "compaction coordinator", false))
}
