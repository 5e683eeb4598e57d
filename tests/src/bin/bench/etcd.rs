//! The peer of the metadata benches: etcd, as many members as wanted, asked over gRPC as its own clients do.
//!
//! The one message that is needed is written by hand: `PutRequest { key = 1, value = 2 }`, both bytes.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::{Buf, BufMut};
use tokio::process::{Child, Command};
use tonic::Status;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};

use crate::program;

/// A member may take so long to be healthy.
const START: Duration = Duration::from_secs(30);
/// As etcd's own benchmark.
const KEY_BYTES: usize = 8;
const VALUE_BYTES: usize = 256;

/// Members on free loopback ports, with data directories of their own.
pub(crate) struct Etcd {
    pub(crate) version: String,
    /// The client port of each member.
    ports: Vec<u16>,
    _members: Vec<Child>,
    _dir: tempfile::TempDir,
}

impl Etcd {
    /// Starts a cluster and waits until all of it is healthy.
    pub(crate) async fn start(members: usize) -> anyhow::Result<Etcd> {
        let server = program(&["etcd"]).context("apt package etcd-server")?;
        let output = Command::new(&server).arg("--version").output().await?;
        let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
        let dir = tempfile::Builder::new().prefix("starkeep-etcd-").tempdir()?;
        let mut ports = Vec::new();
        for _ in 0..members {
            let [client, peer] = deploy_local::free_ports::<2>()?;
            ports.push((client, peer));
        }
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let cluster: Vec<_> = ports.iter().enumerate().map(|(n, (_, peer))| format!("m{n}={}", url(*peer))).collect();
        let mut children = Vec::new();
        for (n, (client, peer)) in ports.iter().enumerate() {
            let mut command = Command::new(&server);
            command.arg("--name").arg(format!("m{n}")).arg("--data-dir").arg(dir.path().join(format!("m{n}")));
            command.arg("--initial-cluster").arg(cluster.join(","));
            for (flag, port) in [("listen-client", client), ("advertise-client", client)] {
                command.arg(format!("--{flag}-urls={}", url(*port)));
            }
            for (flag, port) in [("listen-peer", peer), ("initial-advertise-peer", peer)] {
                command.arg(format!("--{flag}-urls={}", url(*port)));
            }
            command.args(["--logger=zap", "--log-level=error"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
            children.push(command.spawn().context("start etcd")?);
        }
        let ports: Vec<u16> = ports.into_iter().map(|(client, _)| client).collect();
        let deadline = Instant::now() + START;
        for port in &ports {
            while !says(*port, "/health", "true").await {
                ensure!(Instant::now() < deadline, "etcd is not healthy within {} s", START.as_secs());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(Etcd { version, ports, _members: children, _dir: dir })
    }

    /// The client port of the member that leads.
    pub(crate) async fn leader(&self) -> anyhow::Result<u16> {
        for port in &self.ports {
            if says(*port, "/metrics", "\netcd_server_is_leader 1\n").await {
                return Ok(*port);
            }
        }
        anyhow::bail!("no member of etcd leads")
    }
}

async fn says(port: u16, path: &str, text: &str) -> bool {
    deploy_local::http::get(port, path).await.is_ok_and(|(status, body)| status == 200 && body.contains(text))
}

/// A connection to a member.
pub(crate) async fn connect(port: u16) -> anyhow::Result<Grpc<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.tcp_nodelay(true);
    Ok(Grpc::new(endpoint.connect().await.context("connect to etcd")?))
}

/// Puts one key again and again until told to stop; the latency of each put in microseconds.
pub(crate) async fn put(mut client: Grpc<Channel>, key: u64, stop: Arc<AtomicBool>) -> anyhow::Result<Vec<u64>> {
    let mut micros = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let request = put_request(key, micros.len() as u64);
        let since = Instant::now();
        client.ready().await?;
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        client.unary(tonic::Request::new(request), path, Bytes).await?;
        micros.push(since.elapsed().as_micros() as u64);
    }
    Ok(micros)
}

fn put_request(key: u64, n: u64) -> Vec<u8> {
    let mut value = [b'v'; VALUE_BYTES];
    value[..8].copy_from_slice(&n.to_le_bytes());
    let mut request = Vec::with_capacity(KEY_BYTES + VALUE_BYTES + 5);
    request.extend([0x0a, KEY_BYTES as u8]);
    request.extend(key.to_be_bytes());
    // The length as a varint.
    request.extend([0x12, (VALUE_BYTES & 0x7f) as u8 | 0x80, (VALUE_BYTES >> 7) as u8]);
    request.extend(value);
    request
}

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Bytes;
    type Decoder = Bytes;

    fn encoder(&mut self) -> Bytes {
        Bytes
    }

    fn decoder(&mut self) -> Bytes {
        Bytes
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = ();
    type Error = Status;

    /// That there is an answer is all that matters: an error is a status.
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        from.advance(from.remaining());
        Ok(Some(()))
    }
}
