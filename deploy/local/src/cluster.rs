//! One frontend and some compute nodes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ports::free_ports;
use crate::process::{Node, NodeError};

/// The ports of a frontend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// HTTP.
    pub http: u16,
    /// Node to node.
    pub rpc: u16,
    /// MySQL protocol.
    pub query: u16,
    /// Raft.
    pub edit_log: u16,
}

impl Ports {
    /// StarRocks' ports.
    pub const STANDARD: Ports = Ports { http: 8030, rpc: 9020, query: 9030, edit_log: 9010 };
}

/// The ports of a compute node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ComputePorts {
    be: u16,
    http: u16,
    heartbeat: u16,
    brpc: u16,
    starlet: u16,
}

/// What to build.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// The executable.
    pub binary: PathBuf,
    /// Everything goes below this directory.
    pub root: PathBuf,
    /// How many compute nodes.
    pub compute_nodes: usize,
    /// StarRocks' ports (compute nodes count up from theirs), or free ones.
    pub standard_ports: bool,
    /// More lines for fe.conf: the builtin storage volume, intervals.
    pub frontend_conf: Vec<(String, String)>,
    /// More lines for each cn.conf.
    pub compute_conf: Vec<(String, String)>,
}

impl ClusterSpec {
    /// Lines for fe.conf that put the builtin storage volume into a directory.
    pub fn local_storage(directory: &Path) -> Vec<(String, String)> {
        [
            ("enable_load_volume_from_conf", "true".to_owned()),
            ("cloud_native_storage_type", "LOCAL".to_owned()),
            ("cloud_native_local_path", directory.display().to_string()),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into()
    }

    /// Lines for the cn.conf of so many compute nodes that share one host: together they take what one would.
    pub fn shared_memory(compute_nodes: usize) -> Vec<(String, String)> {
        let percent = 90 / compute_nodes.clamp(1, 90);
        vec![("mem_limit".to_owned(), format!("{percent}%"))]
    }
}

/// A frontend beside the first.
#[derive(Debug)]
pub struct FurtherFrontend {
    /// Its process.
    pub node: Node,
    /// Its ports.
    pub ports: Ports,
}

impl FurtherFrontend {
    /// `127.0.0.1:edit_log_port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.edit_log)
    }
}

/// The nodes.
#[derive(Debug)]
pub struct Cluster {
    /// The frontend that founds the cluster.
    pub frontend: Node,
    /// Its ports.
    pub ports: Ports,
    /// Those that join it.
    pub further: Vec<FurtherFrontend>,
    /// The compute nodes.
    pub compute: Vec<Node>,
    /// `127.0.0.1:heartbeat_service_port` of each.
    pub compute_addresses: Vec<String>,
}

/// Another cluster on the standard ports would answer in the place of this one.
fn must_be_free(ports: &[(&str, u16)]) -> Result<(), NodeError> {
    for (key, port) in ports {
        std::net::TcpListener::bind(("127.0.0.1", *port))
            .map_err(NodeError::io(format!("{key} = {port} is in use")))?;
    }
    Ok(())
}

impl Cluster {
    /// Draws ports and writes configurations; starts nothing.
    pub fn new(spec: &ClusterSpec) -> Result<Cluster, NodeError> {
        let ports = if spec.standard_ports {
            must_be_free(&[
                ("http_port", Ports::STANDARD.http),
                ("query_port", Ports::STANDARD.query),
                ("edit_log_port", Ports::STANDARD.edit_log),
            ])?;
            Ports::STANDARD
        } else {
            Self::draw_ports()?
        };
        let frontend = Self::frontend(spec, "fe", ports)?;
        let (further, compute, compute_addresses) = (Vec::new(), Vec::new(), Vec::new());
        let mut cluster = Cluster { frontend, ports, further, compute, compute_addresses };
        for n in 0..spec.compute_nodes {
            cluster.add_compute(spec, n)?;
        }
        Ok(cluster)
    }

    fn draw_ports() -> Result<Ports, NodeError> {
        let [http, rpc, query, edit_log] = free_ports().map_err(NodeError::io("draw ports"))?;
        Ok(Ports { http, rpc, query, edit_log })
    }

    fn frontend(spec: &ClusterSpec, name: &str, ports: Ports) -> Result<Node, NodeError> {
        let pair = |key: &str, value: String| (key.to_owned(), value);
        let dir = spec.root.join(name);
        let mut conf = vec![
            pair("run_mode", "shared_data".to_owned()),
            pair("meta_dir", dir.join("meta").display().to_string()),
            pair("priority_networks", "127.0.0.1/32".to_owned()),
            pair("http_port", ports.http.to_string()),
            pair("rpc_port", ports.rpc.to_string()),
            pair("query_port", ports.query.to_string()),
            pair("edit_log_port", ports.edit_log.to_string()),
        ];
        conf.extend(spec.frontend_conf.iter().cloned());
        Node::new(&spec.binary, "fe", name, dir, ports.http, &conf)
    }

    /// Draws ports for another frontend, on free ports, and writes its configuration; starts nothing. Its place in `further`.
    pub fn add_frontend(&mut self, spec: &ClusterSpec) -> Result<usize, NodeError> {
        let ports = Self::draw_ports()?;
        let node = Self::frontend(spec, &format!("fe{}", self.further.len() + 2), ports)?;
        self.further.push(FurtherFrontend { node, ports });
        Ok(self.further.len() - 1)
    }

    /// `127.0.0.1:edit_log_port` of the first frontend: the helper of those that join.
    pub fn helper(&self) -> String {
        format!("127.0.0.1:{}", self.ports.edit_log)
    }

    fn add_compute(&mut self, spec: &ClusterSpec, n: usize) -> Result<(), NodeError> {
        let step = n as u16 * 100;
        let ports = if spec.standard_ports {
            let ports = ComputePorts {
                be: 9060 + step,
                http: 8040 + step,
                heartbeat: 9050 + step,
                brpc: 8060 + step,
                starlet: 9070 + step,
            };
            must_be_free(&[
                ("be_http_port", ports.http),
                ("heartbeat_service_port", ports.heartbeat),
                ("brpc_port", ports.brpc),
            ])?;
            ports
        } else {
            let [be, http, heartbeat, brpc, starlet] = free_ports().map_err(NodeError::io("draw ports"))?;
            ComputePorts { be, http, heartbeat, brpc, starlet }
        };
        let name = format!("cn{}", n + 1);
        let dir = spec.root.join(&name);
        let pair = |key: &str, value: String| (key.to_owned(), value);
        let mut conf = vec![
            pair("storage_root_path", dir.join("storage").display().to_string()),
            pair("priority_networks", "127.0.0.1/32".to_owned()),
            pair("be_port", ports.be.to_string()),
            pair("be_http_port", ports.http.to_string()),
            pair("heartbeat_service_port", ports.heartbeat.to_string()),
            pair("brpc_port", ports.brpc.to_string()),
            pair("starlet_port", ports.starlet.to_string()),
        ];
        conf.extend(spec.compute_conf.iter().cloned());
        self.compute.push(Node::new(&spec.binary, "cn", &name, dir, ports.http, &conf)?);
        self.compute_addresses.push(format!("127.0.0.1:{}", ports.heartbeat));
        Ok(())
    }

    /// Starts every process and waits until the frontend is ready.
    pub async fn start(&mut self, frontend_arguments: &[&str], limit: Duration) -> Result<(), NodeError> {
        for node in &mut self.compute {
            node.start(&[])?;
        }
        self.frontend.start(frontend_arguments)?;
        self.frontend.ready(limit).await?;
        for node in &mut self.compute {
            node.ready(limit).await?;
        }
        Ok(())
    }

    /// SIGKILL for every process.
    pub async fn kill(&mut self) -> Result<(), NodeError> {
        self.frontend.kill().await?;
        for node in self.further.iter_mut().map(|further| &mut further.node).chain(&mut self.compute) {
            node.kill().await?;
        }
        Ok(())
    }

    /// SIGTERM for every process, the compute nodes last.
    pub async fn stop(&mut self, limit: Duration) -> Result<(), NodeError> {
        self.frontend.stop(limit).await?;
        for node in self.further.iter_mut().map(|further| &mut further.node).chain(&mut self.compute) {
            node.stop(limit).await?;
        }
        Ok(())
    }

    /// Deletes everything that the nodes keep on this host: metadata and caches. Not the storage volume.
    pub fn delete_local_state(&self) -> Result<(), NodeError> {
        let marker = self.frontend.dir.join("meta.restored");
        let _ = std::fs::remove_file(marker);
        let frontends = std::iter::once(&self.frontend).chain(self.further.iter().map(|further| &further.node));
        let metas = frontends.map(|node| node.dir.join("meta"));
        for directory in metas.chain(self.compute.iter().map(|n| n.dir.join("storage"))) {
            if directory.exists() {
                let what = format!("delete {}", directory.display());
                std::fs::remove_dir_all(&directory).map_err(NodeError::io(what))?;
            }
        }
        Ok(())
    }

    /// Writes cluster_snapshot.yaml beside fe.conf.
    pub fn write_restore_plan(&self, yaml: &str) -> Result<(), NodeError> {
        let path = self.frontend.dir.join("conf").join("cluster_snapshot.yaml");
        std::fs::write(&path, yaml).map_err(NodeError::io(format!("write {}", path.display())))
    }
}
