//! Ports: bound before anything else starts, so that a port in use is one clear line.

use std::net::{IpAddr, SocketAddr, TcpListener};

use anyhow::Context;

/// Listens on a port that `key` of the configuration names.
pub fn on(host: IpAddr, port: u16, key: &str) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(host, port);
    let listener = TcpListener::bind(address).with_context(|| format!("{key} = {port}: cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The same listener, for tokio.
pub fn tokio(listener: TcpListener) -> anyhow::Result<tokio::net::TcpListener> {
    Ok(tokio::net::TcpListener::from_std(listener)?)
}

/// Where a frontend of this host listens to the other nodes: there, but for a build with failpoints.
pub fn edit_log_host(host: IpAddr) -> IpAddr {
    #[cfg(feature = "failpoints")]
    let host = crate::failpoints::edit_log_host().unwrap_or(host);
    host
}
