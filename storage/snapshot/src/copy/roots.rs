//! Volume by volume: from where to where. Nothing is guessed, and no two volumes end in one place that were apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use storage_catalog::Catalog;
use storage_model::{FileEntry, StorageVolume, VolumeId};
use storage_volume::location::normalize_location;
use storage_volume::{Location, Volume};

use super::{Copy, sum};
use crate::check::FileCheck;
use crate::error::SnapshotError;
use crate::manifest::Manifest;
use crate::place::{definition, must_exist, type_of};
use crate::report::own_volume;
use crate::store;

/// A storage volume of the snapshot, and where its data went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedRoot {
    /// Its name.
    pub volume: String,
    /// `S3`, `LOCAL`: of the target.
    #[serde(rename = "type")]
    pub volume_type: String,
    /// From this location.
    pub source: String,
    /// To this one: what the restore plan must say.
    pub target: String,
    /// All its data files.
    pub files: FileCheck,
    /// Those that were copied now.
    pub copied: FileCheck,
}

/// A storage volume with data.
pub(super) struct Root {
    pub name: String,
    pub source: Volume,
    pub definition: StorageVolume,
    /// None: a dry run, and its directory is not there.
    pub target: Option<Volume>,
    pub files: Vec<Arc<FileEntry>>,
}

impl Root {
    pub fn report(&self) -> CopiedRoot {
        CopiedRoot {
            volume: self.name.clone(),
            volume_type: self.definition.volume_type.to_string(),
            source: self.source.location().to_owned(),
            target: self.definition.location.clone(),
            files: sum(self.files.iter().map(|file| &**file)),
            copied: FileCheck::default(),
        }
    }
}

/// All of them; the snapshot's own volume is one even when it has no data.
pub(super) struct Roots {
    /// The name of the snapshot's own volume.
    pub own: String,
    /// Its location in the target.
    pub target: String,
    /// None: a dry run, and its directory is not there.
    pub target_volume: Option<Volume>,
    pub all: Vec<Root>,
}

impl Roots {
    pub async fn of(
        copy: &Copy<'_>,
        snapshot: &Volume,
        catalog: &Catalog,
        manifest: &Manifest,
    ) -> Result<Roots, SnapshotError> {
        let Some(own) = own_volume(catalog, manifest) else {
            let what = "its image does not say in which storage volume it is";
            return Err(SnapshotError::corrupt("copy snapshot", &manifest.name, what));
        };
        let mut files: BTreeMap<VolumeId, Vec<Arc<FileEntry>>> = BTreeMap::from([(own.id, Vec::new())]);
        for file in catalog.files().filter(|file| file.removed_at().is_none()) {
            files.entry(file.volume).or_default().push(Arc::clone(file));
        }
        check_names(copy, catalog, own, files.keys())?;
        let target =
            definition(&own.name, &below_service_root(&copy.target.location, manifest), &copy.target.properties)?;
        let mut roots = Vec::new();
        let mut places = Places::default();
        for (id, files) in files {
            let known = catalog.volume(id).map(|volume| &**volume).unwrap_or(own);
            let source = source_of(copy, snapshot, own, known);
            let to = if id == own.id { &target } else { copy.target.volumes.get(&known.name).unwrap_or(&target) };
            let to = StorageVolume { name: known.name.clone(), id, ..to.clone() };
            places.add(&source, &to)?;
            must_exist(source.volume_type, &source.location).await?;
            let source = Volume::open(&source).map_err(|e| store::failed("open", &source.location, e))?;
            let target = open_target(&to, copy.dry_run).await?;
            roots.push(Root { name: known.name.clone(), source, definition: to, target, files });
        }
        let target_volume = roots.iter().find(|root| root.name == own.name).and_then(|root| root.target.clone());
        Ok(Roots { own: own.name.clone(), target: target.location, target_volume, all: roots })
    }

    pub fn targets(&self) -> impl Iterator<Item = &Volume> {
        self.all.iter().filter_map(|root| root.target.as_ref())
    }

    pub fn targets_by_name(&self) -> BTreeMap<String, StorageVolume> {
        self.all.iter().map(|root| (root.name.clone(), root.definition.clone())).collect()
    }
}

/// Every volume with data has a target, and every target is of a volume.
fn check_names<'a>(
    copy: &Copy<'_>,
    catalog: &Catalog,
    own: &StorageVolume,
    with_data: impl Iterator<Item = &'a VolumeId>,
) -> Result<(), SnapshotError> {
    let wrong = |what: String| Err(SnapshotError::invalid("copy snapshot from", &copy.source.location, what));
    for name in copy.target.volumes.keys().chain(copy.source.volumes.keys()) {
        if *name == own.name {
            return wrong(format!(
                "storage volume '{name}' is the one that the snapshot is in: its place is given already"
            ));
        }
        if catalog.volume_by_name(name).is_none() {
            let known: Vec<&str> = catalog.volumes().map(|v| v.name.as_str()).collect();
            return wrong(format!("it has no storage volume '{name}', but {}", known.join(", ")));
        }
    }
    let named = with_data.filter(|id| **id != own.id).filter_map(|id| catalog.volume(*id));
    let lost: Vec<String> = named
        .filter(|volume| !copy.target.volumes.contains_key(&volume.name))
        .map(|volume| format!("--volume {}=LOCATION (its data is at {})", volume.name, volume.location))
        .collect();
    if lost.is_empty() {
        Ok(())
    } else {
        wrong(format!("it has data in other storage volumes, say where to: {}", lost.join(", ")))
    }
}

/// Where the data of a volume is now, with what it takes to get there: a volume as the image knows it has no secrets.
fn source_of(copy: &Copy<'_>, snapshot: &Volume, own: &StorageVolume, known: &StorageVolume) -> StorageVolume {
    let given = &copy.source.properties;
    if known.id == own.id {
        let location = snapshot.location().to_owned();
        let volume_type = type_of(&location);
        return StorageVolume { location, volume_type, properties: given.clone(), ..own.clone() };
    }
    if let Some(elsewhere) = copy.source.volumes.get(&known.name) {
        return StorageVolume { id: known.id, name: known.name.clone(), ..elsewhere.clone() };
    }
    let mut source = known.clone();
    // Properties of another kind of store would be refused.
    if known.volume_type == type_of(snapshot.location()) {
        source.properties.extend(given.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    source
}

async fn open_target(to: &StorageVolume, dry_run: bool) -> Result<Option<Volume>, SnapshotError> {
    if dry_run
        && let Ok(Location::Local(directory)) = Location::parse(to.volume_type, &to.location)
        && !directory.exists()
    {
        return Ok(None);
    }
    Volume::open(to).map(Some).map_err(|e| store::failed("open", &to.location, e))
}

/// A person may have named the service root in the target, or the directory of the snapshots below it.
fn below_service_root(location: &str, manifest: &Manifest) -> String {
    let plain = location.trim_end_matches('/');
    let own = format!("/meta/image/{}", manifest.name);
    for below in ["", "/meta", "/meta/image", own.as_str()] {
        let root = plain.strip_suffix(below).and_then(|rest| rest.strip_suffix(manifest.service_id.as_str()));
        if let Some(root) = root.and_then(|rest| rest.strip_suffix('/')).filter(|root| !root.ends_with('/')) {
            return root.to_owned();
        }
    }
    location.to_owned()
}

/// A place is a location on a server: two servers may have a bucket of the same name.
#[derive(Default)]
struct Places {
    sources: BTreeSet<(String, String)>,
    targets: BTreeMap<(String, String), (String, (String, String))>,
}

impl Places {
    fn add(&mut self, source: &StorageVolume, target: &StorageVolume) -> Result<(), SnapshotError> {
        let (from, to) = (place(source), place(target));
        let wrong = |what: String| Err(SnapshotError::invalid("copy to", &target.location, what));
        self.sources.insert(from.clone());
        if let Some(same) = self.sources.iter().find(|source| **source == to || self.targets.contains_key(*source)) {
            return wrong(format!("{} is where the data comes from", same.0));
        }
        match self.targets.insert(to, (target.name.clone(), from.clone())) {
            Some((other, apart)) if apart != from => wrong(format!(
                "the storage volumes '{other}' and '{}' would be merged: give each a location of its own",
                target.name
            )),
            _ => Ok(()),
        }
    }
}

fn place(volume: &StorageVolume) -> (String, String) {
    let endpoint = volume.properties.get("aws.s3.endpoint").map(|text| text.trim_end_matches('/').to_owned());
    (normalize_location(&volume.location), endpoint.unwrap_or_default())
}
