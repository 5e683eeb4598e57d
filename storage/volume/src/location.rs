//! Where a volume is: `s3://bucket/prefix`, `file:///directory` and the like, read, compared and joined.

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
    /// A container of an Azure account and a prefix in it; which account, the endpoint among the properties says.
    Azure {
        /// The container.
        container: String,
        /// Below it.
        prefix: String,
    },
    /// A bucket of Google's and a prefix in it.
    Google {
        /// The bucket.
        bucket: String,
        /// Below it.
        prefix: String,
    },
    /// A name node (or name service) and a directory.
    Hdfs {
        /// `hdfs://host:port`.
        service: String,
        /// Without slashes at its ends.
        directory: String,
    },
}

impl Location {
    /// Reads a location and checks it against the type of its volume.
    pub fn parse(volume_type: VolumeType, text: &str) -> Result<Location, VolumeError> {
        let wrong = |why: &str| VolumeError::definition(format!("Invalid location '{}': {why}", text.trim()));
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        if VolumeType::of_scheme(&scheme) != Some(volume_type) {
            return Err(wrong(&format!("a volume of type {volume_type} needs {}", form(volume_type))));
        }
        match volume_type {
            VolumeType::S3 => {
                let (bucket, prefix) = holder(rest, "-._").ok_or_else(|| wrong("it names no bucket"))?;
                Path::parse(&prefix).map_err(|e| wrong(&e.to_string()))?;
                Ok(Location::S3 { bucket, prefix })
            }
            VolumeType::AzBlob | VolumeType::Adls2 => {
                let (container, prefix) = holder(rest, "-$").ok_or_else(|| wrong("it names no container"))?;
                Path::parse(&prefix).map_err(|e| wrong(&e.to_string()))?;
                Ok(Location::Azure { container, prefix })
            }
            VolumeType::Gs => {
                let (bucket, prefix) = holder(rest, "-._").ok_or_else(|| wrong("it names no bucket"))?;
                Path::parse(&prefix).map_err(|e| wrong(&e.to_string()))?;
                Ok(Location::Google { bucket, prefix })
            }
            VolumeType::Hdfs => {
                let (host, directory) = holder(rest, "-._:").ok_or_else(|| wrong("it names no name node"))?;
                Path::parse(&directory).map_err(|e| wrong(&e.to_string()))?;
                if scheme == "webhdfs" {
                    return Err(wrong("webhdfs:// is not supported, hdfs:// and viewfs:// are"));
                }
                Ok(Location::Hdfs { service: format!("{scheme}://{host}"), directory })
            }
            VolumeType::Local => {
                let url = Url::parse(text.trim()).map_err(|e| wrong(&e.to_string()))?;
                let directory = url.to_file_path().map_err(|()| wrong("it is no absolute directory of this host"))?;
                if directory.parent().is_none() {
                    return Err(wrong("the root directory cannot be a volume"));
                }
                Ok(Location::Local(directory))
            }
        }
    }
}

/// What locations of a type look like.
fn form(volume_type: VolumeType) -> &'static str {
    match volume_type {
        VolumeType::S3 => "s3://bucket[/prefix]",
        VolumeType::Local => "file:///directory",
        VolumeType::AzBlob => "azblob://container[/prefix]",
        VolumeType::Adls2 => "adls2://container[/prefix]",
        VolumeType::Gs => "gs://bucket[/prefix]",
        VolumeType::Hdfs => "hdfs://host[:port][/directory] or viewfs://cluster[/directory]",
    }
}

/// `{bucket}[/{prefix}]` in two; None when the bucket is empty or has other characters than letters, digits and these.
fn holder(rest: &str, others: &str) -> Option<(String, String)> {
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
    is_name.then(|| (name.to_owned(), squeeze(prefix)))
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
    fn every_type_has_its_scheme() {
        let azure = Location::Azure { container: "c".into(), prefix: "p/q".into() };
        assert_eq!(Location::parse(VolumeType::AzBlob, "azblob://c//p/q/").unwrap(), azure);
        assert_eq!(Location::parse(VolumeType::Adls2, "ADLS2://c/p/q").unwrap(), azure);
        let google = Location::Google { bucket: "b.c".into(), prefix: String::new() };
        assert_eq!(Location::parse(VolumeType::Gs, "gs://b.c").unwrap(), google);
        let hdfs = Location::Hdfs { service: "hdfs://n:9000".into(), directory: "d".into() };
        assert_eq!(Location::parse(VolumeType::Hdfs, "hdfs://n:9000/d/").unwrap(), hdfs);
        for (volume_type, bad, says) in [
            (VolumeType::AzBlob, "adls2://c", "azblob://container[/prefix]"),
            (VolumeType::Adls2, "adls2:///p", "it names no container"),
            (VolumeType::Gs, "gs://b?x/p", "it names no bucket"),
            (VolumeType::Hdfs, "webhdfs://n/d", "hdfs:// and viewfs:// are"),
            (VolumeType::Hdfs, "hdfs:///d", "it names no name node"),
        ] {
            let error = Location::parse(volume_type, bad).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
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
