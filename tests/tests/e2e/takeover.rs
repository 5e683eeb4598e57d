//! Two clusters and one root.

use std::time::Duration;

use anyhow::ensure;
use tests::client::{same, until};
use tests::{House, HouseSpec, e2e};

const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn a_root_whose_owner_lives_is_taken_only_when_that_is_meant() {
    e2e("takeover/living_owner", || async {
        let first = House::build(HouseSpec::default()).await?;
        let mut client = first.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.t (n BIGINT) DUPLICATE KEY(n) DISTRIBUTED BY HASH(n) BUCKETS 2").await?;
        client.run("INSERT INTO d.t VALUES (1), (2)").await?;
        let snapshot = first.snapshot().await?;
        client.run("INSERT INTO d.t VALUES (3)").await?;

        let mut second = House::plan(HouseSpec::default()).await?;
        let nodes = second.own_nodes();
        let name = "builtin_storage_volume";
        second.cluster.write_restore_plan(&format!(
            "cluster_snapshot:\n  cluster_snapshot_path: {snapshot}\n  storage_volume_name: {name}\n\
             compute_nodes:\n{}storage_volumes:\n{}",
            nodes.concat(),
            first.place.yaml(name)
        ))?;
        let (code, text) = second.restore_tool(&[]).await?;
        ensure!(code != 0 && text.contains("lives") && text.contains("--takeover"), "{code} {text}");
        ensure!(first.place.objects("/owner/hold-").await?.is_empty(), "a hold was left");
        same("claims", first.place.objects("/owner/2.").await?, Vec::new())?;
        client.run("INSERT INTO d.t VALUES (4)").await?;

        second.cluster.start(&["--cluster_snapshot", "--takeover"], tests::house::START).await?;
        let mut taken = second.client().await?;
        second.all_alive(&mut taken).await?;
        same("the snapshot's rows", taken.one::<i64>("SELECT SUM(n) FROM d.t").await?, 3)?;
        until("the first one is read-only", PATIENCE, || async {
            let mut client = first.client().await?;
            let refused = client.error("INSERT INTO d.t VALUES (5)").await.map(|(_, text)| text);
            client.close().await?;
            Ok(match refused {
                Ok(text) if text.contains("owns") => Ok(()),
                Ok(text) => Err(text),
                Err(taken) => Err(format!("{taken:#}")),
            })
        })
        .await?;
        taken.close().await?;
        drop(client);
        first.forget();
        second.finish().await
    });
}

#[test]
fn a_root_whose_owner_was_just_killed_is_taken() {
    e2e("takeover/killed_owner", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        let snapshot = house.snapshot().await?;
        drop(client);
        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("databases", client.rows::<String>("SHOW DATABASES LIKE 'd'").await?.len(), 1)?;
        client.close().await?;
        house.finish().await
    });
}
