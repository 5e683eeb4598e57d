//! A cluster that lives: the quick start, restarts, kills under load, no compute node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::client::{has_mysql_command, mysql_command, same, until};
use tests::house::START;
use tests::{Client, House, HouseSpec, QUICKSTART, e2e};

const ROWS: &str = "2015-09-12 00:00:00\t#ca.wikipedia\thelloSR\t0\t1\t0\t1\t0\t3\t23\t0\n\
                    2015-09-12 00:00:00\t#en.wikipedia\tAustinFF\t0\t0\t0\t0\t0\t21\t5\t0\n\
                    2015-09-12 08:00:00\t#ca.wikipedia\thelloSR\t0\t1\t0\t1\t0\t3\t23\t0\n";

#[test]
fn the_quick_start_through_the_mysql_command_line() {
    let suite = "cluster/quickstart_mysql";
    e2e(suite, || async move {
        if !has_mysql_command(suite) {
            return Ok(());
        }
        let house = House::build(HouseSpec::default()).await?;
        let port = house.cluster.ports.query;
        let printed = mysql_command(port, &["--batch", "--skip-column-names"], QUICKSTART).await?;
        ensure!(printed.ok, "mysql failed: {printed:?}");
        let mut lines: Vec<&str> = printed.out.lines().collect();
        lines.sort_unstable();
        same("rows", lines, ROWS.lines().collect())?;
        let more = "USE quickstart;\nSHOW TABLES;\nSELECT COUNT(*), SUM(delta) FROM source_wiki_edit WHERE is_minor = 1;\n\
                    SELECT channel, COUNT(*) c FROM source_wiki_edit GROUP BY channel ORDER BY c DESC LIMIT 1;\n";
        let printed = mysql_command(port, &["--batch", "--skip-column-names"], more).await?;
        same("answers", printed.out.as_str(), "source_wiki_edit\n2\t6\n#ca.wikipedia\t2\n")?;
        let table = mysql_command(port, &["--table"], "SELECT 1 AS one").await?;
        ensure!(table.ok && table.out.contains("| one |"), "{table:?}");
        let wrong = mysql_command(port, &[], "SELECT * FROM quickstart.nothing").await?;
        ensure!(!wrong.ok && wrong.err.contains("ERROR 5502"), "{wrong:?}");
        house.finish().await
    });
}

#[test]
fn the_quick_start_through_a_driver_and_restarts() {
    e2e("cluster/quickstart_driver_and_restarts", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        let count = "SELECT COUNT(*) FROM quickstart.source_wiki_edit";
        same("rows", client.one::<u64>(count).await?, 3)?;

        house.cluster.frontend.stop(Duration::from_secs(20)).await?.context("the frontend did not stop by itself")?;
        house.cluster.frontend.start(&[])?;
        house.cluster.frontend.ready(START).await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows after a clean restart of the frontend", client.one::<u64>(count).await?, 3)?;
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows after a killed frontend", client.one::<u64>(count).await?, 3)?;

        house.cluster.compute[0].kill().await?;
        house.alive(&mut client, 1).await?;
        same("rows with one compute node of two", client.one::<u64>(count).await?, 3)?;
        client
            .run("INSERT INTO quickstart.source_wiki_edit (event_time, user) VALUES ('2015-09-12 09:00:00', 'a')")
            .await?;
        house.cluster.compute[0].start(&[])?;
        house.all_alive(&mut client).await?;
        house.cluster.compute[1].kill().await?;
        house.alive(&mut client, 1).await?;
        same("rows, read by the node that came back by itself", client.one::<u64>(count).await?, 4)?;
        house.cluster.compute[1].start(&[])?;
        house.all_alive(&mut client).await?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn without_a_compute_node_nothing_is_read_or_written_and_that_is_said() {
    e2e("cluster/no_compute_node", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        house.cluster.compute[0].kill().await?;
        house.alive(&mut client, 0).await?;
        for sql in [
            "SELECT * FROM quickstart.source_wiki_edit",
            "INSERT INTO quickstart.source_wiki_edit (event_time, user) VALUES ('2015-09-12 09:00:00', 'a')",
        ] {
            let since = std::time::Instant::now();
            let (code, text) = client.error(sql).await?;
            ensure!(text.to_lowercase().contains("compute node"), "{code} {text}");
            ensure!(since.elapsed() < Duration::from_secs(20), "it took {:?} to say so", since.elapsed());
        }
        // What needs no data still works.
        same("SELECT 1", client.one::<u64>("SELECT 1").await?, 1)?;
        client.run("CREATE DATABASE d").await?;
        house.cluster.compute[0].start(&[])?;
        house.all_alive(&mut client).await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM quickstart.source_wiki_edit").await?, 3)?;
        client.close().await?;
        house.finish().await
    });
}

/// What one writer knows of its rows.
#[derive(Default)]
struct Writer {
    acknowledged: Vec<u64>,
    unknown: Vec<u64>,
}

async fn write_until(port: u16, ids: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Writer {
    let mut writer = Writer::default();
    let Ok(mut client) = Client::connect(port).await else { return writer };
    while !stop.load(Ordering::Relaxed) {
        let id = ids.fetch_add(1, Ordering::Relaxed);
        match client.run(&format!("INSERT INTO w.t VALUES ({id}, {})", id * 7)).await {
            Ok(()) => writer.acknowledged.push(id),
            Err(_) => {
                writer.unknown.push(id);
                return writer;
            }
        }
    }
    writer
}

#[test]
fn a_killed_frontend_loses_no_acknowledged_row_and_doubles_none() {
    e2e("cluster/kill_under_inserts", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE w").await?;
        client
            .run("CREATE TABLE w.t (id BIGINT NOT NULL, v BIGINT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 4")
            .await?;
        client.close().await?;
        let ids = Arc::new(AtomicU64::new(1));
        let (mut acknowledged, mut unknown) = (Vec::new(), Vec::new());
        for round in 0..3 {
            let stop = Arc::new(AtomicBool::new(false));
            let port = house.cluster.ports.query;
            let writers: Vec<_> = (0..8).map(|_| tokio::spawn(write_until(port, ids.clone(), stop.clone()))).collect();
            tokio::time::sleep(Duration::from_millis(1500 + round * 370)).await;
            house.cluster.frontend.kill().await?;
            stop.store(true, Ordering::Relaxed);
            let before = acknowledged.len();
            for writer in writers {
                let writer =
                    tokio::time::timeout(Duration::from_secs(30), writer).await.context("a writer hangs")??;
                acknowledged.extend(writer.acknowledged);
                unknown.extend(writer.unknown);
            }
            ensure!(acknowledged.len() > before, "round {round}: nothing was written, nothing is proven");
            house.cluster.frontend.start(&[])?;
            house.cluster.frontend.ready(START).await?;
            let mut client = house.client().await?;
            house.all_alive(&mut client).await?;
            let found: Vec<(u64, u64, u64)> = client.rows("SELECT id, COUNT(*), MAX(v) FROM w.t GROUP BY id").await?;
            let found: BTreeMap<u64, (u64, u64)> = found.into_iter().map(|(id, n, v)| (id, (n, v))).collect();
            let lost: Vec<_> = acknowledged.iter().filter(|id| !found.contains_key(id)).collect();
            ensure!(lost.is_empty(), "round {round}: acknowledged and lost: {lost:?}");
            let doubled: Vec<_> = found.iter().filter(|(_, (n, _))| *n != 1).collect();
            ensure!(doubled.is_empty(), "round {round}: written twice: {doubled:?}");
            let known = |id: &u64| acknowledged.contains(id) || unknown.contains(id);
            let invented: Vec<_> = found.keys().filter(|id| !known(id)).collect();
            ensure!(invented.is_empty(), "round {round}: nobody wrote {invented:?}");
            ensure!(found.iter().all(|(id, (_, v))| *v == id * 7), "a row is not as it was written");
            client.close().await?;
        }
        println!("{} rows were acknowledged, of {} the outcome was unknown", acknowledged.len(), unknown.len());
        house.finish().await
    });
}

#[test]
fn killed_compute_nodes_lose_no_acknowledged_row() {
    e2e("cluster/kill_compute_under_inserts", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE w").await?;
        client
            .run("CREATE TABLE w.t (id BIGINT NOT NULL, v BIGINT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 4")
            .await?;
        let (ids, stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
        let port = house.cluster.ports.query;
        let writers: Vec<_> = (0..4).map(|_| tokio::spawn(write_until(port, ids.clone(), stop.clone()))).collect();
        for node in 0..2 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            house.cluster.compute[node].kill().await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            house.cluster.compute[node].start(&[])?;
            house.cluster.compute[node].ready(START).await?;
            house.all_alive(&mut client).await?;
        }
        stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.extend(tokio::time::timeout(Duration::from_secs(60), writer).await??.acknowledged);
        }
        let found: Vec<(u64, u64)> = client.rows("SELECT id, COUNT(*) FROM w.t GROUP BY id").await?;
        let found: BTreeMap<u64, u64> = found.into_iter().collect();
        let lost: Vec<_> = acknowledged.iter().filter(|id| found.get(id) != Some(&1)).collect();
        ensure!(!acknowledged.is_empty() && lost.is_empty(), "lost or doubled: {lost:?}");
        ensure!(found.values().all(|n| *n == 1), "rows were written twice");
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn pages_say_that_the_nodes_are_well() {
    e2e("cluster/pages", || async {
        let house = House::build(HouseSpec::default()).await?;
        let http = house.cluster.ports.http;
        let page =
            |path: &'static str| async move { Ok::<_, anyhow::Error>(deploy_local::http::get(http, path).await?) };
        let (status, body) = page("/api/health").await?;
        ensure!(status == 200 && body.contains("\"online_backend_num\""), "{status} {body}");
        let (status, body) = page("/api/v2/get_cluster_snapshot_restore_state").await?;
        let state: serde_json::Value = serde_json::from_str(&body)?;
        ensure!(
            status == 200 && state["cluster_snapshot_restore_state"] == "finished" && state["status"] == "OK",
            "{body}"
        );
        // What actors do is for those who log in: the suite `http`.
        same("actors without a login", page("/api/v2/actors").await?.0, 401)?;
        let (status, body) = page("/metrics").await?;
        ensure!(status == 200 && body.contains("# TYPE"), "{status} {body}");
        let compute = deploy_local::http::get(house.cluster.compute[0].http_port, "/api/health").await?;
        same("health of the compute node", compute.0, 200)?;
        let online = until("a compute node is online", Duration::from_secs(10), || async {
            let (_, body) = page("/api/health").await?;
            let health: serde_json::Value = serde_json::from_str(&body)?;
            Ok(if health["online_backend_num"] == 1 { Ok(()) } else { Err(body) })
        });
        online.await?;
        house.finish().await
    });
}
