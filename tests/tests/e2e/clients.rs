//! The clients that people have, each in its own language: `tests/clients/run.sh` runs them all against a real cluster.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, ensure};
use tests::{House, HouseSpec, e2e};

#[test]
fn everyday_clients_connect_write_and_read() {
    e2e("clients/all", || async {
        let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/run.sh");
        let mut command = tokio::process::Command::new(script);
        command.args(["--port", &house.cluster.ports.query.to_string()]);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("run.sh")?;
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut ran = 0;
        for line in said.lines() {
            match line.strip_prefix("SKIP ") {
                Some(why) => println!("SKIP clients/{why}"),
                None => println!("  {line}"),
            }
            ran += usize::from(line.starts_with("ok "));
        }
        ensure!(output.status.success(), "{said}\n{errors}");
        ensure!(ran > 0, "no client ran: {said}");
        house.finish().await
    });
}
