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
        None => build("starkeep", None)?,
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
    build("starkeep-failpoints", Some("actors-node/failpoints"))
}

/// Builds an executable of `actors/node`. In the development profile with the features that the tests of the workspace were
/// built with, so that nothing is compiled twice; in release as the README's command does.
fn build(name: &str, features: Option<&str>) -> anyhow::Result<PathBuf> {
    let profile = profile_directory()?;
    let target = profile.parent().context("a profile directory in no target directory")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this crate is in no workspace")?;
    let is_release = profile.file_name().is_some_and(|name| name == "release");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    match (is_release, features) {
        (true, _) => cargo.args(["build", "--release", "-p", "actors-node", "--bin", name]),
        // Building the tests of the package builds its executable.
        (false, None) => cargo.args(["test", "--workspace", "--no-run", "--test", "cli"]),
        (false, Some(_)) => cargo.args(["build", "--workspace", "--bin", name]),
    };
    if let Some(features) = features {
        cargo.args(["--features", features]);
    }
    cargo.args(["--quiet", "--target-dir"]).arg(target);
    let status = cargo.status().context("run cargo")?;
    ensure!(status.success(), "building {name}: {status}");
    Ok(profile.join(name))
}
