//! SHOW, DESC and HELP: each a small table, filtered by LIKE, WHERE, ORDER BY and LIMIT when the statement has them.

mod alter;
mod databases;
mod dynamic;
mod filter;
mod help;
mod nodes;
mod partitions;
mod proc;
mod server;
mod statistics;
mod tables;

use runtime_mysql::MySqlError;
use runtime_sql::statement::{Show, Shown};

use crate::session::{Running, Session};
use crate::sheet::Sheet;
use crate::{access, query, system, volumes};

pub(crate) use help::help;
pub(crate) use partitions::{column_names, distribution_key, range_text, runs_of_tablets, size_text};
pub(crate) use server::{COLLATIONS, Whose, charset_of, processlist, sessions_of};
#[cfg(test)]
pub(crate) use tables::create_table_text;

/// Answers a SHOW.
pub(crate) async fn show(session: &Session, asked: &Show, running: &Running) -> Result<Sheet, MySqlError> {
    let computed = match &asked.what {
        Shown::Describe { table, .. } | Shown::Columns { table, .. } => query::computed_columns(session, table).await?,
        _ => None,
    };
    let sheet = whole(session, &asked.what, computed)?.in_zone(&session.variables.zone());
    filter::filter(session, sheet, &asked.filter, running).await
}

/// The table without its filter. `computed`: name and type of the columns of a virtual table that is described.
fn whole(session: &Session, what: &Shown, computed: Option<Vec<(String, String)>>) -> Result<Sheet, MySqlError> {
    let asker = session.asker(session.catalog())?;
    // What is named was asked for; lists hold what the user may see.
    let (catalog, seen) = (asker.catalog(), || asker.seen());
    let current = session.database.as_deref();
    match what {
        Shown::Catalogs => Ok(databases::catalogs()),
        Shown::Databases { catalog: named } => databases::databases(&seen(), named.as_deref()),
        Shown::CreateDatabase { name } => databases::create_database(catalog, name),
        Shown::Tables { full, database } => databases::tables(&seen(), *full, database.as_ref(), current),
        Shown::TableStatus { database } => databases::table_status((catalog, &seen()), database.as_ref(), current),
        Shown::CreateTable { object, name } => tables::create_table(catalog, *object, name, current),
        Shown::Describe { table, all } => tables::describe(catalog, table, *all, current, computed),
        Shown::Columns { full, table } => tables::columns(catalog, *full, table, current, computed),
        Shown::Partitions { temporary, table } => partitions::partitions(catalog, *temporary, table, current),
        Shown::DynamicPartitionTables { database } => dynamic::tables(&seen(), database.as_ref(), current),
        Shown::Index { table } => tables::index(catalog, table, current),
        Shown::StatsMeta => Ok(statistics::meta(&seen())),
        Shown::AnalyzeStatus => Ok(statistics::status(&seen())),
        Shown::HistogramMeta => Ok(statistics::histograms()),
        Shown::ColumnStats { table } => statistics::columns(catalog, table, current),
        Shown::Data { name } => partitions::data(&seen(), name.as_ref(), current),
        Shown::AlterTable { kind, database } => alter::jobs(&seen(), kind, database.as_ref(), current),
        Shown::MaterializedViews { .. } => Ok(tables::materialized_views()),
        Shown::Variables { global } => Ok(server::variables(&session.variables, *global)),
        Shown::Status { .. } => Ok(server::status(session)),
        Shown::Warnings { count } => Ok(server::warnings(session.last_error.as_ref(), *count, "warning_count")),
        Shown::Errors { count } => Ok(server::warnings(session.last_error.as_ref(), *count, "error_count")),
        Shown::Engines => Ok(server::engines()),
        Shown::Charset => Ok(server::charsets()),
        Shown::Collation => Ok(server::collations()),
        Shown::Plugins => Ok(server::plugins()),
        Shown::Privileges => Ok(server::privileges()),
        Shown::Triggers => Ok(server::triggers()),
        Shown::Events => Ok(server::events()),
        Shown::OpenTables => Ok(server::open_tables()),
        Shown::RoutineStatus => Ok(server::routine_status()),
        Shown::Grants { of } => access::grants(&asker, of.as_ref()),
        Shown::ProcessList { full } => Ok(processlist(&session.shared, *full, sessions_of(Some(&asker)))),
        Shown::ProfileList => Ok(session.shared.profiles.list(sessions_of(Some(&asker)))),
        Shown::StorageVolumes => Ok(volumes::list(&seen())),
        Shown::Frontends => Ok(nodes::frontends(session)),
        Shown::ComputeNodes => Ok(nodes::compute_nodes(session)),
        Shown::Backends => Ok(nodes::backends()),
        Shown::Brokers => Ok(nodes::brokers()),
        Shown::Warehouses => Ok(nodes::warehouses(session)),
        Shown::Proc { path } => proc::proc(session, path),
        Shown::FrontendConfig => Ok(system::show_config(session)),
        Shown::Users => Ok(access::users(catalog)),
        Shown::Roles => Ok(access::roles(catalog)),
        Shown::Authentication { all, user } => access::authentication(&asker, *all, user.as_ref()),
        Shown::Property { user } => access::property(&asker, user.as_ref()),
    }
}
