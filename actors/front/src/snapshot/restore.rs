//! RESTORE TABLE … FROM SNAPSHOT … TO TABLE …: the leader reads the snapshot; here are names and what is plain to see.

use std::time::Duration;

use actors_messages::supervisor::RestoreTable;
use runtime_mysql::MySqlError;
use runtime_sql::QualifiedName;
use runtime_sql::statement::Properties;
use storage_catalog::Rejection;
use storage_catalog::restore_table::{TableName, source};

use super::manual::SUPERVISOR;
use crate::ddl::{LONGEST_NAME, check_properties};
use crate::session::{Running, Session};
use crate::{errors, names};

/// Returns once the table is there, and seen here.
pub(super) async fn table(
    session: &Session,
    running: &Running,
    from: &QualifiedName,
    snapshot: &str,
    to: &QualifiedName,
    properties: &Properties,
) -> Result<(), MySqlError> {
    check_properties(properties, |_| false)?;
    let current = session.database.as_deref();
    let from = TableName { database: names::database_name(from, current)?, table: from.name.clone() };
    let to = TableName { database: names::writable_database(to, current)?, table: to.name.clone() };
    names::check_new("table", &to.table, LONGEST_NAME)?;
    let catalog = session.catalog();
    source(&catalog, snapshot).map_err(|why| errors::rejection(&why))?;
    let database = catalog.database_by_name(&to.database).ok_or_else(|| MySqlError::unknown_database(&to.database))?;
    if catalog.table_by_name(database.id, &to.table).is_some() {
        return Err(errors::rejection(&Rejection::TableExists(to.table)));
    }
    let message = RestoreTable { snapshot: snapshot.to_owned(), from, to };
    let seconds = session.variables.number("query_timeout");
    let restored = async {
        let asked = session.front().restore_table.ask_within(message, Duration::from_secs(seconds.max(1))).await;
        asked.map_err(|lost| errors::ask(&lost, SUPERVISOR, true))?.map_err(|failure| errors::propose(&failure))
    };
    let revision = running.within("Query", "query_timeout", seconds, restored).await?;
    session.front().has_seen(revision).await
}
