//! What is measured beside: servers of this machine, and libraries of Python. STARKEEP_PEERS_PYTHON names a Python that has
//! `duckdb` and `datafusion`.

use std::path::{Path, PathBuf};

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

/// Where a program is; the first of its names that there is.
pub(crate) fn program(names: &[&str]) -> anyhow::Result<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let directories = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    let mut candidates = directories.flat_map(|dir| names.iter().map(move |name| Path::new(dir).join(name)));
    candidates.find(|path| path.is_file()).with_context(|| format!("{} is not installed", names[0]))
}
