//! Where a volume is: `s3://bucket/prefix` or `file:///directory`, read, compared and joined.

use std::path::PathBuf;

use object_store::path::Path;
use storage_model::VolumeType;
use url::Url;

use crate::error::VolumeError;

/// A location, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A bucket and a prefix in it, without slashes at its ends; empty for the whole bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// Below it.
        prefix: String,
    },
    /// An absolute directory.
    Local(PathBuf),
}

impl Location {
    /// Reads a location and checks it against the type of its volume.
    pub fn parse(volume_type: VolumeType, text: &str) -> Result<Location, VolumeError> {
        let wrong = |why: &str| VolumeError::definition(format!("Invalid location '{}': {why}", text.trim()));
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        match (volume_type, scheme.to_ascii_lowercase().as_str()) {
            (VolumeType::S3, "s3") => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() || !bucket.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
                    return Err(wrong("it names no bucket"));
                }
                let prefix = squeeze(prefix);
                Path::parse(&prefix).map_err(|e| wrong(&e.to_string()))?;
                Ok(Location::S3 { bucket: bucket.to_owned(), prefix })
            }
            (VolumeType::Local, "file") => {
                let url = Url::parse(text.trim()).map_err(|e| wrong(&e.to_string()))?;
                let directory = url.to_file_path().map_err(|()| wrong("it is no absolute directory of this host"))?;
                if directory.parent().is_none() {
                    return Err(wrong("the root directory cannot be a volume"));
                }
                Ok(Location::Local(directory))
            }
            (VolumeType::S3, _) => Err(wrong("a volume of type S3 needs s3://bucket[/prefix]")),
            (VolumeType::Local, _) => Err(wrong("a volume of type LOCAL needs file:///directory")),
        }
    }
}

/// A path without empty parts, and so without slashes at its ends.
fn squeeze(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// A location as one comparable text: scheme in lower case, one slash between parts, none at the end. What has no
/// scheme is returned squeezed.
pub fn normalize_location(location: &str) -> String {
    match location.trim().split_once("://") {
        Some((scheme, rest)) => {
            let scheme = scheme.to_ascii_lowercase();
            let root = if scheme == "file" { "/" } else { "" };
            format!("{scheme}://{root}{}", squeeze(rest))
        }
        None => squeeze(location.trim()),
    }
}

/// `join_location("s3://b/p/", "x/y")` is `s3://b/p/x/y`, however many slashes meet.
pub fn join_location(location: &str, relative: &str) -> String {
    let relative = squeeze(relative);
    let base = normalize_location(location);
    if relative.is_empty() { base } else { format!("{}/{relative}", base.trim_end_matches('/')) }
}

/// What is left of `path` below `location`; None when it is elsewhere.
pub fn relative_to(path: &str, location: &str) -> Option<String> {
    let (path, location) = (normalize_location(path), normalize_location(location));
    let rest = path.strip_prefix(location.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_and_checked() {
        let s3 = |text| Location::parse(VolumeType::S3, text);
        assert_eq!(s3("s3://b").unwrap(), Location::S3 { bucket: "b".into(), prefix: String::new() });
        assert_eq!(s3(" S3://b//p/q/ ").unwrap(), Location::S3 { bucket: "b".into(), prefix: "p/q".into() });
        for bad in ["", "b/p", "s3://", "s3:///p", "s3://b/../c", "file:///x", "gs://b", "s3://b?x=y/p"] {
            assert!(s3(bad).is_err(), "{bad}");
        }
        let local = |text| Location::parse(VolumeType::Local, text);
        assert_eq!(local("file:///var/lib/a%20b/").unwrap(), Location::Local("/var/lib/a b/".into()));
        for bad in ["file://host/x", "file:///", "s3://b", "/var", "file:x"] {
            assert!(local(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn locations_join_and_split() {
        assert_eq!(join_location("s3://b/p/", "/x//y/"), "s3://b/p/x/y");
        assert_eq!(join_location("s3://b", ""), "s3://b");
        assert_eq!(join_location("file:///d/", "x"), "file:///d/x");
        assert_eq!(relative_to("s3://b/p/x/y", "s3://b/p/").as_deref(), Some("x/y"));
        assert_eq!(relative_to("s3://b/p/", "s3://b/p").as_deref(), Some(""));
        assert_eq!(relative_to("s3://b/pq", "s3://b/p"), None);
        assert_eq!(relative_to("file:///d/x", "file:///d/").as_deref(), Some("x"));
    }
}
