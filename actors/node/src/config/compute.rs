//! cn.conf.

use std::path::{Path, PathBuf};

use runtime_rpc::TlsFiles;

use super::Variables;
use super::error::{ConfigError, Warning};
use super::frontend::FrontendConfig;
use super::layers::Layers;
use super::network::PriorityNetworks;
use super::secure::{settle_tls, tls_files};
use super::settings::{Vocabulary, settings};
use super::value::{CacheSize, LogLevel, MemLimit, StorageRoots, check_endpoint, first_clash};

/// Larger ones would be fetched for a few bytes of them.
const LARGEST_BLOCK: u64 = 8 << 20;

settings! {
    /// What a compute node is told by cn.conf and the environment.
    pub struct ComputeConfig {
        /// StarRocks' Thrift port; shown, and kept so that it is not given to something else.
        be_port: u16 = 9060 => .also(&["thrift_port"]);
        /// HTTP: health and metrics.
        be_http_port: u16 = 8040 => .also(&["webserver_port"]);
        /// Messages from frontends; what ALTER SYSTEM ADD COMPUTE NODE names.
        heartbeat_service_port: u16 = 9050;
        /// Record batches between nodes.
        brpc_port: u16 = 8060;
        /// StarRocks' port of the shared-data worker; shown, and kept so that it is not given to something else.
        starlet_port: u16 = 9070;
        /// Local directories for caches and spilled data, `;` between them, each perhaps with `,medium:SSD`.
        storage_root_path: StorageRoots = StorageRoots::default();
        /// CIDR list that chooses the address of this node; empty: the first that is not loopback.
        priority_networks: PriorityNetworks = PriorityNetworks::default();
        /// TRACE, DEBUG, INFO, WARNING, ERROR or FATAL.
        sys_log_level: LogLevel = LogLevel::Info;
        /// Traces per second that begin here and whose spans are kept, for the dashboard and OTLP; snapshot jobs always are. 0: none.
        message_trace_rate: u32 = 200;
        /// Directory of the log.
        sys_log_dir: PathBuf = PathBuf::from("log");
        /// Memory of the process: a share of the host's (90%) or a size (8G).
        mem_limit: MemLimit = MemLimit::Percent(90);
        /// Whether blocks of data files are kept near the node that reads them.
        datacache_enable: bool = true;
        /// Memory for them: a share of mem_limit (10%), a size (8G), or 0.
        datacache_mem_size: CacheSize = CacheSize::UpTo(MemLimit::Percent(10));
        /// Disk for them, below each directory of storage_root_path: a share of the disk (20%), a size (200G), or 0: none.
        datacache_disk_size: CacheSize = CacheSize::UpTo(MemLimit::Percent(20));
        /// Bytes of a block, 65536 to 8388608.
        datacache_block_size: u64 = 262_144 => .at_least(65_536);
        /// Bytes for footers and page indexes of data files that were read; never more than a twentieth of mem_limit.
        lake_metadata_cache_limit: CacheSize = CacheSize::UpTo(MemLimit::Bytes(2 << 30));
        /// PEM file of this node's certificate (and those between it and the authority's): turns TLS between nodes on.
        rpc_tls_certificate: Option<PathBuf> = None;
        /// PEM file of its private key.
        rpc_tls_key: Option<PathBuf> = None;
        /// PEM file of the authority that signs the certificates of all nodes; no other is trusted.
        rpc_tls_ca: Option<PathBuf> = None;
        /// Where finished spans go, by OTLP over gRPC: http://host:4317. Empty: nowhere.
        otlp_endpoint: Option<String> = None => .also(&["otlp_exporter_grpc_endpoint"]);
    }
}

impl ComputeConfig {
    /// [`ComputeConfig::load`] with an environment of the caller's.
    pub fn load_with(path: Option<&Path>, variables: &Variables) -> Result<(ComputeConfig, Vec<Warning>), ConfigError> {
        let mut warnings = Vec::new();
        let (own, other) = (Vocabulary::of(ComputeConfig::KEYS), Vocabulary::of(FrontendConfig::KEYS));
        let layers = Layers::read(path, variables, &own, &other, &mut warnings)?;
        let mut config = ComputeConfig { file: path.map(Path::to_owned), ..ComputeConfig::default() };
        for key in ComputeConfig::KEYS {
            layers.apply(key, &mut config)?;
        }
        config.settle(&layers.home);
        config.check().map_err(|why| layers.inconsistent(why))?;
        Ok((config, warnings))
    }

    fn check(&self) -> Result<(), String> {
        if let Some((one, other, port)) = first_clash(&self.ports()) {
            return Err(format!("{one} and {other} are both {port}"));
        }
        if self.datacache_block_size > LARGEST_BLOCK {
            return Err(format!(
                "datacache_block_size = {}: must be at most {LARGEST_BLOCK}",
                self.datacache_block_size
            ));
        }
        self.tls()?;
        check_endpoint(self.otlp_endpoint.as_deref())
    }

    /// Relative directories start from the home directory.
    fn settle(&mut self, home: &Path) {
        self.home = home.to_owned();
        self.sys_log_dir = home.join(&self.sys_log_dir);
        for root in &mut self.storage_root_path.0 {
            root.path = home.join(&root.path);
        }
        settle_tls([&mut self.rpc_tls_certificate, &mut self.rpc_tls_key, &mut self.rpc_tls_ca], home);
    }

    /// The files of TLS between nodes, if it is on.
    pub fn tls_files(&self) -> Option<TlsFiles> {
        self.tls().ok().flatten()
    }

    fn tls(&self) -> Result<Option<TlsFiles>, String> {
        let [certificate, key, authority] = [&self.rpc_tls_certificate, &self.rpc_tls_key, &self.rpc_tls_ca];
        tls_files(certificate.as_ref(), key.as_ref(), authority.as_ref())
    }

    /// Every port of the role, by key: for the text of a bind error.
    pub fn ports(&self) -> [(&'static str, u16); 5] {
        [
            ("be_port", self.be_port),
            ("be_http_port", self.be_http_port),
            ("heartbeat_service_port", self.heartbeat_service_port),
            ("brpc_port", self.brpc_port),
            ("starlet_port", self.starlet_port),
        ]
    }
}
