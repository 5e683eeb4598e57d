//! BITMAP and HLL in front of real processes: several loads of the same keys, compaction, a restart and a restore leave what
//! was counted as it was.

use std::time::Duration;

use anyhow::ensure;
use tests::client::{has_mysql_command, mysql_command, same};
use tests::house::objects_become;
use tests::{Client, House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(90);
const LOADS: i64 = 12;

/// A table that unites, and one that keeps the newest; each load has all keys.
async fn fill(client: &mut Client) -> anyhow::Result<()> {
    client.run("CREATE DATABASE d").await?;
    let rest = "DISTRIBUTED BY HASH(k) BUCKETS 2";
    let columns = "k INT, b BITMAP BITMAP_UNION, h HLL HLL_UNION";
    client.run(&format!("CREATE TABLE d.a ({columns}) AGGREGATE KEY(k) {rest}")).await?;
    client.run(&format!("CREATE TABLE d.p (k INT, b BITMAP, h HLL) PRIMARY KEY(k) {rest}")).await?;
    for load in 0..LOADS {
        let rows = format!("SELECT x % 3, to_bitmap(x), hll_hash(x) FROM TABLE(generate_series({load}, 900, 5)) g(x)");
        client.run(&format!("INSERT INTO d.a {rows}")).await?;
        client.run(&format!("INSERT INTO d.p SELECT k, b, h FROM d.a WHERE k = {}", load % 3)).await?;
    }
    Ok(())
}

/// Everything that can be seen of both tables.
async fn contents(client: &mut Client) -> anyhow::Result<Vec<(i32, i64, String, i64)>> {
    let mut all = Vec::new();
    for table in ["a", "p"] {
        let sql = format!(
            "SELECT k, bitmap_count(b), md5(bitmap_to_string(b)), hll_cardinality(h) FROM d.{table} ORDER BY k"
        );
        all.extend(client.rows(&sql).await?);
    }
    Ok(all)
}

#[test]
fn what_was_counted_stays_through_compaction_restart_and_restore() {
    e2e("sketches/restore", || async {
        let conf = vec![
            ("lake_autovacuum_grace_period_minutes", "0".to_owned()),
            ("lake_compaction_score_selector_min_score", "3".to_owned()),
        ];
        let mut house = House::build(HouseSpec { compute_nodes: 2, conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("ADMIN SET FRONTEND CONFIG (\"lake_compaction_max_tasks\" = \"0\")").await?;
        fill(&mut client).await?;
        let before = contents(&mut client).await?;
        same(
            "keys",
            before.iter().map(|row| (row.0, row.1)).collect::<Vec<_>>()[..3].to_vec(),
            vec![(0, 301), (1, 300), (2, 300)],
        )?;
        ensure!(before[..3].iter().all(|row| (row.3 - row.1).abs() <= 9), "{before:?}");
        let unseen: Vec<(i32, Option<String>, Option<String>)> =
            client.rows("SELECT k, b, h FROM d.a WHERE k = 1").await?;
        same("to a client", unseen, vec![(1, None, None)])?;
        let snapshot = house.snapshot().await?;

        client.run("ADMIN SET FRONTEND CONFIG (\"lake_compaction_max_tasks\" = \"-1\")").await?;
        let objects = house.place.objects(".parquet").await?.len();
        objects_become(&house.place, ".parquet", "there are new objects", LIMIT, |found| found.len() > objects).await?;
        same("after a compaction", contents(&mut client).await?, before.clone())?;
        client.close().await?;
        house.restart_frontend().await?;
        let mut client = house.client().await?;
        same("after a restart", contents(&mut client).await?, before.clone())?;
        client.run("INSERT INTO d.a VALUES (1, to_bitmap(1000000), hll_empty())").await?;
        same("one more", client.one::<i64>("SELECT bitmap_count(b) FROM d.a WHERE k = 1").await?, 301)?;
        client.close().await?;

        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("after a restore", contents(&mut client).await?, before)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn the_mysql_command_line_uses_bitmaps_and_hlls() {
    if !has_mysql_command("sketches/mysql") {
        return;
    }
    e2e("sketches/mysql", || async {
        let house = House::build(HouseSpec::default()).await?;
        let port = house.query_ports()[0];
        let script = "CREATE DATABASE d; USE d;
            CREATE TABLE uv (page INT, users BITMAP BITMAP_UNION, about HLL HLL_UNION) AGGREGATE KEY(page)
                DISTRIBUTED BY HASH(page) BUCKETS 1;
            INSERT INTO uv VALUES (1, to_bitmap(13), hll_hash('a')), (1, to_bitmap(23), hll_hash('b'));
            INSERT INTO uv VALUES (1, to_bitmap(13), hll_hash('a')), (2, bitmap_empty(), NULL);
            SELECT * FROM uv ORDER BY page; DESC uv;
            SELECT page, bitmap_to_string(users), hll_cardinality(about) FROM uv ORDER BY page;
            SELECT bitmap_union_count(users), hll_union_agg(about), count(DISTINCT users) FROM uv;";
        let printed = mysql_command(port, &["--skip-column-names", "--batch"], script).await?;
        ensure!(printed.ok, "{printed:?}");
        let expected = "1\tNULL\tNULL\n2\tNULL\tNULL\npage\tint(11)\tYES\ttrue\tNULL\t\n\
                        users\tbitmap\tYES\tfalse\tNULL\tBITMAP_UNION\nabout\thll\tYES\tfalse\tNULL\tHLL_UNION\n\
                        1\t13,23\t2\n2\t\t0\n2\t2\t2\n";
        same("printed", printed.out.as_str(), expected)?;
        for (sql, says) in [
            (
                "CREATE TABLE d.x (b BITMAP, k INT) PRIMARY KEY(b) DISTRIBUTED BY HASH(b)",
                "Invalid data type of key column 'b'",
            ),
            ("CREATE TABLE d.x (b BITMAP) DISTRIBUTED BY HASH(b)", "Data type of first column cannot be"),
            (
                "CREATE TABLE d.x (k INT, b BITMAP) DUPLICATE KEY(k) DISTRIBUTED BY HASH(b)",
                "bitmap column can not be distribution column: b",
            ),
            (
                "CREATE TABLE d.x (k INT, b BITMAP SUM) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k)",
                "Invalid aggregate function 'SUM'",
            ),
            (
                "CREATE TABLE d.x (k INT, b INT BITMAP_UNION) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k)",
                "Invalid aggregate function",
            ),
            (
                "CREATE TABLE d.x (k INT, b ARRAY<BITMAP>) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)",
                "BITMAP and HLL are in no other type",
            ),
            ("INSERT INTO d.uv VALUES (1, '1,2', NULL)", "does not fit column 'users' of type bitmap"),
            ("SELECT * FROM d.uv ORDER BY users", "not support order-by"),
        ] {
            let printed = mysql_command(port, &[], sql).await?;
            ensure!(!printed.ok && printed.err.contains(says), "{sql}: {printed:?}");
        }
        house.finish().await
    });
}
