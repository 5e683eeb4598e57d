//! Libraries of Python that are measured beside: STARKEEP_PEERS_PYTHON names a Python that has `duckdb` and `datafusion`.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;

/// What a script prints as JSON.
pub(crate) async fn run(script: &Path, arguments: &[&str]) -> anyhow::Result<Value> {
    let python = std::env::var("STARKEEP_PEERS_PYTHON").context("STARKEEP_PEERS_PYTHON is not set")?;
    let mut command = tokio::process::Command::new(python);
    let output = command.arg(script).args(arguments).kill_on_drop(true).output().await.context("run the peers")?;
    ensure!(output.status.success(), "the peers: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the peers said something else than JSON")
}
