//! One image file and the checksum beside it, written and read section by section: what is in memory beside the catalog
//! is one section.
//!
//! ```text
//! image.<revision>    = frame(SKri, length of the next part: u64 LE) · frame(SKrm, ImageMeta) · image of storage-catalog
//! checksum.<revision> = SHA-256 of it, as `sha256sum` prints it: an operator checks it with `sha256sum -c checksum.<revision>`
//! ```

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};
use storage_catalog::Catalog;
use storage_catalog::codec::{self, CodecError, Format};
use storage_catalog::image::{self, ImageError};
use storage_model::Revision;

use crate::durable;
use crate::error::RaftError;
use crate::stored::{IMAGE_META, ImageMeta};
use crate::types::SnapshotMeta;

pub(super) const IMAGE_HEAD: Format = Format { what: "image file", magic: *b"SKri", version: 1 };
/// Magic, version, u64, checksum.
const HEAD_BYTES: u64 = 18;
const BUFFER_BYTES: usize = 1 << 20;
/// What images begin with.
pub(super) const PREFIX: &str = "image.";
/// What their checksums begin with.
pub(super) const CHECKSUM: &str = "checksum.";

/// What can be wrong with an image file.
#[derive(Debug)]
pub(crate) enum Flaw {
    Io(io::Error),
    Newer(String),
    Damaged(String),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Flaw {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Flaw::Damaged("it is cut off".to_owned()),
            _ => Flaw::Io(error),
        }
    }
}

impl From<CodecError> for Flaw {
    fn from(error: CodecError) -> Flaw {
        match error {
            CodecError::Newer { .. } => Flaw::Newer(error.to_string()),
            _ => Flaw::Damaged(error.to_string()),
        }
    }
}

impl From<ImageError> for Flaw {
    fn from(error: ImageError) -> Flaw {
        match error {
            ImageError::Codec(error) => error.into(),
            ImageError::UnknownKind(_) => Flaw::Newer(error.to_string()),
            ImageError::Compression(_) | ImageError::Incomplete(_) | ImageError::Unwanted => {
                Flaw::Damaged(error.to_string())
            }
            ImageError::Io { kind, cause } => io::Error::new(kind, cause).into(),
        }
    }
}

impl Flaw {
    pub(crate) fn into_error(self, path: &Path) -> RaftError {
        let path = path.to_owned();
        match self {
            Flaw::Io(source) => RaftError::Io { what: "read image", path, source },
            Flaw::Newer(cause) => RaftError::Newer { path, cause },
            Flaw::Damaged(cause) => RaftError::Damaged { path, cause },
        }
    }
}

/// An image that was read from end to end.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Of the catalog.
    pub(crate) revision: Revision,
    /// The Raft side.
    pub(crate) meta: SnapshotMeta,
    /// The catalog.
    pub(crate) catalog: Catalog,
    /// Of all bytes, hex.
    pub(crate) sha256: String,
    /// How many of them are the catalog's.
    pub(crate) catalog_bytes: u64,
}

/// Writes an image. `like`: about how long its catalog will be. Returns how long it is, and the SHA-256 of the file.
/// It is given up, with an error, soon after `stopping` is set.
pub(super) fn write(
    path: &Path,
    catalog: &Catalog,
    meta: &SnapshotMeta,
    like: u64,
    stopping: &AtomicBool,
) -> io::Result<(u64, String)> {
    durable::write_with(path, |file| {
        let catalog_bytes = fill(file, catalog, meta, like, stopping)?;
        Ok((catalog_bytes, sha256_of(file, stopping)?))
    })
}

/// The head stands before the catalog and tells its length, which is known when the catalog is written. So the head is
/// written for a guess and replaced; where the guess is off by so much that the head has another length, all is written
/// once more: the same catalog gives the same bytes.
fn fill(file: &mut File, catalog: &Catalog, meta: &SnapshotMeta, like: u64, stopping: &AtomicBool) -> io::Result<u64> {
    let mut expected = like;
    loop {
        let guessed = head(catalog.revision(), meta, expected)?;
        file.rewind()?;
        file.set_len(0)?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, Stoppable { output: &mut *file, stopping });
        out.write_all(&guessed)?;
        let written = image::write(catalog, &mut out).map_err(io_error)?;
        out.flush()?;
        drop(out);
        let right = head(catalog.revision(), meta, written)?;
        if right.len() == guessed.len() {
            file.rewind()?;
            file.write_all(&right)?;
            return Ok(written);
        }
        expected = written;
    }
}

fn io_error(error: ImageError) -> io::Error {
    match error {
        ImageError::Io { kind, cause } => io::Error::new(kind, cause),
        other => io::Error::other(other),
    }
}

fn head(revision: Revision, meta: &SnapshotMeta, catalog_bytes: u64) -> io::Result<Vec<u8>> {
    let head = ImageMeta::new(revision, meta, catalog_bytes);
    let head = codec::encode(IMAGE_META, &head).map_err(io::Error::other)?;
    let mut bytes = codec::frame(IMAGE_HEAD, &(head.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&head);
    Ok(bytes)
}

/// Keeps the bytes of an image that was received. Returns when they are durable.
pub(super) fn keep(path: &Path, received: &mut File) -> io::Result<()> {
    durable::write_with(path, |file| {
        received.rewind()?;
        io::copy(received, file).map(drop)
    })
}

fn sha256_of(file: &mut File, stopping: &AtomicBool) -> io::Result<String> {
    file.rewind()?;
    let mut hashing = Hashing::new(&mut *file);
    io::copy(&mut hashing, &mut Stoppable { output: io::sink(), stopping })?;
    Ok(hashing.hex())
}

/// Reads the head alone. Returns the length of the catalog too.
pub(super) fn read_head(path: &Path) -> Result<ImageMeta, Flaw> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    take_head(&mut file, length).map(|(head, _)| head)
}

/// The head, and how much of the file is behind it.
fn take_head(input: &mut impl Read, length: u64) -> Result<(ImageMeta, u64), Flaw> {
    let short = || Flaw::Damaged(format!("{length} bytes are too few"));
    let left = length.checked_sub(HEAD_BYTES).ok_or_else(short)?;
    let start = take(input, HEAD_BYTES)?;
    let (_version, payload) = codec::unframe(IMAGE_HEAD, &start)?;
    let bytes: [u8; 8] = payload.try_into().map_err(|_| Flaw::Damaged("its head has the wrong length".to_owned()))?;
    let bytes = u64::from_le_bytes(bytes);
    let left = left.checked_sub(bytes).ok_or_else(short)?;
    Ok((codec::decode(IMAGE_META, &take(input, bytes)?)?, left))
}

fn take(input: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reads an image of so many bytes. Every section is checked before it is decoded.
pub(crate) fn read(input: impl Read, length: u64) -> Result<Loaded, Flaw> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, Hashing::new(input));
    let (head, left) = take_head(&mut input, length)?;
    if left != head.catalog_bytes {
        return Err(Flaw::Damaged(format!("{left} bytes of catalog where {} were written", head.catalog_bytes)));
    }
    let catalog = image::read(&mut input, left)?;
    if catalog.revision() != head.revision {
        let cause = format!("its head says revision {}, its catalog {}", head.revision, catalog.revision());
        return Err(Flaw::Damaged(cause));
    }
    // Every byte was asked for, so every byte has passed the hash.
    let sha256 = input.into_inner().hex();
    Ok(Loaded { revision: head.revision, meta: head.snapshot(), catalog, sha256, catalog_bytes: left })
}

/// Reads an image file, and compares it with the checksum beside it when there is one.
pub(crate) fn load(path: &Path) -> Result<(Loaded, Checksum), Flaw> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let read = read(file, length)?;
    let checksum = Checksum::of(path)?;
    if let Checksum::Stored(stored) = &checksum
        && *stored != read.sha256
    {
        return Err(Flaw::Damaged(format!(
            "its SHA-256 is {}, but {} says {stored:?}",
            read.sha256,
            checksum_path(path).display()
        )));
    }
    Ok((read, checksum))
}

/// What stands beside an image.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// Nothing: the process died between the two files, or an older version wrote the image. It has checksums inside too.
    Missing,
    /// What the file says.
    Stored(String),
}

impl Checksum {
    fn of(image: &Path) -> io::Result<Checksum> {
        match fs::read(checksum_path(image)) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                Ok(Checksum::Stored(text.split_whitespace().next().unwrap_or_default().to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Checksum::Missing),
            Err(error) => Err(error),
        }
    }
}

/// Where the checksum of an image is.
pub(crate) fn checksum_path(image: &Path) -> PathBuf {
    let name = image.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    image.with_file_name(format!("{CHECKSUM}{}", name.strip_prefix(PREFIX).unwrap_or(name)))
}

/// Writes the checksum of an image.
pub(super) fn write_checksum(image: &Path, sha256: &str) -> io::Result<()> {
    let name = image.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    durable::write(&checksum_path(image), &[format!("{sha256}  {name}\n").as_bytes()])
}

/// Removes the checksum of an image, if it has one: for good, before the image is replaced.
pub(super) fn remove_checksum(image: &Path) -> io::Result<()> {
    match fs::remove_file(checksum_path(image)) {
        Ok(()) => durable::sync_parent(image),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A writer that refuses to go on when it is told to stop.
struct Stoppable<'a, W> {
    output: W,
    stopping: &'a AtomicBool,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(io::Error::other("it is not wanted any more"));
        }
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// A reader that hashes what passes.
struct Hashing<R> {
    input: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    fn new(input: R) -> Hashing<R> {
        Hashing { input, hash: Sha256::new() }
    }

    fn hex(self) -> String {
        hex::encode(self.hash.finalize())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
