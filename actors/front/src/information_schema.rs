//! The virtual tables that only a frontend can fill: snapshots, sessions, variables, partitions with all that is known of
//! them; and those that a cluster of ours has no rows for, so that clients find them with their columns. What the catalog
//! alone answers (schemata, tables, columns, ...) is the query engine's.

mod catalog;
mod empty;
mod nodes;
mod snapshots;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actors_messages::supervisor::{JobDetails, RunningDetail};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use runtime_query::{QueryError, VirtualTables};
use storage_catalog::Catalog;

use crate::access;
use crate::front::Shared;
use crate::privileges::{self, Asker};
use crate::session::Session;
use crate::sheet::{Kind, Sheet, row};
use crate::show;
use crate::variables::SessionVariables;

/// How long a statement waits for the progress of the running job; without it the column is empty.
const DETAIL: Duration = Duration::from_secs(2);

/// A table of this room.
struct Filled {
    name: &'static str,
    rows: fn(&FrontTables) -> Sheet,
}

/// Those with rows, in `information_schema`.
const FILLED: &[Filled] = &[
    Filled { name: "cluster_snapshots", rows: |t| snapshots::snapshots(t.seen()) },
    Filled { name: "cluster_snapshot_jobs", rows: |t| snapshots::jobs(t.seen(), &t.running) },
    Filled { name: "cluster_snapshot_pins", rows: |t| snapshots::pins(t.seen()) },
    Filled { name: "partitions_meta", rows: |t| catalog::partitions_meta(t.seen()) },
    Filled { name: "recyclebin_catalogs", rows: |t| catalog::recycle_bin(t.seen()) },
    Filled { name: "collations", rows: |_| catalog::collations() },
    Filled { name: "collation_character_set_applicability", rows: |_| catalog::collation_charsets() },
    Filled { name: "warehouses", rows: |t| catalog::warehouses(t.seen()) },
    Filled { name: "processlist", rows: processlist },
    Filled { name: "global_variables", rows: |t| variables(t, true) },
    Filled { name: "session_variables", rows: |t| variables(t, false) },
    Filled { name: "verbose_session_variables", rows: verbose_variables },
    Filled { name: "applicable_roles", rows: |t| access::applicable_roles(t.asker.as_ref()) },
    Filled { name: "be_datacache_metrics", rows: |t| nodes::data_caches(&t.shared.front.nodes.borrow()) },
    Filled { name: "user_privileges", rows: |t| catalog::user_privileges(t.asker.as_ref()) },
];

/// Those with rows, in `sys`.
const FILLED_SYS: &[Filled] = &[
    Filled { name: "grants_to_roles", rows: |t| access::grants_to(t.asker.as_ref(), false) },
    Filled { name: "grants_to_users", rows: |t| access::grants_to(t.asker.as_ref(), true) },
    Filled { name: "role_edges", rows: |t| access::edges(t.asker.as_ref()) },
];

/// The tables of a database that have rows.
fn filled(database: &str) -> &'static [Filled] {
    match database {
        "information_schema" => FILLED,
        "sys" => FILLED_SYS,
        _ => &[],
    }
}

/// What a statement sees: one revision, one session.
pub(crate) struct FrontTables {
    shared: Arc<Shared>,
    /// Who asks. None: the user is gone.
    asker: Option<Asker>,
    catalog: Arc<Catalog>,
    /// What lists may hold, once it is asked for.
    seen: OnceLock<Arc<Catalog>>,
    variables: Arc<SessionVariables>,
    /// Progress of the running snapshot job, and for whom others are kept.
    running: JobDetails,
}

impl FrontTables {
    /// For a statement with this text. Messages are sent only for what it names.
    pub(crate) async fn collect(session: &Session, catalog: Arc<Catalog>, text: &str) -> FrontTables {
        let asks_for_jobs =
            catalog.jobs().next().is_some() && text.to_ascii_lowercase().contains("cluster_snapshot_jobs");
        let running = match asks_for_jobs {
            true => session.front().running_detail.ask_within(RunningDetail, DETAIL).await.unwrap_or_default(),
            false => JobDetails::default(),
        };
        let (shared, variables) = (Arc::clone(&session.shared), Arc::clone(&session.variables));
        let asker = session.asker(Arc::clone(&catalog)).ok();
        FrontTables { shared, catalog, asker, seen: OnceLock::new(), variables, running }
    }

    /// The catalog as the user may see it in lists.
    fn seen(&self) -> &Catalog {
        self.seen.get_or_init(|| privileges::seen(self.asker.as_ref(), &self.catalog))
    }

    fn sheet(&self, database: &str, table: &str) -> Option<Sheet> {
        let filled = filled(database).iter().find(|filled| filled.name == table);
        let sheet = filled.map(|filled| (filled.rows)(self)).or_else(|| empty::sheet(database, table));
        sheet.map(|sheet| sheet.in_zone(&self.variables.zone()))
    }
}

/// The names of all tables of a computed database.
pub(crate) fn table_names(database: &str) -> Vec<String> {
    let mut names: Vec<String> = empty::names(database).map(str::to_owned).collect();
    names.extend(filled(database).iter().map(|filled| filled.name.to_owned()));
    if database == "information_schema" {
        names.extend(runtime_query::information_schema_tables().map(str::to_owned));
    }
    names.sort_unstable();
    names.dedup();
    names
}

impl VirtualTables for FrontTables {
    fn names(&self) -> Vec<(String, Vec<String>)> {
        crate::names::VIRTUAL_DATABASES.map(|database| (database.to_owned(), table_names(database))).into()
    }

    fn schema(&self, database: &str, table: &str) -> Option<SchemaRef> {
        self.sheet(database, table).map(|sheet| sheet.schema())
    }

    fn rows(&self, database: &str, table: &str) -> Result<RecordBatch, QueryError> {
        let sheet = self.sheet(database, table).ok_or_else(|| QueryError::unknown_table(database, table))?;
        Ok(sheet.batch()?)
    }
}

fn processlist(tables: &FrontTables) -> Sheet {
    use Kind::{BigInt, Int, Text};
    let columns = [
        ("ID", BigInt),
        ("USER", Text),
        ("HOST", Text),
        ("DB", Text),
        ("COMMAND", Text),
        ("TIME", Int),
        ("STATE", Text),
        ("INFO", Text),
    ];
    // By their places in SHOW FULL PROCESSLIST.
    let places = [1, 2, 3, 4, 5, 7, 8, 9];
    let mut sheet = Sheet::new(&columns);
    for row in show::processlist(&tables.shared, true, show::sessions_of(tables.asker.as_ref())).rows {
        sheet.push(places.iter().map(|at| row[*at].clone()).collect());
    }
    sheet
}

fn variables(tables: &FrontTables, global: bool) -> Sheet {
    let mut sheet = Sheet::text(&["VARIABLE_NAME", "VARIABLE_VALUE"]);
    tables.variables.all(global).for_each(|(name, value, _)| sheet.push(row![name, value]));
    sheet
}

fn verbose_variables(tables: &FrontTables) -> Sheet {
    let mut sheet = Sheet::text(&["VARIABLE_NAME", "VARIABLE_VALUE", "DEFAULT_VALUE", "IS_CHANGED"]);
    for (name, value, default) in tables.variables.all(false) {
        let changed = if value == default { "0" } else { "1" };
        sheet.push(row![name, value, default, changed]);
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_specification_names_is_there() {
        let names = table_names("information_schema");
        for name in [
            "schemata tables columns views statistics key_column_usage referential_constraints table_constraints routines",
            "triggers events engines character_sets collations schema_privileges table_privileges column_privileges",
            "user_privileges applicable_roles partitions global_variables session_variables verbose_session_variables files",
            "materialized_views tasks task_runs loads stream_loads routine_load_jobs pipes pipe_files partitions_meta",
            "tables_config be_configs be_datacache_metrics be_tablets be_txns be_compactions be_metrics be_threads be_logs fe_metrics analyze_status",
            "recyclebin_catalogs temporary_tables cluster_snapshots cluster_snapshot_jobs cluster_snapshot_pins processlist",
        ]
        .iter()
        .flat_map(|names| names.split(' '))
        {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(table_names("sys").contains(&"grants_to_users".to_owned()));
    }
}
