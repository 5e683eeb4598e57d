//! Queries that are split over several compute nodes: what they answer when one of those is killed, what a killed query leaves
//! behind, and loads that read that way.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::client::{same, until};
use tests::house::{START, number};
use tests::{Client, House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(60);
/// Takes seconds on two cores, and gives its row at the end.
const LONG: &str = "SELECT count(*) FROM d.t a, d.t b WHERE (a.k * 31 + b.k) % 100003 = 7 AND b.k < 100";

async fn house() -> anyhow::Result<(House, Client)> {
    let house = House::build(HouseSpec { compute_nodes: 3, ..HouseSpec::default() }).await?;
    let mut client = house.client().await?;
    client.run("CREATE DATABASE d").await?;
    client
        .run("CREATE TABLE d.t (k BIGINT, g INT, x VARCHAR(80)) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 6")
        .await?;
    let x = "concat(md5(CAST(k AS STRING)), md5(CAST(-k AS STRING)))";
    client.run(&format!("INSERT INTO d.t SELECT k, k % 10, {x} FROM TABLE(generate_series(1, 100000)) g(k)")).await?;
    client.run("SET query_split_bytes = 65536").await?;
    Ok((house, client))
}

/// Fragments that run on all compute nodes.
async fn running(house: &House) -> anyhow::Result<f64> {
    let mut all = 0.0;
    for node in &house.cluster.compute {
        all += number(node, "starkeep_cn_fragments_running").await?;
    }
    Ok(all)
}

#[test]
fn a_compute_node_that_is_killed_is_made_up_for() {
    e2e("split/killed", || async {
        let (mut house, mut client) = house().await?;
        let plan: Vec<String> = client.rows(&format!("EXPLAIN {LONG}")).await?;
        ensure!(plan.iter().any(|line| line.contains("RUNS ON: compute nodes, one for each 65536 bytes")), "{plan:?}");
        let expected: i64 = client.one(LONG).await?;
        ensure!(expected > 0, "{expected}");
        for victim in 0..3 {
            let mut asking = house.client().await?;
            asking.run("SET query_split_bytes = 65536").await?;
            let asked = tokio::spawn(async move {
                let answer: anyhow::Result<i64> = asking.one(LONG).await;
                (answer, asking)
            });
            until("all nodes work for the query", LIMIT, || async {
                let all = running(&house).await?;
                Ok(if all >= 3.0 || asked.is_finished() { Ok(()) } else { Err(format!("{all} fragments run")) })
            })
            .await?;
            ensure!(!asked.is_finished(), "the query is over before anything could be killed");
            house.cluster.compute[victim].kill().await?;
            let (answer, asking) = asked.await?;
            same("the answer", answer.with_context(|| format!("node {victim} was killed"))?, expected)?;
            asking.close().await?;
            house.alive(&mut client, 2).await?;
            // On two it goes as well.
            let counted: (i64, i64) = client.one("SELECT count(*), count(DISTINCT x) FROM d.t").await?;
            same("rows", counted, (100_000, 100_000))?;
            house.cluster.compute[victim].start(&[])?;
            house.cluster.compute[victim].ready(START).await?;
            house.all_alive(&mut client).await?;
        }
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_query_that_is_killed_leaves_nothing_running_anywhere() {
    e2e("split/kill", || async {
        let (house, mut client) = house().await?;
        let mut asking = house.client().await?;
        asking.run("SET query_split_bytes = 65536").await?;
        let id: u64 = asking.one("SELECT connection_id()").await?;
        let endless = "SELECT count(*) FROM d.t a, d.t b WHERE (a.k * 31 + b.k) % 100003 = 7";
        let asked = tokio::spawn(async move { asking.one::<i64>(endless).await });
        until("all nodes work for the query", LIMIT, || async {
            let all = running(&house).await?;
            Ok(if all >= 3.0 { Ok(()) } else { Err(format!("{all} fragments run")) })
        })
        .await?;
        client.run(&format!("KILL QUERY {id}")).await?;
        let error = asked.await?.err().context("a killed query has an answer")?;
        ensure!(format!("{error:#}").contains("1317") || format!("{error:#}").contains("interrupted"), "{error:#}");
        until("nothing runs any more", LIMIT, || async {
            let all = running(&house).await?;
            Ok(if all == 0.0 { Ok(()) } else { Err(format!("{all} fragments run")) })
        })
        .await?;

        // A load reads that way too, and errors come through with their own text.
        client
            .run("CREATE TABLE d.u (g INT, c BIGINT, s BIGINT) PRIMARY KEY(g) DISTRIBUTED BY HASH(g) BUCKETS 2")
            .await?;
        client.run("INSERT INTO d.u SELECT g, count(*), sum(k) FROM d.t GROUP BY g").await?;
        let loaded: (i64, i64, i64) = client.one("SELECT count(*), sum(c), sum(s) FROM d.u").await?;
        same("groups", loaded, (10, 100_000, 5_000_050_000))?;
        let odd = "SELECT count(*) FROM d.t WHERE equiwidth_bucket(k, 1, if(k = 77777, 0, 1000000), 4) > 0";
        let split = client.one::<i64>(odd).await.err().context("it must fail")?;
        client.run("SET query_split_bytes = 0").await?;
        let whole = client.one::<i64>(odd).await.err().context("it must fail")?;
        same("the error", format!("{split:#}"), format!("{whole:#}"))?;
        client.close().await?;
        house.finish().await
    });
}
