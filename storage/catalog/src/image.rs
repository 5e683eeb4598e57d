//! The catalog as bytes: a list of sections, each framed, compressed and checksummed, each about 8 MiB before
//! compression. A snapshot uploads the sections; a local image is one file that holds them all.
//!
//! ```text
//! section = frame(SKse v1, bincode(SectionHead{kind, entries, raw_bytes}) · zstd(bincode(entry) …))
//! image   = frame(SKim v1, (u64 LE length · section) …)
//! ```

mod file;
mod sections;

use std::io;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::catalog::{Catalog, Header, Heard, UsedLabel};
use crate::codec::{self, CodecError, SECTION};

pub use file::{from_bytes, read, to_bytes, write};
pub use sections::each;

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
    /// Whoever takes the sections takes no more.
    #[error("image: nobody takes its sections any more")]
    Unwanted,
    /// A section of a kind that this version does not know.
    #[error("image section of kind {0} is unknown; use a newer starkeep")]
    UnknownKind(u16),
    /// The image is not whole.
    #[error("image is incomplete: {0}")]
    Incomplete(String),
    /// The file could not be read or written.
    #[error("image: {cause}")]
    Io {
        /// What the file system said.
        kind: io::ErrorKind,
        /// In words.
        cause: String,
    },
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
const VIEWS: u16 = 14;
const USERS: u16 = 15;
const ROLES: u16 = 16;
const ALTERS: u16 = 17;
const STATISTICS: u16 = 18;

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
        VIEWS => "views",
        USERS => "users",
        ROLES => "roles",
        ALTERS => "alter_jobs",
        STATISTICS => "statistics",
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
    let mut sections = Vec::new();
    each(catalog, secrets, |section| {
        sections.push(section);
        Ok(())
    })?;
    Ok(sections)
}

/// What takes the sections one after the other: kind, and framed bytes.
type Sink<'a> = &'a mut dyn FnMut(u16, Vec<u8>) -> Result<(), ImageError>;

/// Encodes a catalog; one section is in memory at a time.
fn each_section(catalog: &Catalog, secrets: Secrets, sink: Sink<'_>) -> Result<(), ImageError> {
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
        (VIEWS, catalog.views.len() as u64),
        (USERS, catalog.users.len() as u64),
        (ROLES, catalog.roles.len() as u64),
        (ALTERS, catalog.alters.len() as u64),
        (STATISTICS, catalog.statistics.len() as u64),
    ];
    let contents = Contents { header: catalog.header.clone(), counts };
    pack(sink, HEADER, std::iter::once(contents))?;
    pack(sink, DATABASES, catalog.databases.values().map(Arc::as_ref))?;
    pack(sink, TABLES, catalog.tables.values().map(Arc::as_ref))?;
    pack(sink, PARTITIONS, catalog.partitions.values().map(Arc::as_ref))?;
    pack(sink, FILES, catalog.files.values().map(Arc::as_ref))?;
    pack(sink, VOLUMES, volumes)?;
    pack(sink, FRONTENDS, catalog.frontends.values().map(Arc::as_ref))?;
    pack(sink, COMPUTE_NODES, catalog.compute_nodes.values().map(Arc::as_ref))?;
    pack(sink, JOBS, catalog.jobs.values().map(Arc::as_ref))?;
    pack(sink, TRASH, catalog.trash.values().map(|t| PersistedTrash::from(t.as_ref())))?;
    pack(sink, LABELS, catalog.labels.iter())?;
    pack(sink, CONFIG, catalog.config.iter())?;
    pack(
        sink,
        PROPOSERS,
        catalog.proposers.iter().map(|(proposer, heard)| (proposer, PersistedHeard::from(heard.as_ref()))),
    )?;
    pack(sink, VIEWS, catalog.views.values().map(Arc::as_ref))?;
    pack(sink, USERS, catalog.users.values().map(Arc::as_ref))?;
    pack(sink, ROLES, catalog.roles.values().map(Arc::as_ref))?;
    pack(sink, ALTERS, catalog.alters.values().map(Arc::as_ref))?;
    pack(sink, STATISTICS, catalog.statistics.iter().map(|(table, known)| (table, known.as_ref())))
}

/// What is remembered of a proposer, its answers as a list: imbl's own decoder believes whatever length a damaged byte claims.
#[derive(Serialize, Deserialize)]
struct PersistedHeard {
    heard: u64,
    at: storage_model::Uptime,
    replies: Vec<(u64, crate::command::Reply)>,
}

impl From<&Heard> for PersistedHeard {
    fn from(known: &Heard) -> PersistedHeard {
        let replies = known.replies.iter().map(|(sequence, reply)| (*sequence, reply.clone())).collect();
        PersistedHeard { heard: known.heard, at: known.at, replies }
    }
}

impl From<PersistedHeard> for Heard {
    fn from(known: PersistedHeard) -> Heard {
        Heard { heard: known.heard, at: known.at, replies: known.replies.into_iter().collect() }
    }
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
    views: Vec<storage_model::View>,
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
            views: trash.views.iter().map(|v| v.as_ref().clone()).collect(),
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
            views: trash.views.into_iter().map(Arc::new).collect(),
        }
    }
}

fn pack<T: Serialize>(sink: Sink<'_>, kind: u16, entries: impl Iterator<Item = T>) -> Result<(), ImageError> {
    let mut raw = Vec::new();
    let mut count = 0;
    for entry in entries {
        codec::append(SECTION.what, &mut raw, &entry)?;
        count += 1;
        if raw.len() >= SECTION_BYTES {
            sink(kind, seal(kind, count, &raw)?)?;
            raw.clear();
            count = 0;
        }
    }
    if count > 0 {
        sink(kind, seal(kind, count, &raw)?)?;
    }
    Ok(())
}

fn seal(kind: u16, entries: u64, raw: &[u8]) -> Result<Vec<u8>, ImageError> {
    let head = SectionHead { kind, entries, raw_bytes: raw.len() as u64 };
    let mut payload = codec::to_bytes(SECTION.what, &head)?;
    let compressed = zstd::bulk::compress(raw, 3).map_err(|e| ImageError::Compression(e.to_string()))?;
    payload.extend_from_slice(&compressed);
    Ok(codec::frame(SECTION, &payload))
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
    let mut assembly = Assembly::default();
    for section in sections {
        assembly.add(section.as_ref())?;
    }
    assembly.finish()
}

/// A catalog that is being put together, section by section.
#[derive(Default)]
struct Assembly {
    /// Known when the header section is.
    catalog: Option<(Catalog, Vec<(u16, u64)>)>,
    /// What came before the header section. None of ours do.
    early: Vec<(SectionHead, Vec<u8>)>,
}

impl Assembly {
    /// Checks a section and takes what is in it.
    fn add(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        let (head, raw) = open(bytes)?;
        match &mut self.catalog {
            Some(_) if head.kind == HEADER => Err(ImageError::Incomplete("it has a second header section".to_owned())),
            Some((catalog, _)) => fill(catalog, &head, &raw),
            None if head.kind == HEADER => unpack(&head, &raw, |contents: Contents| {
                self.catalog = Some((Catalog::with_header(contents.header), contents.counts));
            }),
            None => {
                self.early.push((head, raw));
                Ok(())
            }
        }
    }

    /// Checks that nothing is missing.
    fn finish(self) -> Result<Catalog, ImageError> {
        let no_header = || ImageError::Incomplete("it has no header section".to_owned());
        let (mut catalog, counts) = self.catalog.ok_or_else(no_header)?;
        for (head, raw) in self.early {
            fill(&mut catalog, &head, &raw)?;
        }
        for (kind, expected) in counts {
            let found = count(&catalog, kind)?;
            if found != expected {
                let name = kind_name(kind);
                return Err(ImageError::Incomplete(format!("{found} {name} where {expected} were written")));
            }
        }
        if catalog.users.is_empty() && catalog.roles.is_empty() {
            catalog.add_first_users();
        }
        catalog.reindex();
        Ok(catalog)
    }
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
        VIEWS => catalog.views.len(),
        USERS => catalog.users.len(),
        ROLES => catalog.roles.len(),
        ALTERS => catalog.alters.len(),
        STATISTICS => catalog.statistics.len(),
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
        PROPOSERS => unpack(head, raw, |(proposer, heard): (u128, PersistedHeard)| {
            c.proposers.insert(proposer, Arc::new(heard.into()));
        }),
        VIEWS => unpack(head, raw, |v: storage_model::View| drop(c.views.insert(v.id, Arc::new(v)))),
        USERS => unpack(head, raw, |v: storage_model::User| drop(c.users.insert(v.id, Arc::new(v)))),
        ROLES => unpack(head, raw, |v: storage_model::Role| drop(c.roles.insert(v.id, Arc::new(v)))),
        ALTERS => unpack(head, raw, |v: storage_model::AlterJob| drop(c.alters.insert(v.id, Arc::new(v)))),
        STATISTICS => unpack(head, raw, |(table, known): (storage_model::TableId, storage_model::TableStatistics)| {
            c.statistics.insert(table, Arc::new(known));
        }),
        unknown => Err(ImageError::UnknownKind(unknown)),
    }
}
