//! TPC-H through the MySQL protocol on one compute node, and the same rows and queries in DuckDB and DataFusion, as libraries
//! of Python over Parquet files that DuckDB wrote.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tests::tpch::{self, QUERIES};
use tests::{Client, House, HouseSpec};

use super::peers;

/// After the first time.
const AGAIN: usize = 2;

pub(crate) async fn run(scale: f64) -> anyhow::Result<Value> {
    let house = House::build(HouseSpec { compute_nodes: 1, ..HouseSpec::default() }).await?;
    let mut client = house.client().await?;
    tpch::create(&mut client).await?;
    let (began, mut rows) = (Instant::now(), 0);
    for table in tpch::tables(scale) {
        rows += tpch::load(&mut client, table).await?;
    }
    let load = began.elapsed().as_secs_f64();
    let ours = queries(&mut client).await;
    client.close().await?;
    house.finish().await?;
    let theirs = peers_of(scale).await.unwrap_or_else(|absent| json!({ "absent": format!("{absent:#}") }));
    let runs = (0..QUERIES as usize).map(|at| {
        let of = |report: &Value, key: &str| report["queries"][at][key].as_f64();
        let mut run = ours[at].clone();
        for peer in ["duckdb", "datafusion"] {
            if let (Some(hot), Some(own)) = (of(&theirs[peer], "hot_seconds"), run["hot_seconds"].as_f64()) {
                run[format!("{peer}_hot_seconds")] = json!(hot);
                run[format!("{peer}_ratio")] = json!(own / hot);
            }
        }
        run
    });
    let runs: Vec<Value> = runs.collect();
    let sum = |key: &str| runs.iter().filter_map(|run| run[key].as_f64()).sum::<f64>();
    Ok(json!({
        "scale": scale,
        "compute_nodes": 1,
        "load": { "by": "INSERT VALUES", "rows": rows, "seconds": load, "rows_per_second": rows as f64 / load },
        "sums_of_hot_seconds": {
            "starkeep": sum("hot_seconds"),
            "duckdb": sum("duckdb_hot_seconds"),
            "datafusion": sum("datafusion_hot_seconds"),
        },
        "runs": runs,
        "peers": theirs,
    }))
}

async fn queries(client: &mut Client) -> Vec<Value> {
    let mut found = Vec::new();
    for number in 1..=QUERIES {
        let mut seconds = Vec::new();
        let mut error = None;
        for _ in 0..=AGAIN {
            let began = Instant::now();
            let answer = match tpch::query(number) {
                Ok(text) => client.rows::<mysql_async::Row>(&text).await.map(drop),
                Err(missing) => Err(missing),
            };
            seconds.push(began.elapsed().as_secs_f64());
            error = answer.err().map(|e| format!("{e:#}"));
        }
        let hot = seconds[1..].iter().copied().fold(f64::INFINITY, f64::min);
        found.push(match error {
            Some(error) => json!({ "query": number, "error": error }),
            None => json!({ "query": number, "cold_seconds": seconds[0], "hot_seconds": hot }),
        });
    }
    found
}

async fn peers_of(scale: f64) -> anyhow::Result<Value> {
    let directory = tempfile::Builder::new().prefix("starkeep-tpch-").tempdir()?;
    write(directory.path(), scale)?;
    let threads = std::thread::available_parallelism()?.to_string();
    peers::run(&tpch::directory().join("peers.py"), &[&directory.path().display().to_string(), &threads]).await
}

/// The tables as files with a line of names.
fn write(directory: &Path, scale: f64) -> anyhow::Result<()> {
    for table in tpch::tables(scale) {
        let file = std::fs::File::create(directory.join(format!("{}.csv", table.name)))?;
        let mut file = std::io::BufWriter::new(file);
        writeln!(file, "{}", table.columns.replace([',', ' '], "|").replace("||", "|"))?;
        for row in table.rows {
            writeln!(file, "{}", row.trim_end_matches('|'))?;
        }
        file.flush()?;
    }
    Ok(())
}
