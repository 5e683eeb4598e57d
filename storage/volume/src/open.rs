//! From a definition to a store: S3 with bounded retries, or a directory. No I/O for S3.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use storage_model::StorageVolume;

use crate::definition::{Credentials, S3Options};
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
    let failed = |error: object_store::Error, secrets: &[String]| VolumeError::Operation {
        kind: kind_of(&error),
        operation: "open".to_owned(),
        volume: volume.name.clone(),
        path: volume.location.clone(),
        cause: cause_text(&error, secrets),
    };
    match Location::parse(volume.volume_type, &volume.location)? {
        Location::Local(directory) => {
            let store = LocalStore::open(&directory).map_err(|e| failed(e, &[]))?;
            Ok(Opened { store: Arc::new(store), secrets: Vec::new(), parts: false })
        }
        Location::S3 { bucket, prefix } => {
            let options = S3Options::read(&bucket, &volume.properties)?;
            let secrets = options.secrets();
            let store = builder(&bucket, &options).build().map_err(|e| failed(e, &secrets))?;
            let prefix = Path::parse(&prefix).map_err(|e| failed(e.into(), &secrets))?;
            Ok(Opened { store: Arc::new(PrefixStore::new(store, prefix)), secrets, parts: true })
        }
    }
}

fn builder(bucket: &str, options: &S3Options) -> AmazonS3Builder {
    let base = match &options.credentials {
        Credentials::Environment => AmazonS3Builder::from_env(),
        Credentials::Instance => AmazonS3Builder::new(),
        Credentials::Keys { access_key, secret_key, session_token } => {
            let builder = AmazonS3Builder::new().with_access_key_id(access_key).with_secret_access_key(secret_key);
            match session_token {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
    };
    let client = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
        .with_allow_http(options.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")));
    let builder = base
        .with_bucket_name(bucket)
        .with_region(&options.region)
        .with_virtual_hosted_style_request(!options.path_style)
        .with_client_options(client)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 8,
            retry_timeout: RETRY_TOTAL,
        });
    match &options.endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint),
        None => builder,
    }
}
