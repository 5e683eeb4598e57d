//! Stores of others than this house's own S3 server: what every store has to do, and a cluster that is lost and comes back
//! from one.

use std::time::Duration;

use anyhow::ensure;
use storage_model::StorageVolume;
use storage_volume::testing::conformance::conform;
use tests::client::same;
use tests::emulator::{Emulated, Emulator};
use tests::house::starkeep;
use tests::{Client, House, HouseSpec, e2e};

/// None: it cannot be had here, and that was said.
async fn started(suite: &str, emulated: Emulated, house: &std::path::Path) -> anyhow::Result<Option<Emulator>> {
    std::fs::create_dir_all(house)?;
    match Emulator::start(emulated, house).await? {
        Ok(emulator) => Ok(Some(emulator)),
        Err(why) => {
            println!("SKIP {suite}: {why}");
            Ok(None)
        }
    }
}

fn create_statement(volume: &StorageVolume) -> String {
    let mut pairs: Vec<String> = volume.properties.iter().map(|(k, v)| format!("\"{k}\" = \"{v}\"")).collect();
    pairs.push("\"enabled\" = \"true\"".to_owned());
    let (name, kind, location) = (&volume.name, volume.volume_type, &volume.location);
    format!("CREATE STORAGE VOLUME {name} TYPE = {kind} LOCATIONS = ('{location}') PROPERTIES ({})", pairs.join(", "))
}

fn yaml(volume: &StorageVolume) -> String {
    let properties = volume.properties.iter().map(|(k, v)| format!("      - key: {k}\n        value: \"{v}\"\n"));
    let properties: String = properties.collect();
    let (name, kind, location) = (&volume.name, volume.volume_type, &volume.location);
    format!("  - name: {name}\n    type: {kind}\n    location: {location}\n    properties:\n{properties}")
}

/// A wrong secret is told, and not what it was.
async fn a_wrong_secret_is_refused(client: &mut Client, volume: &StorageVolume) -> anyhow::Result<()> {
    let mut wrong = StorageVolume { name: "wrong".to_owned(), ..volume.clone() };
    for (_, value) in wrong.properties.iter_mut().filter(|(key, _)| key.ends_with("shared_key")) {
        "bm90LXRoZS1yaWdodC1vbmU=".clone_into(value);
    }
    let (_, said) = client.error(&create_statement(&wrong)).await?;
    ensure!(said.contains("cannot write probe") && !said.contains("bm90LXRoZS1yaWdodC1vbmU="), "{said}");
    Ok(())
}

async fn drill(suite: &str, emulated: Emulated) -> anyhow::Result<()> {
    let mut house = House::plan(HouseSpec::default()).await?;
    let Some(store) = started(suite, emulated, &house.directory("emulator")).await? else {
        house.forget();
        return Ok(());
    };
    conform(&store.open("alone")?).await;
    house.begin().await?;
    let mut client = house.client().await?;
    let volume = store.volume("far", "cluster");
    if matches!(emulated, Emulated::Blob | Emulated::Lake) {
        a_wrong_secret_is_refused(&mut client, &volume).await?;
    }
    client.run(&create_statement(&volume)).await?;
    let described: mysql_async::Row = client.one("DESC STORAGE VOLUME far").await?;
    let described = format!("{described:?}");
    let secrets = volume.properties.iter().filter(|(key, _)| key.ends_with("_key"));
    ensure!(secrets.clone().count() > 0 && !secrets.clone().any(|(_, v)| described.contains(v)), "{described}");
    client.run("SET far AS DEFAULT STORAGE VOLUME").await?;
    client.run("CREATE DATABASE d").await?;
    client.run("CREATE TABLE d.t (id BIGINT, x STRING) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 3").await?;
    for n in 0..4 {
        client.run(&format!("INSERT INTO d.t VALUES ({n}, 'row {n}'), ({n} + 10, 'ä€😀')")).await?;
    }
    let sql = "SELECT id, x FROM d.t ORDER BY id";
    let before: Vec<(u64, String)> = client.rows(sql).await?;
    ensure!(store.open("cluster")?.list("").await?.iter().any(|o| o.path.ends_with(".parquet")), "no file is there");
    client.run("CREATE CLUSTER SNAPSHOT kept STORAGE VOLUME far").await?;
    house.job("FINISHED", Duration::from_secs(60), |job| job.name == "kept" && job.state == "FINISHED").await?;
    let path: String = client.one("SELECT STORAGE_PATH FROM information_schema.cluster_snapshots").await?;
    let verified: Vec<mysql_async::Row> = client.rows("ADMIN VERIFY CLUSTER SNAPSHOT kept WITH DATA").await?;
    ensure!(verified.is_empty(), "{verified:?}");
    let properties = volume.properties.iter().flat_map(|(k, v)| ["--property".to_owned(), format!("{k}={v}")]);
    let arguments: Vec<String> =
        ["snapshot", "list", &volume.location].map(str::to_owned).into_iter().chain(properties).collect();
    let (code, listed) = starkeep(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    ensure!(code == 0 && listed.contains("kept") && listed.contains("COMPLETE"), "{code}: {listed}");
    client.close().await?;
    house.lose_everything().await?;
    let plan = "cluster_snapshot:\n  cluster_snapshot_path: ";
    house.cluster.write_restore_plan(&format!(
        "{plan}{path}\n  storage_volume_name: far\nstorage_volumes:\n{}",
        yaml(&volume)
    ))?;
    house.restore().await?;
    let mut client = house.client().await?;
    same("the rows", client.rows(sql).await?, before)?;
    client.run("INSERT INTO d.t VALUES (99, 'after')").await?;
    same("rows", client.one::<u64>("SELECT COUNT(*) FROM d.t").await?, 9)?;
    client.close().await?;
    house.finish().await
}

#[test]
fn a_cluster_comes_back_from_moto() {
    e2e("stores/moto", || drill("stores/moto", Emulated::Keys));
}

#[test]
fn a_cluster_comes_back_from_moto_by_a_role() {
    e2e("stores/role", || drill("stores/role", Emulated::Role));
}

#[test]
fn a_cluster_comes_back_from_azure_blobs() {
    e2e("stores/azblob", || drill("stores/azblob", Emulated::Blob));
}

#[test]
fn a_cluster_comes_back_from_an_azure_lake() {
    e2e("stores/adls2", || drill("stores/adls2", Emulated::Lake));
}
