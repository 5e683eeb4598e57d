//! What is known of values, bloom filters, indexes and the order of joins, with real processes: they come back from a snapshot.

use anyhow::ensure;
use tests::client::same;
use tests::{Client, House, HouseSpec, e2e};

/// The tables of a query in the order in which they are joined.
const JOINED: &str = "SELECT count(*), sum(i.k) FROM d.sales s JOIN d.items i ON s.item = i.k JOIN d.stores t ON s.store = t.k \
                      WHERE t.city = 'c3'";

async fn fill(client: &mut Client) -> anyhow::Result<()> {
    for sql in [
        "CREATE DATABASE d",
        "CREATE TABLE d.sales (k INT, item INT, store INT, note VARCHAR(20)) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 \
         PROPERTIES ('bloom_filter_columns' = 'NOTE, item', 'bloom_filter_fpp' = '0.01')",
        "CREATE TABLE d.items (k INT, name VARCHAR(20)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1",
        "CREATE TABLE d.stores (k INT, city VARCHAR(20), INDEX by_city (city) USING BITMAP COMMENT 'where') DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1",
        "INSERT INTO d.sales SELECT x, x % 200, x % 50, concat('note ', x * 2) FROM TABLE(generate_series(0, 599)) g(x)",
        "INSERT INTO d.sales SELECT x, x % 200, x % 50, concat('note ', x * 2 + 1) FROM TABLE(generate_series(600, 1199)) g(x)",
        "INSERT INTO d.items SELECT x, concat('item ', x) FROM TABLE(generate_series(0, 199)) g(x)",
        "INSERT INTO d.stores SELECT x, concat('c', x % 25) FROM TABLE(generate_series(0, 49)) g(x)",
    ] {
        client.run(sql).await?;
    }
    Ok(())
}

/// Everything that is to stay as it is.
async fn contents(client: &mut Client) -> anyhow::Result<Vec<String>> {
    let (rows, sum): (i64, i64) = client.one(JOINED).await?;
    let mut all = vec![format!("{rows} {sum}")];
    let explained: Vec<String> = client.rows(&format!("EXPLAIN COSTS {JOINED}")).await?;
    all.extend(explained.into_iter().filter(|line| line.contains("->") || line.contains("cardinality")));
    let known: Vec<mysql_async::Row> = client.rows("SHOW COLUMN STATS FROM d.sales").await?;
    // Without the size, which a restore need not know to the byte.
    let cell = |row: &mysql_async::Row, at: usize| row.get::<Option<String>, _>(at).flatten().unwrap_or_default();
    all.extend(known.iter().map(|row| [0, 1, 2, 3, 5, 6].map(|at| cell(row, at)).join(" ")));
    let (_, created): (String, String) = client.one("SHOW CREATE TABLE d.sales").await?;
    all.push(created);
    let indexes: Vec<mysql_async::Row> = client.rows("SHOW INDEX FROM d.stores").await?;
    all.extend(indexes.iter().map(|row| [0, 2, 4, 10, 11].map(|at| cell(row, at)).join(" ")));
    let (found,): (i64,) = client.one("SELECT k FROM d.sales WHERE note = 'note 1441'").await?;
    all.push(found.to_string());
    Ok(all)
}

#[test]
fn statistics_and_bloom_filters_come_back_from_a_snapshot() {
    e2e("statistics/restore", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        fill(&mut client).await?;
        let before = contents(&mut client).await?;
        same("joined", before[0].as_str(), "48 4344")?;
        ensure!(before.iter().any(|line| line.starts_with("item 1200 ")), "{before:?}");
        ensure!(before.iter().any(|line| line.contains("\"bloom_filter_columns\" = \"note, item\"")), "{before:?}");
        ensure!(before.iter().any(|line| line == "d.stores by_city city BITMAP where"), "{before:?}");
        let metas: Vec<(String, String, String, String, String, String, String)> =
            client.rows("SHOW STATS META").await?;
        same("tables", metas.iter().map(|row| row.1.as_str()).collect::<Vec<_>>(), vec!["items", "sales", "stores"])?;
        let snapshot = house.snapshot().await?;

        client.run("DELETE FROM d.sales WHERE k >= 10").await?;
        let analyzed: (String, String, String, String) = client.one("ANALYZE FULL TABLE d.sales").await?;
        same("ANALYZE", analyzed, ("d.sales".into(), "analyze".into(), "status".into(), "OK".into()))?;
        let lines: Vec<String> = client.rows("EXPLAIN COSTS SELECT k FROM d.sales").await?;
        ensure!(lines.iter().any(|line| line.contains("k-> [0.0, 9.0, 0.0, 4.0, 10.0]")), "{lines:?}");
        client.run("DROP STATS d.sales").await?;
        let gone: Vec<mysql_async::Row> = client.rows("SHOW COLUMN STATS FROM d.sales").await?;
        same("after DROP STATS", gone.len(), 0)?;
        client.close().await?;

        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("after the restore", contents(&mut client).await?, before)?;
        client.close().await?;
        house.finish().await
    });
}
