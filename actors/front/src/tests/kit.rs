//! A frontend without a cluster: every recipient is a function.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actors_messages::leader::ProposeFailure;
use actors_messages::nodes::NodeStatus;
use actors_messages::{CatalogView, ReadPoints};
use futures::future::BoxFuture;
use futures::{FutureExt, future};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use runtime_actor::{AskError, ManualClock, Message, Reach, Recipient, TellError};
use storage_catalog::{Catalog, ClusterIdentity, Command, Envelope, Outcome};
use storage_model::{
    ClusterId, Epoch, Frontend, FrontendRole, Incarnation, KeyModel, NodeId, Revision, ServiceId, TxnId, UnixMillis,
    VectorSpec,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{AuditLog, ConfigRow, Front, FrontFacts, FrontSettings, SetFailure};

pub(super) const START: u64 = 1_739_857_978_000;

struct Answering<F>(F);

impl<M: Message, F: Fn(M) -> M::Reply + Send + Sync + 'static> Reach<M> for Answering<F> {
    fn ask(&self, message: M, _: Duration) -> BoxFuture<'static, Result<M::Reply, AskError>> {
        future::ready(Ok((self.0)(message))).boxed()
    }

    fn tell(&self, message: M) -> Result<(), TellError> {
        (self.0)(message);
        Ok(())
    }

    fn describe(&self) -> String {
        M::NAME.to_owned()
    }
}

fn to<M: Message>(answer: impl Fn(M) -> M::Reply + Send + Sync + 'static) -> Recipient<M> {
    Recipient::new(Answering(answer))
}

struct Settings(Mutex<u64>);

impl FrontSettings for Settings {
    fn entries(&self) -> Vec<ConfigRow> {
        let row = |key: &str, value: String, mutable| ConfigRow {
            key: key.to_owned(),
            aliases: Vec::new(),
            value,
            value_type: "String".to_owned(),
            mutable,
            comment: String::new(),
        };
        let interval = self.snapshot_interval_seconds().to_string();
        let name = "automated_cluster_snapshot_interval_seconds";
        vec![row("run_mode", "shared_data".to_owned(), false), row(name, interval, true)]
    }

    fn set(&self, key: &str, value: &str) -> Result<(), SetFailure> {
        self.check(key, value)?;
        *self.0.lock().unwrap() = value.parse().unwrap();
        Ok(())
    }

    fn check(&self, key: &str, value: &str) -> Result<(), SetFailure> {
        match key {
            "automated_cluster_snapshot_interval_seconds" => {
                value.parse::<u64>().map(drop).map_err(|_| SetFailure::Invalid("a number is needed".to_owned()))
            }
            _ => Err(SetFailure::NotMutable),
        }
    }

    fn snapshot_interval_seconds(&self) -> u64 {
        *self.0.lock().unwrap()
    }

    fn max_connections(&self) -> usize {
        100
    }

    fn max_partitions_in_one_batch(&self) -> usize {
        4096
    }

    fn auto_increment_cache_size(&self) -> u64 {
        100
    }
}

/// What the fakes have seen, and how they shall answer.
#[derive(Default)]
pub(super) struct Script {
    /// Why every probe of a volume fails.
    pub(super) preflight: Option<String>,
    /// What every VERIFY finds.
    pub(super) problems: Vec<actors_messages::supervisor::SnapshotProblem>,
    /// Tables that were to be restored.
    pub(super) restored: Vec<String>,
    /// Names of messages in the order they came.
    pub(super) told: Vec<String>,
    /// Whether commits of loads are answered and kept back.
    pub(super) keeps_loads_back: bool,
    /// Loads that were kept back: one becomes true just before each replacement or update of rows.
    pub(super) kept_back: Vec<Command>,
}

impl Script {
    /// What the leader takes now, in this order; None: the command is kept back.
    fn order(&mut self, command: Command) -> Option<Vec<Command>> {
        match command {
            Command::CommitLoad { .. } if self.keeps_loads_back => {
                self.kept_back.push(command);
                None
            }
            Command::ReplaceRows { .. } | Command::UpdateRows { .. } => {
                Some(self.kept_back.pop().into_iter().chain([command]).collect())
            }
            other => Some(vec![other]),
        }
    }
}

/// A load that was kept back looks its keys up when its time comes.
fn looked_up(catalog: &Mutex<Catalog>, command: Command) -> Command {
    let catalog = catalog.lock().unwrap().clone();
    let Command::CommitLoad { txn, table, label, files, superseded } = command else { return command };
    let known = catalog.table(table).filter(|table| table.model == KeyModel::Primary).cloned();
    let Some(known) = known else { return Command::CommitLoad { txn, table, label, files, superseded } };
    let spec = VectorSpec {
        database: known.database,
        table,
        volume: known.volume,
        service_id: catalog.identity().service_id.clone(),
        incarnation: catalog.identity().incarnation.clone(),
        txn,
        attempt: 1 << 20,
    };
    let volumes = catalog.volumes().map(|v| (v.id, storage_volume::Volume::open(v).unwrap())).collect();
    let tablets = catalog.keyed_tablets(&files, false);
    let look = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(storage_tablet::Lookup::new(&spec, &volumes).superseded(&tablets)).unwrap()
    };
    let superseded = std::thread::scope(|scope| scope.spawn(look).join().unwrap());
    Command::CommitLoad { txn, table, label, files, superseded }
}

fn leading() -> actors_messages::ReadLease {
    let lease = actors_messages::ReadLease::default();
    lease.lead();
    lease
}

pub(super) struct Kit {
    port: u16,
    pub(super) catalog: Arc<Mutex<Catalog>>,
    pub(super) script: Arc<Mutex<Script>>,
    pub(super) nodes: watch::Sender<Arc<Vec<NodeStatus>>>,
    /// Lines of the audit log.
    pub(super) audit: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

impl Kit {
    pub(super) async fn start() -> Kit {
        let catalog = Arc::new(Mutex::new(genesis()));
        let script = Arc::new(Mutex::new(Script::default()));
        let (nodes, statuses) = watch::channel(Arc::default());
        let (_, revisions) = watch::channel(Revision(0));
        let view = {
            let catalog = Arc::clone(&catalog);
            CatalogView::new(
                move || Arc::new(catalog.lock().unwrap_or_else(PoisonError::into_inner).clone()),
                revisions,
            )
        };
        let leader = Arc::clone(&catalog);
        let (probe, verified, orders) = (Arc::clone(&script), Arc::clone(&script), Arc::clone(&script));
        let restored = Arc::clone(&script);
        let creator = Arc::clone(&catalog);
        let audit: Arc<Mutex<Vec<String>>> = Arc::default();
        let audited = Arc::clone(&audit);
        let note = |name: &'static str| {
            let script = Arc::clone(&script);
            move || script.lock().unwrap().told.push(name.to_owned())
        };
        let (reconcile, collect, beat, suspect) =
            (note("Reconcile"), note("Collect"), note("BeatNow"), note("SuspectNode"));
        let compact = note("CompactNow");
        // No transaction id comes twice: files are named by it.
        let next_txn = AtomicU64::new(1008);
        let front = Front {
            recorder: runtime_actor::Recorder::new("fe", runtime_actor::SystemClock::shared()),
            view,
            reads: ReadPoints::default(),
            lease: leading(),
            read_index: to(|_| Ok(Revision(0))),
            propose: to(move |propose: actors_messages::leader::Propose| {
                let commands = orders.lock().unwrap().order(propose.command).unwrap_or_default();
                let mut reply = Ok(Outcome::Done);
                for command in commands {
                    reply = apply(&leader, looked_up(&leader, command));
                }
                reply
            }),
            draw_txn: to(move |_| Ok(TxnId(next_txn.fetch_add(1, Ordering::SeqCst)))),
            create_image: to(|_| Ok(Revision(5))),
            preflight: to(move |_| probe.lock().unwrap().preflight.clone().map_or(Ok(()), Err)),
            create_snapshot: to(move |asked: actors_messages::supervisor::CreateSnapshot| {
                let command = storage_catalog::Command::BeginSnapshot {
                    kind: storage_model::SnapshotKind::Manual,
                    name: asked.name,
                    volume: asked.volume,
                    comment: asked.comment,
                    max_history: 100,
                };
                match apply(&creator, command)? {
                    storage_catalog::Outcome::Job(job) => Ok(job),
                    other => Err(ProposeFailure::Unavailable(format!("{other:?}"))),
                }
            }),
            verify_snapshot: to(move |_| Ok(verified.lock().unwrap().problems.clone())),
            restore_table: to(move |asked: actors_messages::supervisor::RestoreTable| {
                restored.lock().unwrap().restored.push(format!("{} of {} to {}", asked.from, asked.snapshot, asked.to));
                Ok(Revision(0))
            }),
            reconcile: to(move |_| reconcile()),
            running_detail: to(|_| Default::default()),
            collect: to(move |_| collect()),
            compact: to(move |_| compact()),
            beat: to(move |_| beat()),
            suspect: to(move |_| suspect()),
            nodes: statuses,
            frontends: watch::channel(Arc::default()).1,
            tls: None,
            client_tls: crate::ClientTls::default(),
            settings: Arc::new(Settings(Mutex::new(600))),
            me: FrontFacts {
                id: NodeId(1),
                name: "fe1_9010_1".to_owned(),
                host: "fe1".to_owned(),
                query_port: 9030,
                started_at_ms: START,
                product_version: "0.1.0".to_owned(),
                commit: "abc1234".to_owned(),
            },
            leader: Arc::new(|| Some(NodeId(1))),
            clock: Arc::new(ManualClock::new(START + 60_000)),
            audit: AuditLog::new(move |line| audited.lock().unwrap().push(line)),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shutdown = CancellationToken::new();
        tokio::spawn(crate::serve(Arc::new(front), listener, shutdown.clone()));
        Kit { port, catalog, script, nodes, audit, _stop: shutdown.drop_guard() }
    }

    pub(super) fn opts(&self) -> OptsBuilder {
        OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("root"))
            .prefer_socket(false)
            .max_allowed_packet(Some(1 << 30))
            .wait_timeout(Some(1000))
    }

    pub(super) async fn client(&self) -> Client {
        Client(Conn::new(self.opts()).await.unwrap())
    }

    /// A client that logs in as somebody else.
    pub(super) async fn client_as(&self, user: &str, password: &str) -> Result<Client, (u16, String)> {
        match Conn::new(self.opts().user(Some(user)).pass(Some(password))).await {
            Ok(conn) => Ok(Client(conn)),
            Err(mysql_async::Error::Server(error)) => Err((error.code, error.message)),
            Err(error) => panic!("{user}: {error}"),
        }
    }

    /// What a statement behind all sessions changes.
    pub(super) fn propose(&self, command: Command) -> Outcome {
        apply(&self.catalog, command).unwrap()
    }

    pub(super) fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().unwrap().told)
    }
}

fn genesis() -> Catalog {
    let identity = ClusterIdentity {
        cluster_id: ClusterId(77),
        token: "hush".to_owned(),
        service_id: ServiceId("3f2b6c9e".to_owned()),
        incarnation: Incarnation("0123456789abcdef0123456789abcdef".to_owned()),
        epoch: Epoch(1),
    };
    let catalog = Mutex::new(Catalog::genesis(identity, UnixMillis(START)));
    let frontend = Frontend {
        id: NodeId(1),
        name: "fe1_9010_1".to_owned(),
        role: FrontendRole::Follower,
        host: "fe1".to_owned(),
        edit_log_port: 9010,
        http_port: 8030,
        query_port: 9030,
        rpc_port: 9020,
    };
    apply(&catalog, Command::RegisterFrontend { frontend }).unwrap();
    catalog.into_inner().unwrap()
}

fn apply(catalog: &Mutex<Catalog>, command: Command) -> Result<Outcome, ProposeFailure> {
    let mut catalog = catalog.lock().unwrap_or_else(PoisonError::into_inner);
    let proposed_at = storage_model::Now::at(START + 1000 * (catalog.revision().0 + 1));
    Ok(catalog.apply(&Envelope { proposed_at, command })?)
}

/// A client that speaks in texts.
pub(super) struct Client(pub(super) Conn);

impl Client {
    /// A statement that must succeed; `|` between the values of a row.
    pub(super) async fn rows(&mut self, sql: &str) -> Vec<String> {
        let rows: Vec<Row> = self.0.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        rows.iter().map(shown).collect()
    }

    /// The same with the names of the columns first.
    pub(super) async fn table(&mut self, sql: &str) -> (String, Vec<String>) {
        let mut result = self.0.query_iter(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let names = result.columns_ref().iter().map(|c| c.name_str().into_owned()).collect::<Vec<_>>().join("|");
        let rows: Vec<Row> = result.collect().await.unwrap();
        (names, rows.iter().map(shown).collect())
    }

    pub(super) async fn ok(&mut self, sql: &str) {
        self.0.query_drop(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// A statement that may fail.
    pub(super) async fn tries(&mut self, sql: &str) -> Result<(), (u16, String)> {
        match self.0.query_drop(sql).await {
            Ok(()) => Ok(()),
            Err(mysql_async::Error::Server(error)) => Err((error.code, error.message)),
            Err(other) => panic!("{sql}: {other:?}"),
        }
    }

    /// A statement that must fail.
    pub(super) async fn fails(&mut self, sql: &str) -> (u16, String) {
        self.tries(sql).await.expect_err(sql)
    }
}

fn shown(row: &Row) -> String {
    let value = |at| match &row[at] {
        mysql_async::Value::NULL => "NULL".to_owned(),
        mysql_async::Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.as_sql(true).trim_matches('\'').to_owned(),
    };
    (0..row.len()).map(value).collect::<Vec<_>>().join("|")
}

/// A database with a table in it.
pub(super) async fn quickstart(client: &mut Client) {
    client.ok("CREATE STORAGE VOLUME v TYPE = LOCAL LOCATIONS = ('file:///data') PROPERTIES('enabled'='true')").await;
    client.ok("SET v AS DEFAULT STORAGE VOLUME").await;
    client.ok("CREATE DATABASE IF NOT EXISTS quickstart").await;
    client.ok("USE quickstart").await;
    client
        .ok("CREATE TABLE t (k INT NOT NULL, d DATE, v VARCHAR(10) DEFAULT 'x' COMMENT 'what') DUPLICATE KEY(k)
             PARTITION BY RANGE(d) (PARTITION p1 VALUES LESS THAN ('2020-01-01'), PARTITION p2 VALUES LESS THAN MAXVALUE)
             DISTRIBUTED BY HASH(k) BUCKETS 4")
        .await;
}
