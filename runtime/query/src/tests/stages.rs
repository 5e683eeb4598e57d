//! Plans that are cut in stages, on several engines behind real connections.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use storage_catalog::{ColumnChange, Command};
use storage_model::{Aggregation, Column, DataType, KeyModel};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Endpoint, Server};
use tower::util::BoxCloneSyncService;

use super::house::{House, column};
use crate::*;

/// Counts what runs on a node.
#[derive(Default)]
struct Counted {
    begun: AtomicU64,
    running: AtomicU64,
    rows: AtomicU64,
    queries: Mutex<Vec<String>>,
    profiles: Mutex<Vec<String>>,
}

struct One(Arc<Counted>);

impl Task for One {
    fn rows(&self, count: u64) {
        self.0.rows.fetch_add(count, Ordering::SeqCst);
    }

    fn failed(&self, _: &QueryError) {}

    fn profile(&self, text: String) {
        self.0.profiles.lock().unwrap().push(text);
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Counts(Arc<Counted>);

#[async_trait]
impl Tasks for Counts {
    async fn begin(&self, errand: &Errand) -> Result<Arc<dyn Task>, QueryError> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        self.0.running.fetch_add(1, Ordering::SeqCst);
        self.0.queries.lock().unwrap().push(errand.query.clone());
        Ok(Arc::new(One(Arc::clone(&self.0))))
    }
}

struct Node {
    address: String,
    stages: Stages,
    counted: Arc<Counted>,
    shutdown: CancellationToken,
}

impl Node {
    async fn start() -> Node {
        let options = EngineOptions {
            memory_bytes: 256 << 20,
            process_bytes: 8 << 30,
            spill_directory: None,
            parallelism: 2,
            threads: None,
        };
        let connect: Connect = Arc::new(|address| {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|e| e.to_string())?;
            Ok(BoxCloneSyncService::new(endpoint.connect_lazy()))
        });
        let counted = Arc::<Counted>::default();
        let engine = Arc::new(Engine::new(options, volume_opener()).unwrap());
        let stages = Stages::new(engine, connect, Arc::new(Counts(Arc::clone(&counted))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap().to_string(), CancellationToken::new());
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = Server::builder().http2_max_header_list_size(1 << 20).add_service(stages.service());
        let ended = shutdown.clone().cancelled_owned();
        tokio::spawn(server.serve_with_incoming_shutdown(incoming, ended));
        Node { address, stages, counted, shutdown }
    }
}

struct Cluster {
    house: House,
    nodes: Vec<Node>,
}

impl Cluster {
    /// Three nodes over a duplicate and an aggregate table of several files each, and a small one.
    async fn start() -> Cluster {
        let mut house = House::new();
        let text = |name| column(name, DataType::Varchar(80), true, None);
        let int = |name, nullable| column(name, DataType::Int, nullable, None);
        house.create("t", vec![int("k", false), int("g", true), text("v"), text("pad")], None, 0, 6);
        house.create("names", vec![int("g", false), text("name")], None, 0, 1);
        let mut summed = vec![int("k", false), text("h"), column("n", DataType::BigInt, true, None)];
        summed[0].key = true;
        summed[1].key = true;
        summed[2].aggregation = Some(Aggregation::Sum);
        house.create_of("s", KeyModel::Aggregate, summed, None, 0, 4);
        for load in 0..3 {
            // Texts that cannot be compressed much: scans of small files are not cut.
            let rows = |table: &str, values: &str, count: i32| {
                let (from, to) = (load * 20_000 + 1, load * 20_000 + count);
                format!("INSERT INTO {table} SELECT {values} FROM TABLE(generate_series({from}, {to})) AS x (n)")
            };
            let of_t = "n, if(n % 7 = 0, NULL, n % 5), concat('v', n % 3), concat(md5(n), md5(-n))";
            house.insert(&rows("t", of_t, 20_000)).await.unwrap();
            let of_s = "n % 20000, md5(n % 20000), n";
            house.insert(&rows("s", of_s, 20_000)).await.unwrap();
        }
        house.insert("INSERT INTO names VALUES (0, 'zero'), (1, 'one'), (2, 'two'), (3, 'three')").await.unwrap();
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Node::start().await);
        }
        Cluster { house, nodes }
    }

    fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.address.clone()).collect()
    }

    async fn rows(&self, planned: &Planned) -> Result<Rows, QueryError> {
        let first = &self.nodes[0];
        let errand = Errand { query: "q".into(), cause: (1, 2), volumes: self.house.volumes(), observed: true };
        let workers = self.addresses();
        let crew = Crew { here: &first.address, workers: &workers, bytes: 1 };
        first.stages.execute(&encode(planned)?, &errand, &crew).await
    }

    /// Plans for several nodes.
    async fn plan(&mut self, sql: &str) -> Planned {
        self.house.split_from = 1;
        let planned = self.house.plan(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        self.house.split_from = u64::MAX;
        planned
    }

    async fn ask(&mut self, sql: &str) -> Result<Vec<String>, QueryError> {
        let planned = self.plan(sql).await;
        let batches: Vec<RecordBatch> = match planned.split_bytes() {
            Some(_) => self.rows(&planned).await?.try_collect().await?,
            None => self.house.run(&planned).await?,
        };
        Ok(self.house.text(&planned, &batches, sql))
    }

    /// The same rows as on one node, in any order.
    async fn agrees(&mut self, sql: &str) {
        let sorted = |mut lines: Vec<String>| {
            lines[1..].sort();
            lines
        };
        let alone = sorted(self.house.ask(sql).await);
        assert_eq!(sorted(self.ask(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))), alone, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_nodes_give_the_rows_of_one() {
    let mut cluster = Cluster::start().await;
    for sql in [
        "SELECT k, g, v FROM t WHERE k % 100 = 3",
        "SELECT count(*), sum(k), min(v), max(g) FROM t",
        "SELECT g, count(*), sum(k), group_concat(DISTINCT v ORDER BY v) FROM t GROUP BY g ORDER BY g",
        "SELECT count(DISTINCT v), approx_count_distinct(k) FROM t",
        "SELECT name, count(*) FROM t JOIN names ON t.g = names.g GROUP BY name",
        "SELECT t.k, names.name FROM t LEFT JOIN names ON t.g = names.g WHERE t.k < 50",
        "SELECT a.k FROM t a JOIN t b ON a.k = b.g WHERE b.v = 'v1' AND b.k < 500",
        "SELECT a.pad FROM t a JOIN t b ON a.pad = b.pad WHERE b.k % 1000 = 1",
        "SELECT k FROM t WHERE g IN (SELECT g FROM names WHERE name LIKE 't%') AND k % 500 = 2 AND k NOT IN (SELECT g FROM \
         t WHERE g IS NOT NULL)",
        "SELECT * FROM (SELECT k, row_number() OVER (PARTITION BY g ORDER BY k) AS r FROM t) AS x WHERE r < 10",
        "SELECT sum(n) FROM s",
        "SELECT k, h, n FROM s WHERE n > 119900",
        "SELECT k FROM t WHERE k < 10 UNION ALL SELECT k FROM s WHERE k < 10",
        "SELECT g FROM t INTERSECT SELECT g FROM names",
        "SELECT count(*) FROM t WHERE k > (SELECT avg(k) FROM t)",
        "SELECT g, sum(k) FROM t GROUP BY g HAVING sum(k) > (SELECT sum(k) / 10 FROM t)",
        "WITH w AS (SELECT g, count(*) AS c FROM t GROUP BY g) SELECT max(c) FROM w",
        "SELECT count(*) FROM t a JOIN names b ON a.g + b.g > (SELECT max(g) FROM names)",
        "SELECT k FROM t, (VALUES (1), (2)) AS x (y) WHERE t.g = x.y AND k < 100",
        "SELECT g, abs(percentile_approx_raw(percentile_union(percentile_hash(k)), 0.5) - 30000) < 300 FROM t GROUP BY g",
        "SELECT abs(percentile_approx_weighted(k, 1, 0.9) - 54000) < 600, ds_hll_count_distinct(v) FROM t",
        "SELECT mann_whitney_u_test(k, v = 'v1') FROM t",
        "SELECT count(*) FROM t WHERE st_contains(st_circle(0, 0, 100000), st_point(k / 1000, 0)) \
         AND ngram_search(pad, 'ab', 1) > 0.5 AND aes_decrypt(aes_encrypt(v, pad), pad) = v",
    ] {
        cluster.agrees(sql).await;
    }
    let ordered = "SELECT k, v FROM t ORDER BY v DESC, k LIMIT 5 OFFSET 3";
    assert_eq!(cluster.ask(ordered).await.unwrap(), cluster.house.ask(ordered).await);
    for node in &cluster.nodes {
        assert!(node.counted.begun.load(Ordering::SeqCst) > 10, "a node had no part in it");
        assert!(node.counted.rows.load(Ordering::SeqCst) > 100);
        assert!(node.counted.queries.lock().unwrap().iter().all(|query| query == "q"));
        assert_eq!(node.counted.running.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_tells_what_its_operators_did() {
    let mut cluster = Cluster::start().await;
    let planned = cluster.plan("SELECT g, count(*) FROM t WHERE k < 1000 GROUP BY g").await;
    let mut rows = cluster.rows(&planned).await.unwrap();
    while let Some(batch) = rows.next().await {
        batch.unwrap();
    }
    let last = rows.take_profile().unwrap().text();
    assert!(last.contains("Network") && !last.contains("WatchedExec"), "{last}");
    for node in &cluster.nodes {
        let told = node.counted.profiles.lock().unwrap().join("\n");
        assert!(told.contains("DataSourceExec") && told.contains("AggregateExec"), "{told}");
        assert!(told.contains("output_rows=") && !told.contains("ToldExec"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_last_stage_reads_is_as_the_table_has_it_now() {
    let mut cluster = Cluster::start().await;
    let house = &mut cluster.house;
    let columns = vec![column("k", DataType::Int, false, None), column("v", DataType::Int, true, None)];
    house.create_of(
        "small",
        KeyModel::Primary,
        columns.into_iter().map(|c| Column { key: c.name == "k", ..c }).collect(),
        None,
        0,
        1,
    );
    house.insert("INSERT INTO small VALUES (1, 50000), (2, 50001), (3, 50002), (4, 7)").await.unwrap();
    house.insert("INSERT INTO small VALUES (2, 59999)").await.unwrap();
    house.delete_rows("DELETE FROM small WHERE k = 3").await.unwrap();
    let (database, table) = ("db".to_owned(), "small".to_owned());
    let renamed = ColumnChange::Rename { name: "v".into(), new_name: "w".into() };
    house.apply(Command::AlterColumns { database, table, changes: vec![renamed] });
    for sql in [
        "SELECT * FROM small s WHERE s.w > (SELECT avg(k) FROM t)",
        "SELECT s.k, s.w, t.g FROM small s JOIN t ON t.k = s.w",
        "SELECT count(*), sum(w) FROM small WHERE w IN (SELECT k FROM t)",
    ] {
        cluster.agrees(sql).await;
    }
    assert_eq!(cluster.house.ask("SELECT k, w FROM small ORDER BY k").await[1..], ["1|50000", "2|59999", "4|7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subquery_that_cannot_be_joined_is_run_where_the_plan_is() {
    let mut cluster = Cluster::start().await;
    for sql in [
        "SELECT sum(k - (SELECT min(g) FROM names)) FROM t",
        "SELECT count(*) FROM t GROUP BY g + (SELECT min(g) FROM names)",
    ] {
        assert_eq!(cluster.plan(sql).await.split_bytes(), None, "{sql}");
        cluster.agrees(sql).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subquery_that_may_have_several_rows_is_not_joined() {
    let mut cluster = Cluster::start().await;
    let planned = cluster.plan("SELECT count(*) FROM t WHERE k > (SELECT k FROM names JOIN t USING (g))").await;
    assert_eq!(planned.split_bytes(), None);
    let planned = cluster.plan("SELECT count(*) FROM t WHERE k > (SELECT max(g) FROM names)").await;
    assert_eq!(planned.split_bytes(), Some(1));
    assert_eq!(cluster.house.plan("SELECT count(*) FROM t").await.unwrap().split_bytes(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_come_whole_and_a_lost_node_is_named() {
    let mut cluster = Cluster::start().await;
    let sql = "SELECT count(*) FROM t WHERE equiwidth_bucket(k, 1, if(k = 59000, 0, 100000), 4) > 0";
    let alone = cluster.house.error(sql).await;
    let told = cluster.ask(sql).await.unwrap_err();
    assert_eq!((told.code, &told.message, &told.lost), (alone.code, &alone.message, &None));

    let gone = cluster.nodes.remove(2);
    gone.shutdown.cancel();
    let planned = cluster.plan("SELECT g, count(*) FROM t GROUP BY g").await;
    cluster.nodes.push(Node { address: gone.address.clone(), ..Node::start().await });
    let lost = async { cluster.rows(&planned).await?.try_collect::<Vec<_>>().await }.await.unwrap_err();
    assert_eq!(lost.lost.as_deref(), Some(gone.address.as_str()), "{lost}");
    assert!(lost.message.contains("was lost while it worked for the query"), "{lost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_nobody_wants_any_more_end_the_stages() {
    let mut cluster = Cluster::start().await;
    let planned = cluster.plan("SELECT a.k FROM t a, t b WHERE a.k + b.k >= 0").await;
    let mut rows = cluster.rows(&planned).await.unwrap();
    rows.next().await.unwrap().unwrap();
    drop(rows);
    let running = || cluster.nodes.iter().map(|node| node.counted.running.load(Ordering::SeqCst)).sum::<u64>();
    let mut waited = 0;
    while running() > 0 {
        assert!(waited < 200, "{} stages run on", running());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        waited += 1;
    }
}
