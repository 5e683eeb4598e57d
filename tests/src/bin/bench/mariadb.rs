//! A MariaDB server to measure beside.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tests::raw;

use super::peers::program;

/// A MariaDB server on a free loopback port, with a data directory of its own.
pub(crate) struct MariaDb {
    pub port: u16,
    pub version: String,
    _child: tokio::process::Child,
    _dir: tempfile::TempDir,
}

impl MariaDb {
    pub async fn start() -> anyhow::Result<MariaDb> {
        let package = "apt package mariadb-server";
        let server = program(&["mariadbd", "mysqld"]).context(package)?;
        let install = program(&["mariadb-install-db", "mysql_install_db"]).context(package)?;
        let dir = tempfile::Builder::new().prefix("starkeep-mariadb-").tempdir()?;
        let data = format!("--datadir={}", dir.path().join("data").display());
        // It refuses to run as root unless it is told to.
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(dir.path())?);
        let user = (owner == 0).then_some("--user=root");
        let mut command = tokio::process::Command::new(install);
        command.args(["--no-defaults", &data, "--auth-root-authentication-method=normal", "--skip-test-db"]).args(user);
        let output = command.output().await.context("mariadb-install-db")?;
        ensure!(output.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&output.stderr));
        let [port] = deploy_local::free_ports::<1>()?;
        let mut command = tokio::process::Command::new(&server);
        command.args(["--no-defaults", &data, "--bind-address=127.0.0.1", "--skip-grant-tables"]).args(user);
        command.arg(format!("--port={port}")).arg(format!("--socket={}", dir.path().join("socket").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().context("start mariadbd")?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = raw::login(port).await {
            ensure!(Instant::now() < deadline, "mariadbd does not take connections: {error:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let version = tokio::process::Command::new(&server).arg("--version").output().await?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        Ok(MariaDb { port, version, _child: child, _dir: dir })
    }
}
