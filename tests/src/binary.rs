//! Where the `starkeep` executable is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, ensure};

static FOUND: Mutex<Option<PathBuf>> = Mutex::new(None);

/// `STARKEEP_BIN`, or the one of this target directory and profile, built once by each process that asks.
pub fn starkeep() -> anyhow::Result<PathBuf> {
    let mut found = FOUND.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(path) = found.as_ref() {
        return Ok(path.clone());
    }
    let path = match std::env::var_os("STARKEEP_BIN") {
        Some(path) => PathBuf::from(path),
        None => build(&["--bin", "starkeep"])?,
    };
    ensure!(path.is_file(), "there is no executable {}", path.display());
    *found = Some(path.clone());
    Ok(path)
}

/// target/<profile>, from where this process runs: in it, or in its deps/.
fn profile_directory() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe().context("where this executable is")?;
    let directory = here.parent().context("an executable in no directory")?;
    let is_deps = directory.file_name().is_some_and(|name| name == "deps");
    Ok(if is_deps { directory.parent().unwrap_or(directory) } else { directory }.to_owned())
}

/// The executable with failpoints, of this target directory and profile. It has a name of its own.
pub fn with_failpoints() -> anyhow::Result<PathBuf> {
    build(&["--bin", "starkeep-failpoints", "--features", "failpoints"])
}

/// `arguments` begin with `--bin NAME`.
fn build(arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let profile = profile_directory()?;
    let target = profile.parent().context("a profile directory in no target directory")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this crate is in no workspace")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--quiet", "-p", "actors-node"]).args(arguments);
    cargo.arg("--target-dir").arg(target);
    if profile.file_name().is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    let status = cargo.status().context("run cargo build")?;
    ensure!(status.success(), "cargo build {}: {status}", arguments.join(" "));
    Ok(profile.join(arguments.get(1).copied().unwrap_or("starkeep")))
}
