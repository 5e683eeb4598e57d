//! Rows of a plan into the store: under a transaction of their own, by a compute node, with the partitions and the numbers that
//! they turn out to need.

use actors_messages::compute::{LoadDone, LoadFragment, ReadFragment};
use actors_messages::leader::DrawTxn;
use runtime_mysql::MySqlError;
use storage_catalog::{Catalog, Command};
use storage_model::{PartitionValues, Table, TxnId};
use storage_tablet::{TargetPartition, WriteSpec};

use super::InsertPlan;
use crate::ddl::automatic;
use crate::front::Shared;
use crate::session::Running;
use crate::{errors, ids, workers};

/// Has the rows written, and again while they want more partitions or numbers than there are.
pub(crate) async fn written(
    shared: &Shared,
    catalog: &Catalog,
    plan: &mut InsertPlan,
    running: &Running,
) -> Result<(TxnId, LoadDone), MySqlError> {
    let mut made = 0;
    loop {
        // Files are named by it: two writes are two transactions.
        let txn = draw_txn(shared).await?;
        let done = write(shared, catalog, plan, txn, running).await?;
        if done.wanted_ids > 0 {
            plan.ids = ids::draw(shared, &plan.table, done.wanted_ids).await?;
            continue;
        }
        if done.missing.is_empty() {
            return Ok((txn, done));
        }
        made += done.missing.len();
        let partitions = make_partitions(shared, &plan.table, &done.missing, made).await?;
        if partitions.len() == plan.partitions.len() {
            return Err(no_room(&plan.table, &done.missing));
        }
        plan.partitions = partitions;
    }
}

/// Makes the partitions that rows need, and gives all that the table has then. Others may need the same ones at this moment:
/// the log makes each once.
pub(super) async fn make_partitions(
    shared: &Shared,
    table: &Table,
    missing: &[PartitionValues],
    made: usize,
) -> Result<Vec<TargetPartition>, MySqlError> {
    let front = &shared.front;
    let most = front.settings.max_partitions_in_one_batch();
    if made > most {
        return Err(MySqlError::analyzing(format_args!(
            "the load needs {made} new partitions of table {}, and no more than max_partitions_in_one_batch = {most} are made \
             at once: nothing was loaded",
            table.name
        )));
    }
    let drafts = automatic::drafts(table, missing, front.alive_nodes().len());
    front.propose(Command::RollPartitions { table: table.id, drafts, dropped: Vec::new() }).await?;
    let catalog = front.view.now();
    let newest = catalog.table(table.id).ok_or_else(|| MySqlError::unknown_table(&table.name))?;
    Ok(catalog.partitions_of(newest).map(|partition| TargetPartition::from(partition.as_ref())).collect())
}

pub(super) fn no_room(table: &Table, missing: &[PartitionValues]) -> MySqlError {
    let text = |value: &Option<storage_model::Value>| value.as_ref().map_or("NULL".to_owned(), ToString::to_string);
    let row = missing.first().map(|values| values.iter().map(text).collect::<Vec<_>>().join(", ")).unwrap_or_default();
    MySqlError::analyzing(format_args!(
        "Error: The row is out of partition ranges. Please add a new partition. No partition of table {} can be made for \
         ({row}): others take a part of its rows",
        table.name
    ))
}

pub(crate) async fn draw_txn(shared: &Shared) -> Result<TxnId, MySqlError> {
    match shared.front.draw_txn.ask(DrawTxn).await {
        Ok(Ok(txn)) => Ok(txn),
        Ok(Err(failure)) => Err(errors::propose(&failure)),
        Err(lost) => Err(errors::ask(&lost, "metadata leader", false)),
    }
}

/// Has the rows written by a compute node; by another one when the first is lost.
pub(crate) async fn write(
    shared: &Shared,
    catalog: &Catalog,
    plan: &InsertPlan,
    txn: TxnId,
    running: &Running,
) -> Result<LoadDone, MySqlError> {
    let table = &plan.table;
    let missing = || MySqlError::analyzing(format_args!("the storage volume of table '{}' is gone", table.name));
    let target = catalog.volume(table.volume).ok_or_else(missing)?.as_ref().clone();
    let mut fragment = LoadFragment {
        read: ReadFragment {
            query: running.query_id.clone(),
            trace: running.cause.trace.as_u128(),
            parent: running.cause.span.as_u64(),
            plan: runtime_query::encode(&plan.planned).map_err(|e| errors::query(&e))?,
            volumes: workers::volumes_of(catalog, &plan.planned.tables),
            split: None,
            observed: running.observed.is_on(),
        },
        spec: WriteSpec {
            table: table.as_ref().clone(),
            partitions: plan.partitions.clone(),
            volume: table.volume,
            service_id: catalog.identity().service_id.clone(),
            incarnation: catalog.identity().incarnation.clone(),
            txn,
            attempt: 0,
            seed: txn.0,
            makes_partitions: plan.makes_partitions,
        },
        target,
        ids: plan.ids.clone(),
    };
    let mut lost = Vec::new();
    loop {
        // Loads spread over the nodes: their files are in nobody's cache yet.
        let node = workers::choose(shared, txn, &lost).await?;
        fragment.read.split = workers::split(shared, &plan.planned, &node, &lost);
        running.observed.saw(shared, &node, workers::of_split(fragment.read.split.as_ref()), &lost);
        match workers::load(shared, &node, &fragment).await {
            Ok(done) => return Ok(done),
            Err(status) => workers::judge(shared, &node, &status, &mut lost)?,
        }
        // The lost node may still be writing: nothing of it has the name of what comes now.
        fragment.spec.attempt += 1;
    }
}
