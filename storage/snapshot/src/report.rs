//! `starkeep snapshot list|show|verify LOCATION`: what the store itself says, with no cluster running. Plain values for
//! the binary to print. [`verify_snapshot`] is also what ADMIN VERIFY CLUSTER SNAPSHOT runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use storage_catalog::Catalog;
use storage_model::{Epoch, FileId, Kind, Revision, Rowset, ServiceId, SnapshotJob, StorageVolume};
use storage_volume::{Layout, Volume, VolumeError, join_location};

use crate::check::{FileCheck, Problem, check_files, verify_data};
use crate::error::SnapshotError;
use crate::find::{Candidate, CandidateState, Found, Skipped, at_cut, candidates, newest};
use crate::load::{check_sections, load};
use crate::manifest::{Counts, Manifest, SnapshotType, Stamp};
use crate::owner::{Claim, owners};
use crate::place::{Place, Source, type_of};
use crate::upload::Progress;

/// A row of `snapshot list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The service root.
    pub service_id: ServiceId,
    /// The snapshot's name.
    pub name: String,
    /// Its directory.
    pub path: String,
    /// What it is good for.
    pub state: CandidateState,
    /// None for a directory without manifest.
    pub cut: Option<Revision>,
    /// As the manifest says.
    pub epoch: Option<Epoch>,
    /// As the manifest says.
    #[serde(rename = "type")]
    pub snapshot_type: Option<SnapshotType>,
    /// As the manifest says.
    pub created: Option<Stamp>,
    /// Of manifest and sections.
    pub bytes: u64,
    /// As the manifest says.
    pub counts: Option<Counts>,
    /// Whether a restore of the service root would take it.
    pub newest: bool,
}

/// `snapshot show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its directory.
    pub path: String,
    /// All that the manifest says.
    pub manifest: Manifest,
    /// Bytes of manifest and sections.
    pub bytes: u64,
    /// What is in it.
    pub databases: Vec<ShownDatabase>,
    /// Newer ones that cannot be restored.
    pub skipped: Vec<Skipped>,
    /// Who owns the service root.
    pub owner: Option<Claim>,
}

/// A database in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownDatabase {
    /// Its name.
    pub name: String,
    /// In order of name.
    pub tables: Vec<ShownTable>,
}

/// A table in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownTable {
    /// Its name.
    pub name: String,
    /// The storage volume's name.
    pub volume: String,
    /// Partitions.
    pub partitions: u64,
    /// Data files.
    pub files: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of its rows in the store.
    pub bytes: u64,
}

/// `snapshot verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The snapshot's name.
    pub name: String,
    /// Its cut.
    pub cut: Option<Revision>,
    /// Its directory.
    pub path: String,
    /// Sections read and found whole.
    pub sections: u64,
    /// Data files looked at, when all of them are well.
    pub files: FileCheck,
    /// Whether every byte of the data was read.
    pub with_data: bool,
    /// What is wrong; empty: it can be restored.
    pub problems: Vec<Problem>,
    /// Newer ones that cannot be restored.
    pub skipped: Vec<Skipped>,
}

/// What is in a location: every snapshot of every service root, oldest first in each.
pub async fn list(source: &Source) -> Result<Vec<Listed>, SnapshotError> {
    let mut rows = Vec::new();
    for place in source.places().await? {
        rows.extend(list_root(&place.volume, &place.layout, place.snapshot.as_deref()).await?);
    }
    Ok(rows)
}

/// What is in one service root, or only the snapshot of this name, oldest first.
pub async fn list_root(volume: &Volume, layout: &Layout, snapshot: Option<&str>) -> Result<Vec<Listed>, SnapshotError> {
    let mut found = candidates(volume, layout, snapshot).await?;
    found.sort_by(|a, b| (a.epoch, a.cut, &a.name).cmp(&(b.epoch, b.cut, &b.name)));
    let newest = found.iter().filter(|c| c.is_complete()).map(|c| (c.epoch, c.cut)).max();
    Ok(found.into_iter().map(|c| listed(volume, layout, c, newest)).collect())
}

fn listed(
    volume: &Volume,
    layout: &Layout,
    candidate: Candidate,
    newest: Option<(Option<Epoch>, Option<Revision>)>,
) -> Listed {
    let manifest = candidate.manifest.as_ref();
    Listed {
        service_id: layout.0.clone(),
        path: directory(volume, layout, &candidate.name),
        cut: candidate.cut,
        epoch: candidate.epoch,
        snapshot_type: manifest.map(|m| m.snapshot_type),
        created: manifest.map(|m| m.created.clone()),
        bytes: candidate.bytes,
        counts: manifest.map(|m| m.counts),
        newest: candidate.is_complete() && Some((candidate.epoch, candidate.cut)) == newest,
        state: candidate.state,
        name: candidate.name,
    }
}

pub(crate) fn directory(volume: &Volume, layout: &Layout, name: &str) -> String {
    join_location(volume.location(), &layout.snapshot_dir(name))
}

/// What the snapshot that a restore would take (or the one named) holds.
pub async fn show(source: &Source) -> Result<Shown, SnapshotError> {
    let Place { volume, layout, snapshot } = source.place().await?;
    let found = newest(&volume, &layout, snapshot.as_deref()).await?;
    let catalog = load(&volume, &layout, &found.manifest).await?;
    Ok(Shown {
        path: directory(&volume, &layout, &found.manifest.name),
        databases: contents(&catalog),
        bytes: found.bytes,
        skipped: found.skipped,
        manifest: found.manifest,
        owner: owners(&volume, &layout).await?.claims.pop(),
    })
}

/// The live databases and tables of a catalog with their sizes.
pub fn contents(catalog: &Catalog) -> Vec<ShownDatabase> {
    let table = |table: &storage_model::Table| {
        let files: BTreeSet<FileId> =
            catalog.partitions_of(table).flat_map(|p| &p.rowsets).flat_map(Rowset::files).collect();
        ShownTable {
            name: table.name.clone(),
            volume: catalog.volume(table.volume).map(|v| v.name.clone()).unwrap_or_default(),
            partitions: table.partitions.len() as u64,
            files: files.len() as u64,
            rows: catalog.partitions_of(table).map(|p| p.rows()).sum(),
            bytes: catalog.partitions_of(table).map(|p| p.bytes()).sum(),
        }
    };
    let mut databases: Vec<ShownDatabase> = catalog
        .databases()
        .map(|d| ShownDatabase { name: d.name.clone(), tables: catalog.tables_of(d.id).map(|t| table(t)).collect() })
        .collect();
    databases.sort_by(|a, b| a.name.cmp(&b.name));
    databases
}

/// Verifies the snapshot that a restore would take (or the one named), offline.
pub async fn verify(source: &Source, with_data: bool, progress: impl Fn(Progress)) -> Result<Verified, SnapshotError> {
    let Place { volume, layout, snapshot } = source.place().await?;
    let open = |definition: &StorageVolume| open_offline(source, definition);
    let at = Snapshot { volume: &volume, layout: &layout, name: snapshot.as_deref(), cut: None, moved: true };
    verify_snapshot(at, &source.volumes, open, with_data, progress).await
}

/// A data volume as the image knows it has no secrets: they come from what the caller gave.
fn open_offline(source: &Source, definition: &StorageVolume) -> Result<Volume, VolumeError> {
    let mut definition = definition.clone();
    // Properties of another kind of store would be refused.
    if !source.volumes.contains_key(&definition.name) && definition.volume_type == type_of(&source.location) {
        definition.properties.extend(source.properties.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    Volume::open(&definition)
}

/// The snapshot to verify.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// Where it is.
    pub volume: &'a Volume,
    /// In which service root.
    pub layout: &'a Layout,
    /// None: the newest.
    pub name: Option<&'a str>,
    /// Which of that name; None: the newest of them.
    pub cut: Option<Revision>,
    /// Whether the data of the snapshot's own volume is looked for beside the snapshot, wherever the image says it is:
    /// someone may have copied the whole volume.
    pub moved: bool,
}

impl Snapshot<'_> {
    /// Its manifest.
    pub async fn find(&self) -> Result<Found, SnapshotError> {
        match (self.name, self.cut) {
            (Some(name), Some(cut)) => at_cut(self.volume, self.layout, name, cut).await,
            (name, _) => newest(self.volume, self.layout, name).await,
        }
    }
}

/// Reads every section, decodes the catalog, looks for every data file (and reads it, WITH DATA). What is wrong with the
/// snapshot is a problem; that the store cannot be asked, or that there is no such snapshot, is an error.
pub async fn verify_snapshot(
    at: Snapshot<'_>,
    overrides: &BTreeMap<String, StorageVolume>,
    open: impl Fn(&StorageVolume) -> Result<Volume, VolumeError>,
    with_data: bool,
    progress: impl Fn(Progress),
) -> Result<Verified, SnapshotError> {
    let Snapshot { volume, layout, .. } = at;
    let found = match at.find().await {
        Ok(found) => found,
        Err(e) if e.kind() == Kind::Corrupt => return broken(at, e).await,
        Err(e) => return Err(e),
    };
    let manifest = found.manifest;
    let mut verified = Verified {
        path: directory(volume, layout, &manifest.name),
        cut: Some(manifest.revision),
        sections: 0,
        files: FileCheck::default(),
        with_data,
        problems: check_sections(volume, layout, &manifest).await,
        skipped: found.skipped,
        name: manifest.name.clone(),
    };
    verified.sections = (manifest.sections.len() - verified.problems.len()) as u64;
    if !verified.problems.is_empty() {
        return Ok(verified);
    }
    let catalog = match load(volume, layout, &manifest).await {
        Ok(catalog) => catalog,
        Err(e) if e.kind() == Kind::Corrupt => {
            verified.problems.push(problem(volume, &layout.snapshot_dir(&manifest.name), e.detail));
            return Ok(verified);
        }
        Err(e) => return Err(e),
    };
    let overrides = if at.moved { beside(volume, &catalog, &manifest, overrides) } else { overrides.clone() };
    let checked = match with_data {
        true => verify_data(&catalog, &overrides, open, progress).await,
        false => check_files(&catalog, &overrides, open).await,
    };
    match checked {
        Ok(files) => verified.files = files,
        Err(problems) => verified.problems = problems,
    }
    Ok(verified)
}

/// The volumes that the caller gave, and the snapshot's own volume where the snapshot is.
fn beside(
    volume: &Volume,
    catalog: &Catalog,
    manifest: &Manifest,
    overrides: &BTreeMap<String, StorageVolume>,
) -> BTreeMap<String, StorageVolume> {
    let mut all = overrides.clone();
    if let Some(own) = own_volume(catalog, manifest) {
        // As the place was opened: in another store the properties of the image are wrong.
        let (location, properties) = (volume.location().to_owned(), BTreeMap::new());
        let here = StorageVolume { volume_type: type_of(&location), location, properties, ..own.clone() };
        all.entry(own.name.clone()).or_insert(here);
    }
    all
}

/// The storage volume that the snapshot itself is in.
pub(crate) fn own_volume<'a>(catalog: &'a Catalog, manifest: &Manifest) -> Option<&'a StorageVolume> {
    // A name may have been used before; its cut never was.
    let own = |job: &&Arc<SnapshotJob>| job.name == manifest.name && job.cuts.contains(&manifest.revision);
    catalog.jobs().find(own).and_then(|job| catalog.volume(job.volume)).map(|volume| &**volume)
}

fn problem(volume: &Volume, object: &str, what: String) -> Problem {
    Problem { volume: volume.name().to_owned(), object: object.to_owned(), what, unreachable: false }
}

/// The snapshot cannot be restored: what is wrong with each of its manifests.
async fn broken(at: Snapshot<'_>, error: SnapshotError) -> Result<Verified, SnapshotError> {
    let Snapshot { volume, layout, name, cut, .. } = at;
    let mut found = candidates(volume, layout, name).await?;
    found.retain(|candidate| cut.is_none_or(|cut| candidate.cut == Some(cut)));
    let wrong = |c: &Candidate| match &c.state {
        CandidateState::Broken { why } | CandidateState::Newer { why } | CandidateState::Partial { why } => {
            let object = match c.cut {
                Some(cut) => layout.manifest(&c.name, cut),
                None => layout.snapshot_dir(&c.name),
            };
            Some(problem(volume, &object, why.clone()))
        }
        CandidateState::Complete | CandidateState::Voided => None,
    };
    let mut problems: Vec<Problem> = found.iter().filter_map(wrong).collect();
    if problems.is_empty() {
        // It has changed since: what was found then is what we know.
        problems.push(problem(volume, &layout.image_root(), error.chain()));
    }
    Ok(Verified {
        name: name.unwrap_or_default().to_owned(),
        cut: found.iter().filter_map(|c| c.cut).max(),
        path: join_location(volume.location(), &error.object),
        sections: 0,
        files: FileCheck::default(),
        with_data: false,
        problems,
        skipped: Vec::new(),
    })
}
