//! Columns change over rows that stay: through a restart, and through snapshots before and after.

use std::time::Duration;

use anyhow::ensure;
use tests::client::{has_mysql_command, mysql_command, same};
use tests::{House, HouseSpec, e2e};

const BATCH: [&str; 2] = ["--skip-column-names", "--batch"];

async fn printed(house: &House, script: &str) -> anyhow::Result<String> {
    let printed = mysql_command(house.query_ports()[0], &BATCH, script).await?;
    ensure!(printed.ok, "{script}: {printed:?}");
    Ok(printed.out)
}

/// A snapshot that stays; its path.
async fn snapshot(house: &House, name: &str) -> anyhow::Result<String> {
    printed(house, &format!("CREATE CLUSTER SNAPSHOT {name}")).await?;
    house.job("FINISHED", Duration::from_secs(60), |j| j.name == name && j.state == "FINISHED").await?;
    let paths = "SELECT STORAGE_PATH FROM information_schema.cluster_snapshots WHERE SNAPSHOT_NAME =";
    Ok(printed(house, &format!("{paths} '{name}'")).await?.trim().to_owned())
}

#[test]
fn snapshots_before_and_after_a_change_of_columns_have_what_was_there() {
    if !has_mysql_command("columns/snapshots") {
        return;
    }
    e2e("columns/snapshots", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let created = "CREATE DATABASE d; USE d;
            CREATE TABLE t (id INT, a INT, b VARCHAR(10)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 3;
            INSERT INTO t VALUES (1, 10, 'x'), (2, 20, 'y'), (3, 30, 'z');
            SELECT * FROM t ORDER BY id;";
        let old = printed(&house, created).await?;
        same("the rows", old.as_str(), "1\t10\tx\n2\t20\ty\n3\t30\tz\n")?;
        let before = snapshot(&house, "earlier").await?;

        let changed = "USE d;
            ALTER TABLE t DROP COLUMN a, RENAME COLUMN b TO a;
            ALTER TABLE t ADD COLUMN b BIGINT NOT NULL DEFAULT '7' AFTER id, ADD COLUMN c DATE;
            INSERT INTO t VALUES (4, 40, 'w', '2024-02-29');
            ALTER TABLE t MODIFY COLUMN b BIGINT NOT NULL DEFAULT '8';
            INSERT INTO t (id) VALUES (5);
            DELETE FROM t WHERE b = 7 AND a = 'y';
            ALTER TABLE t MODIFY COLUMN a VARCHAR(20) COMMENT 'longer', MODIFY COLUMN b BIGINT NULL;
            INSERT INTO t (id) VALUES (6);
            SELECT count(*), sum(b IS NULL) FROM t WHERE b IS NULL OR b > 7;
            SELECT * FROM t ORDER BY id;";
        let new = printed(&house, changed).await?;
        same("what a filter finds", new.lines().next(), Some("3\t0"))?;
        let new = new.split_once('\n').map_or("", |(_, rows)| rows);
        let expected = "1\t7\tx\tNULL\n3\t7\tz\tNULL\n4\t40\tw\t2024-02-29\n5\t8\tNULL\tNULL\n6\t8\tNULL\tNULL\n";
        same("the rows under new columns", new, expected)?;
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        house.alive(&mut client, 2).await?;
        client.close().await?;
        let again =
            "USE d; SELECT * FROM t ORDER BY id; SHOW ALTER TABLE COLUMN WHERE TableName = 't' AND State <> 'FINISHED'";
        same("the rows after a restart", printed(&house, again).await?.as_str(), expected)?;
        same("jobs", printed(&house, "SHOW ALTER TABLE COLUMN FROM d").await?.lines().count(), 4)?;
        let after = snapshot(&house, "later").await?;
        printed(&house, "ALTER TABLE d.t DROP COLUMN b").await?;

        for (snapshot, expected) in [(&after, expected), (&before, old.as_str())] {
            house.lose_everything().await?;
            house.restore_plan(snapshot, &house.place)?;
            house.restore().await?;
            same(
                "the rows of the snapshot",
                printed(&house, "SELECT * FROM d.t ORDER BY id").await?.as_str(),
                expected,
            )?;
        }
        printed(&house, "ALTER TABLE d.t ADD COLUMN z INT DEFAULT '1'").await?;
        same(
            "a sum over a column of a restored table",
            printed(&house, "SELECT sum(z) FROM d.t").await?.as_str(),
            "3\n",
        )?;
        house.finish().await
    });
}
