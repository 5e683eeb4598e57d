//! Partitions of every kind on a real cluster: loads side by side that need the same ones, a restart, snapshots, a restore,
//! and those that come and go with the time.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tests::client::same;
use tests::{Client, House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(60);

async fn names(client: &mut Client, table: &str) -> anyhow::Result<Vec<String>> {
    let meta = "SELECT PARTITION_NAME FROM information_schema.partitions_meta";
    client.rows(&format!("{meta} WHERE TABLE_NAME = '{table}' ORDER BY 1")).await
}

/// The partitions of a table will be as they should.
async fn become_so(client: &mut Client, table: &str, wanted: impl Fn(&[String]) -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let found = names(client, table).await?;
        if wanted(&found) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the partitions of {table} are {found:?} still");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn tables(client: &mut Client) -> anyhow::Result<()> {
    for statement in [
        "CREATE DATABASE d",
        "CREATE TABLE d.days (at DATETIME, n BIGINT) DUPLICATE KEY(at) PARTITION BY date_trunc('day', at) \
         DISTRIBUTED BY HASH(n) BUCKETS 2",
        "CREATE TABLE d.cities (city VARCHAR(20), n BIGINT) DUPLICATE KEY(city) PARTITION BY (city) \
         DISTRIBUTED BY HASH(n) BUCKETS 2",
        "CREATE TABLE d.lists (city VARCHAR(20), n BIGINT) DUPLICATE KEY(city) PARTITION BY LIST(city) (\
         PARTITION north VALUES IN ('Oslo', 'Turku'), PARTITION none VALUES IN (NULL)) DISTRIBUTED BY HASH(n) BUCKETS 2",
    ] {
        client.run(statement).await?;
    }
    Ok(())
}

/// Loads of one client, each of which needs days and cities that the others need too.
async fn load(house: &House, client: u64) -> anyhow::Result<()> {
    let mut session = house.client().await?;
    for n in 0..6 {
        let day = 1 + n;
        let (first, second) = (client * 100 + n * 2, client * 100 + n * 2 + 1);
        let days = format!("('2026-01-0{day} 12:00:00', {first}), ('2026-02-0{day}', {second})");
        session.run(&format!("INSERT INTO d.days VALUES {days}")).await?;
        let cities = format!("('city {n}', {first}), (NULL, {second})");
        session.run(&format!("INSERT INTO d.cities VALUES {cities}")).await?;
    }
    session.close().await
}

async fn counted(client: &mut Client) -> anyhow::Result<Vec<(u64, u64)>> {
    let mut counted = Vec::new();
    for table in ["days", "cities", "lists"] {
        counted.push(client.one(&format!("SELECT COUNT(*), CAST(SUM(n) AS BIGINT) FROM d.{table}")).await?);
    }
    Ok(counted)
}

#[test]
fn loads_make_partitions_side_by_side_and_snapshots_bring_them_back() {
    e2e("partitions/side_by_side", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        tables(&mut client).await?;
        tokio::try_join!(load(&house, 0), load(&house, 1), load(&house, 2), load(&house, 3))?;
        same("days", names(&mut client, "days").await?.len(), 12)?;
        same("cities", names(&mut client, "cities").await?.len(), 7)?;
        client.run("INSERT INTO d.lists VALUES ('Oslo', 1), (NULL, 2)").await?;
        client.refused("INSERT INTO d.lists VALUES ('Oslo', 3), ('Rome', 4)", 1064, "'Rome', 4").await?;
        let before = counted(&mut client).await?;
        same("rows", (before[0].0, before[1].0, before[2].0), (48, 48, 2))?;
        // Temporary partitions are of the metadata, and of no query that does not name them.
        client.run("ALTER TABLE d.lists ADD TEMPORARY PARTITION south VALUES IN ('Oslo', 'Turku')").await?;
        client.run("INSERT INTO d.lists TEMPORARY PARTITION (south) VALUES ('Turku', 7)").await?;
        let path = house.snapshot().await?;
        let taken = house.jobs(&mut client).await?.into_iter().map(|job| job.name).next_back().unwrap_or_default();
        client.run("INSERT INTO d.days VALUES ('2030-01-01', 1)").await?;

        client.run(&format!("RESTORE TABLE d.cities FROM SNAPSHOT {taken} TO TABLE d.again")).await?;
        same("cities again", names(&mut client, "again").await?, names(&mut client, "cities").await?)?;
        client.run("INSERT INTO d.again VALUES ('Lima', 1)").await?;
        same("rows again", client.one::<u64>("SELECT COUNT(*) FROM d.again").await?, 49)?;

        client.close().await?;
        house.lose_everything().await?;
        house.restore_plan(&path, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("rows of the snapshot", counted(&mut client).await?, before)?;
        same("days of the snapshot", names(&mut client, "days").await?.len(), 12)?;
        client.run("ALTER TABLE d.lists REPLACE PARTITION (north) WITH TEMPORARY PARTITION (south)").await?;
        let lists: Vec<(Option<String>, u64)> = client.rows("SELECT city, n FROM d.lists ORDER BY n").await?;
        same("replaced", lists, vec![(None, 2), (Some("Turku".to_owned()), 7)])?;
        client.run("INSERT INTO d.days VALUES ('2031-01-01', 1)").await?;
        same("days after the restore", names(&mut client, "days").await?.len(), 13)?;
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        same("days after a restart", names(&mut client, "days").await?.len(), 13)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn partitions_come_and_go_with_the_time() {
    e2e("partitions/time", || async {
        let conf = vec![
            ("dynamic_partition_check_interval_seconds", "1".to_owned()),
            ("max_partitions_in_one_batch", "20".to_owned()),
        ];
        let house = House::build(HouseSpec { compute_nodes: 1, conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client
            .run(
                "CREATE TABLE d.t (day DATE, n INT) PARTITION BY RANGE(day) (\
                 PARTITION old VALUES [('2020-01-01'), ('2020-01-02'))) PROPERTIES (\
                 'dynamic_partition.enable' = 'true', 'dynamic_partition.time_unit' = 'DAY', \
                 'dynamic_partition.start' = '-2', 'dynamic_partition.end' = '3')",
            )
            .await?;
        become_so(&mut client, "t", |names| names.len() == 4 && names.iter().all(|name| name.starts_with("p20")))
            .await?;
        let dropped = "SELECT COUNT(*) FROM information_schema.recyclebin_catalogs WHERE NAME = 'old'";
        same("in the bin", client.one::<u64>(dropped).await?, 1)?;
        client.run("ALTER TABLE d.t SET ('dynamic_partition.end' = '5')").await?;
        become_so(&mut client, "t", |names| names.len() == 6).await?;

        client.run("CREATE TABLE d.u (day DATE, n INT) PARTITION BY date_trunc('day', day)").await?;
        client.run("INSERT INTO d.u VALUES ('2020-01-01', 1), ('2020-01-02', 2), ('2020-01-03', 3)").await?;
        client.run("ALTER TABLE d.u SET ('partition_live_number' = '2')").await?;
        become_so(&mut client, "u", |names| names == ["p20200102", "p20200103"]).await?;

        let many: Vec<String> = (1..=21).map(|day| format!("('2020-03-{day:02}', {day})")).collect();
        client.run("CREATE TABLE d.v (day DATE, n INT) PARTITION BY date_trunc('day', day)").await?;
        let insert = format!("INSERT INTO d.v VALUES {}", many.join(", "));
        client.refused(&insert, 1064, "max_partitions_in_one_batch = 20").await?;
        same("none is made", names(&mut client, "v").await?.len(), 0)?;
        client.run("ADMIN SET FRONTEND CONFIG ('max_partitions_in_one_batch' = '21')").await?;
        client.run(&insert).await?;
        let sum: u64 = client.one("SELECT CAST(SUM(n) AS BIGINT) FROM d.v").await?;
        ensure!(sum == 231, "{sum}");
        client.close().await?;
        house.finish().await
    });
}
