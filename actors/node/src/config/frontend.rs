//! fe.conf.

use std::path::{Path, PathBuf};

use runtime_rpc::TlsFiles;
use storage_model::VolumeType;
use storage_model::volume::BUILTIN_STORAGE_VOLUME;
use storage_volume::check_definition;

use super::Variables;
use super::builtin::{builtin_volume, missing_place};
use super::compute::ComputeConfig;
use super::error::{ConfigError, Warning};
use super::layers::Layers;
use super::network::PriorityNetworks;
use super::secure::{settle_tls, tls_files};
use super::settings::{Vocabulary, settings};
use super::value::{LogLevel, RunMode, check_endpoint, first_clash};

settings! {
    /// What a frontend is told by fe.conf and the environment. Plain values; secrets are among them, so `Debug` masks.
    pub struct FrontendConfig {
        /// HTTP: pages, health, metrics, REST.
        http_port: u16 = 8030;
        /// Messages between nodes.
        rpc_port: u16 = 9020;
        /// MySQL protocol.
        query_port: u16 = 9030;
        /// Replication of metadata between frontends.
        edit_log_port: u16 = 9010;
        /// StarRocks' port of the shared-data manager; kept so that it is not given to something else.
        cloud_native_meta_port: u16 = 6090;
        /// Directory of the metadata.
        meta_dir: PathBuf = PathBuf::from("meta");
        /// CIDR list that chooses the address of this node; empty: the first that is not loopback.
        priority_networks: PriorityNetworks = PriorityNetworks::default();
        /// TRACE, DEBUG, INFO, WARN, ERROR or FATAL.
        sys_log_level: LogLevel = LogLevel::Info;
        /// Traces per second that begin here and whose spans are kept, for the dashboard and OTLP; snapshot jobs always are. 0: none.
        message_trace_rate: u32 = 200 => .mutable();
        /// Directory of the log.
        sys_log_dir: PathBuf = PathBuf::from("log");
        /// Directory of the audit log.
        audit_log_dir: PathBuf = PathBuf::from("log");
        /// Always shared_data.
        run_mode: RunMode = RunMode::SharedData;
        /// Whether builtin_storage_volume is made of the keys below.
        enable_load_volume_from_conf: bool = false;
        /// Type of builtin_storage_volume: S3, LOCAL, AZBLOB, ADLS2, GS or HDFS.
        cloud_native_storage_type: VolumeType = VolumeType::S3;
        /// Directory of builtin_storage_volume when its type is LOCAL.
        cloud_native_local_path: Option<PathBuf> = None;
        /// Where builtin_storage_volume is when its type is S3: bucket/prefix or s3://bucket/prefix.
        aws_s3_path: Option<String> = None;
        /// Region of the bucket.
        aws_s3_region: Option<String> = None;
        /// Endpoint of an S3-compatible store.
        aws_s3_endpoint: Option<String> = None;
        /// Access key.
        aws_s3_access_key: Option<String> = None;
        /// Secret key.
        aws_s3_secret_key: Option<String> = None;
        /// Whether credentials come from the environment of the process, as the AWS SDK finds them.
        aws_s3_use_aws_sdk_default_behavior: bool = false;
        /// Whether credentials come from the instance profile.
        aws_s3_use_instance_profile: bool = false;
        /// Role to assume.
        aws_s3_iam_role_arn: Option<String> = None;
        /// External id of the role.
        aws_s3_external_id: Option<String> = None;
        /// Whether the bucket goes into the path of a request; not set: only for endpoints that are not Amazon's.
        aws_s3_enable_path_style_access: Option<bool> = None;
        /// Where builtin_storage_volume is when its type is AZBLOB: container/prefix or azblob://container/prefix.
        azure_blob_path: Option<String> = None;
        /// The account: https://account.blob.core.windows.net.
        azure_blob_endpoint: Option<String> = None;
        /// The account's key.
        azure_blob_shared_key: Option<String> = None;
        /// A shared access signature.
        azure_blob_sas_token: Option<String> = None;
        /// Where builtin_storage_volume is when its type is ADLS2: container/prefix or adls2://container/prefix.
        azure_adls2_path: Option<String> = None;
        /// The account: https://account.dfs.core.windows.net.
        azure_adls2_endpoint: Option<String> = None;
        /// The account's key.
        azure_adls2_shared_key: Option<String> = None;
        /// A shared access signature.
        azure_adls2_sas_token: Option<String> = None;
        /// Whether credentials are those of this host, or of the client id on it.
        azure_adls2_oauth2_use_managed_identity: bool = false;
        /// Tenant of a service principal.
        azure_adls2_oauth2_tenant_id: Option<String> = None;
        /// The service principal.
        azure_adls2_oauth2_client_id: Option<String> = None;
        /// Its secret.
        azure_adls2_oauth2_client_secret: Option<String> = None;
        /// Where builtin_storage_volume is when its type is GS: bucket/prefix or gs://bucket/prefix.
        gcp_gcs_path: Option<String> = None;
        /// A service account.
        gcp_gcs_service_account_email: Option<String> = None;
        /// Which of its keys.
        gcp_gcs_service_account_private_key_id: Option<String> = None;
        /// The key, as it stands in the file that Google gives out.
        gcp_gcs_service_account_private_key: Option<String> = None;
        /// Whether the service account is that of this host.
        gcp_gcs_use_compute_engine_service_account: bool = false;
        /// As which service account to act.
        gcp_gcs_impersonation_service_account: Option<String> = None;
        /// Where builtin_storage_volume is when its type is HDFS: hdfs://host:port/directory.
        cloud_native_hdfs_url: Option<String> = None;
        /// Seconds from the start of one automated cluster snapshot to the next.
        automated_cluster_snapshot_interval_seconds: u64 = 600 => .mutable().at_least(1);
        /// Rows that are kept in information_schema.cluster_snapshot_jobs.
        max_historical_automated_cluster_snapshot_jobs: u32 = 100 => .mutable().at_least(1);
        /// Seconds after which a snapshot job is given up.
        automated_cluster_snapshot_timeout_seconds: u64 = 3600 => .mutable().at_least(1);
        /// Minutes for which a file that nothing names is kept.
        lake_autovacuum_grace_period_minutes: u64 = 30 => .mutable();
        /// Seconds in the recycle bin.
        catalog_trash_expire_second: u64 = 86400 => .mutable();
        /// A partition of fewer data files than this is not compacted.
        lake_compaction_score_selector_min_score: f64 = 10.0 => .mutable();
        /// Compactions that run at once; negative: one on each compute node; 0: none.
        lake_compaction_max_tasks: i32 = -1 => .mutable();
        /// Seconds after which a load that is not committed is given up and what it wrote is deleted.
        lake_orphan_min_age_seconds: u64 = 86400 => .mutable().at_least(1);
        /// Whether what a lost cluster wrote behind the snapshot that was restored is deleted, but for what snapshots need.
        lake_sweep_dead_timelines: bool = false => .mutable();
        /// Partitions that one load or one START ... END ... EVERY makes.
        max_partitions_in_one_batch: u32 = 4096 => .mutable().at_least(1);
        /// Numbers of an AUTO_INCREMENT column that a frontend leases at once.
        auto_increment_cache_size: u32 = 100000 => .mutable().at_least(1);
        /// Seconds between two looks whether it is time for partitions to come or go.
        dynamic_partition_check_interval_seconds: u64 = 600 => .mutable().at_least(1);
        /// Whether the partitions of tables with dynamic_partition.enable come and go with the time.
        dynamic_partition_enable: bool = true => .mutable();
        /// Partitions that a table gets at once as time goes on.
        max_dynamic_partition_num: u32 = 500 => .mutable().at_least(1);
        /// Log entries between two images of the metadata.
        edit_log_roll_num: u64 = 50000 => .mutable().at_least(1);
        /// Connections that are served at once.
        qe_max_connection: u32 = 4096 => .at_least(1);
        /// PEM file of the certificate that MySQL clients are shown (and those between it and the authority's).
        mysql_tls_certificate: Option<PathBuf> = None;
        /// PEM file of its private key.
        mysql_tls_key: Option<PathBuf> = None;
        /// Whether MySQL clients that do not come over TLS are sent away.
        ssl_force_secure_transport: bool = false;
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

impl FrontendConfig {
    /// [`FrontendConfig::load`] with an environment of the caller's.
    pub fn load_with(
        path: Option<&Path>,
        variables: &Variables,
    ) -> Result<(FrontendConfig, Vec<Warning>), ConfigError> {
        let mut warnings = Vec::new();
        let (own, other) = (Vocabulary::of(FrontendConfig::KEYS), Vocabulary::of(ComputeConfig::KEYS));
        let layers = Layers::read(path, variables, &own, &other, &mut warnings)?;
        let mut config = FrontendConfig { file: path.map(Path::to_owned), ..FrontendConfig::default() };
        for key in FrontendConfig::KEYS {
            layers.apply(key, &mut config)?;
        }
        config.settle(&layers.home);
        config.check().map_err(|why| layers.inconsistent(why))?;
        Ok((config, warnings))
    }

    /// Relative directories start from the home directory.
    fn settle(&mut self, home: &Path) {
        self.home = home.to_owned();
        for path in [&mut self.meta_dir, &mut self.sys_log_dir, &mut self.audit_log_dir] {
            *path = home.join(&*path);
        }
        if let Some(path) = &mut self.cloud_native_local_path {
            *path = home.join(&*path);
        }
        settle_tls([&mut self.rpc_tls_certificate, &mut self.rpc_tls_key, &mut self.rpc_tls_ca], home);
        settle_tls([&mut self.mysql_tls_certificate, &mut self.mysql_tls_key], home);
    }

    fn check(&self) -> Result<(), String> {
        if let Some((one, other, port)) = first_clash(&self.ports()) {
            return Err(format!("{one} and {other} are both {port}"));
        }
        self.tls()?;
        self.client_tls_files()?;
        check_endpoint(self.otlp_endpoint.as_deref())?;
        if !self.enable_load_volume_from_conf {
            return Ok(());
        }
        if let Some(key) = missing_place(self) {
            let kind = self.cloud_native_storage_type;
            return Err(format!(
                "{key} is missing: enable_load_volume_from_conf = true and cloud_native_storage_type = {kind} need it"
            ));
        }
        let Some(draft) = builtin_volume(self) else { return Ok(()) };
        check_definition(draft.volume_type, &draft.location, &draft.properties)
            .map_err(|error| format!("{BUILTIN_STORAGE_VOLUME}: {error}"))
    }

    /// Every port that is listened on, by key: for the text of a bind error.
    pub fn ports(&self) -> [(&'static str, u16); 5] {
        [
            ("http_port", self.http_port),
            ("rpc_port", self.rpc_port),
            ("query_port", self.query_port),
            ("edit_log_port", self.edit_log_port),
            ("cloud_native_meta_port", self.cloud_native_meta_port),
        ]
    }

    /// The files of TLS between nodes, if it is on.
    pub fn tls_files(&self) -> Option<TlsFiles> {
        self.tls().ok().flatten()
    }

    fn tls(&self) -> Result<Option<TlsFiles>, String> {
        let [certificate, key, authority] = [&self.rpc_tls_certificate, &self.rpc_tls_key, &self.rpc_tls_ca];
        tls_files(certificate.as_ref(), key.as_ref(), authority.as_ref())
    }

    /// Certificate and key for MySQL clients, if there are any.
    pub(super) fn client_tls_files(&self) -> Result<Option<(&PathBuf, &PathBuf)>, String> {
        match (&self.mysql_tls_certificate, &self.mysql_tls_key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) if self.ssl_force_secure_transport => {
                Err("ssl_force_secure_transport = true needs mysql_tls_certificate and mysql_tls_key".to_owned())
            }
            (None, None) => Ok(None),
            (certificate, _) => {
                let missing = if certificate.is_none() { "mysql_tls_certificate" } else { "mysql_tls_key" };
                Err(format!("{missing} is missing: TLS for clients needs mysql_tls_certificate and mysql_tls_key"))
            }
        }
    }

    /// Where cluster_snapshot.yaml is looked for: beside fe.conf.
    pub fn snapshot_plan(&self) -> PathBuf {
        let directory =
            self.file.as_deref().and_then(Path::parent).map_or_else(|| self.home.join("conf"), Path::to_owned);
        directory.join("cluster_snapshot.yaml")
    }
}
