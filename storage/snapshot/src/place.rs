//! What a location given by a person means: a snapshot's directory, `…/meta/image`, `…/meta`, a service root, or a whole
//! volume. Asked of the store itself, because nobody has said where the volume ends and the service root begins.

use std::collections::BTreeMap;

use storage_model::{Kind, ServiceId, StorageVolume, VolumeId, VolumeType};
use storage_volume::location::normalize_location;
use storage_volume::{Layout, Location, Volume};

use crate::error::SnapshotError;
use crate::store;

/// Where to look, and how to get there.
#[derive(Clone, Debug)]
pub struct Source {
    /// `s3://…`, `file:///…`, or a path of this host.
    pub location: String,
    /// Properties of the volume: `aws.s3.*` and the like. Credentials that are not here come from the environment.
    pub properties: BTreeMap<String, String>,
    /// Volumes of the snapshot that are elsewhere now, by name.
    pub volumes: BTreeMap<String, StorageVolume>,
}

/// A service root, or one snapshot in it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The volume, opened.
    pub volume: Volume,
    /// The service root.
    pub layout: Layout,
    /// The snapshot that was named.
    pub snapshot: Option<String>,
}

impl Source {
    /// A location without properties.
    pub fn at(location: &str) -> Source {
        Source { location: location.to_owned(), properties: BTreeMap::new(), volumes: BTreeMap::new() }
    }

    /// All service roots that the location holds, in order of service id; at least one.
    pub async fn places(&self) -> Result<Vec<Place>, SnapshotError> {
        let (volume_type, location) = self.normalized()?;
        must_exist(volume_type, &location).await?;
        if let Some(place) = self.inside_service_root(volume_type, &location).await? {
            return Ok(vec![place]);
        }
        let volume = self.open(volume_type, &location)?;
        let dirs = store::list_dirs(&volume, "look for snapshots in", "").await?;
        if let (true, Some((parent, service))) = (is_service_root(&dirs, ""), location.rsplit_once('/')) {
            return Ok(vec![self.place_at(volume_type, parent, service, None)?]);
        }
        let mut places = Vec::new();
        for service in dirs {
            let below = store::list_dirs(&volume, "look for snapshots in", &service).await?;
            if is_service_root(&below, &format!("{service}/")) {
                let layout = Layout(ServiceId(service));
                places.push(Place { volume: volume.clone(), layout, snapshot: None });
            }
        }
        match places.is_empty() {
            true => Err(SnapshotError::new(Kind::NotFound, "find a service root in", location, "there is none")),
            false => Ok(places),
        }
    }

    /// The one service root that the location holds.
    pub async fn place(&self) -> Result<Place, SnapshotError> {
        let mut places = self.places().await?;
        match (places.pop(), places.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                let all = places.iter().chain(last.as_ref()).map(|p| p.layout.root().to_owned());
                let what = format!("it holds several services, name one: {}", all.collect::<Vec<_>>().join(", "));
                Err(SnapshotError::invalid("choose a service root in", &self.location, what))
            }
        }
    }

    fn normalized(&self) -> Result<(VolumeType, String), SnapshotError> {
        normalized(&self.location)
    }

    fn open(&self, volume_type: VolumeType, location: &str) -> Result<Volume, SnapshotError> {
        let definition = StorageVolume {
            volume_type,
            location: location.to_owned(),
            ..definition(location, location, &self.properties)?
        };
        Volume::open(&definition).map_err(|e| store::failed("open", location, e))
    }

    fn place_at(
        &self,
        volume_type: VolumeType,
        root: &str,
        service: &str,
        snapshot: Option<&str>,
    ) -> Result<Place, SnapshotError> {
        Ok(Place {
            volume: self.open(volume_type, root)?,
            layout: Layout(ServiceId(service.to_owned())),
            snapshot: snapshot.map(str::to_owned),
        })
    }

    /// When the location ends as paths in a service root end, and such a root is there.
    async fn inside_service_root(
        &self,
        volume_type: VolumeType,
        location: &str,
    ) -> Result<Option<Place>, SnapshotError> {
        let Some((root, service, snapshot)) = split(location) else { return Ok(None) };
        if Location::parse(volume_type, root).is_err() {
            return Ok(None);
        }
        let place = self.place_at(volume_type, root, service, snapshot)?;
        let below = store::list_dirs(&place.volume, "look for snapshots in", place.layout.root()).await?;
        Ok(is_service_root(&below, &format!("{service}/")).then_some(place))
    }
}

/// A storage volume of this name where a person says that it is.
pub fn definition(
    name: &str,
    location: &str,
    properties: &BTreeMap<String, String>,
) -> Result<StorageVolume, SnapshotError> {
    let (volume_type, location) = normalized(location)?;
    Ok(StorageVolume {
        id: VolumeId(0),
        name: name.to_owned(),
        volume_type,
        location,
        comment: String::new(),
        enabled: true,
        borrowed: None,
        properties: properties.clone(),
    })
}

fn normalized(text: &str) -> Result<(VolumeType, String), SnapshotError> {
    let wrong = |what: &str| SnapshotError::invalid("read location", text, what);
    let url = if text.contains("://") {
        text.to_owned()
    } else {
        let path = std::path::absolute(text).map_err(|e| wrong(&e.to_string()))?;
        url::Url::from_directory_path(path).map_err(|()| wrong("it is no path of this host"))?.to_string()
    };
    let location = normalize_location(&url);
    match location.split_once("://").and_then(|(scheme, _)| VolumeType::of_scheme(scheme)) {
        Some(volume_type) => Ok((volume_type, location)),
        None => Err(wrong(
            "it must begin with s3://, azblob://, adls2://, gs://, hdfs:// or file://, or be a path of this host",
        )),
    }
}

/// What kind of store a location that was normalized is in.
pub(crate) fn type_of(location: &str) -> VolumeType {
    let scheme = location.split_once("://").map_or(location, |(scheme, _)| scheme);
    VolumeType::of_scheme(scheme).unwrap_or(VolumeType::S3)
}

/// Opening a LOCAL volume makes its directory: looking must not.
pub(crate) async fn must_exist(volume_type: VolumeType, location: &str) -> Result<(), SnapshotError> {
    let parsed = Location::parse(volume_type, location).map_err(|e| store::failed("read location", location, e))?;
    let Location::Local(directory) = parsed else { return Ok(()) };
    match tokio::fs::metadata(&directory).await {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(SnapshotError::invalid("look at", location, "it is no directory")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(SnapshotError::new(Kind::NotFound, "look at", location, "there is no such directory"))
        }
        Err(e) => Err(SnapshotError::because(Kind::Unavailable, "look at", location, e)),
    }
}

fn is_service_root(directories: &[String], prefix: &str) -> bool {
    directories.iter().any(|d| d.strip_prefix(prefix).is_some_and(|name| name == "meta" || name == "owner"))
}

/// `{root}/{service}/meta[/image[/{snapshot}]]`, split.
fn split(location: &str) -> Option<(&str, &str, Option<&str>)> {
    let cut = |text: &'static str| location.strip_suffix(text).and_then(|rest| rest.rsplit_once('/'));
    if let Some((root, service)) = cut("/meta/image").or_else(|| cut("/meta")) {
        return Some((root, service, None));
    }
    let (directory, snapshot) = location.rsplit_once('/')?;
    let (root, service) = directory.strip_suffix("/meta/image")?.rsplit_once('/')?;
    Some((root, service, Some(snapshot)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_that_end_like_paths_in_a_service_root() {
        assert_eq!(split("s3://b/p/svc/meta/image/x"), Some(("s3://b/p", "svc", Some("x"))));
        assert_eq!(split("s3://b/svc/meta/image"), Some(("s3://b", "svc", None)));
        assert_eq!(split("file:///d/svc/meta"), Some(("file:///d", "svc", None)));
        for other in ["s3://b/p/svc", "s3://b", "s3://b/svc/meta/image/x/sections"] {
            assert_eq!(split(other), None, "{other}");
        }
    }
}
