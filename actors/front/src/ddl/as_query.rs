//! CREATE TABLE … AS: a table with the columns of a query, and its rows.

use std::sync::Arc;

use runtime_mysql::{MySqlError, OkInfo};
use runtime_query::{ResultColumn, ResultType, plan_query};
use runtime_sql::statement::table::{ColumnDefault, ColumnDefinition};
use runtime_sql::statement::{CreateTable, Insert, InsertSource, SourcedQuery};
use storage_catalog::{Command, Outcome};
use storage_model::{DataType, TableId};
use tokio::runtime::Handle;

use super::analyze;
use crate::front::Shared;
use crate::session::{Running, Session};
use crate::{dispatch, errors, insert, names};

/// Makes the table and fills it. When the rows cannot be had, or nobody waits for them any more, there is no table.
pub(crate) async fn create(
    session: &Session,
    table: &CreateTable,
    given: &[String],
    query: &SourcedQuery,
    running: &Running,
) -> Result<OkInfo, MySqlError> {
    let database = names::writable_database(&table.name, session.database.as_deref())?;
    let catalog = session.catalog();
    let there = catalog.database_by_name(&database).and_then(|d| catalog.table_by_name(d.id, &table.name.name));
    if there.is_some() && table.if_not_exists {
        return Ok(OkInfo::default());
    }
    let cx = session.plan_context(catalog, &query.text).await;
    let seconds = session.variables.number("query_timeout");
    let planned = running.within("Query", "query_timeout", seconds, async {
        plan_query(&cx, &query.query).await.map_err(|e| dispatch::with_similar_names(errors::query(&e)))
    });
    let columns = definitions(planned.await?.columns, given)?;
    let draft = analyze(&CreateTable { columns, ..table.clone() }, session.front().alive_nodes().len())?;
    let txn = insert::draw_txn(&session.shared).await?;
    let command = Command::CreateTableAs { database, draft, if_not_exists: table.if_not_exists, txn };
    let Some(unfilled) = Unfilled::create(&session.shared, command).await? else { return Ok(OkInfo::default()) };
    let rows = Insert::plain(table.name.clone(), InsertSource::Query(query.query.clone()));
    let inserted = Box::pin(insert::insert(session, &rows, &query.text, running)).await;
    match &inserted {
        Ok(_) => unfilled.leave(),
        Err(_) => unfilled.give_up().await,
    }
    inserted
}

/// A table whose rows are still to come. Whoever drops this, as when the client is gone, gives it up. The leader does when this
/// frontend ends before.
struct Unfilled {
    shared: Arc<Shared>,
    /// None: nothing is left to be done.
    table: Option<TableId>,
}

impl Unfilled {
    /// Makes the table. None: there is one of that name, which may be.
    async fn create(shared: &Arc<Shared>, command: Command) -> Result<Option<Unfilled>, MySqlError> {
        let shared = Arc::clone(shared);
        // It goes on when the client does not wait any more: the table is known then, and given up.
        let made = tokio::spawn(async move {
            match shared.front.propose(command).await? {
                Outcome::Table(id) => Ok(Some(Unfilled { shared, table: Some(id) })),
                _ => Ok(None),
            }
        });
        made.await.unwrap_or_else(|lost| Err(MySqlError::unknown_error(format_args!("the table was not made: {lost}"))))
    }

    fn leave(mut self) {
        self.table = None;
    }

    async fn give_up(mut self) {
        if let Some(table) = self.table.take() {
            drop_unfilled(&self.shared, table).await;
        }
    }
}

impl Drop for Unfilled {
    fn drop(&mut self) {
        let (shared, table) = (Arc::clone(&self.shared), self.table.take());
        if let (Some(table), Ok(runtime)) = (table, Handle::try_current()) {
            runtime.spawn(async move { drop_unfilled(&shared, table).await });
        }
    }
}

/// Whatever became of its rows: once some are true, or it is known that there are none, the log leaves the table alone.
async fn drop_unfilled(shared: &Shared, table: TableId) {
    if let Err(error) = shared.front.propose(Command::DropUnfilled { table }).await {
        tracing::warn!(%error, %table, "the table of a CREATE TABLE AS that failed stays until its transaction is given up");
    }
}

fn definitions(results: Vec<ResultColumn>, given: &[String]) -> Result<Vec<ColumnDefinition>, MySqlError> {
    if !given.is_empty() && given.len() != results.len() {
        return Err(MySqlError::analyzing("Number of columns mismatch"));
    }
    let definition = |(at, result): (usize, ResultColumn)| {
        Ok(ColumnDefinition {
            name: given.get(at).unwrap_or(&result.name).clone(),
            data_type: column_type(&result)?,
            key: false,
            aggregate: None,
            nullable: None,
            default: ColumnDefault::None,
            auto_increment: false,
            comment: None,
        })
    };
    results.into_iter().enumerate().map(definition).collect()
}

/// The type of a column that holds what a query's column does.
pub(super) fn column_type(result: &ResultColumn) -> Result<DataType, MySqlError> {
    Ok(match &result.data_type {
        ResultType::Column(data_type) => data_type.clone(),
        ResultType::Null => DataType::TinyInt,
        ResultType::UnsignedBigInt => DataType::LargeInt,
        ResultType::Time | ResultType::Binary | ResultType::Nested => {
            let ResultColumn { name, arrow_type, .. } = result;
            return Err(errors::unsupported(format_args!("column '{name}' of a table or view of type {arrow_type}")));
        }
    })
}
