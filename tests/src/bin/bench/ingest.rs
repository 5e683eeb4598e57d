//! Bulk loads: INSERT SELECT of computed rows, and long VALUES; beside DuckDB's COPY of the same rows to Parquet.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use serde_json::{Value, json};
use tests::{Client, House, HouseSpec};

use super::peers;

/// Rows of one statement with VALUES.
const AT_ONCE: u64 = 20_000;
/// Rows that come as VALUES: their text is long.
const MOST_VALUES: u64 = 1_000_000;

pub(crate) async fn run(rows: u64) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec { compute_nodes: 1, ..HouseSpec::default() }).await?;
    let mut client = house.client().await?;
    client.run("CREATE DATABASE b").await?;
    let selected = select(&mut client, rows).await?;
    let by_values = rows.min(MOST_VALUES);
    let inserted = values(&mut client, by_values).await?;
    client.close().await?;
    house.finish().await?;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/bin/bench/ingest.py");
    let duckdb = peers::run(&script, &[&rows.to_string(), &by_values.to_string()]).await;
    let duckdb = duckdb.unwrap_or_else(|absent| json!({ "absent": format!("{absent:#}") }));
    let rate = |key: &str| duckdb[key].as_f64();
    let run = |how: &str, rows: u64, seconds: f64, key: &str| {
        let own = rows as f64 / seconds;
        let theirs = rate(key);
        json!({
            "by": how, "rows": rows, "rows_per_second": own,
            "duckdb_rows_per_second": theirs, "ratio": theirs.map(|theirs| own / theirs),
        })
    };
    let runs = [
        run("INSERT SELECT", rows, selected, "select_per_second"),
        run("VALUES", by_values, inserted, "csv_per_second"),
    ];
    Ok(json!({ "volume": "LOCAL", "compute_nodes": 1, "runs": runs, "duckdb": duckdb }))
}

async fn fresh(client: &mut Client) -> anyhow::Result<()> {
    client.run("DROP TABLE IF EXISTS b.t").await?;
    let columns = "id BIGINT, day DATE, price DECIMAL(12, 2), name VARCHAR(40)";
    client.run(&format!("CREATE TABLE b.t ({columns}) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2")).await
}

async fn counted(client: &mut Client, rows: u64) -> anyhow::Result<()> {
    let found: u64 = client.one("SELECT count(*) FROM b.t").await?;
    ensure!(found == rows, "{found} rows are there, not {rows}");
    Ok(())
}

async fn select(client: &mut Client, rows: u64) -> anyhow::Result<f64> {
    fresh(client).await?;
    let columns = "g, date_add('2026-01-01', INTERVAL g % 365 DAY), g % 100000 / 100, concat('name ', g % 1000)";
    let began = Instant::now();
    client.run(&format!("INSERT INTO b.t SELECT {columns} FROM TABLE(generate_series(1, {rows})) s(g)")).await?;
    let seconds = began.elapsed().as_secs_f64();
    counted(client, rows).await?;
    Ok(seconds)
}

async fn values(client: &mut Client, rows: u64) -> anyhow::Result<f64> {
    fresh(client).await?;
    let row =
        |id: u64| format!("({id},'2026-03-{:02}',{}.{:02},'name {}')", id % 28 + 1, id % 1000, id % 100, id % 1000);
    let mut seconds = 0.0;
    let mut first = 1;
    while first <= rows {
        let last = rows.min(first + AT_ONCE - 1);
        let text: Vec<String> = (first..=last).map(row).collect();
        let statement = format!("INSERT INTO b.t VALUES {}", text.join(","));
        let began = Instant::now();
        client.run(&statement).await?;
        seconds += began.elapsed().as_secs_f64();
        first = last + 1;
    }
    counted(client, rows).await?;
    Ok(seconds)
}
