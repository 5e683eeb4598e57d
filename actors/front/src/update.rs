//! UPDATE of a PRIMARY KEY table: a compute node finds the rows and writes them as they are to be. One log entry puts them over
//! the old, if the partitions that they are of are still what was read; if not, all begins again.
//!
//! Statements that were overtaken wait for their turn: of those of one frontend over one table one at a time begins again, so
//! that many who change the same rows do not overtake each other for ever.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use actors_messages::compute::LoadDone;
use runtime_actor::random;
use runtime_mysql::{MySqlError, OkInfo};
use runtime_query::{PlanContext, UpdateScope, plan_update};
use runtime_sql::statement::Update;
use storage_catalog::{Command, ReplacedPartition};
use storage_model::{Table, TableId, TxnId};
use storage_tablet::TargetPartition;

use crate::insert::{self, InsertPlan};
use crate::session::{Limit, Running, Session};
use crate::{dispatch, errors, ids, names};

/// How often an UPDATE begins at most, and an INSERT that keeps a part of the rows.
pub(crate) const ATTEMPTS: u32 = 32;
/// The longest pause before another frontend's statements are tried against again, for each time it was overtaken.
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// Whose turn it is among the statements that were overtaken, by table.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<TableId, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// What the holder of the turn holds.
    fn of(&self, table: TableId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&table).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(table, Arc::downgrade(&turn));
        turn
    }
}

/// New rows that are in the store and not yet true.
struct Changed {
    table: Arc<Table>,
    txn: TxnId,
    partitions: Vec<ReplacedPartition>,
    done: LoadDone,
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
        let Changed { table, txn, partitions, done } = running.within_limit(&limit, work).await?;
        // From here on neither KILL nor the time limit counts: the commit is taken or refused by the log.
        let (id, rows) = (table.id, done.rows);
        let command = Command::UpdateRows { txn, table: id, partitions, files: done.files };
        if rows == 0 || session.front().propose_unless_stale(command).await?.is_ok() {
            return Ok(insert::visible(&format!("update_{}", uuid::Uuid::new_v4()), txn, rows));
        }
        tracing::info!(%txn, table = table.name, attempt, "an UPDATE was overtaken by another change of its rows and begins again");
        running.within_limit(&limit, wait_for_turn(session, id, &mut turn, attempt)).await?;
    }
    Err(MySqlError::common(format_args!(
        "rows of the same partitions were changed by others {ATTEMPTS} times while the UPDATE ran: nothing was updated; try \
         again when less is loaded into them"
    )))
}

/// Whose turn it is.
pub(crate) type Turn = Option<tokio::sync::OwnedMutexGuard<()>>;

/// Before a statement that was overtaken begins again: until it is its turn, and then for a while each time.
pub(crate) async fn wait_for_turn(
    session: &Session,
    table: TableId,
    turn: &mut Turn,
    attempt: u32,
) -> Result<(), MySqlError> {
    match turn {
        None => *turn = Some(session.shared.turns.of(table).lock_owned().await),
        Some(_) => tokio::time::sleep(pause(attempt)).await,
    }
    Ok(())
}

/// A random part of a time that grows.
fn pause(attempt: u32) -> Duration {
    let [part] = random::bytes::<1>();
    LONGEST_PAUSE * attempt * u32::from(part) / u32::from(u8::MAX)
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
async fn write_rows(session: &Session, ast: &Update, text: &str, running: &Running) -> Result<Changed, MySqlError> {
    let front = session.front();
    // Held until the files are written.
    let (catalog, _point) = front.reads.begin(|| front.view.now());
    let cx = session.plan_context(catalog, text).await;
    let mut plan = plan(&cx, session, ast).await?;
    let (txn, done) = ids::write_numbered(session, &cx, &mut plan, running).await?;
    // The key of a row does not change, so new rows are in the partitions of those that they were made from; but what a
    // condition or a new value reads of the table besides may be in any.
    let touched: BTreeSet<_> = match plan.planned.scans_of(&plan.table.name) {
        0 | 1 => done.files.iter().map(|file| file.partition).collect(),
        _ => plan.table.partitions.iter().copied().collect(),
    };
    let read = touched.iter().filter_map(|id| cx.catalog.partition(*id));
    let read = read.map(|found| ReplacedPartition { partition: found.id, base: Some(found.visible_version) });
    Ok(Changed { partitions: read.collect(), table: plan.table, txn, done })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_of_one_table_and_is_forgotten_with_its_last_holder() {
        let turns = Turns::default();
        let (first, again, other) = (turns.of(TableId(1)), turns.of(TableId(1)), turns.of(TableId(2)));
        assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &other));
        let held = first.try_lock();
        assert!(held.is_ok() && again.try_lock().is_err() && other.try_lock().is_ok());
        drop(held);
        drop((first, again, other));
        turns.of(TableId(3));
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!((1..=ATTEMPTS).all(|attempt| pause(attempt) <= LONGEST_PAUSE * attempt));
    }
}
