//! Is the definition of a volume sound? Types, location and properties, checked before anything is opened.

mod azure;
mod google;
mod hdfs;
mod s3;

use std::collections::BTreeMap;

use storage_model::VolumeType;
use url::Url;

pub(crate) use self::azure::{AzureCredentials, AzureOptions};
pub(crate) use self::google::{GoogleCredentials, GoogleOptions};
pub(crate) use self::hdfs::HdfsOptions;
pub(crate) use self::s3::{Credentials, Role, S3Options};
use crate::error::VolumeError;
use crate::location::Location;

/// Checks a definition as CREATE and ALTER STORAGE VOLUME and a restore plan give it; touches no store. The error's
/// text is for the user as it stands (`Invalid properties <key>`).
pub fn check_definition(
    volume_type: VolumeType,
    location: &str,
    properties: &BTreeMap<String, String>,
) -> Result<(), VolumeError> {
    match Location::parse(volume_type, location)? {
        Location::S3 { bucket, .. } => S3Options::read(&bucket, properties).map(|_| ()),
        Location::Azure { .. } => AzureOptions::read(volume_type, properties).map(|_| ()),
        Location::Google { .. } => GoogleOptions::read(properties).map(|_| ()),
        Location::Hdfs { .. } => HdfsOptions::read(properties).map(|_| ()),
        Location::Local(_) => check_keys(properties, |_| false),
    }
}

/// Err for the first property that is neither `enabled` nor known, and for an `enabled` that is neither true nor false.
fn check_keys(properties: &BTreeMap<String, String>, is_known: impl Fn(&str) -> bool) -> Result<(), VolumeError> {
    match properties.keys().find(|key| *key != "enabled" && !is_known(key)) {
        Some(key) => Err(VolumeError::definition(format!("Invalid properties {key}"))),
        None => flag(properties, "enabled").map(drop),
    }
}

/// Those of these that are long enough not to be found in every text.
fn worth_hiding<'a>(secrets: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    secrets.into_iter().filter(|secret| secret.len() > 3).cloned().collect()
}

/// A property that is given and not empty.
pub(crate) fn text<'a>(properties: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    properties.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
}

pub(crate) fn flag(properties: &BTreeMap<String, String>, key: &str) -> Result<Option<bool>, VolumeError> {
    match text(properties, key) {
        None => Ok(None),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(value) => {
            Err(VolumeError::definition(format!("Invalid properties {key}: '{value}' is neither true nor false")))
        }
    }
}

/// An endpoint with or without scheme. A bare host is https, a bare host with a port of its own (MinIO and the like) http.
pub(crate) fn read_endpoint(key: &str, text: &str) -> Result<Url, VolumeError> {
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        let port = text.trim_end_matches('/').rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let scheme = if port.is_none_or(|port| port == 443) { "https" } else { "http" };
        format!("{scheme}://{text}")
    };
    let wrong = |why: String| VolumeError::definition(format!("Invalid properties {key}: '{text}': {why}"));
    let url = Url::parse(&with_scheme).map_err(|e| wrong(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("it must be http://host[:port] or https://host[:port]".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(VolumeError::definition(format!("Invalid properties {key}: it must be a host, no more")));
    }
    Ok(url)
}
