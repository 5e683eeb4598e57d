//! Databases, tables and partitions: a statement becomes a draft, checked here as far as text and types go; whether names
//! are free and ranges disjoint is the catalog's to say.

mod alter_columns;
mod alter_partitions;
pub(crate) mod as_query;
pub(crate) mod automatic;
mod batches;
mod bloom_filters;
mod colocation;
mod columns;
mod databases;
mod indexes;
pub(crate) mod jobs;
mod like;
mod partitions;
mod properties;
mod table;
mod views;

use runtime_mysql::MySqlError;
use runtime_sql::statement::{AlterTableAction, Properties};
use runtime_sql::{QualifiedName, Statement};
use storage_catalog::{Command, ViewPut};
use storage_model::{Column, Schema};

use crate::session::Session;
use crate::{errors, names};

pub(crate) use partitions::values_of;
pub(crate) use properties::shown as shown_properties;
pub(crate) use table::analyze;

/// The longest name of a database, in characters.
const LONGEST_DATABASE: usize = 256;
/// The longest name of a table, a column or a partition.
pub(crate) const LONGEST_NAME: usize = 1024;

/// Runs one of the statements of this room.
pub(crate) async fn run(session: &Session, statement: &Statement) -> Result<(), MySqlError> {
    let current = session.database.as_deref();
    let command = match statement {
        Statement::CreateDatabase { .. }
        | Statement::DropDatabase { .. }
        | Statement::RenameDatabase { .. }
        | Statement::RecoverDatabase { .. } => match databases::command(statement)? {
            Some(command) => command,
            None => return Ok(()),
        },
        Statement::CreateTable(create) => {
            let database = names::writable_database(&create.name, current)?;
            let draft = analyze(create, session.front().alive_nodes().len())?;
            check_generated(session, &draft.columns).await?;
            colocation::check(&session.catalog(), &database, &draft)?;
            Command::CreateTable { database, draft, if_not_exists: create.if_not_exists }
        }
        Statement::CreateTableLike { if_not_exists, name, source, distribution, properties } => {
            let catalog = session.catalog();
            let (_, source) = names::stored_table(&catalog, source, current)?;
            let database = names::writable_database(name, current)?;
            let draft = like::draft(&catalog, name, &source, distribution.as_ref(), properties)?;
            colocation::check(&catalog, &database, &draft)?;
            Command::CreateTable { database, draft, if_not_exists: *if_not_exists }
        }
        Statement::CreateView { or_replace, if_not_exists, definition } => {
            let how = match (or_replace, if_not_exists) {
                (true, _) => ViewPut::Replace,
                (false, true) => ViewPut::CreateIfNotExists,
                (false, false) => ViewPut::Create,
            };
            Box::pin(views::put(session, definition, how)).await?
        }
        Statement::AlterView { definition } => Box::pin(views::put(session, definition, ViewPut::Alter)).await?,
        Statement::DropView { if_exists, name } => Command::DropView {
            database: names::writable_database(name, current)?,
            name: name.name.clone(),
            if_exists: *if_exists,
        },
        Statement::DropTable { if_exists, name, force } => Command::DropTable {
            database: names::writable_database(name, current)?,
            table: name.name.clone(),
            if_exists: *if_exists,
            force: *force,
        },
        Statement::TruncateTable { name, partitions } => Command::TruncateTable {
            database: names::writable_database(name, current)?,
            table: name.name.clone(),
            partitions: partitions.clone(),
        },
        Statement::AlterTable { name, action } if is_about_partitions(action) => {
            match alter_partitions::command(session, name, action).await? {
                Some(command) => command,
                None => return Ok(()),
            }
        }
        Statement::AlterTable { name, action } => match action.as_ref() {
            AlterTableAction::Compact { partitions } => return jobs::compact(session, name, partitions).await,
            AlterTableAction::Distribute { partitions, distribution } => {
                jobs::distribute(session, name, partitions, distribution)?
            }
            other => {
                let command = alter(session, name, other)?;
                jobs::check_added(session, &command).await?;
                command
            }
        },
        Statement::RecoverTable { name } => {
            Command::RecoverTable { database: names::writable_database(name, current)?, table: name.name.clone() }
        }
        Statement::RecoverPartition { partition, table } => Command::RecoverPartition {
            database: names::writable_database(table, current)?,
            table: table.name.clone(),
            partition: partition.clone(),
        },
        other => return Err(errors::unsupported(other.statement_kind())),
    };
    let frees = matches!(
        command,
        Command::DropDatabase { .. }
            | Command::DropTable { .. }
            | Command::TruncateTable { .. }
            | Command::DropPartitions { .. }
            | Command::ReplacePartitions { .. }
    );
    let numbers = matches!(command, Command::SetAutoIncrement { .. });
    session.front().propose(command).await?;
    if numbers && let Statement::AlterTable { name, .. } = statement {
        // What this frontend has leased before is smaller.
        let (_, table) = names::stored_table(&session.catalog(), name, current)?;
        session.shared.ids.forget(|known| known == table.id);
    }
    if frees && let Err(lost) = session.front().collect.tell(actors_messages::collector::Collect) {
        // It looks by itself in a while.
        tracing::debug!(%lost, "the GC coordinator was not told of a drop");
    }
    Ok(())
}

/// Whether generated columns can be computed as they are meant.
async fn check_generated(session: &Session, columns: &[Column]) -> Result<(), MySqlError> {
    if columns.iter().all(|column| column.generated().is_none()) {
        return Ok(());
    }
    let cx = session.plan_context(session.catalog(), "").await;
    runtime_query::check_generated(&cx, &Schema::new(columns.to_vec())).map_err(|e| errors::query(&e))
}

fn is_about_partitions(action: &AlterTableAction) -> bool {
    matches!(
        action,
        AlterTableAction::AddPartitions { .. }
            | AlterTableAction::DropPartitions { .. }
            | AlterTableAction::TruncatePartitions { .. }
            | AlterTableAction::ReplacePartitions { .. }
            | AlterTableAction::ModifyPartitions { .. }
            | AlterTableAction::SetProperties { .. }
    )
}

fn alter(session: &Session, name: &QualifiedName, action: &AlterTableAction) -> Result<Command, MySqlError> {
    let database = names::writable_database(name, session.database.as_deref())?;
    let table = name.name.clone();
    match action {
        AlterTableAction::Rename { new_name } => {
            names::check_new("table", new_name, LONGEST_NAME)?;
            Ok(Command::RenameTable { database, table, new_name: new_name.clone() })
        }
        AlterTableAction::RenamePartition { name: partition, new_name } => {
            names::check_new("partition", new_name, LONGEST_NAME)?;
            let (partition, new_name) = (partition.clone(), new_name.clone());
            Ok(Command::RenamePartition { database, table, partition, new_name })
        }
        AlterTableAction::Swap { other } => Ok(Command::SwapTables { database, table, other: other.clone() }),
        AlterTableAction::Comment { comment } => {
            Ok(Command::CommentTable { database, table, comment: comment.clone() })
        }
        AlterTableAction::AutoIncrement { next } => Ok(Command::SetAutoIncrement { database, table, next: *next }),
        AlterTableAction::Columns(clauses) => {
            let (_, found) = names::stored_table(&session.catalog(), name, session.database.as_deref())?;
            let changes = alter_columns::changes(clauses, &found, &session.facts())?;
            Ok(Command::AlterColumns { database, table, changes })
        }
        // Those on partitions and properties have a room of their own.
        _ => Err(errors::unsupported("this clause of ALTER TABLE")),
    }
}

/// `Unknown properties: {key=value}`, for the first that is in no list.
pub(crate) fn check_properties(properties: &Properties, known: impl Fn(&str) -> bool) -> Result<(), MySqlError> {
    match properties.iter().find(|(key, _)| !known(key)) {
        Some((key, value)) => {
            let shown = if storage_model::volume::is_secret(key) { "******" } else { value };
            Err(MySqlError::analyzing(format_args!("Unknown properties: {{{key}={shown}}}")))
        }
        None => Ok(()),
    }
}
