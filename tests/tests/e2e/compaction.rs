//! Many small loads become few files, in front of real processes: nothing that anybody reads changes, what a snapshot names
//! stays, and the rest is deleted.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use tests::client::{same, until};
use tests::house::objects_become;
use tests::{Client, House, HouseSpec, e2e};

const LIMIT: Duration = Duration::from_secs(90);

/// The most runs that a tablet of the table has, as SHOW PARTITIONS says.
async fn most_runs(client: &mut Client, table: &str) -> anyhow::Result<f64> {
    let rows: Vec<mysql_async::Row> = client.rows(&format!("SHOW PARTITIONS FROM d.{table}")).await?;
    let mut most = 0.0_f64;
    for row in rows {
        let score: String = row.get("MaxCS").ok_or_else(|| anyhow::anyhow!("there is no MaxCS"))?;
        most = most.max(score.parse()?);
    }
    Ok(most)
}

async fn few_runs(house: &House) -> anyhow::Result<()> {
    until("few runs in each tablet", LIMIT, || async {
        let mut client = house.client().await?;
        let most = most_runs(&mut client, "t").await?;
        client.close().await?;
        Ok(if most <= 10.0 { Ok(()) } else { Err(format!("{most} runs")) })
    })
    .await
}

async fn facts(client: &mut Client) -> anyhow::Result<Vec<(u64, u64, i64, i64)>> {
    client.rows("SELECT COUNT(*), COUNT(DISTINCT id), SUM(id), MIN(id) FROM d.t").await
}

#[test]
fn a_storm_of_small_inserts_leaves_few_files_and_the_same_rows() {
    e2e("compaction/storm", || async {
        let conf = vec![("lake_autovacuum_grace_period_minutes", "0".to_owned())];
        let mut house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("ADMIN SET FRONTEND CONFIG (\"lake_compaction_max_tasks\" = \"0\")").await?;
        client
            .run(
                "CREATE TABLE d.t (id BIGINT, v VARCHAR(20)) DUPLICATE KEY(id) PARTITION BY RANGE(id) \
                 (PARTITION low VALUES LESS THAN (\"150\"), PARTITION high VALUES LESS THAN (MAXVALUE)) \
                 DISTRIBUTED BY HASH(id) BUCKETS 2",
            )
            .await?;
        for id in 0..200 {
            client.run(&format!("INSERT INTO d.t VALUES ({id}, 'text {id}')")).await?;
        }
        let expected = facts(&mut client).await?;
        same("rows", expected.clone(), vec![(200, 200, 19_900, 0)])?;
        ensure!(most_runs(&mut client, "t").await? > 50.0, "compaction is off");
        let old: BTreeSet<String> = house.place.objects(".parquet").await?.into_iter().collect();
        same("objects", old.len(), 200)?;
        let path = house.snapshot().await?;

        client.run("ADMIN SET FRONTEND CONFIG (\"lake_compaction_max_tasks\" = \"-1\")").await?;
        // Queries go on meanwhile, and each sees all rows.
        let sql = house.client().await?;
        let reading = tokio::spawn(async move {
            let mut client = sql;
            for _ in 0..60 {
                same("rows meanwhile", facts(&mut client).await?, vec![(200, 200, 19_900, 0)])?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            client.close().await
        });
        few_runs(&house).await?;
        reading.await??;
        same("rows after", facts(&mut client).await?, expected.clone())?;
        let found: Vec<String> = client.rows("SELECT v FROM d.t WHERE id = 149").await?;
        same("a row by its key", found, vec!["text 149".to_owned()])?;
        // What the snapshot names is there. A table that came and went says when GC has run.
        let now: BTreeSet<String> = house.place.objects(".parquet").await?.into_iter().collect();
        ensure!(old.is_subset(&now), "a file of the snapshot is gone");
        client.run("INSERT INTO d.t VALUES (1000, 'late')").await?;
        client.run("DELETE FROM d.t WHERE id >= 100").await?;
        same("rows deleted", client.conn.affected_rows(), 101)?;

        // Back to the snapshot, whose files were compacted after it.
        client.close().await?;
        house.lose_everything().await?;
        house.restore_plan(&path, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("rows of the snapshot", facts(&mut client).await?, expected.clone())?;
        ensure!(most_runs(&mut client, "t").await? > 50.0, "a restored cluster begins nothing by itself");
        client.run("ADMIN FINISH RESTORE").await?;
        few_runs(&house).await?;
        same("rows after that", facts(&mut client).await?, expected)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn files_that_gave_way_are_deleted() {
    e2e("compaction/garbage", || async {
        let conf = vec![
            ("lake_autovacuum_grace_period_minutes", "0".to_owned()),
            ("lake_compaction_score_selector_min_score", "3".to_owned()),
        ];
        let house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.t (id BIGINT) DUPLICATE KEY(id) DISTRIBUTED BY RANDOM BUCKETS 3").await?;
        for id in 0..30 {
            client.run(&format!("INSERT INTO d.t VALUES ({id})")).await?;
        }
        objects_become(&house.place, ".parquet", "few objects are left", LIMIT, |found| found.len() <= 2).await?;
        same("rows", client.one::<i64>("SELECT SUM(id) FROM d.t").await?, 435)?;
        client.close().await?;
        house.finish().await
    });
}
