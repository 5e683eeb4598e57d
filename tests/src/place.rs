//! Where a cluster's data lives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use storage_model::{StorageVolume, VolumeId, VolumeType};
use storage_volume::Volume;
use storage_volume::testing::S3Server;

/// A directory, or a prefix in a bucket.
#[derive(Clone, Debug)]
pub enum Place {
    /// A LOCAL volume.
    Directory(PathBuf),
    /// An S3 volume.
    Bucket {
        /// The server.
        server: Arc<S3Server>,
        /// `bucket/prefix`.
        path: String,
    },
}

impl Place {
    /// A bucket on an S3 server of its own, over `directory`. The server keeps what it knows of an object in a file whose
    /// name is made of bucket and key, and file names are short: four letters of a bucket and one of a prefix are the most.
    pub async fn s3(directory: &Path, path: &str) -> anyhow::Result<Place> {
        let server = Arc::new(S3Server::start(directory).await.context("start an S3 server")?);
        Place::bucket(&server, path)
    }

    /// A bucket on a server that runs.
    pub fn bucket(server: &Arc<S3Server>, path: &str) -> anyhow::Result<Place> {
        let bucket = path.split('/').next().unwrap_or(path);
        server.create_bucket(bucket).context("create a bucket")?;
        Ok(Place::Bucket { server: server.clone(), path: path.to_owned() })
    }

    /// The server, if there is one.
    pub fn server(&self) -> Option<&Arc<S3Server>> {
        match self {
            Place::Directory(_) => None,
            Place::Bucket { server, .. } => Some(server),
        }
    }

    /// As LOCATIONS has it.
    pub fn location(&self) -> String {
        match self {
            Place::Directory(path) => format!("file://{}", path.display()),
            Place::Bucket { path, .. } => format!("s3://{path}"),
        }
    }

    fn volume_type(&self) -> VolumeType {
        match self {
            Place::Directory(_) => VolumeType::Local,
            Place::Bucket { .. } => VolumeType::S3,
        }
    }

    /// As PROPERTIES has them.
    pub fn properties(&self) -> BTreeMap<String, String> {
        match self {
            Place::Directory(_) => BTreeMap::new(),
            Place::Bucket { server, .. } => {
                let mut properties = server.properties();
                properties.insert("aws.s3.region".to_owned(), "us-east-1".to_owned());
                properties.insert("aws.s3.enable_path_style_access".to_owned(), "true".to_owned());
                properties
            }
        }
    }

    /// Lines of fe.conf that make it the builtin storage volume.
    pub fn conf(&self) -> Vec<(String, String)> {
        let pair = |key: &str, value: String| (key.to_owned(), value);
        let mut conf = vec![
            pair("enable_load_volume_from_conf", "true".to_owned()),
            pair("cloud_native_storage_type", self.volume_type().to_string()),
        ];
        match self {
            Place::Directory(path) => conf.push(pair("cloud_native_local_path", path.display().to_string())),
            Place::Bucket { server, path } => conf.extend([
                pair("aws_s3_path", path.clone()),
                pair("aws_s3_region", "us-east-1".to_owned()),
                pair("aws_s3_endpoint", server.endpoint()),
                pair("aws_s3_access_key", server.access_key().to_owned()),
                pair("aws_s3_secret_key", server.secret_key().to_owned()),
                pair("aws_s3_enable_path_style_access", "true".to_owned()),
            ]),
        }
        conf
    }

    /// CREATE STORAGE VOLUME.
    pub fn create_statement(&self, name: &str) -> String {
        let mut pairs: Vec<String> = self.properties().iter().map(|(k, v)| format!("\"{k}\" = \"{v}\"")).collect();
        pairs.push("\"enabled\" = \"true\"".to_owned());
        format!(
            "CREATE STORAGE VOLUME {name} TYPE = {} LOCATIONS = ('{}') PROPERTIES ({})",
            self.volume_type(),
            self.location(),
            pairs.join(", ")
        )
    }

    /// An entry of `storage_volumes` in cluster_snapshot.yaml.
    pub fn yaml(&self, name: &str) -> String {
        let mut text =
            format!("  - name: {name}\n    type: {}\n    location: {}\n", self.volume_type(), self.location());
        let properties = self.properties();
        if !properties.is_empty() {
            text.push_str("    properties:\n");
        }
        for (key, value) in properties {
            text.push_str(&format!("      - key: {key}\n        value: \"{value}\"\n"));
        }
        text
    }

    /// `--property key=value` of `starkeep snapshot`.
    pub fn property_arguments(&self) -> Vec<String> {
        self.properties().iter().flat_map(|(k, v)| ["--property".to_owned(), format!("{k}={v}")]).collect()
    }

    /// A storage volume on it.
    pub fn volume(&self, name: &str) -> StorageVolume {
        StorageVolume {
            id: VolumeId(1),
            name: name.to_owned(),
            volume_type: self.volume_type(),
            location: self.location(),
            comment: String::new(),
            enabled: true,
            borrowed: None,
            properties: self.properties(),
        }
    }

    /// The place as the product opens it.
    pub fn open(&self) -> anyhow::Result<Volume> {
        Volume::open(&self.volume("seen from outside")).with_context(|| format!("open {}", self.location()))
    }

    /// Every object's path that contains `part`, in order.
    pub async fn objects(&self, part: &str) -> anyhow::Result<Vec<String>> {
        let all = self.open()?.list("").await.with_context(|| format!("list {}", self.location()))?;
        let mut paths: Vec<String> = all.into_iter().map(|o| o.path).filter(|path| path.contains(part)).collect();
        paths.sort();
        Ok(paths)
    }

    /// Copies every object to another place.
    pub async fn copy_to(&self, other: &Place) -> anyhow::Result<usize> {
        let (from, to) = (self.open()?, other.open()?);
        let paths = self.objects("").await?;
        for path in &paths {
            to.put(path, from.get(path).await?).await?;
        }
        Ok(paths.len())
    }
}
