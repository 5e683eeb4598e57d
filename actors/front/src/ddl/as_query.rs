//! CREATE TABLE … AS: a table with the columns of a query, and its rows.

use runtime_mysql::{MySqlError, OkInfo};
use runtime_query::{ResultColumn, ResultType, plan_query};
use runtime_sql::statement::table::{ColumnDefault, ColumnDefinition};
use runtime_sql::statement::{CreateTable, Insert, InsertSource, SourcedQuery};
use storage_catalog::{Command, Outcome};
use storage_model::DataType;

use super::analyze;
use crate::session::{Running, Session};
use crate::{dispatch, errors, insert, names};

/// Makes the table and fills it. When the rows cannot be had, there is no table.
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
    let name = draft.name.clone();
    let create = Command::CreateTable { database: database.clone(), draft, if_not_exists: table.if_not_exists };
    let Outcome::Table(id) = session.front().propose(create).await? else { return Ok(OkInfo::default()) };
    let rows = Insert::plain(table.name.clone(), InsertSource::Query(query.query.clone()));
    let inserted = Box::pin(insert::insert(session, &rows, &query.text, running)).await;
    if inserted.is_err() {
        let catalog = session.catalog();
        let there = catalog.database_by_name(&database).and_then(|d| catalog.table_by_name(d.id, &name));
        if there.is_some_and(|there| there.id == id) {
            let drop = Command::DropTable { database, table: name, if_exists: true, force: true };
            if let Err(error) = session.front().propose(drop).await {
                tracing::warn!(%error, table = %id, "the table of a CREATE TABLE AS that failed stays, and is empty");
            }
        }
    }
    inserted
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
