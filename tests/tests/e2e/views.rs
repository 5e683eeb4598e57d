//! Views, sort keys and tables made of queries, with real processes: they come back from a snapshot.

use tests::client::same;
use tests::{Client, House, HouseSpec, e2e};

async fn contents(client: &mut Client) -> anyhow::Result<Vec<(String, String)>> {
    let mut all = client.rows("SELECT name, CAST(total AS CHAR) FROM d.totals ORDER BY name").await?;
    for (object, name) in [("VIEW", "d.totals"), ("VIEW", "d.large"), ("TABLE", "d.copied"), ("TABLE", "d.empty")] {
        let row: mysql_async::Row = client.one(&format!("SHOW CREATE {object} {name}")).await?;
        all.push((name.to_owned(), row.get(1).unwrap_or_default()));
    }
    let (rows,): (u64,) = client.one("SELECT count(*) FROM d.large").await?;
    all.push(("large".to_owned(), rows.to_string()));
    Ok(all)
}

#[test]
fn views_and_what_is_made_of_queries_come_back_from_a_snapshot() {
    e2e("views/restore", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        for sql in [
            "CREATE DATABASE d",
            "CREATE TABLE d.sales (id INT, name VARCHAR(20), amount DECIMAL(10, 2)) DUPLICATE KEY(id) \
             DISTRIBUTED BY HASH(id) BUCKETS 3 ORDER BY (name, id)",
            "INSERT INTO d.sales SELECT generate_series, concat('n', generate_series % 3), generate_series FROM \
             TABLE(generate_series(1, 300))",
            "ALTER TABLE d.sales ORDER BY (amount)",
            "INSERT INTO d.sales VALUES (0, 'n0', 0.5)",
            "CREATE VIEW d.totals AS SELECT name, sum(amount) AS total FROM d.sales GROUP BY name",
            "CREATE TABLE d.copied PRIMARY KEY(name) DISTRIBUTED BY HASH(name) AS \
             SELECT ifnull(name, '') AS name, total FROM d.totals",
            "CREATE TABLE d.empty LIKE d.sales",
            "USE d",
            "CREATE VIEW large COMMENT 'much' AS SELECT * FROM totals WHERE total > 15000",
        ] {
            client.run(sql).await?;
        }
        let before = contents(&mut client).await?;
        same("groups", before[0].clone(), ("n0".to_owned(), "15150.50".to_owned()))?;
        same("large", before[before.len() - 1].1.as_str(), "2")?;
        let snapshot = house.snapshot().await?;
        client.run("DROP VIEW d.totals").await?;
        client.run("DROP DATABASE d FORCE").await?;
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
