//! A cluster of processes that can be broken: every connection between its nodes, and to its store, goes through a proxy.
//!
//! ```text
//!   fe ──▶ 127.0.0.1:edit_log ─ proxy ─▶ 127.0.0.101 (fe), 127.0.0.102 (fe2) …     (where there are several: `fellows`)
//!   fe ──▶ 127.0.0.1:heartbeat, :brpc ─ proxy ─▶ 127.0.0.2 (cn1), 127.0.0.3 (cn2)
//!   fe, cn ──▶ proxy with faults ──▶ S3 server in this process        (or a directory: no proxy)
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use deploy_local::{Node, free_ports};
use storage_volume::testing::{Faults, S3Server};
use tokio::time::Instant;

use super::fellows::{self, FRESH, Fellow};
use super::proxy::{Line, Proxy};
use crate::client::Client;

/// A start may take this long; debug builds on small machines are slow.
pub const START: Duration = Duration::from_secs(90);

/// What to build.
#[derive(Clone, Debug)]
pub struct StageSpec {
    /// The executable.
    pub binary: PathBuf,
    /// Everything goes below this directory.
    pub root: PathBuf,
    /// An S3 server in this process instead of a directory.
    pub s3: bool,
    /// How many compute nodes.
    pub compute_nodes: usize,
    /// Frontends beside the first: FOLLOWER or OBSERVER.
    pub further: Vec<&'static str>,
    /// More lines of fe.conf.
    pub conf: Vec<(String, String)>,
    /// Environment of every node.
    pub environment: Vec<(String, String)>,
}

/// Where the data is, as the nodes reach it.
pub enum Store {
    /// A LOCAL volume.
    Directory(PathBuf),
    /// A bucket behind a proxy.
    Bucket {
        /// Serves it.
        server: Arc<S3Server>,
        /// Between it and the nodes.
        proxy: Proxy,
        /// What goes wrong on the way.
        faults: Faults,
        /// The server's directory.
        directory: PathBuf,
    },
}

/// The bucket and the prefix, short: see `Place::s3`.
const BUCKET: &str = "lake/p";

impl Store {
    async fn build(spec: &StageSpec) -> anyhow::Result<Store> {
        if !spec.s3 {
            return Ok(Store::Directory(spec.root.join("volume")));
        }
        let directory = spec.root.join("s3");
        Store::bucket(directory, &format!("chaos://{}", spec.root.display())).await
    }

    /// A bucket over a directory, with faults of its own name.
    async fn bucket(directory: PathBuf, name: &str) -> anyhow::Result<Store> {
        let server = Arc::new(S3Server::start(&directory).await.context("start an S3 server")?);
        server.create_bucket(BUCKET.split('/').next().unwrap_or(BUCKET))?;
        let faults = Faults::at(name);
        let proxy = Proxy::start("127.0.0.1:0", server.address(), Some(faults.clone())).await?;
        Ok(Store::Bucket { server, proxy, faults, directory })
    }

    /// As LOCATIONS has it.
    pub fn location(&self) -> String {
        match self {
            Store::Directory(path) => format!("file://{}", path.display()),
            Store::Bucket { .. } => format!("s3://{BUCKET}"),
        }
    }

    fn properties(&self) -> Vec<(&'static str, String)> {
        match self {
            Store::Directory(_) => Vec::new(),
            Store::Bucket { server, proxy, .. } => vec![
                ("aws.s3.endpoint", format!("http://{}", proxy.address())),
                ("aws.s3.access_key", server.access_key().to_owned()),
                ("aws.s3.secret_key", server.secret_key().to_owned()),
                ("aws.s3.region", "us-east-1".to_owned()),
                ("aws.s3.enable_path_style_access", "true".to_owned()),
            ],
        }
    }

    fn kind(&self) -> &'static str {
        if matches!(self, Store::Directory(_)) { "LOCAL" } else { "S3" }
    }

    fn conf(&self) -> Vec<(String, String)> {
        let mut conf = vec![
            ("enable_load_volume_from_conf".to_owned(), "true".to_owned()),
            ("cloud_native_storage_type".to_owned(), self.kind().to_owned()),
        ];
        match self {
            Store::Directory(path) => conf.push(("cloud_native_local_path".to_owned(), path.display().to_string())),
            Store::Bucket { .. } => conf.push(("aws_s3_path".to_owned(), BUCKET.to_owned())),
        }
        conf.extend(self.properties().into_iter().map(|(key, value)| (key.replace('.', "_"), value)));
        conf
    }

    /// The entry of `storage_volumes` in cluster_snapshot.yaml.
    pub fn yaml(&self) -> String {
        let name = "builtin_storage_volume";
        let mut text = format!("  - name: {name}\n    type: {}\n    location: {}\n", self.kind(), self.location());
        for (n, (key, value)) in self.properties().into_iter().enumerate() {
            let head = if n == 0 { "    properties:\n" } else { "" };
            text.push_str(&format!("{head}      - key: {key}\n        value: \"{value}\"\n"));
        }
        text
    }

    /// `--property key=value` of `starkeep snapshot`.
    pub fn arguments(&self) -> Vec<String> {
        self.properties().iter().flat_map(|(k, v)| ["--property".to_owned(), format!("{k}={v}")]).collect()
    }

    /// The same objects in a place of their own. Nobody writes meanwhile.
    pub async fn copy_to(&self, root: &Path) -> anyhow::Result<Store> {
        let copy = |from: PathBuf, to: PathBuf| tokio::task::spawn_blocking(move || copy_directory(&from, &to));
        match self {
            Store::Directory(path) => {
                let to = root.join("volume");
                copy(path.clone(), to.clone()).await??;
                Ok(Store::Directory(to))
            }
            Store::Bucket { directory, .. } => {
                let to = root.join("s3");
                copy(directory.clone(), to.clone()).await??;
                Store::bucket(to, &format!("chaos://{}", root.display())).await
            }
        }
    }
}

fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A compute node and the proxies in front of it.
pub struct Worker {
    /// The process.
    pub node: Node,
    /// `127.0.0.1:port`, as the frontend is told.
    pub address: String,
    /// Messages.
    pub heartbeat: Proxy,
    /// Record batches.
    pub plane: Proxy,
    /// Pages: never broken. What is kept is its listener.
    _http: Proxy,
}

impl Worker {
    /// Both lines to the frontend.
    pub fn set_lines(&self, line: &Line) {
        self.heartbeat.set(line.clone());
        self.plane.set(line.clone());
    }
}

/// The cluster.
pub struct Stage {
    /// The frontend.
    pub frontend: Node,
    /// Its MySQL port.
    pub query_port: u16,
    /// Its `host:edit_log_port`, as other nodes are told.
    pub address: String,
    /// The way of the other frontends to it.
    pub line: Option<Proxy>,
    /// Those beside it.
    pub fellows: Vec<Fellow>,
    /// The compute nodes.
    pub workers: Vec<Worker>,
    /// The data.
    pub store: Store,
    pub(super) spec: StageSpec,
    /// Fellows so far: each has a directory of its own.
    pub(super) numbers: usize,
}

impl Stage {
    /// Writes configurations and starts the proxies; starts no process.
    pub async fn plan(spec: StageSpec, store: Option<Store>) -> anyhow::Result<Stage> {
        std::fs::create_dir_all(&spec.root)?;
        let store = match store {
            Some(store) => store,
            None => Store::build(&spec).await?,
        };
        let (mut frontend, query_port, edit_log) = plan_frontend(&spec, &store, "fe")?;
        if !spec.further.is_empty() {
            frontend.set_environment("FAILPOINTS_EDIT_LOG_HOST", &fellows::host(0));
        }
        let mut workers = Vec::new();
        for n in 0..spec.compute_nodes {
            workers.push(worker(&spec, n).await?);
        }
        for node in std::iter::once(&mut frontend).chain(workers.iter_mut().map(|w| &mut w.node)) {
            for (key, value) in &spec.environment {
                node.set_environment(key, value);
            }
        }
        let (address, line, fellows) = (format!("127.0.0.1:{edit_log}"), None, Vec::new());
        Ok(Stage { frontend, query_port, address, line, fellows, workers, store, spec, numbers: 0 })
    }

    /// A cluster that runs, with all its compute nodes alive.
    pub async fn build(spec: StageSpec) -> anyhow::Result<Stage> {
        let mut stage = Stage::plan(spec, None).await?;
        stage.start(&[]).await?;
        let mut client = stage.client().await?;
        for worker in &stage.workers {
            client.run(&format!("ALTER SYSTEM ADD COMPUTE NODE \"{}\"", worker.address)).await?;
        }
        client.close().await?;
        stage.all_alive().await?;
        for role in stage.spec.further.clone() {
            stage.join(role).await.with_context(|| format!("a frontend joins as {role}"))?;
        }
        Ok(stage)
    }

    /// Starts every process and waits until they are ready.
    pub async fn start(&mut self, frontend_arguments: &[&str]) -> anyhow::Result<()> {
        for worker in &mut self.workers {
            worker.node.start(&[])?;
        }
        self.frontend.start(frontend_arguments)?;
        for fellow in &mut self.fellows {
            fellow.node.start(&[])?;
        }
        self.frontend.ready(START).await?;
        for fellow in &mut self.fellows {
            fellow.node.ready(START).await?;
        }
        for worker in &mut self.workers {
            worker.node.ready(START).await?;
        }
        Ok(())
    }

    /// Below this everything of it lies.
    pub fn root(&self) -> &Path {
        &self.spec.root
    }

    /// What it was built of.
    pub fn spec(&self) -> &StageSpec {
        &self.spec
    }

    /// A connection as root. Where there are several frontends it sees all that was acknowledged by any of them.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let connected = tokio::time::timeout(Duration::from_secs(10), Client::connect(self.query_port)).await;
        let mut client = connected.context("the frontend does not take a connection")??;
        if !self.fellows.is_empty() {
            client.run(FRESH).await?;
        }
        Ok(client)
    }

    /// Waits until the frontend has heard of every compute node.
    pub async fn all_alive(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut client = self.client().await?;
        loop {
            let rows: Vec<mysql_async::Row> = client.rows("SHOW COMPUTE NODES").await?;
            let alive = rows.iter().filter(|r| r.get::<String, _>("Alive").as_deref() == Some("true")).count();
            if alive == self.workers.len() {
                return client.close().await;
            }
            ensure!(Instant::now() < deadline, "{alive} of {} compute nodes are alive after a minute", rows.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts the frontend anew, with failpoints armed (`name=action;…`), and waits until it is ready.
    pub async fn restart_frontend(&mut self, failpoints: &str) -> anyhow::Result<()> {
        self.frontend.kill().await?;
        self.frontend.set_environment("FAILPOINTS", failpoints);
        self.frontend.start(&[])?;
        let started = self.frontend.ready(START).await;
        self.frontend.set_environment("FAILPOINTS", "");
        Ok(started?)
    }

    /// Starts a compute node anew.
    pub async fn restart_worker(&mut self, n: usize) -> anyhow::Result<()> {
        let node = &mut self.workers[n].node;
        node.kill().await?;
        node.start(&[])?;
        Ok(node.ready(START).await?)
    }

    /// SIGKILL for every process.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.frontend.kill().await?;
        for fellow in &mut self.fellows {
            fellow.node.kill().await?;
        }
        for worker in &mut self.workers {
            worker.node.kill().await?;
        }
        Ok(())
    }

    /// All processes, the frontends first.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let frontends = std::iter::once(&self.frontend).chain(self.fellows.iter().map(|fellow| &fellow.node));
        frontends.chain(self.workers.iter().map(|worker| &worker.node))
    }

    /// Names and logs of all processes.
    pub fn logs(&self) -> Vec<(String, String)> {
        self.nodes().map(|n| (n.name.clone(), std::fs::read_to_string(n.log()).unwrap_or_default())).collect()
    }
}

/// Draws ports for a frontend and writes its configuration: the node, its query_port, its edit_log_port.
pub(super) fn plan_frontend(spec: &StageSpec, store: &Store, name: &str) -> anyhow::Result<(Node, u16, u16)> {
    let [http, rpc, query, edit_log] = free_ports()?;
    let dir = spec.root.join(name);
    let mut conf = vec![
        ("run_mode".to_owned(), "shared_data".to_owned()),
        ("meta_dir".to_owned(), dir.join("meta").display().to_string()),
        ("priority_networks".to_owned(), "127.0.0.1/32".to_owned()),
    ];
    let ports = [("http_port", http), ("rpc_port", rpc), ("query_port", query), ("edit_log_port", edit_log)];
    conf.extend(ports.map(|(key, port)| (key.to_owned(), port.to_string())));
    conf.extend(store.conf());
    conf.extend(spec.conf.iter().cloned());
    Ok((Node::new(&spec.binary, "fe", name, dir, http, &conf)?, query, edit_log))
}

async fn worker(spec: &StageSpec, n: usize) -> anyhow::Result<Worker> {
    let [be, http, heartbeat, brpc] = free_ports()?;
    let host = format!("127.0.0.{}", n + 2);
    let name = format!("cn{}", n + 1);
    let dir = spec.root.join(&name);
    let mut conf = vec![
        ("storage_root_path".to_owned(), dir.join("storage").display().to_string()),
        ("priority_networks".to_owned(), format!("{host}/32")),
    ];
    let ports = [("be_port", be), ("be_http_port", http), ("heartbeat_service_port", heartbeat), ("brpc_port", brpc)];
    conf.extend(ports.map(|(key, port)| (key.to_owned(), port.to_string())));
    let node = Node::new(&spec.binary, "cn", &name, dir, http, &conf)?;
    let proxy = async |port: u16| {
        let target: SocketAddr = format!("{host}:{port}").parse()?;
        anyhow::Ok(Proxy::start(&format!("127.0.0.1:{port}"), target, None).await?)
    };
    Ok(Worker {
        node,
        address: format!("127.0.0.1:{heartbeat}"),
        heartbeat: proxy(heartbeat).await?,
        plane: proxy(brpc).await?,
        _http: proxy(http).await?,
    })
}
