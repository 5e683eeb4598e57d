//! Which snapshots are in a service root, in what state, and which one is the newest that can be restored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use storage_catalog::PresentManifest;
use storage_model::snapshot::AUTOMATED_PREFIX;
use storage_model::{Epoch, Incarnation, Kind, Revision, UnixMillis, VolumeId};
use storage_volume::layout::{Layout, SnapshotObject, parse_snapshot_object};
use storage_volume::{ObjectInfo, Volume};

use crate::error::SnapshotError;
use crate::manifest::Manifest;
use crate::store;

/// Manifests read at a time.
const MANIFESTS_AT_ONCE: usize = 8;

/// What a candidate is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CandidateState {
    /// Manifest sound, every section there with its size.
    Complete,
    /// Dead: a void marker, or a later manifest says so.
    Voided,
    /// No manifest: the upload has not ended, or never will.
    Partial {
        /// What is there.
        why: String,
    },
    /// A manifest of a format that this version does not know: what it needs is not known either.
    Newer {
        /// Which.
        why: String,
    },
    /// A manifest that cannot be restored.
    Broken {
        /// What is wrong.
        why: String,
    },
}

impl fmt::Display for CandidateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CandidateState::Complete => f.write_str("COMPLETE"),
            CandidateState::Voided => f.write_str("VOIDED"),
            CandidateState::Partial { why } => write!(f, "PARTIAL: {why}"),
            CandidateState::Newer { why } => write!(f, "NEWER: {why}"),
            CandidateState::Broken { why } => write!(f, "BROKEN: {why}"),
        }
    }
}

/// A cut of a snapshot as the store shows it, or a directory without any manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The snapshot's name.
    pub name: String,
    /// None for a directory without manifest and void marker.
    pub cut: Option<Revision>,
    /// None when no manifest could be read.
    pub epoch: Option<Epoch>,
    /// What it is good for.
    pub state: CandidateState,
    /// The manifest, when it could be read.
    pub manifest: Option<Manifest>,
    /// Of the manifest object and of the sections it names; of whatever is there when there is no manifest.
    pub bytes: u64,
    /// When the youngest object was written, by the store's clock (a copy has the time of the copy).
    pub written_at: UnixMillis,
}

impl Candidate {
    /// Whether its manifest is of a format that this version does not know.
    pub fn is_newer(&self) -> bool {
        matches!(self.state, CandidateState::Newer { .. })
    }

    /// Whether it can be restored.
    pub fn is_complete(&self) -> bool {
        self.state == CandidateState::Complete
    }
}

/// Something newer that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The snapshot's name.
    pub name: String,
    /// The cut, when known.
    pub cut: Option<Revision>,
    /// Why it cannot be restored.
    pub why: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut {
            Some(cut) => write!(f, "snapshot {} (cut {cut}) is {}", self.name, self.why),
            None => write!(f, "snapshot {} is {}", self.name, self.why),
        }
    }
}

/// The snapshot to restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its manifest.
    pub manifest: Manifest,
    /// Of manifest and sections.
    pub bytes: u64,
    /// Newer ones that cannot be restored (or may be newer: what has no manifest has no age).
    pub skipped: Vec<Skipped>,
}

/// All candidates of a service root in order of name and cut, or those of one snapshot.
pub async fn candidates(volume: &Volume, layout: &Layout, name: Option<&str>) -> Result<Vec<Candidate>, SnapshotError> {
    // Always the whole root: a cut may be voided by the manifest of another snapshot.
    let objects = store::list(volume, "list snapshots in", &layout.image_root()).await?;
    let sizes: BTreeMap<String, u64> = objects.iter().map(|o| (o.path.clone(), o.size)).collect();
    let prefix = format!("{}/", layout.image_root());
    let mut directories: BTreeMap<&str, Vec<&ObjectInfo>> = BTreeMap::new();
    for object in &objects {
        if let Some((directory, _)) = object.path.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')) {
            directories.entry(directory).or_default().push(object);
        }
    }
    let reads: Vec<_> = directories.iter().map(|(name, objects)| look(volume, layout, name, objects, &sizes)).collect();
    let found = futures::stream::iter(reads).buffered(MANIFESTS_AT_ONCE).try_collect::<Vec<_>>().await?;
    let mut found: Vec<Candidate> = found.into_iter().flatten().collect();
    void_what_later_manifests_list(&mut found);
    found.retain(|candidate| name.is_none_or(|name| candidate.name == name));
    Ok(found)
}

/// The newest snapshot that can be restored: the greatest (epoch, revision); with `name` only that snapshot is
/// considered, and it is an error when it cannot be restored.
pub async fn newest(volume: &Volume, layout: &Layout, name: Option<&str>) -> Result<Found, SnapshotError> {
    choose(candidates(volume, layout, name).await?, name, &layout.image_root())
}

/// The snapshot of this name with this cut, and no other of the name: timelines may share one.
pub async fn at_cut(volume: &Volume, layout: &Layout, name: &str, cut: Revision) -> Result<Found, SnapshotError> {
    let mut wanted = candidates(volume, layout, Some(name)).await?;
    wanted.retain(|candidate| candidate.cut == Some(cut));
    choose(wanted, Some(name), &layout.image_root())
}

/// What can be restored from each of these roots, or might be by a newer version: what a rebase must know of them.
pub async fn present(
    roots: &BTreeMap<VolumeId, Volume>,
    layout: &Layout,
) -> Result<BTreeMap<VolumeId, Vec<PresentManifest>>, SnapshotError> {
    let mut present = BTreeMap::new();
    for (id, volume) in roots {
        let (newer, known): (Vec<Candidate>, Vec<Candidate>) =
            candidates(volume, layout, None).await?.into_iter().partition(Candidate::is_newer);
        let complete = known.into_iter().filter(Candidate::is_complete);
        let mut all: Vec<PresentManifest> = complete.filter_map(present_manifest).collect();
        for candidate in newer {
            all.extend(newer_manifest(volume, layout, candidate).await?);
        }
        present.insert(*id, all);
    }
    Ok(present)
}

fn present_manifest(candidate: Candidate) -> Option<PresentManifest> {
    let manifest = candidate.manifest?;
    Some(PresentManifest {
        name: manifest.name,
        cut: manifest.revision,
        incarnation: manifest.incarnation,
        starmgr_id: manifest.starmgr_id,
        sha256: manifest.sha256,
        bytes: candidate.bytes,
        created_at: manifest.created.millis,
        finished_at: manifest.finished.unwrap_or(manifest.cut_at).millis,
        comment: manifest.comment,
        revived_at: manifest.revived_at,
    })
}

/// What a name and a few words say of a manifest of a newer format. Its timeline is taken for another, and so whatever it may
/// need is kept: missing knowledge deletes nothing.
async fn newer_manifest(
    volume: &Volume,
    layout: &Layout,
    candidate: Candidate,
) -> Result<Option<PresentManifest>, SnapshotError> {
    let Some(cut) = candidate.cut else { return Ok(None) };
    let path = layout.manifest(&candidate.name, cut);
    let Some(bytes) = store::read(volume, "read manifest", &path).await? else { return Ok(None) };
    let words: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let sha256 = words.get("sha256").and_then(serde_json::Value::as_str).map(str::to_owned);
    Ok(Some(PresentManifest {
        name: candidate.name,
        cut,
        incarnation: Incarnation(String::new()),
        starmgr_id: 0,
        sha256: sha256.unwrap_or_else(|| store::sha256_hex(&bytes)),
        bytes: candidate.bytes,
        created_at: candidate.written_at,
        finished_at: candidate.written_at,
        comment: candidate.state.to_string(),
        revived_at: None,
    }))
}

fn choose(wanted: Vec<Candidate>, name: Option<&str>, root: &str) -> Result<Found, SnapshotError> {
    let best = wanted.iter().filter(|c| c.is_complete()).max_by_key(|c| (c.epoch, c.cut));
    let Some((best, manifest)) = best.and_then(|c| Some((c, c.manifest.clone()?))) else {
        return Err(nothing_to_restore(&wanted, name, root));
    };
    let skipped = wanted.iter().filter(|c| may_be_newer(c, best)).map(skipped).collect();
    Ok(Found { manifest, bytes: best.bytes, skipped })
}

fn skipped(candidate: &Candidate) -> Skipped {
    Skipped { name: candidate.name.clone(), cut: candidate.cut, why: candidate.state.to_string() }
}

fn nothing_to_restore(wanted: &[Candidate], name: Option<&str>, root: &str) -> SnapshotError {
    let reasons: Vec<String> = wanted.iter().map(|c| skipped(c).to_string()).collect();
    let broken = wanted.iter().any(|c| matches!(c.state, CandidateState::Broken { .. }));
    let (kind, detail) = match (wanted.is_empty(), broken) {
        (true, _) => (Kind::NotFound, "there is none".to_owned()),
        (false, true) => (Kind::Corrupt, reasons.join("; ")),
        (false, false) => (Kind::Invalid, reasons.join("; ")),
    };
    match name {
        Some(name) => SnapshotError::new(kind, "restore snapshot", format!("{root}/{name}"), detail),
        None => SnapshotError::new(kind, "find a snapshot to restore in", root, detail),
    }
}

/// Whether something that cannot be restored is not surely older than `best`. Epoch and cut decide where a manifest was
/// read; the name's time between two automated snapshots; the store's clock is wrong after a copy and only adds to
/// what is reported.
fn may_be_newer(candidate: &Candidate, best: &Candidate) -> bool {
    let later = candidate.written_at > best.written_at;
    match (&candidate.state, candidate.epoch) {
        (CandidateState::Complete | CandidateState::Voided, _) => false,
        (CandidateState::Broken { .. }, Some(epoch)) => (Some(epoch), candidate.cut) > (best.epoch, best.cut),
        (CandidateState::Broken { .. } | CandidateState::Newer { .. }, _) => candidate.cut > best.cut || later,
        (CandidateState::Partial { .. }, _) => match (automated_time(&candidate.name), automated_time(&best.name)) {
            (Some(theirs), Some(ours)) => theirs > ours,
            _ => true,
        },
    }
}

fn automated_time(name: &str) -> Option<u64> {
    name.strip_prefix(AUTOMATED_PREFIX)?.parse().ok()
}

/// The candidates in one directory.
async fn look(
    volume: &Volume,
    layout: &Layout,
    name: &str,
    objects: &[&ObjectInfo],
    sizes: &BTreeMap<String, u64>,
) -> Result<Vec<Candidate>, SnapshotError> {
    let written_at = UnixMillis(objects.iter().map(|o| o.last_modified_ms).max().unwrap_or(0));
    let mut manifests = BTreeSet::new();
    let mut voids = BTreeSet::new();
    let (mut sections, mut bytes) = (0_u64, 0);
    for object in objects {
        match parse_snapshot_object(&object.path) {
            Some(SnapshotObject::Manifest(cut)) => drop(manifests.insert(cut)),
            Some(SnapshotObject::Void(cut)) => drop(voids.insert(cut)),
            Some(SnapshotObject::Section(_)) => sections += 1,
            None => {}
        }
        bytes += object.size;
    }
    let candidate = |cut: Option<Revision>, state| Candidate {
        name: name.to_owned(),
        cut,
        epoch: None,
        state,
        manifest: None,
        bytes,
        written_at,
    };
    if manifests.is_empty() && voids.is_empty() {
        let why = format!("it has no manifest ({sections} sections are there): its upload has not ended");
        return Ok(vec![candidate(None, CandidateState::Partial { why })]);
    }
    let mut found: Vec<Candidate> = voids.iter().map(|cut| candidate(Some(*cut), CandidateState::Voided)).collect();
    for cut in manifests.difference(&voids) {
        let state = CandidateState::Partial { why: "its manifest vanished while it was looked at".to_owned() };
        found.push(read_manifest(volume, layout, candidate(Some(*cut), state), *cut, sizes).await?);
    }
    found.sort_by_key(|c| c.cut);
    Ok(found)
}

async fn read_manifest(
    volume: &Volume,
    layout: &Layout,
    mut candidate: Candidate,
    cut: Revision,
    sizes: &BTreeMap<String, u64>,
) -> Result<Candidate, SnapshotError> {
    let path = layout.manifest(&candidate.name, cut);
    let Some(bytes) = store::read(volume, "read manifest", &path).await? else { return Ok(candidate) };
    let manifest = match Manifest::parse(&bytes, &path) {
        Ok(manifest) => manifest,
        Err(e) => {
            let why = e.chain();
            let is_newer = e.kind() == Kind::Invalid;
            candidate.state = if is_newer { CandidateState::Newer { why } } else { CandidateState::Broken { why } };
            return Ok(candidate);
        }
    };
    candidate.epoch = Some(manifest.epoch);
    candidate.bytes = manifest.section_bytes() + bytes.len() as u64;
    candidate.state = match misplaced(layout, &manifest, &candidate.name, cut) {
        Some(why) => CandidateState::Broken { why },
        None => match missing_section(volume, layout, &manifest, sizes).await? {
            Some(why) => CandidateState::Broken { why },
            None => CandidateState::Complete,
        },
    };
    candidate.manifest = Some(manifest);
    Ok(candidate)
}

/// Why a manifest does not belong where it was found.
fn misplaced(layout: &Layout, manifest: &Manifest, name: &str, cut: Revision) -> Option<String> {
    if manifest.service_id != layout.0 {
        return Some(format!("its manifest is of service {}", manifest.service_id));
    }
    let own = (manifest.name.as_str(), manifest.revision);
    (own != (name, cut)).then(|| format!("its manifest is that of {} at revision {}", own.0, own.1))
}

/// The first section that is not there with its size; None: all are. `sizes` is a listing of at least the snapshot's own
/// directory; sections elsewhere are asked for one by one.
pub(crate) async fn missing_section(
    volume: &Volume,
    layout: &Layout,
    manifest: &Manifest,
    sizes: &BTreeMap<String, u64>,
) -> Result<Option<String>, SnapshotError> {
    let own = format!("{}/", layout.snapshot_dir(&manifest.name));
    for section in &manifest.sections {
        let path = layout.in_root(&section.path);
        let size = match sizes.get(&path) {
            Some(size) => Some(*size),
            None if path.starts_with(&own) => None,
            None => store::head(volume, "look up section", &path).await?.map(|object| object.size),
        };
        match size {
            Some(size) if size == section.size => {}
            Some(size) => {
                return Ok(Some(format!("section {path} has {size} bytes, {} were written", section.size)));
            }
            None => return Ok(Some(format!("section {path} is missing"))),
        }
    }
    Ok(None)
}

/// A cut is dead when a sound manifest of a greater (epoch, revision) lists it: the marker may be swept by then.
fn void_what_later_manifests_list(found: &mut [Candidate]) {
    let mut dead: BTreeMap<(String, Revision), (Epoch, Revision)> = BTreeMap::new();
    for manifest in found.iter().filter(|c| c.is_complete()).filter_map(|c| c.manifest.as_ref()) {
        let lister = (manifest.epoch, manifest.revision);
        for void in &manifest.voided_cuts {
            let at = dead.entry((void.name.clone(), void.cut)).or_insert(lister);
            *at = (*at).max(lister);
        }
    }
    for candidate in found.iter_mut() {
        let Some(cut) = candidate.cut else { continue };
        let Some(lister) = dead.get(&(candidate.name.clone(), cut)) else { continue };
        if candidate.epoch.is_none_or(|epoch| (epoch, cut) < *lister) {
            candidate.state = CandidateState::Voided;
        }
    }
}
