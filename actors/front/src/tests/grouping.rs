//! Small INSERTs that come side by side, behind a compute node that holds them up.

use std::sync::Arc;
use std::time::Duration;

use storage_catalog::Catalog;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use super::kit::{Client, Kit};
use super::node::{Gate, start_gated, tables};

/// What became of a statement: how many rows it says, or its error.
type Outcome = Result<u64, (u16, String)>;

struct Scene {
    kit: Kit,
    client: Client,
    gate: Gate,
    _node: DropGuard,
    _directory: tempfile::TempDir,
}

async fn scene() -> Scene {
    let (kit, directory) = (Kit::start().await, tempfile::tempdir().unwrap());
    let mut client = kit.client().await;
    tables(&mut client, &directory).await;
    let gate = Gate::default();
    let (status, node) = start_gated(7, 0, Arc::clone(&gate)).await;
    kit.nodes.send_replace(Arc::new(vec![status]));
    Scene { kit, client, gate, _node: node, _directory: directory }
}

impl Scene {
    /// Begins a statement on a connection of its own; the connection's id.
    async fn begin(&self, sql: &str) -> (u32, JoinHandle<Outcome>) {
        use mysql_async::prelude::Queryable;
        let mut client = self.kit.client().await;
        client.ok("USE q").await;
        let (id, sql) = (client.0.id(), sql.to_owned());
        let running = tokio::spawn(async move {
            match client.0.query_drop(sql).await {
                Ok(()) => Ok(client.0.affected_rows()),
                Err(mysql_async::Error::Server(error)) => Err((error.code, error.message)),
                Err(other) => panic!("{other}"),
            }
        });
        (id, running)
    }

    /// Until so many INSERTs run.
    async fn running(&mut self, count: usize) {
        loop {
            let rows = self.client.rows("SHOW FULL PROCESSLIST").await;
            if rows.iter().filter(|row| row.contains("INSERT INTO t")).count() == count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // From running to waiting it is not far.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// How often rows of `t` became true.
    fn commits(&self) -> u64 {
        let catalog: Catalog = self.kit.catalog.lock().unwrap().clone();
        let database = catalog.database_by_name("q").unwrap().id;
        let table = catalog.table_by_name(database, "t").unwrap();
        catalog.partitions_of(table).map(|partition| partition.visible_version - 1).max().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_goes_together() {
    let mut scene = scene().await;
    let gate = Arc::clone(&scene.gate);
    let held = gate.write().await;
    let mut all = vec![scene.begin("INSERT INTO t VALUES (0, '2019-05-05', 'first', 1)").await];
    scene.running(1).await;
    for k in 1..=9 {
        let row = format!("({k}, '2019-05-05', 'v{k}', {k})");
        // Some with other columns, some with several rows.
        let sql = match k % 3 {
            0 => format!("INSERT INTO t (n, d, k) VALUES (1, '2019-05-05', {k}), (2, '2019-05-06', {})", k + 100),
            _ => format!("INSERT INTO t VALUES {row}"),
        };
        all.push(scene.begin(&sql).await);
    }
    scene.running(10).await;
    drop(held);
    let mut rows = 0;
    for (_, one) in all {
        rows += one.await.unwrap().unwrap();
    }
    assert_eq!(rows, 13);
    assert_eq!(scene.commits(), 2, "the first, and all others together");
    let found = scene.client.rows("SELECT count(*), count(DISTINCT k), sum(n) FROM t").await;
    assert_eq!(found, [format!("13|13|{}.00", 1 + 1 + 2 + 4 + 5 + 7 + 8 + 3 * 3)]);
    // Whoever comes alone waits for nobody.
    scene.client.ok("INSERT INTO t VALUES (50, '2019-05-05', 'alone', 1)").await;
    assert_eq!((scene.client.0.affected_rows(), scene.commits()), (1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_names_partitions_waits_for_nobody_else() {
    let mut scene = scene().await;
    let gate = Arc::clone(&scene.gate);
    let held = gate.write().await;
    let mut all = Vec::new();
    for (k, named) in ["", "PARTITION (p1)", "PARTITION (p1, p2)", "PARTITION (p1)"].into_iter().enumerate() {
        all.push(scene.begin(&format!("INSERT INTO t {named} VALUES ({k}, '2019-05-05', 'v', 1)")).await);
        scene.running(k + 1).await;
    }
    drop(held);
    for (_, one) in all {
        assert_eq!(one.await.unwrap(), Ok(1));
    }
    assert_eq!((scene.commits(), scene.client.rows("SELECT count(*) FROM t").await), (4, vec!["4".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_fails_for_the_rows_of_another() {
    let mut scene = scene().await;
    let gate = Arc::clone(&scene.gate);
    let held = gate.write().await;
    let first = scene.begin("INSERT INTO t VALUES (0, '2019-05-05', 'first', 1)").await;
    scene.running(1).await;
    let bad = scene.begin("INSERT INTO t VALUES (1, '2019-05-05', 'a', 1), (2, '2030-01-01', 'nowhere', 1)").await;
    let good = scene.begin("INSERT INTO t VALUES (3, '2020-05-05', 'b', 1)").await;
    scene.running(3).await;
    drop(held);
    assert_eq!((first.1.await.unwrap(), good.1.await.unwrap()), (Ok(1), Ok(1)));
    let (code, text) = bad.1.await.unwrap().unwrap_err();
    assert!(code == 1064 && text.contains("out of partition ranges"), "{code} {text}");
    assert_eq!(scene.client.rows("SELECT k FROM t ORDER BY k").await, ["0", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_or_is_alone_can_be_killed() {
    let mut scene = scene().await;
    let gate = Arc::clone(&scene.gate);
    let held = gate.write().await;
    let first = scene.begin("INSERT INTO t VALUES (0, '2019-05-05', 'first', 1)").await;
    scene.running(1).await;
    let killed = scene.begin("INSERT INTO t VALUES (1, '2019-05-05', 'killed', 1)").await;
    let other = scene.begin("INSERT INTO t VALUES (2, '2019-05-05', 'other', 1)").await;
    scene.running(3).await;
    for id in [killed.0, first.0] {
        scene.client.ok(&format!("KILL QUERY {id}")).await;
    }
    let late = scene.begin("INSERT INTO t PROPERTIES ('timeout' = '1') VALUES (3, '2019-05-05', 'late', 1)").await;
    assert_eq!((killed.1.await.unwrap().unwrap_err().0, first.1.await.unwrap().unwrap_err().0), (1317, 1317));
    let (code, text) = late.1.await.unwrap().unwrap_err();
    assert!(code == 5024 && text.contains("timeout of 1 seconds"), "{code} {text}");
    drop(held);
    assert_eq!(other.1.await.unwrap(), Ok(1));
    assert_eq!(scene.client.rows("SELECT k FROM t ORDER BY k").await, ["2"]);
}
