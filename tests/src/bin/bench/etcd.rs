//! The peer of the metadata benches: etcd, as many members as wanted, asked over gRPC as its own clients do.
//!
//! The messages that are needed are written by hand: `PutRequest { key = 1, value = 2 }`, both bytes, and
//! `TxnRequest { success = 2: RequestOp { request_put = 2 } … }`.

use std::ffi::OsStr;
use std::path::Path;
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

use crate::peers::program;

/// A member may take so long to be healthy.
const START: Duration = Duration::from_secs(30);
/// As etcd's own benchmark.
const KEY_BYTES: usize = 8;
const VALUE_BYTES: usize = 256;
/// Puts of one transaction: etcd takes 128.
const IN_ONE: u64 = 100;

/// Members on free loopback ports, with data directories of their own.
pub(crate) struct Etcd {
    pub(crate) version: String,
    /// The client port of each member.
    ports: Vec<u16>,
    _members: Vec<Child>,
    _dir: tempfile::TempDir,
}

/// A member of a cluster that is to be started.
struct Member {
    name: String,
    client: u16,
    peer: u16,
}

impl Member {
    fn draw(n: usize) -> anyhow::Result<Member> {
        let [client, peer] = deploy_local::free_ports::<2>()?;
        Ok(Member { name: format!("m{n}"), client, peer })
    }

    /// As `--initial-cluster` names it.
    fn peer(&self) -> String {
        format!("{}={}", self.name, url(self.peer))
    }

    fn start(&self, server: &Path, dir: &Path, cluster: &str) -> anyhow::Result<Child> {
        let mut command = Command::new(server);
        command.arg("--name").arg(&self.name).arg("--data-dir").arg(dir.join(&self.name));
        command.arg("--initial-cluster").arg(cluster);
        for (flag, port) in [("listen-client", self.client), ("advertise-client", self.client)] {
            command.arg(format!("--{flag}-urls={}", url(port)));
        }
        for (flag, port) in [("listen-peer", self.peer), ("initial-advertise-peer", self.peer)] {
            command.arg(format!("--{flag}-urls={}", url(port)));
        }
        command.args(["--logger=zap", "--log-level=error"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn().context("start etcd")
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

impl Etcd {
    /// Starts a cluster and waits until all of it is healthy.
    pub(crate) async fn start(members: usize) -> anyhow::Result<Etcd> {
        let dir = tempfile::Builder::new().prefix("starkeep-etcd-").tempdir()?;
        Self::run((0..members).map(Member::draw).collect::<anyhow::Result<_>>()?, dir).await
    }

    async fn run(members: Vec<Member>, dir: tempfile::TempDir) -> anyhow::Result<Etcd> {
        let server = program(&["etcd"]).context("apt package etcd-server")?;
        let output = Command::new(&server).arg("--version").output().await?;
        let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
        let cluster: Vec<_> = members.iter().map(Member::peer).collect();
        let start = |member: &Member| member.start(&server, dir.path(), &cluster.join(","));
        let children = members.iter().map(start).collect::<anyhow::Result<_>>()?;
        let deadline = Instant::now() + START;
        for member in &members {
            while !says(member.client, "/health", "true").await {
                ensure!(Instant::now() < deadline, "etcd is not healthy within {} s", START.as_secs());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let ports = members.iter().map(|member| member.client).collect();
        Ok(Etcd { version, ports, _members: children, _dir: dir })
    }

    /// Writes a snapshot of all keys into a file, as an administrator does.
    pub(crate) async fn save(&self, to: &Path) -> anyhow::Result<()> {
        let endpoint = format!("--endpoints={}", url(self.leader().await?));
        etcdctl(&[endpoint.as_ref(), "snapshot".as_ref(), "save".as_ref(), to.as_os_str()]).await
    }

    /// A cluster of one member out of what was saved.
    pub(crate) async fn restore(from: &Path) -> anyhow::Result<Etcd> {
        let dir = tempfile::Builder::new().prefix("starkeep-etcd-").tempdir()?;
        let member = Member::draw(0)?;
        let data = format!("--data-dir={}", dir.path().join(&member.name).display());
        let name = format!("--name={}", member.name);
        let cluster = format!("--initial-cluster={}", member.peer());
        let own = format!("--initial-advertise-peer-urls={}", url(member.peer));
        let given = [&data, &name, &cluster, &own].map(|flag| OsStr::new(flag.as_str()));
        let restore = ["snapshot", "restore"].map(OsStr::new);
        etcdctl(&[&restore[..], &[from.as_os_str()], &given].concat()).await?;
        Self::run(vec![member], dir).await
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

async fn etcdctl(arguments: &[&OsStr]) -> anyhow::Result<()> {
    let program = program(&["etcdctl"]).context("apt package etcd-client")?;
    let mut command = Command::new(program);
    let output = command.env("ETCDCTL_API", "3").args(arguments).stdin(Stdio::null()).output().await?;
    ensure!(output.status.success(), "etcdctl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
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

/// Puts so many keys, many in each transaction.
pub(crate) async fn fill(port: u16, keys: u64) -> anyhow::Result<()> {
    let mut client = connect(port).await?;
    for first in (0..keys).step_by(IN_ONE as usize) {
        let mut request = Vec::new();
        for key in first..keys.min(first + IN_ONE) {
            let put = put_request(key, 0);
            let mut operation = Vec::with_capacity(put.len() + 4);
            field(&mut operation, 2, &put);
            field(&mut request, 2, &operation);
        }
        client.ready().await?;
        client.unary(tonic::Request::new(request), PathAndQuery::from_static("/etcdserverpb.KV/Txn"), Bytes).await?;
    }
    Ok(())
}

fn put_request(key: u64, n: u64) -> Vec<u8> {
    let mut value = [b'v'; VALUE_BYTES];
    value[..8].copy_from_slice(&n.to_le_bytes());
    let mut request = Vec::with_capacity(KEY_BYTES + VALUE_BYTES + 5);
    field(&mut request, 1, &key.to_be_bytes());
    field(&mut request, 2, &value);
    request
}

/// A field of bytes: its tag, its length as a varint, the bytes.
fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    let mut left = bytes.len();
    while left >= 0x80 {
        message.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    message.push(left as u8);
    message.extend_from_slice(bytes);
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
