//! UPDATE of a PRIMARY KEY table: a compute node finds the rows and writes them as they are to be. One log entry puts them over
//! the old, if the partitions that they are of are still what was read; if not, all begins again.
//!
//! Statements that were overtaken wait for their turn, so that many who change the same rows do not overtake each other for ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use actors_messages::compute::LoadDone;
use runtime_mysql::{MySqlError, OkInfo};
use runtime_query::{PlanContext, UpdateScope, plan_update};
use runtime_sql::statement::Update;
use storage_catalog::{Command, ReplacedPartition};
use storage_model::{Superseded, Table, TxnId};
use storage_tablet::TargetPartition;

use crate::insert::{self, InsertPlan};
use crate::session::{Limit, Running, Session};
use crate::supersede::Looks;
use crate::turns::{ATTEMPTS, Turn, wait_for_turn};
use crate::{dispatch, errors, names};

/// New rows that are in the store and not yet true.
pub(crate) struct Changed {
    pub(crate) table: Arc<Table>,
    pub(crate) txn: TxnId,
    pub(crate) partitions: Vec<ReplacedPartition>,
    pub(crate) done: LoadDone,
    superseded: Superseded,
}

/// Runs an UPDATE; the answer is what the OK packet says.
pub(crate) async fn update(
    session: &Session,
    ast: &Update,
    text: &str,
    running: &Running,
) -> Result<OkInfo, MySqlError> {
    let limit = Limit::new("Update", "insert_timeout", session.variables.number("insert_timeout"));
    // A row that was acknowledged by another frontend and is not yet seen on this one would be changed as it was before.
    session.front().may_read(true).await?;
    let mut turn: Turn = None;
    for attempt in 1..=ATTEMPTS {
        let work = running.reading(write_rows(session, ast, text, running));
        let Changed { table, txn, partitions, done, superseded } = running.within_limit(&limit, work).await?;
        // From here on neither KILL nor the time limit counts: the commit is taken or refused by the log.
        let (id, rows) = (table.id, done.rows);
        let command = Command::UpdateRows { txn, table: id, partitions, files: done.files, superseded };
        if rows == 0 || session.front().propose_unless_stale(command).await?.is_ok() {
            return Ok(insert::visible(&format!("update_{}", uuid::Uuid::new_v4()), txn, rows));
        }
        tracing::info!(%txn, table = table.name, attempt, "an UPDATE was overtaken by another change of its rows and begins again");
        running.within_limit(&limit, wait_for_turn(&session.shared.turns, id, &mut turn, attempt)).await?;
    }
    Err(MySqlError::common(format_args!(
        "rows of the same partitions were changed by others {ATTEMPTS} times while the UPDATE ran: nothing was updated; try \
         again when less is loaded into them"
    )))
}

/// `partial_update_mode`: by columns, which is for all rows; `auto` where few columns of many are changed.
fn scope(session: &Session, table: &Table, ast: &Update) -> UpdateScope {
    let (changed, all) = (ast.assignments.len(), table.schema.columns.len());
    let is_few = changed <= 3 && changed * 10 < all * 3;
    match session.variables.get("partial_update_mode").to_lowercase().as_str() {
        "column" => UpdateScope::Any,
        "auto" if is_few => UpdateScope::Any,
        _ => UpdateScope::Named,
    }
}

/// Plans the new rows in the columns of the table.
pub(crate) async fn plan(cx: &PlanContext, session: &Session, ast: &Update) -> Result<InsertPlan, MySqlError> {
    let database = session.database.as_deref();
    names::writable_database(&ast.table, database)?;
    let (_, table) = names::stored_table(&cx.catalog, &ast.table, database)?;
    let planned = plan_update(&session.changing(cx, &table), &table, ast, scope(session, &table, ast)).await;
    let planned = planned.map_err(|e| dispatch::with_similar_names(errors::query(&e)))?;
    let partitions = insert::partitions(cx, &table, None)?
        .iter()
        .map(|partition| TargetPartition::from(partition.as_ref()))
        .collect();
    Ok(InsertPlan { table, partitions, planned, makes_partitions: false, ids: 0..0, is_partial: false })
}

/// Plans against one revision, and has the new rows written.
pub(crate) async fn write_rows(
    session: &Session,
    ast: &Update,
    text: &str,
    running: &Running,
) -> Result<Changed, MySqlError> {
    let front = session.front();
    // Held until the files are written.
    let (catalog, _point) = front.reads.begin(|| front.view.now());
    let cx = session.plan_context(catalog, text).await;
    let mut plan = plan(&cx, session, ast).await?;
    session.check_unwritten(&plan.planned.tables)?;
    session.check_unwritten(&[plan.table.id])?;
    let (txn, done) = insert::write_all(&session.shared, &cx.catalog, &mut plan, running).await?;
    // The key of a row does not change, so new rows are in the partitions of those that they were made from; but what a
    // condition or a new value reads of the table besides may be in any.
    let touched: BTreeSet<_> = match plan.planned.scans_of(&plan.table.name) {
        0 | 1 => done.files.iter().map(|file| file.partition).collect(),
        _ => plan.table.partitions.iter().copied().collect(),
    };
    let read = touched.iter().filter_map(|id| cx.catalog.partition(*id));
    let read = read.map(|found| ReplacedPartition { partition: found.id, base: Some(found.visible_version) });
    let partitions = read.collect();
    let mut superseded = Superseded::default();
    // Those of a transaction are looked up at its end.
    if session.transaction.is_none() {
        let written = (done.files.as_slice(), false);
        superseded = Looks::of(txn).superseded(&session.shared, &cx.catalog, &plan.table, written, running).await?;
    }
    Ok(Changed { partitions, table: plan.table, txn, done, superseded })
}
