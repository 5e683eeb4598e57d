//! Is every data file that a catalog names in the store? By listing (name and size), or by reading every byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storage_catalog::Catalog;
use storage_model::{FileEntry, Kind, StorageVolume, VolumeId};
use storage_volume::{Layout, Volume, VolumeError};

use crate::upload::Progress;

/// Listings in flight for one volume, volumes in flight.
const LISTINGS_AT_ONCE: usize = 8;
/// Up to so many table directories are listed one by one; beyond that whole databases.
const MOST_TABLE_LISTINGS: usize = 256;
/// Files read at a time, and bytes read of each at a time.
const READS_AT_ONCE: usize = 4;
const READ_BYTES: u64 = 8 << 20;

/// All is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCheck {
    /// Data files looked at.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Something that is not as the catalog says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The storage volume's name.
    pub volume: String,
    /// Below the volume's location; empty when it is the volume itself.
    pub object: String,
    /// What is wrong.
    pub what: String,
    /// Whether the store could not be asked: the file may be there.
    pub unreachable: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.object.as_str() {
            "" => write!(f, "storage volume '{}': {}", self.volume, self.what),
            object => write!(f, "storage volume '{}': {object}: {}", self.volume, self.what),
        }
    }
}

impl Problem {
    pub(crate) fn new(volume: &str, object: &str, what: impl Into<String>) -> Problem {
        Problem { volume: volume.to_owned(), object: object.to_owned(), what: what.into(), unreachable: false }
    }

    pub(crate) fn of(volume: &str, object: &str, error: &VolumeError) -> Problem {
        Problem { unreachable: error.kind() == Kind::Unavailable, ..Problem::new(volume, object, error.to_string()) }
    }
}

/// Every data file that something references must be there with its size: a parallel LIST of the directories that have
/// them. `overrides` replaces volumes by name. The problems come in order of volume and object.
pub async fn check_files(
    catalog: &Catalog,
    overrides: &BTreeMap<String, StorageVolume>,
    open: impl Fn(&StorageVolume) -> Result<Volume, VolumeError>,
) -> Result<FileCheck, Vec<Problem>> {
    let looked = look(catalog, overrides, &open).await;
    finish(&looked.good, looked.problems)
}

/// [`check_files`], and then every byte is read and hashed (WITH DATA). Progress counts files where an upload counts
/// sections.
pub async fn verify_data(
    catalog: &Catalog,
    overrides: &BTreeMap<String, StorageVolume>,
    open: impl Fn(&StorageVolume) -> Result<Volume, VolumeError>,
    progress: impl Fn(Progress),
) -> Result<FileCheck, Vec<Problem>> {
    let mut looked = look(catalog, overrides, &open).await;
    let layout = Layout(catalog.identity().service_id.clone());
    let bytes = looked.good.iter().map(|(_, f)| f.size).sum();
    let mut state = Progress { sections: looked.good.len() as u64, bytes, ..Progress::default() };
    let reads: Vec<_> = looked
        .good
        .iter()
        .map(|(volume, file)| {
            let (path, hash) = (layout.in_root(&file.object), file.sha256.to_string());
            async move { (file.size, read_and_compare(volume, &path, file.size, &hash).await) }
        })
        .collect();
    let mut results = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
    while let Some((size, problem)) = results.next().await {
        state.sections_done += 1;
        state.bytes_done += size;
        progress(state);
        looked.problems.extend(problem);
    }
    finish(&looked.good, looked.problems)
}

fn finish(good: &[(Volume, &FileEntry)], mut problems: Vec<Problem>) -> Result<FileCheck, Vec<Problem>> {
    if problems.is_empty() {
        return Ok(FileCheck { files: good.len() as u64, bytes: good.iter().map(|(_, f)| f.size).sum() });
    }
    problems.sort();
    Err(problems)
}

struct Looked<'a> {
    good: Vec<(Volume, &'a FileEntry)>,
    problems: Vec<Problem>,
}

async fn look<'a>(
    catalog: &'a Catalog,
    overrides: &BTreeMap<String, StorageVolume>,
    open: &impl Fn(&StorageVolume) -> Result<Volume, VolumeError>,
) -> Looked<'a> {
    let layout = Layout(catalog.identity().service_id.clone());
    let mut by_volume: BTreeMap<VolumeId, Vec<&FileEntry>> = BTreeMap::new();
    for file in catalog.files().filter(|f| f.removed_at().is_none()) {
        by_volume.entry(file.volume).or_default().push(file);
    }
    let mut looked = Looked { good: Vec::new(), problems: Vec::new() };
    let mut listings = Vec::new();
    for (id, files) in by_volume {
        match open_volume(catalog, overrides, open, id) {
            Ok(volume) => listings.push(list_volume(volume, &layout, files)),
            Err(problem) => looked.problems.push(problem),
        }
    }
    for result in futures::future::join_all(listings).await {
        match result {
            Ok((volume, files, sizes)) => compare_sizes(&mut looked, &layout, &volume, &files, &sizes),
            Err(problem) => looked.problems.push(problem),
        }
    }
    looked
}

fn open_volume(
    catalog: &Catalog,
    overrides: &BTreeMap<String, StorageVolume>,
    open: &impl Fn(&StorageVolume) -> Result<Volume, VolumeError>,
    id: VolumeId,
) -> Result<Volume, Problem> {
    let Some(known) = catalog.volume(id) else {
        return Err(Problem::new(&id.to_string(), "", "the catalog has files in it but does not know it"));
    };
    let definition = overrides.get(&known.name).unwrap_or(known);
    open(definition).map_err(|e| Problem::of(&known.name, "", &e))
}

type Listed<'a> = (Volume, Vec<&'a FileEntry>, BTreeMap<String, u64>);

async fn list_volume<'a>(volume: Volume, layout: &Layout, files: Vec<&'a FileEntry>) -> Result<Listed<'a>, Problem> {
    let sizes = sizes_of(&volume, layout, &files).await.map_err(|e| Problem::of(volume.name(), "", &e))?;
    Ok((volume, files, sizes))
}

/// The sizes of all objects in the directories of these files, by path from the volume's location.
pub(crate) async fn sizes_of(
    volume: &Volume,
    layout: &Layout,
    files: &[&FileEntry],
) -> Result<BTreeMap<String, u64>, VolumeError> {
    let lists: Vec<_> = directories(files)
        .into_iter()
        .map(|directory| {
            let path = layout.in_root(&directory);
            async move { volume.list(&path).await }
        })
        .collect();
    let mut sizes = BTreeMap::new();
    let mut results = futures::stream::iter(lists).buffer_unordered(LISTINGS_AT_ONCE);
    while let Some(result) = results.next().await {
        sizes.extend(result?.into_iter().map(|o| (o.path, o.size)));
    }
    Ok(sizes)
}

/// The directories to list: those of the tables, or of the databases when there are too many tables.
fn directories(files: &[&FileEntry]) -> BTreeSet<String> {
    let prefix = |depth: usize| -> BTreeSet<String> {
        files.iter().map(|f| f.object.to_string().split('/').take(depth).collect::<Vec<_>>().join("/")).collect()
    };
    let tables = prefix(2);
    if tables.len() <= MOST_TABLE_LISTINGS { tables } else { prefix(1) }
}

fn compare_sizes<'a>(
    looked: &mut Looked<'a>,
    layout: &Layout,
    volume: &Volume,
    files: &[&'a FileEntry],
    sizes: &BTreeMap<String, u64>,
) {
    for file in files {
        let path = layout.in_root(&file.object);
        match sizes.get(&path) {
            Some(size) if *size == file.size => looked.good.push((volume.clone(), file)),
            Some(size) => {
                let what = format!("it has {size} bytes, {} were written", file.size);
                looked.problems.push(Problem::new(volume.name(), &path, what));
            }
            None => looked.problems.push(Problem::new(volume.name(), &path, "it is missing")),
        }
    }
}

/// Reads every byte of a file, a piece at a time, and compares size and SHA-256 (hex). None: it is as it was written.
pub async fn read_and_compare(volume: &Volume, path: &str, size: u64, sha256: &str) -> Option<Problem> {
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < size {
        let end = size.min(at + READ_BYTES);
        match volume.get_range(path, at..end).await {
            Ok(bytes) if bytes.len() as u64 == end - at => hash.update(&bytes),
            Ok(bytes) => {
                let what = format!("it ends at byte {}, {} were written", at + bytes.len() as u64, size);
                return Some(Problem::new(volume.name(), path, what));
            }
            Err(e) if e.is_not_found() => return Some(Problem::new(volume.name(), path, "it is missing")),
            Err(e) => return Some(Problem::of(volume.name(), path, &e)),
        }
        at = end;
    }
    let found = hex::encode(hash.finalize());
    let what = || format!("its sha256 is {found}, {sha256} was written");
    (found != sha256).then(|| Problem::new(volume.name(), path, what()))
}
