//! The catalog as bytes: a list of sections, each framed, compressed and checksummed, each about 8 MiB before
//! compression. A snapshot uploads the sections; a local image is one file that holds them all.
//!
//! ```text
//! section = frame(SKse v1, bincode(SectionHead{kind, entries, raw_bytes}) · zstd(bincode(entry) …))
//! image   = frame(SKim v1, (u64 LE length · section) …)
//! ```

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::catalog::{Catalog, Header, Heard, UsedLabel};
use crate::codec::{self, CodecError, IMAGE, SECTION};

/// Raw bytes after which a section is closed.
const SECTION_BYTES: usize = 8 << 20;
/// A section never decompresses to more than this: a single entry is far smaller.
const MAX_RAW_BYTES: usize = 1 << 30;

/// Why an image cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// A frame or an entry is not what was written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Compression failed.
    #[error("image section: {0}")]
    Compression(String),
    /// A section of a kind that this version does not know.
    #[error("image section of kind {0} is unknown; use a newer starkeep")]
    UnknownKind(u16),
    /// The image is not whole.
    #[error("image is incomplete: {0}")]
    Incomplete(String),
}

/// Whether storage volumes keep their secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// In the node's own meta directory.
    Keep,
    /// In an object store.
    Omit,
}

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What is in it.
    pub kind: u16,
    /// Of `bytes`, hex.
    pub sha256: String,
    /// Framed and compressed.
    pub bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct SectionHead {
    kind: u16,
    entries: u64,
    raw_bytes: u64,
}

// Section kinds: append only.
const HEADER: u16 = 1;
const DATABASES: u16 = 2;
const TABLES: u16 = 3;
const PARTITIONS: u16 = 4;
const FILES: u16 = 5;
const VOLUMES: u16 = 6;
const FRONTENDS: u16 = 7;
const COMPUTE_NODES: u16 = 8;
const JOBS: u16 = 9;
const TRASH: u16 = 10;
const LABELS: u16 = 11;
const CONFIG: u16 = 12;
const PROPOSERS: u16 = 13;

/// The name of a section kind, for manifests.
pub fn kind_name(kind: u16) -> &'static str {
    match kind {
        HEADER => "header",
        DATABASES => "databases",
        TABLES => "tables",
        PARTITIONS => "partitions",
        FILES => "files",
        VOLUMES => "volumes",
        FRONTENDS => "frontends",
        COMPUTE_NODES => "compute_nodes",
        JOBS => "snapshot_jobs",
        TRASH => "recycle_bin",
        LABELS => "labels",
        CONFIG => "config",
        PROPOSERS => "proposers",
        _ => "unknown",
    }
}

/// The counts of a whole image: written into the header section, checked by decode, so that a lost section is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    header: Header,
    counts: Vec<(u16, u64)>,
}

/// Encodes a catalog. The work grows with the catalog: not on a thread that must not wait.
pub fn encode(catalog: &Catalog, secrets: Secrets) -> Result<Vec<Section>, ImageError> {
    let volumes = catalog.volumes.values().map(|v| {
        let mut volume = v.as_ref().clone();
        if secrets == Secrets::Omit {
            volume.properties = volume.public_properties();
        }
        volume
    });
    let counts = vec![
        (DATABASES, catalog.databases.len() as u64),
        (TABLES, catalog.tables.len() as u64),
        (PARTITIONS, catalog.partitions.len() as u64),
        (FILES, catalog.files.len() as u64),
        (VOLUMES, catalog.volumes.len() as u64),
        (FRONTENDS, catalog.frontends.len() as u64),
        (COMPUTE_NODES, catalog.compute_nodes.len() as u64),
        (JOBS, catalog.jobs.len() as u64),
        (TRASH, catalog.trash.len() as u64),
        (LABELS, catalog.labels.len() as u64),
        (CONFIG, catalog.config.len() as u64),
        (PROPOSERS, catalog.proposers.len() as u64),
    ];
    let contents = Contents { header: catalog.header.clone(), counts };
    let mut sections = Vec::new();
    pack(&mut sections, HEADER, std::iter::once(contents))?;
    pack(&mut sections, DATABASES, catalog.databases.values().map(Arc::as_ref))?;
    pack(&mut sections, TABLES, catalog.tables.values().map(Arc::as_ref))?;
    pack(&mut sections, PARTITIONS, catalog.partitions.values().map(Arc::as_ref))?;
    pack(&mut sections, FILES, catalog.files.values().map(Arc::as_ref))?;
    pack(&mut sections, VOLUMES, volumes)?;
    pack(&mut sections, FRONTENDS, catalog.frontends.values().map(Arc::as_ref))?;
    pack(&mut sections, COMPUTE_NODES, catalog.compute_nodes.values().map(Arc::as_ref))?;
    pack(&mut sections, JOBS, catalog.jobs.values().map(Arc::as_ref))?;
    pack(&mut sections, TRASH, catalog.trash.values().map(|t| PersistedTrash::from(t.as_ref())))?;
    pack(&mut sections, LABELS, catalog.labels.iter())?;
    pack(&mut sections, CONFIG, catalog.config.iter())?;
    pack(&mut sections, PROPOSERS, catalog.proposers.iter().map(|(proposer, heard)| (proposer, heard.as_ref())))?;
    Ok(sections)
}

/// Trash without the shared pointers of memory.
#[derive(Serialize, Deserialize)]
struct PersistedTrash {
    id: u64,
    dropped_at: storage_model::UnixMillis,
    dropped_uptime: storage_model::Uptime,
    database: Option<crate::catalog::Database>,
    tables: Vec<storage_model::Table>,
    partitions: Vec<storage_model::PartitionId>,
}

impl From<&crate::catalog::Trash> for PersistedTrash {
    fn from(trash: &crate::catalog::Trash) -> PersistedTrash {
        PersistedTrash {
            id: trash.id,
            dropped_at: trash.dropped_at,
            dropped_uptime: trash.dropped_uptime,
            database: trash.database.clone(),
            tables: trash.tables.iter().map(|t| t.as_ref().clone()).collect(),
            partitions: trash.partitions.clone(),
        }
    }
}

impl From<PersistedTrash> for crate::catalog::Trash {
    fn from(trash: PersistedTrash) -> crate::catalog::Trash {
        crate::catalog::Trash {
            id: trash.id,
            dropped_at: trash.dropped_at,
            dropped_uptime: trash.dropped_uptime,
            database: trash.database,
            tables: trash.tables.into_iter().map(Arc::new).collect(),
            partitions: trash.partitions,
        }
    }
}

fn pack<T: Serialize>(
    sections: &mut Vec<Section>,
    kind: u16,
    entries: impl Iterator<Item = T>,
) -> Result<(), ImageError> {
    let mut raw = Vec::new();
    let mut count = 0;
    for entry in entries {
        raw.extend_from_slice(&codec::to_bytes(SECTION.what, &entry)?);
        count += 1;
        if raw.len() >= SECTION_BYTES {
            sections.push(seal(kind, count, &raw)?);
            raw.clear();
            count = 0;
        }
    }
    if count > 0 {
        sections.push(seal(kind, count, &raw)?);
    }
    Ok(())
}

fn seal(kind: u16, entries: u64, raw: &[u8]) -> Result<Section, ImageError> {
    let head = SectionHead { kind, entries, raw_bytes: raw.len() as u64 };
    let mut payload = codec::to_bytes(SECTION.what, &head)?;
    let compressed = zstd::bulk::compress(raw, 3).map_err(|e| ImageError::Compression(e.to_string()))?;
    payload.extend_from_slice(&compressed);
    let bytes = codec::frame(SECTION, &payload);
    Ok(Section { kind, sha256: hex::encode(Sha256::digest(&bytes)), bytes })
}

fn open(bytes: &[u8]) -> Result<(SectionHead, Vec<u8>), ImageError> {
    let (_version, payload) = codec::unframe(SECTION, bytes)?;
    let bad = |cause: String| CodecError::Payload { what: SECTION.what, cause };
    let (head, used): (SectionHead, usize) =
        bincode::serde::decode_from_slice(payload, codec::BOUNDED).map_err(|e| bad(e.to_string()))?;
    let raw_bytes = usize::try_from(head.raw_bytes).unwrap_or(usize::MAX);
    if raw_bytes > MAX_RAW_BYTES {
        return Err(bad(format!("{raw_bytes} bytes is more than a section holds")).into());
    }
    let raw =
        zstd::bulk::decompress(&payload[used..], raw_bytes).map_err(|e| ImageError::Compression(e.to_string()))?;
    if raw.len() != raw_bytes {
        return Err(bad(format!("{} bytes where {raw_bytes} were written", raw.len())).into());
    }
    Ok((head, raw))
}

fn unpack<T: DeserializeOwned>(head: &SectionHead, raw: &[u8], mut take: impl FnMut(T)) -> Result<(), ImageError> {
    let mut at = 0;
    let bad = |cause: String| ImageError::Codec(CodecError::Payload { what: SECTION.what, cause });
    for _ in 0..head.entries {
        let (entry, used) =
            bincode::serde::decode_from_slice(&raw[at..], codec::BOUNDED).map_err(|e| bad(e.to_string()))?;
        at += used;
        take(entry);
    }
    if at == raw.len() { Ok(()) } else { Err(bad(format!("{} bytes are left over", raw.len() - at))) }
}

/// Decodes a catalog from all its sections, in any order.
pub fn decode<B: AsRef<[u8]>>(sections: &[B]) -> Result<Catalog, ImageError> {
    let mut catalog: Option<Contents> = None;
    let mut rest = Vec::new();
    for bytes in sections {
        let (head, raw) = open(bytes.as_ref())?;
        if head.kind == HEADER {
            unpack(&head, &raw, |contents| catalog = Some(contents))?;
        } else {
            rest.push((head, raw));
        }
    }
    let contents = catalog.ok_or_else(|| ImageError::Incomplete("it has no header section".to_owned()))?;
    let mut catalog = Catalog::with_header(contents.header);
    for (head, raw) in rest {
        fill(&mut catalog, &head, &raw)?;
    }
    for (kind, expected) in contents.counts {
        let found = count(&catalog, kind)?;
        if found != expected {
            let name = kind_name(kind);
            return Err(ImageError::Incomplete(format!("{found} {name} where {expected} were written")));
        }
    }
    catalog.reindex();
    Ok(catalog)
}

fn count(catalog: &Catalog, kind: u16) -> Result<u64, ImageError> {
    Ok(match kind {
        DATABASES => catalog.databases.len(),
        TABLES => catalog.tables.len(),
        PARTITIONS => catalog.partitions.len(),
        FILES => catalog.files.len(),
        VOLUMES => catalog.volumes.len(),
        FRONTENDS => catalog.frontends.len(),
        COMPUTE_NODES => catalog.compute_nodes.len(),
        JOBS => catalog.jobs.len(),
        TRASH => catalog.trash.len(),
        LABELS => catalog.labels.len(),
        CONFIG => catalog.config.len(),
        PROPOSERS => catalog.proposers.len(),
        unknown => return Err(ImageError::UnknownKind(unknown)),
    } as u64)
}

fn fill(c: &mut Catalog, head: &SectionHead, raw: &[u8]) -> Result<(), ImageError> {
    match head.kind {
        DATABASES => unpack(head, raw, |v: crate::catalog::Database| drop(c.databases.insert(v.id, Arc::new(v)))),
        TABLES => unpack(head, raw, |v: storage_model::Table| drop(c.tables.insert(v.id, Arc::new(v)))),
        PARTITIONS => unpack(head, raw, |v: storage_model::Partition| drop(c.partitions.insert(v.id, Arc::new(v)))),
        FILES => unpack(head, raw, |v: storage_model::FileEntry| drop(c.files.insert(v.id, Arc::new(v)))),
        VOLUMES => unpack(head, raw, |v: storage_model::StorageVolume| drop(c.volumes.insert(v.id, Arc::new(v)))),
        FRONTENDS => unpack(head, raw, |v: storage_model::Frontend| drop(c.frontends.insert(v.id, Arc::new(v)))),
        COMPUTE_NODES => {
            unpack(head, raw, |v: storage_model::ComputeNode| drop(c.compute_nodes.insert(v.id, Arc::new(v))))
        }
        JOBS => unpack(head, raw, |v: storage_model::SnapshotJob| drop(c.jobs.insert(v.id, Arc::new(v)))),
        TRASH => unpack(head, raw, |v: PersistedTrash| drop(c.trash.insert(v.id, Arc::new(v.into())))),
        LABELS => unpack(head, raw, |(key, used): ((storage_model::DatabaseId, String), UsedLabel)| {
            c.labels.insert(key, used);
        }),
        CONFIG => unpack(head, raw, |(key, value): (String, String)| drop(c.config.insert(key, value))),
        PROPOSERS => unpack(head, raw, |(proposer, heard): (u128, Heard)| {
            c.proposers.insert(proposer, Arc::new(heard));
        }),
        unknown => Err(ImageError::UnknownKind(unknown)),
    }
}

/// A local image: every section, secrets too, in one frame.
pub fn to_bytes(catalog: &Catalog) -> Result<Vec<u8>, ImageError> {
    let mut payload = Vec::new();
    for section in encode(catalog, Secrets::Keep)? {
        payload.extend_from_slice(&(section.bytes.len() as u64).to_le_bytes());
        payload.extend_from_slice(&section.bytes);
    }
    Ok(codec::frame(IMAGE, &payload))
}

/// The reverse of [`to_bytes`].
pub fn from_bytes(bytes: &[u8]) -> Result<Catalog, ImageError> {
    let (_version, mut rest) = codec::unframe(IMAGE, bytes)?;
    let mut sections = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<8>() {
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (section, behind) = behind
            .split_at_checked(length)
            .ok_or_else(|| ImageError::Incomplete(format!("a section of {length} bytes is cut off")))?;
        sections.push(section);
        rest = behind;
    }
    if rest.is_empty() { decode(&sections) } else { Err(ImageError::Incomplete("bytes are left over".to_owned())) }
}
