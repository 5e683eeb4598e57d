//! Compute nodes as a statement uses them: which one, a stream of rows from it, files written by it.

use std::cmp::Reverse;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use actors_messages::compute::{
    DELETE_ACTION, DeleteFragment, FragmentProfile, LOAD_ACTION, LoadDone, LoadFragment, PROFILE_ACTION, ReadFragment,
    SUPERSEDE_ACTION, Split, SupersedeFragment,
};
use actors_messages::nodes::{BeatNow, NodeStatus, SuspectNode};
use arrow::array::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::{Action, Ticket};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use runtime_mysql::MySqlError;
use runtime_query::Planned;
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage_catalog::Catalog;
use storage_model::{NodeId, Rowset, StorageVolume, Superseded, TableId};
use storage_tablet::WriteSpec;
use tonic::Status;

use crate::errors;
use crate::front::Shared;

/// How many nodes a statement is tried on before its first row.
pub(crate) const ATTEMPTS: u32 = 2;

/// How long a statement waits until somebody has looked at a new node.
const FIRST_BEAT: Duration = Duration::from_secs(3);

/// Rows from a compute node. Dropping it stops the node's work.
pub(crate) type RowStream = BoxStream<'static, Result<RecordBatch, Status>>;

/// A compute node that answers heartbeats: the one that a hash prefers, so that the same tables are read where their files
/// are cached. `lost`: nodes that this statement has found dead already.
pub(crate) async fn choose(shared: &Shared, key: impl Hash, lost: &[NodeId]) -> Result<NodeStatus, MySqlError> {
    look_at_new_nodes(shared).await;
    let chosen = usable(shared, lost).into_iter().max_by_key(|status| weight(status, &key));
    chosen.ok_or_else(|| none_alive(lost))
}

fn usable(shared: &Shared, lost: &[NodeId]) -> Vec<NodeStatus> {
    let mut alive = shared.front.alive_nodes();
    alive.retain(|status| !lost.contains(&status.node.id) && status.plane_address().is_some());
    alive
}

/// How much a node is preferred for something.
fn weight(status: &NodeStatus, key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (status.node.id, key).hash(&mut hasher);
    hasher.finish()
}

/// The nodes that a plan is split over when `asked` has it; None: it runs the whole plan.
pub(crate) fn split(shared: &Shared, planned: &Planned, asked: &NodeStatus, lost: &[NodeId]) -> Option<Split> {
    let bytes = planned.split_bytes()?;
    let mut workers = usable(shared, lost);
    workers.sort_by_key(|status| Reverse(weight(status, &planned.tables)));
    let workers: Vec<String> = workers.iter().filter_map(NodeStatus::plane_address).collect();
    (workers.len() > 1).then_some(Split { here: asked.plane_address()?, workers, bytes })
}

/// The nodes that a plan is split over.
pub(crate) fn of_split(split: Option<&Split>) -> &[String] {
    split.map_or(&[], |split| &split.workers)
}

/// A node that was added a moment ago, through another frontend perhaps, or a frontend that has just started: nobody has looked
/// whether it is there.
async fn look_at_new_nodes(shared: &Shared) {
    let front = &shared.front;
    let is_new = {
        let (catalog, statuses) = (front.view.now(), front.nodes.borrow());
        catalog.compute_nodes().any(|node| !statuses.iter().any(|status| status.node.id == node.id))
    };
    if is_new && let Err(late) = front.beat.ask_within(BeatNow, FIRST_BEAT).await {
        tracing::debug!(%late, "the first heartbeat of a new compute node is still out");
    }
}

fn none_alive(lost: &[NodeId]) -> MySqlError {
    let text = match lost.is_empty() {
        true => "no compute node is alive: the statement reads or writes data; see SHOW COMPUTE NODES".to_owned(),
        false => format!(
            "compute node {} was lost and no other compute node is alive: the statement reads or writes data; see SHOW \
             COMPUTE NODES",
            lost.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ")
        ),
    };
    MySqlError::new(1064, *b"HY000", text)
}

/// Tells the monitor that a node does not answer.
pub(crate) fn suspect(shared: &Shared, node: &NodeStatus, status: &Status) {
    let (id, address) = (node.node.id, node.node.address());
    tracing::warn!(node = %id, address, cause = status.message(), "a statement lost its compute node");
    let cause = format!("a statement could not reach it: {}", status.message());
    if let Err(lost) = shared.front.suspect.tell(SuspectNode { node: id, cause }) {
        tracing::debug!(%lost, "the compute node monitor was not told");
    }
}

/// The volumes that a plan over these tables reads.
pub(crate) fn volumes_of(catalog: &Catalog, tables: &[TableId]) -> Vec<StorageVolume> {
    let mut ids: Vec<_> = tables.iter().filter_map(|id| catalog.table(*id)).map(|table| table.volume).collect();
    // A table's files may lie in a volume that it no longer writes to.
    for table in tables.iter().filter_map(|id| catalog.table(*id)) {
        let partitions = catalog.partitions_of(table).chain(catalog.temporary_partitions_of(table));
        let files = partitions.flat_map(|p| &p.rowsets).flat_map(Rowset::files);
        ids.extend(files.filter_map(|file| catalog.file(file)).map(|file| file.volume));
        ids.sort_unstable();
        ids.dedup();
    }
    ids.iter().filter_map(|id| catalog.volume(*id)).map(|volume| volume.as_ref().clone()).collect()
}

/// Starts a fragment and waits for its first batch, so that a lost node shows before anything is sent to the client.
pub(crate) async fn read(
    shared: &Shared,
    node: &NodeStatus,
    fragment: &ReadFragment,
) -> Result<(Option<RecordBatch>, RowStream), Status> {
    let mut client = client(shared, node)?;
    let ticket = Ticket { ticket: encode(fragment)?.into() };
    let answer = client.do_get(ticket).await?.into_inner();
    let batches = FlightRecordBatchStream::new_from_flight_data(answer.map_err(FlightError::from));
    let mut rows: RowStream = batches.map_err(status_of).boxed();
    let first = rows.next().await.transpose()?;
    Ok((first, rows))
}

/// Runs a load on a node until its files are in the store.
pub(crate) async fn load(
    shared: &Shared,
    node: &NodeStatus,
    fragment: &LoadFragment<WriteSpec>,
) -> Result<LoadDone, Status> {
    act(shared, node, LOAD_ACTION, fragment).await
}

/// Has keys looked up on a node.
pub(crate) async fn supersede(
    shared: &Shared,
    node: &NodeStatus,
    fragment: &SupersedeFragment,
) -> Result<Superseded, Status> {
    act(shared, node, SUPERSEDE_ACTION, fragment).await
}

/// Has keys searched and looked up on a node.
pub(crate) async fn delete(
    shared: &Shared,
    node: &NodeStatus,
    fragment: &DeleteFragment,
) -> Result<Superseded, Status> {
    act(shared, node, DELETE_ACTION, fragment).await
}

/// What a node remembers of a query; it forgets it.
pub(crate) async fn profiles(shared: &Shared, node: &NodeStatus, query: &str) -> Result<Vec<FragmentProfile>, Status> {
    act(shared, node, PROFILE_ACTION, &query).await
}

async fn act<T: DeserializeOwned>(
    shared: &Shared,
    node: &NodeStatus,
    action: &str,
    fragment: &impl Serialize,
) -> Result<T, Status> {
    let mut client = client(shared, node)?;
    let asked = Action { r#type: action.to_owned(), body: encode(fragment)?.into() };
    let mut answers = client.do_action(asked).await?.into_inner();
    let answer = answers.message().await?.ok_or_else(|| Status::internal(format!("{action} was not answered")))?;
    let decoded = bincode::serde::decode_from_slice(
        &answer.body,
        bincode::config::standard().with_limit::<{ runtime_rpc::plane::MESSAGE_LIMIT }>(),
    );
    decoded.map(|(done, _)| done).map_err(|e| Status::internal(format!("the answer to {action} cannot be read: {e}")))
}

fn client(shared: &Shared, node: &NodeStatus) -> Result<runtime_rpc::plane::FlightClient, Status> {
    let address = node.plane_address().ok_or_else(|| Status::unavailable("the compute node is not alive"))?;
    shared.channels.flight(&address).map_err(|e| Status::unavailable(e.to_string()))
}

fn encode<T: Serialize>(fragment: &T) -> Result<Vec<u8>, Status> {
    let encoded = bincode::serde::encode_to_vec(fragment, bincode::config::standard());
    encoded.map_err(|e| Status::internal(format!("a fragment cannot be written: {e}")))
}

fn status_of(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => Status::internal(other.to_string()),
    }
}

/// What a failure on a node means for the statement: go on elsewhere, or fail with this.
pub(crate) fn judge(
    shared: &Shared,
    node: &NodeStatus,
    status: &Status,
    lost: &mut Vec<NodeId>,
) -> Result<(), MySqlError> {
    // The node that was asked may have lost another that worked with it.
    let gone = match errors::lost_worker(status) {
        Some(address) => shared.front.alive_nodes().into_iter().find(|n| n.plane_address().as_deref() == Some(address)),
        None if errors::is_lost_node(status) => Some(node.clone()),
        None => return Err(errors::plane(status)),
    };
    // Somebody else may have seen that before.
    if let Some(gone) = gone {
        suspect(shared, &gone, status);
        lost.push(gone.node.id);
    } else {
        lost.push(node.node.id);
    }
    if lost.len() as u32 >= ATTEMPTS { Err(errors::plane(status)) } else { Ok(()) }
}
