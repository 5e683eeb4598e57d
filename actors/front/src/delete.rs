//! DELETE: a compute node counts what the condition finds in each partition; where it finds some of the rows, one writes the
//! others anew, or looks their keys up if the table has a PRIMARY KEY. One log entry puts the others in the place of the old, or
//! takes the found away, if the partitions are still what was read; if not, all begins again. Those in which nothing is found are
//! not touched.

use std::sync::Arc;

use actors_messages::compute::{DeleteFragment, LoadDone, ReadFragment};
use runtime_mysql::{MySqlError, OkInfo};
use runtime_query::{Found, PlanContext, Planned, QueryError, plan_count, plan_keys, plan_rest, plan_search};
use runtime_sql::statement::Delete;
use storage_catalog::{Command, ReplacedPartition};
use storage_model::{KeyModel, Partition, PartitionId, Superseded, Table, TxnId};
use storage_tablet::TargetPartition;

use crate::insert::{self, ATTEMPTS, InsertPlan};
use crate::session::{Limit, Running, Session};
use crate::supersede::Looks;
use crate::{dispatch, errors, names, query, workers};

/// What is left of the partitions in which rows were found: in the store and not yet true.
pub(crate) struct Rest {
    pub(crate) table: Arc<Table>,
    pub(crate) txn: TxnId,
    pub(crate) replaced: Vec<ReplacedPartition>,
    pub(crate) done: LoadDone,
    /// Of a PRIMARY KEY table: the rows that go. Of others nothing.
    pub(crate) superseded: Superseded,
    pub(crate) deleted: u64,
}

/// Runs a DELETE; the answer is what the OK packet says.
pub(crate) async fn delete(
    session: &Session,
    ast: &Delete,
    text: &str,
    running: &Running,
) -> Result<OkInfo, MySqlError> {
    let limit = Limit::new("Delete", "insert_timeout", session.variables.number("insert_timeout"));
    // A row that was acknowledged by another frontend and is not yet seen on this one would not be deleted.
    session.front().may_read(true).await?;
    // Who was overtaken once lets no others of this frontend commit before.
    let mut turn = None;
    for _ in 0..ATTEMPTS {
        let work = running.reading(write_rest(session, ast, text, running));
        let Rest { table, txn, replaced, done, superseded, deleted } = running.within_limit(&limit, work).await?;
        // From here on neither KILL nor the time limit counts: the commit is taken or refused by the log.
        let is_done = replaced.is_empty() || {
            let (id, files, partitions) = (table.id, done.files, replaced);
            let command = match table.model {
                KeyModel::Primary => Command::UpdateRows { txn, table: id, partitions, files, superseded },
                _ => Command::ReplaceRows { txn, table: id, label: None, partitions, files, superseded },
            };
            session.front().propose_unless_stale(command).await?.is_ok()
        };
        if is_done {
            return Ok(insert::visible(&format!("delete_{}", uuid::Uuid::new_v4()), txn, deleted));
        }
        tracing::info!(%txn, table = table.name, "a DELETE was overtaken by another change of its rows and begins again");
        if turn.is_none() && table.model == KeyModel::Primary {
            let wait = async { Ok(session.shared.turns.of(table.id).lock_owned().await) };
            turn = Some(running.within_limit(&limit, wait).await?);
        }
    }
    Err(MySqlError::common(format_args!(
        "rows of the same partitions were changed by others {ATTEMPTS} times while the DELETE ran: nothing was deleted; try \
         again when less is loaded into them, or name the partitions to delete from"
    )))
}

/// The plan that searches for the rows: it says which partitions are looked at.
pub(crate) async fn explain(cx: &PlanContext, session: &Session, ast: &Delete) -> Result<Planned, MySqlError> {
    let (table, candidates) = candidates(cx, session, ast)?;
    let cx = session.changing(cx, &table);
    plan_search(&cx, &table, ast, &ids(&candidates)).await.map_err(|e| query_error(&e))
}

/// The table, and the partitions that rows may be deleted from.
fn candidates(
    cx: &PlanContext,
    session: &Session,
    ast: &Delete,
) -> Result<(Arc<Table>, Vec<Arc<Partition>>), MySqlError> {
    let database = session.database.as_deref();
    names::writable_database(&ast.table, database)?;
    let (_, table) = names::stored_table(&cx.catalog, &ast.table, database)?;
    let partitions = insert::partitions(cx, &table, ast.partitions.as_deref())?;
    Ok((table, partitions))
}

fn ids(partitions: &[Arc<Partition>]) -> Vec<PartitionId> {
    partitions.iter().map(|partition| partition.id).collect()
}

fn query_error(error: &QueryError) -> MySqlError {
    dispatch::with_similar_names(errors::query(error))
}

/// Searches against one revision, and has written what is left.
pub(crate) async fn write_rest(
    session: &Session,
    ast: &Delete,
    text: &str,
    running: &Running,
) -> Result<Rest, MySqlError> {
    let front = session.front();
    // Held until the files are written.
    let (catalog, _point) = front.reads.begin(|| front.view.now());
    let cx = session.plan_context(catalog, text).await;
    let (table, candidates) = candidates(&cx, session, ast)?;
    let cx = session.changing(&cx, &table);
    let search = plan_search(&cx, &table, ast, &ids(&candidates)).await.map_err(|e| query_error(&e))?;
    session.check_unwritten(&search.tables)?;
    session.check_unwritten(&[table.id])?;
    let txn = insert::draw_txn(&session.shared).await?;
    let (done, superseded) = (LoadDone::default(), Superseded::default());
    let mut rest = Rest { table, txn, replaced: Vec::new(), done, superseded, deleted: 0 };
    if candidates.iter().all(|partition| partition.rows() == 0) {
        return Ok(rest);
    }
    let found = query::remote_rows(session, &cx, &search, running).await?;
    let found = runtime_query::found(&found).map_err(|e| errors::query(&e))?;
    let hit: Vec<_> = candidates.iter().filter(|partition| found.contains_key(&partition.id)).cloned().collect();
    if rest.table.model == KeyModel::Primary && !hit.is_empty() {
        rest.deleted = hit.iter().filter_map(|partition| found.get(&partition.id)).sum();
        // What the condition reads of the table besides may be in any partition.
        rest.replaced = match search.scans_of(&rest.table.name) {
            0 | 1 => hit.iter().map(|partition| as_read(partition)).collect(),
            _ => cx.catalog.partitions_of(&rest.table).map(|partition| as_read(partition)).collect(),
        };
        rest.superseded = look_up(session, &cx, ast, &rest, &hit, running).await?;
        return Ok(rest);
    }
    let all = rows_of(session, &cx, &rest.table, &hit, running).await?;
    let (mut some, mut kept) = (Vec::new(), 0);
    for partition in hit {
        let rows = found.get(&partition.id).copied().unwrap_or_default();
        let all = all.get(&partition.id).copied().unwrap_or_default();
        rest.deleted += rows;
        rest.replaced.push(as_read(&partition));
        // Of a partition that loses all of its rows nothing needs to be read.
        if rows < all {
            kept += all - rows;
            some.push(partition);
        }
    }
    if !some.is_empty() {
        let planned = plan_rest(&cx, &rest.table, ast, &ids(&some)).await.map_err(|e| query_error(&e))?;
        let partitions = some.iter().map(|partition| TargetPartition::from(partition.as_ref())).collect();
        let plan = InsertPlan {
            table: Arc::clone(&rest.table),
            partitions,
            planned,
            makes_partitions: false,
            ids: 0..0,
            is_partial: false,
        };
        rest.done = insert::write_rows(&session.shared, &cx.catalog, &plan, txn, running).await?;
    }
    // Every row is found or kept, or the condition is none that rows can be deleted by.
    if rest.done.rows != kept {
        return Err(MySqlError::analyzing(format_args!(
            "the condition of the DELETE does not say the same of a row each time: {kept} rows should be left, {} were; \
             nothing was deleted",
            rest.done.rows
        )));
    }
    Ok(rest)
}

fn as_read(partition: &Partition) -> ReplacedPartition {
    ReplacedPartition { partition: partition.id, base: Some(partition.visible_version) }
}

/// Which rows of a PRIMARY KEY table go: what the condition finds in these partitions, looked up by its keys.
async fn look_up(
    session: &Session,
    cx: &PlanContext,
    ast: &Delete,
    rest: &Rest,
    hit: &[Arc<Partition>],
    running: &Running,
) -> Result<Superseded, MySqlError> {
    let (shared, table, catalog) = (&session.shared, &rest.table, &cx.catalog);
    let planned = plan_keys(cx, table, ast, &ids(hit)).await.map_err(|e| query_error(&e))?;
    let (tablets, mut looks) = (catalog.keyed_tablets_of(&ids(hit)), Looks::of(rest.txn));
    let mut volumes = workers::volumes_of(catalog, &planned.tables);
    let places = tablets.iter().flat_map(|tablet| tablet.places());
    let others = catalog.volumes_of_places(places, table.volume);
    volumes.extend(others);
    volumes.sort_by_key(|volume| volume.id);
    volumes.dedup_by_key(|volume| volume.id);
    let key = storage_tablet::keys::positions(&table.schema);
    let spread = table.distribution_positions().into_iter().filter_map(|at| key.iter().position(|known| *known == at));
    let mut fragment = DeleteFragment {
        read: ReadFragment {
            query: running.query_id.clone(),
            trace: running.cause.trace.as_u128(),
            parent: running.cause.span.as_u64(),
            plan: runtime_query::encode(&planned).map_err(|e| errors::query(&e))?,
            volumes,
            split: None,
            observed: running.observed.is_on(),
        },
        spec: looks.spec(catalog, table),
        tablets,
        buckets: hit.iter().map(|partition| (partition.id, partition.buckets)).collect(),
        distribution: spread.filter_map(|at| u32::try_from(at).ok()).collect(),
    };
    let mut lost = Vec::new();
    let found = loop {
        let node = workers::choose(shared, table.id, &lost).await?;
        running.observed.saw(shared, &node, &[], &lost);
        match workers::delete(shared, &node, &fragment).await {
            Ok(found) => break found,
            Err(status) => workers::judge(shared, &node, &status, &mut lost)?,
        }
        fragment.spec = looks.spec(catalog, table);
    };
    if found.rows() != rest.deleted {
        return Err(MySqlError::analyzing(format_args!(
            "the condition of the DELETE does not say the same of a row each time: {} rows should go, {} would; nothing was \
             deleted",
            rest.deleted,
            found.rows()
        )));
    }
    Ok(found)
}

/// How many rows each partition has. Where rows with equal keys become one, they must be counted.
async fn rows_of(
    session: &Session,
    cx: &PlanContext,
    table: &Arc<Table>,
    partitions: &[Arc<Partition>],
    running: &Running,
) -> Result<Found, MySqlError> {
    if !table.model.merges_when_read() || partitions.is_empty() {
        return Ok(partitions.iter().map(|partition| (partition.id, partition.rows())).collect());
    }
    let count = plan_count(cx, table, &ids(partitions)).await.map_err(|e| query_error(&e))?;
    let counted = query::remote_rows(session, cx, &count, running).await?;
    runtime_query::found(&counted).map_err(|e| errors::query(&e))
}
