//! `starkeep playground`: an empty cluster on the standard ports, until Ctrl-C.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use deploy_local::{Cluster, ClusterSpec};

use crate::admin;
use crate::cli::PlaygroundArguments;

/// How often the processes are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs it.
pub async fn run(arguments: PlaygroundArguments) -> anyhow::Result<ExitCode> {
    let temporary = tempfile::Builder::new().prefix("starkeep-playground-").tempdir()?;
    let root: PathBuf = match &arguments.dir {
        Some(dir) => std::path::absolute(dir)?,
        None => temporary.path().to_owned(),
    };
    let spec = ClusterSpec {
        binary: std::env::current_exe().context("where this executable is")?,
        root: root.clone(),
        compute_nodes: usize::from(arguments.compute_nodes),
        standard_ports: true,
        frontend_conf: ClusterSpec::local_storage(&root.join("volume")),
        compute_conf: ClusterSpec::shared_memory(usize::from(arguments.compute_nodes)),
    };
    let mut cluster = Cluster::new(&spec)?;
    cluster.start(&[], Duration::from_secs(60)).await?;
    admin::add_compute_nodes(cluster.ports.query, &cluster.compute_addresses).await?;
    println!(
        "The cluster is up: 1 frontend, {} compute nodes, everything below {}.",
        cluster.compute.len(),
        root.display()
    );
    println!();
    println!("  mysql -h 127.0.0.1 -P {} -u root", cluster.ports.query);
    println!("  http://127.0.0.1:{}/   (user root, no password)", cluster.ports.http);
    println!();
    println!("Ctrl-C stops it{}.", if arguments.dir.is_none() { " and deletes everything" } else { "" });
    let mut interrupted = std::pin::pin!(admin::until_interrupted());
    loop {
        tokio::select! {
            done = &mut interrupted => break done?,
            () = tokio::time::sleep(LOOK_EVERY) => revive(&mut cluster)?,
        }
    }
    println!("stopping");
    cluster.stop(Duration::from_secs(20)).await?;
    Ok(ExitCode::SUCCESS)
}

/// Starts again what has died, as the unit of a service manager would.
fn revive(cluster: &mut Cluster) -> anyhow::Result<()> {
    for node in std::iter::once(&mut cluster.frontend).chain(&mut cluster.compute) {
        if let Some(status) = node.ended() {
            println!("{} has ended ({status}) and is started again; its log: {}", node.name, node.log().display());
            node.start(&[])?;
        }
    }
    Ok(())
}
