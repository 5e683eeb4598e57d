//! Several frontends that agree: they join and leave, any of them serves, and the loss of one is survived.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use tests::client::{same, until};
use tests::house::{FrontendRow, START, frontends, frontends_become};
use tests::{Client, House, HouseSpec, e2e};

const PATIENCE: Duration = Duration::from_secs(40);

async fn three(conf: Vec<(&'static str, String)>) -> anyhow::Result<House> {
    let mut house = House::build(HouseSpec { compute_nodes: 2, conf, ..HouseSpec::default() }).await?;
    house.add_frontends(&["FOLLOWER", "FOLLOWER"]).await?;
    Ok(house)
}

async fn create(client: &mut Client) -> anyhow::Result<()> {
    client.run("CREATE DATABASE w").await?;
    client
        .run("CREATE TABLE w.t (id BIGINT NOT NULL, v BIGINT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2")
        .await
}

fn leader(rows: &[FrontendRow]) -> Option<&FrontendRow> {
    rows.iter().find(|row| row.role == "LEADER")
}

/// The query port of whoever leads, as the frontends at these ports see it; none of `not`.
pub(super) async fn leader_port(ports: &[u16], not: Option<u16>) -> anyhow::Result<u16> {
    until("somebody leads", PATIENCE, || async {
        for port in ports.iter().filter(|port| Some(**port) != not) {
            let Ok(mut client) = Client::connect(*port).await else { continue };
            let rows = frontends(&mut client).await?;
            if let Some(found) = leader(&rows).filter(|row| Some(row.query_port) != not) {
                return Ok(Ok(found.query_port));
            }
        }
        Ok(Err("nobody does".to_owned()))
    })
    .await
}

#[test]
fn frontends_join_serve_and_leave() {
    e2e("frontends/join_serve_leave", || async {
        let mut house = three(Vec::new()).await?;
        house.add_frontends(&["OBSERVER"]).await?;
        let mut client = house.client().await?;
        let rows = frontends(&mut client).await?;
        let roles: Vec<&str> = rows.iter().map(|row| row.role.as_str()).collect();
        same("roles", roles, vec!["LEADER", "FOLLOWER", "FOLLOWER", "OBSERVER"])?;
        create(&mut client).await?;

        // Every frontend takes writes, and shows a session what it wrote.
        for (n, port) in house.query_ports().into_iter().enumerate() {
            let mut session = Client::connect(port).await?;
            session.run(&format!("INSERT INTO w.t VALUES ({n}, 1)")).await?;
            let seen: u64 = session.one(&format!("SELECT COUNT(*) FROM w.t WHERE id = {n}")).await?;
            same("own row", seen, 1)?;
            session.run(&format!("CREATE TABLE w.t{n} (k INT) DUPLICATE KEY(k)")).await?;
            same("own table", session.one::<u64>(&format!("SELECT COUNT(*) FROM w.t{n}")).await?, 0)?;
            session.refused(&format!("CREATE TABLE w.t{n} (k INT) DUPLICATE KEY(k)"), 1050, "exists").await?;
        }
        // What was acknowledged elsewhere is seen at once by who asks for that.
        let mut observer = Client::connect(house.cluster.further[2].ports.query).await?;
        observer.run("SET enable_linearizable_read = true").await?;
        for n in 100..110 {
            client.run(&format!("INSERT INTO w.t VALUES ({n}, 2)")).await?;
            let seen: u64 = observer.one(&format!("SELECT COUNT(*) FROM w.t WHERE id = {n}")).await?;
            same("a row written through the leader, read through the observer", seen, 1)?;
        }
        // Configuration that is set persistently is set everywhere.
        observer.run("ADMIN SET FRONTEND CONFIG (\"catalog_trash_expire_second\" = \"4242\") WITH PERSISTENT").await?;
        let asked = "ADMIN SHOW FRONTEND CONFIG LIKE 'catalog_trash_expire_second'";
        for port in house.query_ports() {
            let mut session = Client::connect(port).await?;
            until("the setting is in force", PATIENCE, || async {
                let mut session = Client::connect(port).await?;
                let (_, _, value): (String, String, String) = {
                    let row: mysql_async::Row = session.one(asked).await?;
                    (row.get(0).context("key")?, row.get(1).context("alias")?, row.get(2).context("value")?)
                };
                Ok(if value == "4242" { Ok(()) } else { Err(value) })
            })
            .await?;
            session.run("SELECT 1").await?;
        }

        let first = house.cluster.helper();
        let (second, observing) = (house.cluster.further[0].address(), house.cluster.further[2].address());
        client
            .refused(&format!("ALTER SYSTEM ADD FOLLOWER \"{second}\""), 5064, "frontend already exists name")
            .await?;
        client
            .refused(&format!("ALTER SYSTEM DROP FOLLOWER \"{first}\""), 5064, "can not drop current master node")
            .await?;
        client
            .refused("ALTER SYSTEM DROP FOLLOWER \"127.0.0.1:1\"", 5064, "frontend does not exist[127.0.0.1:1]")
            .await?;
        client.refused(&format!("ALTER SYSTEM DROP FOLLOWER \"{observing}\""), 5064, "FOLLOWER does not exist").await?;
        client.refused("ALTER SYSTEM ADD FOLLOWER \"nowhere.invalid:9010\"", 1064, "Unknown host").await?;
        client.refused("ALTER SYSTEM ADD FOLLOWER \"127.0.0.1\"", 1064, "Invalid host port").await?;

        for (role, address) in [("OBSERVER", &observing), ("FOLLOWER", &second)] {
            client.run(&format!("ALTER SYSTEM DROP {role} \"{address}\"")).await?;
        }
        frontends_become(&mut client, "two", |rows| rows.len() == 2 && rows.iter().all(|row| row.alive)).await?;
        for gone in [2, 0] {
            let ended = tokio::time::timeout(PATIENCE, house.cluster.further[gone].node.wait()).await;
            let status = ended.context("a frontend that was dropped goes on")??;
            ensure!(!status.success(), "a frontend that was dropped ended with {status}");
            let log = house.cluster.further[gone].node.log_tail(5);
            ensure!(log.contains("was dropped from the cluster"), "it does not say why it ends: {log}");
        }
        // It does not come back by itself, and joins again when it is told to.
        house.cluster.further[0].node.start(&[])?;
        let status =
            tokio::time::timeout(PATIENCE, house.cluster.further[0].node.wait()).await.context("it runs")??;
        ensure!(!status.success(), "a dropped frontend started again");
        client.run(&format!("ALTER SYSTEM ADD FOLLOWER \"{second}\"")).await?;
        house.cluster.further[0].node.start(&["--helper", &first])?;
        frontends_become(&mut client, "three again", |rows| {
            rows.len() == 3 && rows.iter().all(|row| row.alive && row.joined)
        })
        .await?;
        let mut again = Client::connect(house.cluster.further[0].ports.query).await?;
        same("rows", again.one::<u64>("SELECT COUNT(*) FROM w.t").await?, 14)?;
        client.close().await?;
        house.finish().await
    });
}

/// What one writer knows of its rows. It goes to another frontend when the one it has fails.
#[derive(Default)]
struct Writer {
    acknowledged: Vec<u64>,
    unknown: Vec<u64>,
}

async fn write_until(ports: Vec<u16>, first: usize, ids: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Writer {
    let mut writer = Writer::default();
    let mut at = first;
    while !stop.load(Ordering::Relaxed) {
        at += 1;
        let connecting = tokio::time::timeout(Duration::from_secs(2), Client::connect(ports[at % ports.len()]));
        let Ok(Ok(mut client)) = connecting.await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            let id = ids.fetch_add(1, Ordering::Relaxed);
            let sql = format!("INSERT INTO w.t VALUES ({id}, {})", id * 7);
            match tokio::time::timeout(Duration::from_secs(35), client.run(&sql)).await {
                Ok(Ok(())) => writer.acknowledged.push(id),
                Ok(Err(_)) | Err(_) => {
                    writer.unknown.push(id);
                    break;
                }
            }
        }
    }
    writer
}

async fn check_rows(client: &mut Client, writers: &[Writer]) -> anyhow::Result<()> {
    client.run("SET enable_linearizable_read = true").await?;
    let found: Vec<(u64, u64, u64)> = client.rows("SELECT id, COUNT(*), MAX(v) FROM w.t GROUP BY id").await?;
    let found: BTreeMap<u64, (u64, u64)> = found.into_iter().map(|(id, n, v)| (id, (n, v))).collect();
    let lost: Vec<_> = writers.iter().flat_map(|w| &w.acknowledged).filter(|id| !found.contains_key(id)).collect();
    ensure!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let doubled: Vec<_> = found.iter().filter(|(_, (n, _))| *n != 1).collect();
    ensure!(doubled.is_empty(), "written twice: {doubled:?}");
    let known = |id: &u64| writers.iter().any(|w| w.acknowledged.contains(id) || w.unknown.contains(id));
    let invented: Vec<_> = found.keys().filter(|id| !known(id)).collect();
    ensure!(invented.is_empty(), "nobody wrote {invented:?}");
    ensure!(found.iter().all(|(id, (_, v))| *v == id * 7), "a row is not as it was written");
    Ok(())
}

#[test]
fn killed_and_frozen_leaders_under_load_lose_and_double_nothing() {
    e2e("frontends/kill_leader_under_load", || async {
        let mut house = three(Vec::new()).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        client.close().await?;
        let ports = house.query_ports();
        let (ids, stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
        let writers: Vec<_> =
            (0..6).map(|n| tokio::spawn(write_until(ports.clone(), n, ids.clone(), stop.clone()))).collect();
        for round in 0..4 {
            tokio::time::sleep(Duration::from_millis(1000 + round * 150)).await;
            let led = leader_port(&ports, None).await?;
            let node = house.frontend_mut(led);
            if round % 2 == 0 {
                node.kill().await?;
                leader_port(&ports, Some(led)).await?;
                let node = house.frontend_mut(led);
                node.start(&[])?;
                node.ready(START).await?;
            } else {
                // It does not know that it leads no more.
                node.signal(Signal::SIGSTOP)?;
                leader_port(&ports, Some(led)).await?;
                tokio::time::sleep(Duration::from_millis(500)).await;
                house.frontend_mut(led).signal(Signal::SIGCONT)?;
            }
            let mut client = Client::connect(leader_port(&ports, None).await?).await?;
            frontends_become(&mut client, "alive", |rows| rows.iter().all(|row| row.alive && row.joined)).await?;
        }
        let written = ids.load(Ordering::Relaxed);
        until("writes go on", PATIENCE, || async {
            let now = ids.load(Ordering::Relaxed);
            Ok(if now > written + 20 { Ok(()) } else { Err(format!("only {now}")) })
        })
        .await?;
        stop.store(true, Ordering::Relaxed);
        let mut done = Vec::new();
        for writer in writers {
            done.push(tokio::time::timeout(Duration::from_secs(60), writer).await.context("a writer hangs")??);
        }
        for port in ports {
            check_rows(&mut Client::connect(port).await?, &done).await?;
        }
        let (acknowledged, unknown) = (done.iter().map(|w| w.acknowledged.len()), done.iter().map(|w| w.unknown.len()));
        println!("{} rows acknowledged, {} unknown", acknowledged.sum::<usize>(), unknown.sum::<usize>());
        house.finish().await
    });
}

#[test]
fn a_rolling_restart_fails_no_read_of_who_knows_all_addresses() {
    e2e("frontends/rolling_restart", || async {
        let mut house = three(Vec::new()).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        client.run("INSERT INTO w.t VALUES (1, 7)").await?;
        client.close().await?;
        let ports = house.query_ports();
        let stop = Arc::new(AtomicBool::new(false));
        let reader = {
            let (ports, stop) = (ports.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut reads, mut at) = (0_u64, 0);
                'connections: while !stop.load(Ordering::Relaxed) {
                    at += 1;
                    let Ok(mut client) = Client::connect(ports[at % ports.len()]).await else { continue };
                    while !stop.load(Ordering::Relaxed) {
                        match client.one::<u64>("SELECT COUNT(*) FROM w.t").await {
                            Ok(1) => reads += 1,
                            Ok(other) => return Err(format!("{other} rows")),
                            // The server says goodbye: another address is tried.
                            Err(error) if tests::code_of(&error).is_none_or(|code| code == 1053) => {
                                continue 'connections;
                            }
                            Err(error) => return Err(format!("{error:#}")),
                        }
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                Ok(reads)
            })
        };
        for port in ports.clone() {
            let node = house.frontend_mut(port);
            let status = node.stop(Duration::from_secs(25)).await?.context("it did not stop by itself")?;
            ensure!(status.success(), "{status}");
            leader_port(&ports, Some(port)).await?;
            let node = house.frontend_mut(port);
            node.start(&[])?;
            node.ready(START).await?;
            let mut client = Client::connect(port).await?;
            client.run("INSERT INTO w.t SELECT id + 1, v FROM w.t WHERE id = 0").await?;
            frontends_become(&mut client, "alive", |rows| rows.iter().all(|row| row.alive && row.joined)).await?;
        }
        stop.store(true, Ordering::Relaxed);
        let reads = tokio::time::timeout(PATIENCE, reader).await.context("the reader hangs")??;
        let reads = reads.map_err(anyhow::Error::msg)?;
        ensure!(reads > 50, "only {reads} reads");
        println!("{reads} reads, none failed");
        house.finish().await
    });
}

#[test]
fn without_a_majority_nothing_is_acknowledged_and_that_is_said() {
    e2e("frontends/no_majority", || async {
        let mut house = three(Vec::new()).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        for further in &mut house.cluster.further {
            further.node.kill().await?;
        }
        let (code, text) = client.error("INSERT INTO w.t VALUES (1, 7)").await?;
        ensure!(text.contains("no frontend leads") || text.contains("not known"), "{code} {text}");
        // An administrator can look.
        let rows = frontends(&mut client).await?;
        same("frontends", rows.len(), 3)?;
        ensure!(leader(&rows).is_none(), "somebody leads: {rows:?}");
        for further in &mut house.cluster.further {
            further.node.start(&[])?;
            further.node.ready(START).await?;
        }
        until("writes go on", PATIENCE, || async {
            let mut client = house.client().await?;
            Ok(client.run("INSERT INTO w.t VALUES (2, 14)").await.map_err(|error| format!("{error:#}")))
        })
        .await?;
        house.finish().await
    });
}

#[test]
fn after_a_restore_the_others_join_again_and_never_lead_their_old_metadata() {
    e2e("frontends/restore", || async {
        let mut house = three(Vec::new()).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        client.run("INSERT INTO w.t VALUES (1, 7), (2, 14)").await?;
        let path = house.snapshot().await?;
        // Of this the snapshot knows nothing.
        client.run("INSERT INTO w.t VALUES (3, 21)").await?;
        drop(client);
        house.cluster.kill().await?;
        std::fs::remove_dir_all(house.cluster.frontend.dir.join("meta"))?;
        // Followers are a majority of the old group; their directories are in place, as the operator's guide leaves them.
        let expected: String = house
            .cluster
            .further
            .iter()
            .map(|further| {
                format!("  - host: 127.0.0.1\n    edit_log_port: {}\n    type: follower\n", further.ports.edit_log)
            })
            .collect();
        let yaml = format!(
            "cluster_snapshot:\n  cluster_snapshot_path: {path}\n  storage_volume_name: builtin_storage_volume\n\
             frontends:\n{expected}storage_volumes:\n{}",
            house.place.yaml("builtin_storage_volume")
        );
        house.cluster.write_restore_plan(&yaml)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("rows", client.one::<u64>("SELECT COUNT(*) FROM w.t").await?, 2)?;

        // One is started as it was: it must not go on with what it has.
        house.cluster.further[0].node.start(&[])?;
        let ended = tokio::time::timeout(PATIENCE, house.cluster.further[0].node.wait()).await;
        let status = ended.context("a frontend of the time before the restore goes on")??;
        ensure!(!status.success(), "{status}");
        let log = house.cluster.further[0].node.log_tail(5);
        ensure!(log.contains("--helper"), "it does not say what to do: {log}");
        // With --helper it sets its old metadata aside and joins.
        let helper = house.cluster.helper();
        for further in &mut house.cluster.further {
            further.node.start(&["--helper", &helper])?;
        }
        frontends_become(&mut client, "three", |rows| rows.len() == 3 && rows.iter().all(|r| r.alive && r.joined))
            .await?;
        client.run("INSERT INTO w.t VALUES (4, 28)").await?;
        for port in house.query_ports() {
            let mut session = Client::connect(port).await?;
            session.run("SET enable_linearizable_read = true").await?;
            let ids: Vec<u64> = session.rows("SELECT id FROM w.t ORDER BY id").await?;
            same("rows", ids, vec![1, 2, 4])?;
        }
        let kept = std::fs::read_dir(&house.cluster.further[0].node.dir)?.filter_map(Result::ok);
        ensure!(
            kept.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("meta.before_restore")),
            "the old metadata are not kept"
        );
        house.finish().await
    });
}
