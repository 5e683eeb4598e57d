//! From a definition to a store: a client with bounded retries, or a directory. No I/O but for a directory.

mod azure;
mod google;
mod hdfs;
mod lent;
mod s3;

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use storage_model::StorageVolume;

use crate::definition::{AzureOptions, GoogleOptions, HdfsOptions, S3Options};
use crate::error::{VolumeError, cause_text, kind_of};
use crate::local::LocalStore;
use crate::location::Location;

/// What a store that is down costs at most: the retries, then one more request.
const RETRY_TOTAL: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A store that was opened.
pub(crate) struct Opened {
    /// Rooted at the volume's location.
    pub store: Arc<dyn ObjectStore>,
    /// Texts that must not be printed.
    pub secrets: Vec<String>,
    /// Whether large bodies go up in parts; a directory takes them whole, and so shows nothing before it is on disk.
    pub parts: bool,
}

/// Opens the store of a volume.
pub(crate) fn open_store(volume: &StorageVolume) -> Result<Opened, VolumeError> {
    let (properties, of_type) = (&volume.properties, volume.volume_type);
    match Location::parse(of_type, &volume.location)? {
        Location::Local(directory) => {
            let store = LocalStore::open(&directory).map_err(|e| failed(volume, &e, &[]))?;
            Ok(Opened { store: Arc::new(store), secrets: Vec::new(), parts: false })
        }
        Location::S3 { bucket, prefix } => {
            let options = S3Options::read(&bucket, properties)?;
            below(volume, &prefix, options.secrets(), s3::build(&bucket, &options))
        }
        Location::Azure { container, prefix } => {
            let options = AzureOptions::read(of_type, properties)?;
            below(volume, &prefix, options.secrets(), azure::build(&container, &options))
        }
        Location::Google { bucket, prefix } => {
            let options = GoogleOptions::read(properties)?;
            below(volume, &prefix, options.secrets(), google::build(&bucket, &options))
        }
        Location::Hdfs { service, directory } => {
            let options = HdfsOptions::read(properties)?;
            below(volume, &directory, Vec::new(), hdfs::build(&service, &options))
        }
    }
}

/// A store in which every path begins with a prefix.
fn below<S: ObjectStore>(
    volume: &StorageVolume,
    prefix: &str,
    secrets: Vec<String>,
    store: object_store::Result<S>,
) -> Result<Opened, VolumeError> {
    let store = store.map_err(|e| failed(volume, &e, &secrets))?;
    let prefix = Path::parse(prefix).map_err(|e| failed(volume, &e.into(), &secrets))?;
    Ok(Opened { store: Arc::new(PrefixStore::new(store, prefix)), secrets, parts: true })
}

fn failed(volume: &StorageVolume, error: &object_store::Error, secrets: &[String]) -> VolumeError {
    VolumeError::Operation {
        kind: kind_of(error),
        operation: "open".to_owned(),
        volume: volume.name.clone(),
        path: volume.location.clone(),
        cause: cause_text(error, secrets),
    }
}

fn client(endpoint: Option<&str>) -> ClientOptions {
    ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")))
}

fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 8,
        retry_timeout: RETRY_TOTAL,
    }
}
