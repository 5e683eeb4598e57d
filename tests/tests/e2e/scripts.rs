//! deploy/bin with the real executable: start, a second start refused, a restore, stop.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::client::same;
use tests::house::START;
use tests::{House, HouseSpec, QUICKSTART, binary, e2e};

fn bin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/bin")
}

/// Runs a script for a node of the house; whether it was content, and what it said.
async fn script(house: &House, name: &str, node: &str, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
    let (dir, role) = (house.directory(node), if node == "fe" { "fe" } else { "cn" });
    let mut command = tokio::process::Command::new(bin().join(name));
    command.arg("--conf").arg(dir.join("conf").join(format!("{role}.conf"))).args(arguments);
    command.env("STARKEEP_HOME", &dir).env("PID_DIR", &dir).env("LOG_DIR", dir.join("log"));
    command.env("STARKEEP_BIN", binary::starkeep()?).stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(Duration::from_secs(60), command.output())
        .await
        .with_context(|| format!("{name} hangs"))??;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), text))
}

async fn wait_for(port: u16) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + START;
    while !deploy_local::http::get(port, "/api/health").await.is_ok_and(|(status, _)| status == 200) {
        ensure!(tokio::time::Instant::now() < deadline, "port {port} does not become healthy");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn start(house: &House, arguments: &[&str]) -> anyhow::Result<()> {
    for (name, node, port, more) in [
        ("start_cn.sh", "cn1", house.cluster.compute[0].http_port, &[][..]),
        ("start_fe.sh", "fe", house.cluster.ports.http, arguments),
    ] {
        let mut all = vec!["--daemon", "--logconsole"];
        all.extend(more);
        let (ok, text) = script(house, name, node, &all).await?;
        ensure!(ok, "{name}: {text}");
        wait_for(port).await?;
    }
    Ok(())
}

async fn drill(house: &House) -> anyhow::Result<()> {
    start(house, &[]).await?;
    let (ok, text) = script(house, "start_fe.sh", "fe", &["--daemon"]).await?;
    ensure!(!ok && text.contains("Frontend running as process") && text.contains("Stop it first."), "{text}");
    let (ok, text) = script(house, "start_cn.sh", "cn1", &["--daemon"]).await?;
    ensure!(!ok && text.contains("Stop it first."), "{text}");
    let mut client = house.client().await?;
    client.run(&format!("ALTER SYSTEM ADD COMPUTE NODE \"{}\"", house.cluster.compute_addresses[0])).await?;
    house.all_alive(&mut client).await?;
    client.run(QUICKSTART).await?;
    let snapshot = house.snapshot().await?;
    client.close().await?;
    for (name, node) in [("stop_fe.sh", "fe"), ("stop_cn.sh", "cn1")] {
        let (ok, text) = script(house, name, node, &["--timeout", "30"]).await?;
        ensure!(ok && text.contains("stopped"), "{name}: {text}");
    }
    let (ok, text) = script(house, "stop_fe.sh", "fe", &[]).await?;
    ensure!(!ok && text.contains("is not running"), "{text}");

    house.cluster.delete_local_state()?;
    house.restore_plan(&snapshot, &house.place)?;
    start(house, &["--cluster_snapshot"]).await?;
    let mut client = house.client().await?;
    house.all_alive(&mut client).await?;
    same("rows", client.one::<u64>("SELECT COUNT(*) FROM quickstart.source_wiki_edit").await?, 3)?;
    client.close().await?;

    // A port that is taken is said in one line, at once.
    let conf = std::fs::read_to_string(&house.cluster.frontend.conf)?;
    let other = house.directory("other");
    std::fs::create_dir_all(other.join("conf"))?;
    let conf: String =
        conf.lines().filter(|line| !line.starts_with("meta_dir")).map(|line| format!("{line}\n")).collect();
    std::fs::write(other.join("conf/cn.conf"), "")?;
    std::fs::write(other.join("conf/fe.conf"), format!("{conf}meta_dir = {}\n", other.join("meta").display()))?;
    let (code, text) =
        tests::house::starkeep(&["fe", "--conf", &other.join("conf/fe.conf").display().to_string()]).await?;
    let taken = [house.cluster.ports.http, house.cluster.ports.query].map(|port| port.to_string());
    ensure!(code != 0 && taken.iter().any(|port| text.contains(port)), "{code} {text}");
    ensure!(!text.contains("panicked") && text.trim().lines().count() <= 2, "one clear line: {text}");
    Ok(())
}

#[test]
fn the_scripts_start_restore_and_stop() {
    e2e("scripts/drill", || async {
        let house = House::plan(HouseSpec::default()).await?;
        let drilled = drill(&house).await;
        // Daemons do not die with this process: stop them whatever happened.
        for (name, node) in [("stop_fe.sh", "fe"), ("stop_cn.sh", "cn1")] {
            let (ok, text) = script(&house, name, node, &["--timeout", "30"]).await?;
            if drilled.is_ok() {
                ensure!(ok && text.contains("stopped"), "{name}: {text}");
            }
        }
        for node in ["fe", "cn1"] {
            let log = house.directory(node).join("log");
            for entry in std::fs::read_dir(&log).with_context(|| format!("{}", log.display()))? {
                let text = std::fs::read_to_string(entry?.path()).unwrap_or_default();
                ensure!(!text.contains("panicked"), "{node} has panicked: {text}");
                if drilled.is_err() {
                    println!("---- {node}\n{text}");
                }
            }
        }
        drilled?;
        house.finish().await
    });
}
