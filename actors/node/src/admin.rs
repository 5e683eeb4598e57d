//! What the demo and the playground say to their cluster, as any client would: over the MySQL protocol.

use anyhow::Context;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use tokio::signal::unix::{SignalKind, signal};

/// A connection as root.
pub async fn connect(query_port: u16) -> anyhow::Result<Conn> {
    let options = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(query_port).user(Some("root"));
    let options = options.prefer_socket(false).max_allowed_packet(Some(64 << 20)).wait_timeout(Some(3600));
    Conn::new(options).await.with_context(|| format!("connect to 127.0.0.1:{query_port}"))
}

/// Adds the nodes that the cluster does not know yet, and waits until all are alive.
pub async fn add_compute_nodes(query_port: u16, addresses: &[String]) -> anyhow::Result<()> {
    let mut connection = connect(query_port).await?;
    let known = nodes(&mut connection).await?;
    for address in addresses.iter().filter(|a| !known.iter().any(|(k, _)| k == *a)) {
        connection.query_drop(format!("ALTER SYSTEM ADD COMPUTE NODE \"{address}\"")).await?;
    }
    wait_for_compute_nodes(&mut connection, addresses.len()).await?;
    connection.disconnect().await?;
    Ok(())
}

/// Waits until so many compute nodes are alive.
pub async fn wait_for_compute_nodes(connection: &mut Conn, count: usize) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let nodes = nodes(connection).await?;
        if nodes.iter().filter(|(_, alive)| *alive).count() >= count {
            return Ok(());
        }
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "not all compute nodes came up: {nodes:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn nodes(connection: &mut Conn) -> anyhow::Result<Vec<(String, bool)>> {
    let rows: Vec<Row> = connection.query("SHOW COMPUTE NODES").await?;
    let node = |row: &Row| {
        let text = |name: &str| row.get::<String, _>(name).unwrap_or_default();
        (format!("{}:{}", text("IP"), text("HeartbeatPort")), text("Alive") == "true")
    };
    Ok(rows.iter().map(node).collect())
}

/// Until SIGINT or SIGTERM.
pub async fn until_interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
