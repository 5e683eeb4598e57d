//! A compute node of a few lines: a real engine and a real writer behind Arrow Flight, over a directory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actors_messages::compute::{
    DELETE_ACTION, DeleteFragment, LOAD_ACTION, LoadDone, LoadFragment, NodeReport, ReadFragment, SUPERSEDE_ACTION,
    SupersedeFragment,
};
use actors_messages::nodes::NodeStatus;
use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use runtime_query::{Engine, EngineOptions, QueryError, volume_opener};
use runtime_rpc::plane::{CheckProof, Services, serve};
use storage_model::{ComputeNode, NodeId, PartitionId, StorageVolume, Superseded, UnixMillis};
use storage_tablet::WriteSpec;
use tokio::net::TcpListener;
use tokio::sync::RwLock;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, Streaming};

use super::kit::{Client, Kit};

type Reply<T> = Result<Response<T>, Status>;
type Replies<T> = BoxStream<'static, Result<T, Status>>;

/// The node. It refuses the first so many fragments as one that is shutting down would, and writes nothing while its gate is held.
struct Node {
    engine: Engine,
    refuses: AtomicU32,
    gate: Gate,
}

/// Loads wait while somebody holds it for writing.
pub(super) type Gate = Arc<RwLock<()>>;

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
    bincode::serde::decode_from_slice(bytes, bincode::config::standard()).unwrap().0
}

fn answer(done: &impl serde::Serialize) -> Reply<Replies<arrow_flight::Result>> {
    let body = bincode::serde::encode_to_vec(done, bincode::config::standard()).unwrap().into();
    Ok(Response::new(futures::stream::iter([Ok(arrow_flight::Result { body })]).boxed()))
}

fn failed(error: &QueryError) -> Status {
    Status::failed_precondition(format!("{}|{error}", error.code))
}

fn opened(volumes: &[StorageVolume]) -> storage_tablet::Volumes {
    volumes.iter().map(|volume| (volume.id, storage_volume::Volume::open(volume).unwrap())).collect()
}

impl Node {
    /// The rows of a DELETE: the first column of what its plan finds is the partition, the others are the key.
    async fn delete(&self, fragment: DeleteFragment) -> Superseded {
        let volumes = opened(&fragment.read.volumes);
        let lookup = storage_tablet::Lookup::new(&fragment.spec, &volumes);
        let mut deletion =
            storage_tablet::Deletion::new(lookup, &fragment.tablets, fragment.buckets.into_iter().collect());
        let rows = self.engine.execute(&fragment.read.plan, &fragment.read.volumes).unwrap();
        for batch in rows.try_collect::<Vec<_>>().await.unwrap() {
            let partitions = batch.column(0).as_primitive::<UInt64Type>().values().iter().copied().map(PartitionId);
            let key = &batch.columns()[1..];
            let spread: Vec<_> = fragment.distribution.iter().map(|at| Arc::clone(&key[*at as usize])).collect();
            deletion.push(&partitions.collect::<Vec<_>>(), key, &spread).await.unwrap();
        }
        deletion.finish().await.unwrap()
    }

    fn take(&self) -> Result<(), Status> {
        let refuse = |left: u32| left.checked_sub(1);
        match self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refuse) {
            Ok(_) => Err(Status::unavailable("shutting down")),
            Err(_) => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl FlightService for Node {
    type HandshakeStream = Replies<HandshakeResponse>;
    type ListFlightsStream = Replies<FlightInfo>;
    type DoGetStream = Replies<FlightData>;
    type DoPutStream = Replies<PutResult>;
    type DoActionStream = Replies<arrow_flight::Result>;
    type ListActionsStream = Replies<ActionType>;
    type DoExchangeStream = Replies<FlightData>;

    async fn do_get(&self, request: Request<Ticket>) -> Reply<Self::DoGetStream> {
        self.take()?;
        let fragment: ReadFragment = decode(&request.into_inner().ticket);
        let rows = self.engine.execute(&fragment.plan, &fragment.volumes).map_err(|e| failed(&e))?;
        let schema = rows.schema();
        let rows = rows.map_err(|e| FlightError::Tonic(Box::new(failed(&e))));
        let data = FlightDataEncoderBuilder::new().with_schema(schema).build(rows);
        let data = data.map_err(|e| match e {
            FlightError::Tonic(status) => *status,
            other => Status::internal(other.to_string()),
        });
        Ok(Response::new(data.boxed()))
    }

    async fn do_action(&self, request: Request<Action>) -> Reply<Self::DoActionStream> {
        self.take()?;
        let action = request.into_inner();
        if action.r#type == SUPERSEDE_ACTION {
            let fragment: SupersedeFragment = decode(&action.body);
            let volumes = opened(&fragment.volumes);
            let found =
                storage_tablet::Lookup::new(&fragment.spec, &volumes).superseded(&fragment.tablets).await.unwrap();
            return answer(&found);
        }
        if action.r#type == DELETE_ACTION {
            return answer(&self.delete(decode(&action.body)).await);
        }
        assert_eq!(action.r#type, LOAD_ACTION);
        let _open = self.gate.read().await;
        let fragment: LoadFragment<WriteSpec> = decode(&action.body);
        let volume = storage_volume::Volume::open(&fragment.target).unwrap();
        let rows = self.engine.execute(&fragment.read.plan, &fragment.read.volumes).map_err(|e| failed(&e))?;
        let written = storage_tablet::write(rows, &fragment.spec, &volume).await;
        let written = written.map_err(|e| Status::failed_precondition(format!("1064|{e}")))?;
        let done = LoadDone { files: written.files, rows: written.rows, missing: written.missing, wanted_ids: 0 };
        answer(&done)
    }

    async fn handshake(&self, _: Request<Streaming<HandshakeRequest>>) -> Reply<Self::HandshakeStream> {
        Err(Status::unimplemented(""))
    }
    async fn list_flights(&self, _: Request<Criteria>) -> Reply<Self::ListFlightsStream> {
        Err(Status::unimplemented(""))
    }
    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Reply<FlightInfo> {
        Err(Status::unimplemented(""))
    }
    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Reply<PollInfo> {
        Err(Status::unimplemented(""))
    }
    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Reply<SchemaResult> {
        Err(Status::unimplemented(""))
    }
    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Reply<Self::DoPutStream> {
        Err(Status::unimplemented(""))
    }
    async fn list_actions(&self, _: Request<Empty>) -> Reply<Self::ListActionsStream> {
        Err(Status::unimplemented(""))
    }
    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Reply<Self::DoExchangeStream> {
        Err(Status::unimplemented(""))
    }
}

/// Starts a node and gives what the monitor would say of it.
pub(super) async fn start(id: u64, refuses: u32) -> (NodeStatus, DropGuard) {
    start_gated(id, refuses, Gate::default()).await
}

pub(super) async fn start_gated(id: u64, refuses: u32, gate: Gate) -> (NodeStatus, DropGuard) {
    let options = EngineOptions {
        memory_bytes: 64 << 20,
        process_bytes: 8 << 30,
        spill_directory: None,
        parallelism: 2,
        threads: None,
    };
    let node = Node { engine: Engine::new(options, volume_opener()).unwrap(), refuses: AtomicU32::new(refuses), gate };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let brpc_port = listener.local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let check = CheckProof::new(Arc::new(|| Some("hush".to_owned())));
    let services = Services::new(check).flight(FlightServiceServer::new(node));
    tokio::spawn(serve(None, services, listener, shutdown.clone()));
    let host = "127.0.0.1".to_owned();
    let node = ComputeNode { id: NodeId(id), host, heartbeat_port: 9050, added_at: UnixMillis(0) };
    let report = NodeReport { brpc_port, cpu_cores: 2, ..NodeReport::default() };
    let status = NodeStatus {
        node: Arc::new(node),
        alive: true,
        report: Some(report),
        last_heartbeat_ms: None,
        error: String::new(),
    };
    (status, shutdown.drop_guard())
}

pub(super) async fn tables(client: &mut Client, directory: &tempfile::TempDir) {
    let create = format!(
        "CREATE STORAGE VOLUME v TYPE = LOCAL LOCATIONS = ('file://{}') PROPERTIES('enabled'='true')",
        directory.path().display()
    );
    client.ok(&create).await;
    for sql in [
        "SET v AS DEFAULT STORAGE VOLUME",
        "CREATE DATABASE q",
        "USE q",
        "CREATE TABLE t (k INT NOT NULL, d DATE, v VARCHAR(10) DEFAULT 'x', n DECIMAL(6,2)) DUPLICATE KEY(k)
         PARTITION BY RANGE(d) (PARTITION p1 VALUES LESS THAN ('2020-01-01'), PARTITION p2 VALUES LESS THAN ('2021-01-01'))
         DISTRIBUTED BY HASH(k) BUCKETS 3",
    ] {
        client.ok(sql).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_go_in_and_come_back() {
    let (kit, directory) = (Kit::start().await, tempfile::tempdir().unwrap());
    let mut client = kit.client().await;
    tables(&mut client, &directory).await;
    let (status, _node) = start(7, 0).await;
    kit.nodes.send_replace(Arc::new(vec![status]));
    client.ok("INSERT INTO t VALUES (1, '2019-05-05', 'a', 1.5), (2, '2020-05-05', DEFAULT, NULL)").await;
    assert_eq!((client.0.affected_rows(), client.0.info().starts_with("{'label':'insert_")), (2, true));
    assert!(client.0.info().ends_with("', 'status':'VISIBLE', 'txnId':'1008'}"), "{}", client.0.info());
    client.ok("INSERT INTO t WITH LABEL mine (k, d) SELECT k + 10, d FROM t").await;
    let rows = client.rows("SELECT * FROM t ORDER BY k").await;
    assert_eq!(rows, ["1|2019-05-05|a|1.50", "2|2020-05-05|x|NULL", "11|2019-05-05|x|NULL", "12|2020-05-05|x|NULL"]);
    assert_eq!(client.rows("SELECT count(*), sum(n) FROM t WHERE d >= '2020-01-01'").await, ["2|NULL"]);
    let used = client.fails("INSERT INTO t WITH LABEL mine VALUES (3, '2019-05-05', 'a', 1)").await;
    assert_eq!(used, (1064, "Label [mine] has already been used, relate to txn [1009]".to_owned()));
    // A row outside every partition fails the statement and leaves nothing behind.
    let (code, text) = client.fails("INSERT INTO t VALUES (3, '2019-05-05', 'a', 1), (4, '2030-01-01', 'b', 1)").await;
    assert_eq!(code, 1064, "{text}");
    assert_eq!(client.rows("SELECT count(*) FROM t").await, ["4"]);
    client.ok("INSERT INTO t SELECT * FROM t WHERE k > 1000").await;
    assert_eq!(client.0.affected_rows(), 0);
    let named = client.fails("INSERT INTO t PARTITION (p1) VALUES (5, '2020-05-05', 'a', 1)").await;
    assert_eq!(named.0, 1064);
    assert_eq!(client.rows("SELECT v FROM t WHERE k = 1").await, ["a"]);
    let prepared: Vec<String> = {
        use mysql_async::prelude::Queryable;
        client.0.exec("SELECT v FROM t WHERE k = ?", (1,)).await.unwrap()
    };
    assert_eq!(prepared, ["a"]);
    assert!(kit.told().is_empty(), "nobody was suspected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_takes_over_before_the_first_row() {
    let (kit, directory) = (Kit::start().await, tempfile::tempdir().unwrap());
    let mut client = kit.client().await;
    tables(&mut client, &directory).await;
    let ((one, _one), (two, _two)) = (start(7, 1).await, start(8, 1).await);
    let both = Arc::new(vec![one, two]);
    kit.nodes.send_replace(Arc::clone(&both));
    // Whichever is asked first refuses; the other one has not yet been asked and refuses too: the second statement passes.
    assert_eq!(client.fails("INSERT INTO t VALUES (1, '2019-05-05', 'a', 1)").await.0, 5064);
    assert_eq!(kit.told(), ["SuspectNode", "SuspectNode"]);
    client.ok("INSERT INTO t VALUES (1, '2019-05-05', 'a', 1)").await;
    let (three, _three) = start(9, 1).await;
    for first in both.iter() {
        kit.nodes.send_replace(Arc::new(vec![first.clone(), three.clone()]));
        assert_eq!(client.rows("SELECT k FROM t").await, ["1"]);
    }
    assert_eq!(client.rows("SHOW WARNINGS").await.len(), 0);
    assert!(kit.told().len() <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_and_a_query_that_takes_too_long() {
    let (kit, directory) = (Kit::start().await, tempfile::tempdir().unwrap());
    let mut client = kit.client().await;
    tables(&mut client, &directory).await;
    let (status, _node) = start(7, 0).await;
    kit.nodes.send_replace(Arc::new(vec![status]));
    client.ok("INSERT INTO t (k, d) SELECT generate_series, '2019-01-01' FROM TABLE(generate_series(1, 20000))").await;
    assert_eq!(client.0.affected_rows(), 20_000);
    let rows = client.rows("SELECT k FROM t ORDER BY k").await;
    assert_eq!((rows.len(), rows[0].as_str(), rows[19_999].as_str()), (20_000, "1", "20000"));
    let slow = "SELECT /*+ SET_VAR(query_timeout = 1) */ sum(generate_series % 7) FROM TABLE(generate_series(1, 900000000000))";
    let (code, text) = client.fails(slow).await;
    assert!(code == 5024 && text.contains("reached its timeout of 1 seconds"), "{code} {text}");
    assert_eq!(client.rows("SELECT @@query_timeout").await, ["300"]);
}
