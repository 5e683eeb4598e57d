//! The 22 queries of TPC-H at scale factor 0.1 over partitioned and bucketed tables of several key models: on three compute
//! nodes and on one, the answers are those that DuckDB gave (`sql/tpch/record.py`).

use std::fmt::Display;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use tests::{Client, House, HouseSpec, e2e};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};

const SCALE: f64 = 0.1;
/// Rows of one INSERT.
const AT_ONCE: usize = 20_000;
const QUERIES: u32 = 22;

fn text_of(name: &str) -> anyhow::Result<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sql/tpch").join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// A row as dbgen prints it, `1|ALGERIA|0|text|`, as a row of VALUES.
fn values(row: &str) -> String {
    let fields = row.trim_end_matches('|').split('|');
    let quoted: Vec<String> = fields.map(|field| format!("'{}'", field.replace('\'', "''"))).collect();
    format!("({})", quoted.join(","))
}

async fn load(
    client: &mut Client,
    table: &str,
    columns: &str,
    rows: impl Iterator<Item: Display>,
) -> anyhow::Result<()> {
    let mut rows = rows.map(|row| values(&row.to_string())).peekable();
    let mut count = 0;
    while rows.peek().is_some() {
        let some: Vec<String> = rows.by_ref().take(AT_ONCE).collect();
        count += some.len();
        client.run(&format!("INSERT INTO {table} ({columns}) VALUES {}", some.join(","))).await?;
    }
    let (found,): (usize,) = client.one(&format!("SELECT count(*) FROM {table}")).await?;
    ensure!(found == count, "{table}: {found} rows, not {count}");
    println!("  {table}: {count} rows");
    Ok(())
}

async fn load_all(client: &mut Client) -> anyhow::Result<()> {
    client.run("CREATE DATABASE tpch").await?;
    client.run("USE tpch").await?;
    for statement in text_of("schema.sql")?.split(';').filter(|text| !text.trim().is_empty()) {
        client.run(statement).await?;
    }
    // In the order of dbgen, which is not that of the tables.
    let part = "p_partkey, p_name, p_mfgr, p_brand, p_type, p_size, p_container, p_retailprice, p_comment";
    let supplier = "s_suppkey, s_name, s_address, s_nationkey, s_phone, s_acctbal, s_comment";
    let partsupp = "ps_partkey, ps_suppkey, ps_availqty, ps_supplycost, ps_comment";
    let customer = "c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment, c_comment";
    let orders = "o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority, o_clerk, \
        o_shippriority, o_comment";
    let lineitem = "l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, \
        l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode, l_comment";
    load(client, "region", "r_regionkey, r_name, r_comment", RegionGenerator::new(SCALE, 1, 1).iter()).await?;
    load(client, "nation", "n_nationkey, n_name, n_regionkey, n_comment", NationGenerator::new(SCALE, 1, 1).iter())
        .await?;
    load(client, "supplier", supplier, SupplierGenerator::new(SCALE, 1, 1).iter()).await?;
    load(client, "part", part, PartGenerator::new(SCALE, 1, 1).iter()).await?;
    load(client, "partsupp", partsupp, PartSuppGenerator::new(SCALE, 1, 1).iter()).await?;
    load(client, "customer", customer, CustomerGenerator::new(SCALE, 1, 1).iter()).await?;
    load(client, "orders", orders, OrderGenerator::new(SCALE, 1, 1).iter()).await?;
    load(client, "lineitem", lineitem, LineItemGenerator::new(SCALE, 1, 1).iter()).await
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
        let rows: Vec<mysql_async::Row> = client.rows(&text_of(&format!("q{n:02}.sql"))?).await?;
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

#[test]
fn the_queries_of_tpch_have_the_answers_of_duckdb_on_three_nodes_and_on_one() {
    e2e("tpch/queries", || async {
        let house = House::build(HouseSpec { compute_nodes: 3, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        load_all(&mut client).await?;
        check_all(&mut client).await.context("on three compute nodes")?;
        for address in &house.cluster.compute_addresses[1..] {
            client.run(&format!("ALTER SYSTEM DROP COMPUTE NODE \"{address}\"")).await?;
        }
        check_all(&mut client).await.context("on one compute node")?;
        client.close().await?;
        house.finish().await
    });
}
