//! What statements did, as sessions ask for it: EXPLAIN ANALYZE, SHOW PROFILELIST, ANALYZE PROFILE, get_query_profile().

use anyhow::ensure;
use tests::client::same;
use tests::{Client, House, HouseSpec, e2e};

/// Whether each of these is in some line.
fn has(lines: &[String], parts: &[&str]) -> anyhow::Result<()> {
    for part in parts {
        ensure!(lines.iter().any(|line| line.contains(part)), "{part} is not in {lines:#?}");
    }
    Ok(())
}

#[test]
fn a_statement_tells_what_it_did() {
    e2e("profiles/told", || async {
        let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.t (k BIGINT, g INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 4").await?;
        client.run("INSERT INTO d.t SELECT k, k % 10 FROM TABLE(generate_series(1, 20000)) s(k)").await?;
        let sql = "SELECT g, count(*) FROM d.t WHERE k > 100 GROUP BY g";

        let told: Vec<String> = client.rows(&format!("EXPLAIN ANALYZE {sql}")).await?;
        has(&told, &["Query State: Finished", "Fragment: read on compute node", "AggregateExec", "output_rows=19.9"])?;
        let told: Vec<String> = client.rows("EXPLAIN ANALYZE SELECT 1 + 1").await?;
        has(&told, &["Fragment: local on"])?;
        client.refused("EXPLAIN ANALYZE DELETE FROM d.t WHERE k = 1", 1064, "EXPLAIN ANALYZE of delete").await?;
        same("rows", client.one::<u64>("SELECT count(*) FROM d.t").await?, 20_000)?;
        same("profiles", client.rows::<mysql_async::Row>("SHOW PROFILELIST").await?.len(), 0)?;

        client.run(&format!("PREPARE p FROM 'EXPLAIN ANALYZE {sql}'")).await?;
        let told: Vec<String> = client.rows("EXECUTE p").await?;
        has(&told, &["Fragment: read on compute node"])?;
        let mut fresh = house.client().await?;
        same("the first", fresh.one::<Option<String>>("SELECT get_query_profile(last_query_id())").await?, None)?;
        fresh.close().await?;

        client.run("SET enable_profile = true").await?;
        client.run("INSERT INTO d.t VALUES (0, 0)").await?;
        let text: String = client.one("SELECT get_query_profile(last_query_id())").await?;
        ensure!(text.contains("Fragment: load on") && text.contains("- Rows: 1"), "{text}");
        client.run("DELETE FROM d.t WHERE k = 0").await?;
        let groups: Vec<(i32, i64)> = client.rows(sql).await?;
        same("groups", groups.len(), 10)?;
        let text: String = client.one("SELECT get_query_profile(last_query_id())").await?;
        ensure!(text.contains("Fragment: read on") && text.contains(sql), "{text}");
        let text = "md5(concat(k, 'a'))";
        client.run("CREATE TABLE d.wide (k BIGINT, g INT, x VARCHAR(40)) DISTRIBUTED BY HASH(k) BUCKETS 4").await?;
        client.run(&format!("INSERT INTO d.wide SELECT k, g, {text} FROM d.t")).await?;
        client.run(&format!("INSERT INTO d.wide SELECT k + 20000, g, {text} FROM d.t")).await?;
        client.run("SET query_split_bytes = 65536").await?;
        let sql = "SELECT g, max(x) FROM d.wide WHERE k > 100 GROUP BY g";
        let groups: Vec<(i32, String)> = client.rows(sql).await?;
        same("groups", groups.len(), 10)?;
        client.run("SET enable_profile = false").await?;
        let listed: Vec<(String, String, String, String, String)> =
            client.rows("SHOW PROFILELIST WHERE Statement LIKE '%GROUP BY g%' LIMIT 1").await?;
        let [(query_id, _, _, state, statement)] = listed.as_slice() else { anyhow::bail!("{listed:?}") };
        same("the last", (state.as_str(), statement.as_str()), ("Finished", sql))?;
        let told: Vec<String> = client.rows(&format!("ANALYZE PROFILE FROM '{query_id}'")).await?;
        let stages = told.iter().filter(|line| line.contains("Fragment: stage on compute node")).count();
        ensure!(stages >= 2, "{told:#?}");
        has(&told, &["Fragment: read on", "DataSourceExec", "output_rows="])?;
        let loads: Vec<(String, String, String, String, String)> =
            client.rows("SHOW PROFILELIST WHERE Statement LIKE 'INSERT%'").await?;
        let told: Vec<String> = client.rows(&format!("ANALYZE PROFILE FROM '{}'", loads[0].0)).await?;
        has(&told, &["Fragment: load on", "Rows: 20000"])?;

        // Other people's are not there.
        client.run("CREATE USER other").await?;
        let mut other = Client::connect_as(house.query_ports()[0], "other", "").await?;
        same("of others", other.rows::<mysql_async::Row>("SHOW PROFILELIST").await?.len(), 0)?;
        other.refused(&format!("ANALYZE PROFILE FROM '{query_id}'"), 1064, "cannot find the profile").await?;
        let none: Option<String> = other.one(&format!("SELECT get_query_profile('{query_id}')")).await?;
        same("of others", none, None)?;
        other.close().await?;
        client.close().await?;
        house.finish().await
    });
}
