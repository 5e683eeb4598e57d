//! Names change and what was dropped comes back while rows are loaded; a snapshot is of the names that were.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::ensure;
use tests::client::{has_mysql_command, mysql_command, same};
use tests::{Client, House, HouseSpec, e2e};

/// What loaders and the one who renames know of each other.
#[derive(Default)]
struct Busy {
    is_over: AtomicBool,
}

/// Loads one row after the other into a table by its name, until it is over: how many were acknowledged. A table that has
/// another name for a moment, or is in the recycle bin, takes none; whatever else fails is wrong.
async fn load(house: &House, busy: &Busy, table: &str, id: u64) -> anyhow::Result<u64> {
    let mut client = house.client().await?;
    let (mut acknowledged, mut tries) = (0, 0);
    while !busy.is_over.load(Ordering::SeqCst) || acknowledged == 0 {
        tries += 1;
        ensure!(tries < 100_000, "nothing can be loaded into {table}");
        match client.run(&format!("INSERT INTO {table} VALUES ({id})")).await {
            Ok(()) => acknowledged += 1,
            Err(error) => {
                let text = format!("{error:#}");
                let is_absent = ["Unknown table", "Unknown database", "was dropped"].iter().any(|t| text.contains(t));
                ensure!(is_absent, "a load into {table}: {text}");
            }
        }
    }
    client.close().await?;
    Ok(acknowledged)
}

/// Names go round, things are dropped and recovered; in the end all is called as in the beginning.
async fn rename(house: &House, busy: &Busy) -> anyhow::Result<()> {
    let mut client = house.client().await?;
    for round in 0..12 {
        for sql in [
            "ALTER TABLE d.a SWAP WITH b",
            "ALTER TABLE d.a RENAME c",
            "ALTER TABLE d.c RENAME a",
            "ALTER DATABASE d RENAME e",
            "ALTER DATABASE e RENAME d",
            "DROP TABLE d.b",
            "RECOVER TABLE d.b",
            "ALTER TABLE d.p DROP PARTITION p11",
            "RECOVER PARTITION p11 FROM d.p",
            "ALTER TABLE d.p RENAME PARTITION p11 other",
            "ALTER TABLE d.p RENAME PARTITION other p11",
        ] {
            client.run(sql).await?;
        }
        if round % 4 == 0 {
            client.run("DROP DATABASE d").await?;
            client.run("RECOVER DATABASE d").await?;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    busy.is_over.store(true, Ordering::SeqCst);
    client.close().await
}

async fn count(client: &mut Client, of: &str) -> anyhow::Result<u64> {
    client.one(&format!("SELECT COUNT(*) FROM {of}")).await
}

#[test]
fn names_change_under_load_and_a_snapshot_has_the_old_ones() {
    e2e("names/load", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        for table in ["a", "b"] {
            let columns = "(id INT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2";
            client.run(&format!("CREATE TABLE d.{table} {columns}")).await?;
        }
        let steps = "(START (\"1\") END (\"21\") EVERY (10))";
        let ranges = format!("DUPLICATE KEY(id) PARTITION BY RANGE(id) {steps} DISTRIBUTED BY HASH(id) BUCKETS 2");
        client.run(&format!("CREATE TABLE d.p (id INT NOT NULL) {ranges}")).await?;
        client.run("INSERT INTO d.p VALUES (15)").await?;
        let busy = Busy::default();
        let (a, b, p, ()) = tokio::try_join!(
            load(&house, &busy, "d.a", 1),
            load(&house, &busy, "d.b", 2),
            load(&house, &busy, "d.p", 3),
            rename(&house, &busy)
        )?;
        // Each table was called a and b six times: rows went to either, and none was lost or doubled.
        let both = "(SELECT id FROM d.a UNION ALL SELECT id FROM d.b) x";
        same("rows by way of a", count(&mut client, &format!("{both} WHERE id = 1")).await?, a)?;
        same("rows by way of b", count(&mut client, &format!("{both} WHERE id = 2")).await?, b)?;
        same("rows of p", count(&mut client, "d.p WHERE id = 3").await?, p)?;
        same("the row that was dropped and recovered", count(&mut client, "d.p WHERE id = 15").await?, 1)?;
        let (in_a, in_b) = (count(&mut client, "d.a").await?, count(&mut client, "d.b").await?);

        let snapshot = house.snapshot().await?;
        for sql in [
            "USE d",
            "ALTER TABLE a SWAP WITH b",
            "ALTER TABLE p RENAME q",
            "DROP TABLE b",
            "ALTER DATABASE d RENAME e",
            "ALTER TABLE q ADD PARTITIONS START (\"21\") END (\"41\") EVERY (10)",
        ] {
            client.run(sql).await?;
        }
        same("where the session is", client.one::<String>("SELECT DATABASE()").await?, "e".to_owned())?;
        let names: Vec<String> = client.rows("SHOW TABLES").await?;
        same("the tables", names, vec!["a".to_owned(), "q".to_owned()])?;
        same("rows of the one that was b", count(&mut client, "a").await?, in_b)?;
        client.refused("RECOVER TABLE d.b", 5501, "Unknown database 'd'").await?;
        client.run("RECOVER TABLE b").await?;
        same("rows of the one that was a", count(&mut client, "b").await?, in_a)?;
        // All of it is in the metadata that a frontend finds when it starts.
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.alive(&mut client, 2).await?;
        let names: Vec<String> = client.rows("SHOW TABLES FROM e").await?;
        same("the tables after a restart", names, ["a", "b", "q"].map(str::to_owned).to_vec())?;
        client.run("INSERT INTO e.q VALUES (35)").await?;
        client.close().await?;

        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        let names: Vec<String> = client.rows("SHOW TABLES FROM d").await?;
        same("the tables of the snapshot", names, ["a", "b", "p"].map(str::to_owned).to_vec())?;
        same("rows of a", count(&mut client, "d.a").await?, in_a)?;
        same("rows of b", count(&mut client, "d.b").await?, in_b)?;
        same("rows of p", count(&mut client, "d.p").await?, p + 1)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn the_mysql_command_line_renames_and_recovers() {
    if !has_mysql_command("names/mysql") {
        return;
    }
    e2e("names/mysql", || async {
        let house = House::build(HouseSpec::default()).await?;
        let port = house.query_ports()[0];
        let script = "CREATE DATABASE d; USE d;
            CREATE TABLE t (day DATE, n INT) DUPLICATE KEY(day) COMMENT 'old'
                PARTITION BY RANGE(day) (START (\"2024-01-01\") END (\"2024-01-15\") EVERY (INTERVAL 1 WEEK));
            INSERT INTO t VALUES ('2024-01-09', 7);
            ALTER TABLE t COMMENT = 'new'; ALTER TABLE t RENAME u; ALTER DATABASE d RENAME e;
            ALTER TABLE u DROP PARTITION p2024_02; DROP TABLE u; RECOVER TABLE u; RECOVER PARTITION p2024_02 FROM u;
            SELECT DATABASE(), u.* FROM u;
            DROP DATABASE e; RECOVER DATABASE e; SHOW TABLES FROM e;";
        let printed = mysql_command(port, &["--skip-column-names", "--batch"], script).await?;
        ensure!(printed.ok, "{printed:?}");
        same("printed", printed.out.as_str(), "e\t2024-01-09\t7\nu\n")?;
        for (sql, says) in [
            ("ALTER TABLE e.u RENAME u", "Same table name"),
            ("RECOVER TABLE e.nothing", "Unknown table 'e.nothing'"),
            ("RECOVER DATABASE e", "Database[e] already exist."),
            ("RECOVER PARTITION p9 FROM e.u", "No partition named 'p9' in recycle bin that belongs to table 'u'"),
        ] {
            let printed = mysql_command(port, &[], sql).await?;
            ensure!(!printed.ok && printed.err.contains(says), "{sql}: {printed:?}");
        }
        house.finish().await
    });
}
