//! The 22 queries of TPC-H at scale factor 0.1 over partitioned and bucketed tables of several key models: on three compute
//! nodes, split over three, and on one, the answers are those that DuckDB gave (`sql/tpch/record.py`).

use anyhow::{Context, ensure};
use tests::house::number;
use tests::tpch::{self, QUERIES, text_of};
use tests::{Client, House, HouseSpec, e2e};

const SCALE: f64 = 0.1;

async fn load_all(client: &mut Client) -> anyhow::Result<()> {
    tpch::create(client).await?;
    for table in tpch::tables(SCALE) {
        let name = table.name;
        let rows = tpch::load(client, table).await?;
        println!("  {name}: {rows} rows");
    }
    Ok(())
}

/// Equal as text, or numbers that differ by their last digits: DuckDB divides and averages in floating point, we in decimals
/// of so many digits as StarRocks gives.
fn agree(found: &str, expected: &str) -> bool {
    found == expected
        || found
            .parse::<f64>()
            .ok()
            .zip(expected.parse::<f64>().ok())
            .is_some_and(|(found, expected)| (found - expected).abs() <= 1e-6_f64.max(1e-9 * expected.abs()))
}

async fn check_all(client: &mut Client) -> anyhow::Result<()> {
    for n in 1..=QUERIES {
        let rows: Vec<mysql_async::Row> = client.rows(&tpch::query(n)?).await?;
        let cell = |value| match value {
            mysql_async::Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => other.as_sql(true),
        };
        let found: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.unwrap().into_iter().map(cell).collect()).collect();
        let answer = text_of(&format!("answers/q{n:02}.tsv"))?;
        let expected: Vec<Vec<&str>> = answer.lines().map(|line| line.split('\t').collect()).collect();
        ensure!(found.len() == expected.len(), "query {n}: {} rows, not {}", found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let same = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| agree(f, e));
            ensure!(same, "query {n}: {found:?}, not {expected:?}");
        }
    }
    Ok(())
}

/// How many fragments each compute node has begun.
async fn fragments(house: &House) -> anyhow::Result<Vec<f64>> {
    let mut begun = Vec::new();
    for node in &house.cluster.compute {
        begun.push(number(node, "starkeep_cn_fragments_total").await?);
    }
    Ok(begun)
}

#[test]
fn the_queries_of_tpch_have_the_answers_of_duckdb_on_three_nodes_and_on_one() {
    e2e("tpch/queries", || async {
        let house = House::build(HouseSpec { compute_nodes: 3, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        load_all(&mut client).await?;
        check_all(&mut client).await.context("each on one of three compute nodes")?;
        let begun = fragments(&house).await?;
        client.run("SET query_split_bytes = 65536").await?;
        check_all(&mut client).await.context("split over three compute nodes")?;
        for (before, after) in begun.iter().zip(fragments(&house).await?) {
            ensure!(after - before >= f64::from(QUERIES), "a node had no part in it: {before} fragments, then {after}");
        }
        for address in &house.cluster.compute_addresses[1..] {
            client.run(&format!("ALTER SYSTEM DROP COMPUTE NODE \"{address}\"")).await?;
        }
        check_all(&mut client).await.context("on one compute node")?;
        client.close().await?;
        house.finish().await
    });
}
