//! The manifest: the one object that makes a snapshot a snapshot. A person can read it; it carries its own hash; it is
//! written last. What it says is a function of the frozen catalog and the facts of the cut, so that whoever writes the
//! manifest of a cut (a leader, its successor, a leader that woke up late) writes the same bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use storage_catalog::Catalog;
use storage_model::{
    ClusterId, Epoch, Incarnation, JobId, JobState, Revision, ServiceId, SnapshotJob, SnapshotKind, UnixMillis,
    VolumeId, volume::is_secret,
};

use crate::error::SnapshotError;

/// What the object says it is.
pub const MAGIC: &str = "starkeep cluster snapshot manifest";
/// The format written now. Older ones are read for ever.
pub const FORMAT_VERSION: u32 = 1;

/// A time, for machines and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970-01-01 00:00:00 UTC.
    pub millis: UnixMillis,
    /// The same as `yyyy-MM-dd HH:mm:ss`, UTC.
    pub text: String,
}

impl From<UnixMillis> for Stamp {
    fn from(millis: UnixMillis) -> Stamp {
        Stamp { millis, text: millis.to_datetime_text() }
    }
}

/// AUTOMATED or MANUAL, as users see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SnapshotType {
    /// The interval asked for it.
    Automated,
    /// CREATE CLUSTER SNAPSHOT.
    Manual,
}

impl From<SnapshotKind> for SnapshotType {
    fn from(kind: SnapshotKind) -> SnapshotType {
        match kind {
            SnapshotKind::Automated => SnapshotType::Automated,
            // Nobody writes a manifest for a FOREIGN one: it was there before.
            SnapshotKind::Manual | SnapshotKind::Foreign => SnapshotType::Manual,
        }
    }
}

/// A cut of a snapshot: what a manifest or a void marker is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CutName {
    /// The snapshot's name.
    pub name: String,
    /// The revision.
    pub cut: Revision,
}

/// A section of the catalog image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionEntry {
    /// Below the service root, so that a later snapshot can name it too.
    pub path: String,
    /// What is in it (`storage_catalog::image`).
    pub kind: u16,
    /// Bytes.
    pub size: u64,
    /// Of the whole object, hex.
    pub sha256: String,
}

/// A storage volume of the catalog, and what of the snapshot is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRoot {
    /// Its id in the image.
    pub id: VolumeId,
    /// Its name: what restore replaces it by.
    pub volume: String,
    /// `S3`, `LOCAL`.
    #[serde(rename = "type")]
    pub volume_type: String,
    /// As the image has it; the data is in the service root below.
    pub location: String,
    /// Without secrets.
    pub properties: BTreeMap<String, String>,
    /// Data files in it; 0: a restore can do without the volume.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Secrets that are not in the image: a restore must be given them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSecrets {
    /// The volume.
    pub volume: String,
    /// Property names.
    pub properties: Vec<String>,
}

/// How much a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Live databases.
    pub databases: u64,
    /// Live tables.
    pub tables: u64,
    /// Partitions of live tables.
    pub partitions: u64,
    /// Data files that a restore needs, those of the recycle bin too.
    pub files: u64,
    /// Rows in live tables.
    pub rows: u64,
    /// Bytes of `files`.
    pub bytes: u64,
}

/// The manifest of one cut of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MAGIC`].
    pub magic: String,
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// SHA-256 of all the rest in canonical form: keys sorted, no white space; hex.
    pub sha256: String,
    /// Who wrote it.
    pub product_version: String,
    /// StarRocks' clusterId.
    pub cluster_id: ClusterId,
    /// The service root.
    pub service_id: ServiceId,
    /// Orders incarnations.
    pub epoch: Epoch,
    /// Who took the snapshot.
    pub incarnation: Incarnation,
    /// The snapshot's name: its directory.
    pub name: String,
    /// Who asked for it.
    #[serde(rename = "type")]
    pub snapshot_type: SnapshotType,
    /// COMMENT 'text', empty when none.
    #[serde(default)]
    pub comment: String,
    /// When the job began.
    pub created: Stamp,
    /// What moment it shows: the catalog's clock at the cut.
    pub cut_at: Stamp,
    /// When the upload ended, if the writer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Stamp>,
    /// The cut.
    pub revision: Revision,
    /// The Raft term of the cut.
    pub raft_term: u64,
    /// Tablet and worker commands applied up to the cut.
    pub starmgr_id: u64,
    /// The snapshot before this one.
    pub predecessor: Option<CutName>,
    /// Cuts that are dead whatever is found of them.
    #[serde(default)]
    pub voided_cuts: Vec<CutName>,
    /// The catalog image.
    pub sections: Vec<SectionEntry>,
    /// Where the data is.
    pub data_roots: Vec<DataRoot>,
    /// What a restore must be given.
    #[serde(default)]
    pub missing_secrets: Vec<MissingSecrets>,
    /// How much there is.
    pub counts: Counts,
    /// When a file last came back into use whose life had ended: then another timeline may not know that it is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revived_at: Option<Revision>,
}

/// What a manifest says beside the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The writer.
    pub product_version: String,
    /// The snapshot's name.
    pub name: String,
    /// Who asked.
    pub kind: SnapshotKind,
    /// COMMENT 'text'.
    pub comment: String,
    /// When the job began.
    pub created_at: UnixMillis,
    /// When the upload ended. None keeps the manifest the same whoever writes it.
    pub finished_at: Option<UnixMillis>,
    /// The Raft term of the log entry that made the cut.
    pub raft_term: u64,
    /// The snapshot before this one.
    pub predecessor: Option<CutName>,
    /// Dead cuts in the same volume.
    pub voided_cuts: Vec<CutName>,
}

impl Facts {
    /// The facts of a job as the frozen catalog of its cut knows them: the same for every leader.
    pub fn of_job(frozen: &Catalog, job: JobId, product_version: &str, raft_term: u64) -> Option<Facts> {
        let own = frozen.job(job)?;
        let neighbours = || frozen.jobs().filter(|j| j.volume == own.volume);
        let finished = neighbours().filter(|j| j.id != job && j.state == JobState::Finished && !j.is_foreign());
        let predecessor = finished.filter_map(|j| Some(CutName { name: j.name.clone(), cut: j.cut? }));
        let mut voided_cuts: Vec<CutName> = neighbours().flat_map(|j| dead_cuts(j)).collect();
        voided_cuts.sort();
        Some(Facts {
            product_version: product_version.to_owned(),
            name: own.name.clone(),
            kind: own.kind,
            comment: own.comment.clone(),
            created_at: own.created_at,
            finished_at: None,
            raft_term,
            predecessor: predecessor.max_by_key(|p| p.cut),
            voided_cuts,
        })
    }
}

/// The cuts of a job that will never be restored: all when it failed, is deleted or abandoned, all but the chosen one once it has
/// been finished, all but the last while it runs (a Recut takes the place of those before).
pub fn dead_cuts(job: &SnapshotJob) -> Vec<CutName> {
    let alive = match job.state {
        JobState::Initializing | JobState::Snapshoting => job.cuts.last().copied(),
        // Its files may be gone.
        JobState::Expired if job.abandoned => None,
        // EXPIRED is dead only once the marker is there: another timeline may have been restored from it.
        JobState::Finished | JobState::Expired => job.cut,
        JobState::Deleted | JobState::Error => None,
    };
    let dead = job.manifest_cuts().iter().filter(|cut| Some(**cut) != alive);
    dead.map(|cut| CutName { name: job.name.clone(), cut: *cut }).collect()
}

impl Manifest {
    /// The manifest of the cut at which `catalog` was frozen.
    pub fn describe(catalog: &Catalog, facts: &Facts, sections: Vec<SectionEntry>) -> Manifest {
        let identity = catalog.identity();
        let mut manifest = Manifest {
            magic: MAGIC.to_owned(),
            format_version: FORMAT_VERSION,
            sha256: String::new(),
            product_version: facts.product_version.clone(),
            cluster_id: identity.cluster_id,
            service_id: identity.service_id.clone(),
            epoch: identity.epoch,
            incarnation: identity.incarnation.clone(),
            name: facts.name.clone(),
            snapshot_type: facts.kind.into(),
            comment: facts.comment.clone(),
            created: facts.created_at.into(),
            cut_at: catalog.header.clock.into(),
            finished: facts.finished_at.map(Stamp::from),
            revision: catalog.revision(),
            raft_term: facts.raft_term,
            starmgr_id: catalog.header.starmgr_id,
            predecessor: facts.predecessor.clone(),
            voided_cuts: facts.voided_cuts.clone(),
            sections,
            data_roots: data_roots(catalog),
            missing_secrets: missing_secrets(catalog),
            counts: Counts::of(catalog),
            revived_at: catalog.header.revived_at,
        };
        manifest.sha256 = manifest.hash();
        manifest
    }

    /// The hash of all but the hash.
    pub fn hash(&self) -> String {
        // A struct of numbers, texts, lists and maps with text keys always has a JSON form.
        serde_json::to_value(self).map(|value| hash_of(&value)).unwrap_or_default()
    }

    /// The object's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| SnapshotError::internal("write the manifest of", &self.name, e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the object's bytes: known format, its own hash right, every path below the service root. `object` is for
    /// messages.
    pub fn parse(bytes: &[u8], object: &str) -> Result<Manifest, SnapshotError> {
        let corrupt = |what: String| SnapshotError::corrupt("read manifest", object, what);
        let value: Value = serde_json::from_slice(bytes).map_err(|e| corrupt(format!("it is not JSON: {e}")))?;
        if value.get("magic").and_then(Value::as_str) != Some(MAGIC) {
            return Err(corrupt("it is not a manifest of a cluster snapshot".to_owned()));
        }
        let version = value.get("format_version").and_then(Value::as_u64).unwrap_or(0);
        if version > u64::from(FORMAT_VERSION) {
            let what = format!(
                "format version {version} is newer than {FORMAT_VERSION}, the newest this version knows; use a newer starkeep"
            );
            return Err(SnapshotError::invalid("read manifest", object, what));
        }
        let (written, found) = (value.get("sha256").and_then(Value::as_str).unwrap_or(""), hash_of(&value));
        if written != found {
            return Err(corrupt(format!("it says that its sha256 is {written}, but it is {found}")));
        }
        let manifest: Manifest = serde_json::from_value(value).map_err(|e| corrupt(e.to_string()))?;
        match manifest.sections.iter().find(|s| !is_below_root(&s.path)) {
            Some(section) => Err(corrupt(format!("section path {:?} leaves the service root", section.path))),
            None => Ok(manifest),
        }
    }

    /// Bytes of all sections.
    pub fn section_bytes(&self) -> u64 {
        self.sections.iter().map(|s| s.size).sum()
    }

    /// What it is about.
    pub fn cut_name(&self) -> CutName {
        CutName { name: self.name.clone(), cut: self.revision }
    }
}

impl Counts {
    /// Counts a catalog.
    pub fn of(catalog: &Catalog) -> Counts {
        let live = || catalog.tables().flat_map(|t| catalog.partitions_of(t));
        let needed = || catalog.files().filter(|f| f.removed_at().is_none());
        Counts {
            databases: catalog.databases().count() as u64,
            tables: catalog.tables().count() as u64,
            partitions: live().count() as u64,
            files: needed().count() as u64,
            rows: live().map(|p| p.rows()).sum(),
            bytes: needed().map(|f| f.size).sum(),
        }
    }
}

fn data_roots(catalog: &Catalog) -> Vec<DataRoot> {
    let mut held: BTreeMap<VolumeId, (u64, u64)> = BTreeMap::new();
    for file in catalog.files().filter(|f| f.removed_at().is_none()) {
        let (files, bytes) = held.entry(file.volume).or_default();
        *files += 1;
        *bytes += file.size;
    }
    let root = |v: &std::sync::Arc<storage_model::StorageVolume>| {
        let (files, bytes) = held.get(&v.id).copied().unwrap_or_default();
        DataRoot {
            id: v.id,
            volume: v.name.clone(),
            volume_type: v.volume_type.to_string(),
            location: v.location.clone(),
            properties: v.public_properties(),
            files,
            bytes,
        }
    };
    catalog.volumes().map(root).collect()
}

fn missing_secrets(catalog: &Catalog) -> Vec<MissingSecrets> {
    let secrets = |v: &storage_model::StorageVolume| -> Vec<String> {
        v.properties.keys().filter(|k| is_secret(k)).cloned().collect()
    };
    let of = catalog.volumes().map(|v| MissingSecrets { volume: v.name.clone(), properties: secrets(v) });
    of.filter(|m| !m.properties.is_empty()).collect()
}

fn is_below_root(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// The hash of all but the hash.
pub(crate) fn hash_of(manifest: &Value) -> String {
    let mut text = String::new();
    match manifest {
        Value::Object(fields) => write_fields(fields.iter().filter(|(k, _)| *k != "sha256"), &mut text),
        other => write_canonical(other, &mut text),
    }
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Keys sorted, no white space. Not left to serde_json, whose order of keys depends on a feature that any crate of the
/// build can switch on.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => write_fields(fields.iter(), out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn write_fields<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>, out: &mut String) {
    let sorted: BTreeMap<&String, &Value> = fields.collect();
    out.push('{');
    for (at, (key, value)) in sorted.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&Value::from(key.as_str()).to_string());
        out.push(':');
        write_canonical(value, out);
    }
    out.push('}');
}
