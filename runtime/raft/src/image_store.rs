//! The image files of a meta directory: written whole and durable, read back checked, the last two kept.
//!
//! ```text
//! image.<revision> = frame(SKri, length of the next part: u64 LE) · frame(SKrm, ImageMeta) · image of storage-catalog
//! ```
//!
//! The log is kept back to the older of the two, so that a damaged newest image costs a longer replay and nothing else.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use storage_catalog::Catalog;
use storage_catalog::codec::{self, CodecError, Format};
use storage_catalog::image::{self, ImageError};
use storage_model::Revision;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::durable;
use crate::error::RaftError;
use crate::stored::{IMAGE_META, ImageMeta};
use crate::types::{LogId, SnapshotMeta};

const IMAGE_HEAD: Format = Format { what: "image file", magic: *b"SKri", version: 1 };
/// Magic, version, u64, checksum.
const HEAD_BYTES: usize = 18;
/// How many images stay.
const KEPT: usize = 2;
const PREFIX: &str = "image.";
const DAMAGED: &str = "damaged";

/// An image on disk.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) path: PathBuf,
    pub(crate) revision: Revision,
    pub(crate) meta: SnapshotMeta,
}

impl Image {
    fn index(&self) -> Option<u64> {
        self.meta.last_log_id.map(|id| id.index)
    }
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    images: Vec<Image>,
    failure: Option<String>,
}

/// The images of one meta directory.
pub(crate) struct ImageStore {
    dir: PathBuf,
    state: Mutex<State>,
    writing: Mutex<()>,
    attempts: watch::Sender<u64>,
}

/// What can be wrong with an image file.
enum Flaw {
    Io(io::Error),
    Newer(String),
    Damaged(String),
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
            ImageError::Compression(_) | ImageError::Incomplete(_) => Flaw::Damaged(error.to_string()),
        }
    }
}

impl Flaw {
    fn into_error(self, path: &Path) -> RaftError {
        let path = path.to_owned();
        match self {
            Flaw::Io(source) => RaftError::Io { what: "read image", path, source },
            Flaw::Newer(cause) => RaftError::Newer { path, cause },
            Flaw::Damaged(cause) => RaftError::Damaged { path, cause },
        }
    }
}

impl ImageStore {
    /// A store that knows of no image yet.
    pub(crate) fn new(dir: &Path) -> ImageStore {
        let (attempts, _) = watch::channel(0);
        ImageStore { dir: dir.to_owned(), state: Mutex::default(), writing: Mutex::default(), attempts }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the images and reads the newest that is whole. `purged`: the log begins after this index, so an image that
    /// ends before it is of no use. Unfinished files are removed, damaged ones set aside.
    pub(crate) fn open(dir: &Path, purged: Option<u64>) -> Result<(ImageStore, Image, Catalog), RaftError> {
        let mut names = list(dir)?;
        let mut damaged: Vec<(PathBuf, RaftError)> = Vec::new();
        while let Some((_, path)) = names.pop() {
            let (image, catalog) = match load(&path) {
                Ok(found) => found,
                Err(flaw @ (Flaw::Io(_) | Flaw::Newer(_))) => return Err(flaw.into_error(&path)),
                Err(flaw) => {
                    let flaw = flaw.into_error(&path);
                    error!(path = %path.display(), error = %flaw, "an image is damaged; trying the one before it");
                    damaged.push((path, flaw));
                    continue;
                }
            };
            if image.index() < purged {
                let own = || RaftError::Damaged {
                    path: path.clone(),
                    cause: format!("it ends at log index {:?}, but the log begins after {purged:?}", image.index()),
                };
                return Err(damaged.into_iter().next().map_or_else(own, |(_, flaw)| flaw));
            }
            set_aside(&damaged)?;
            let store = ImageStore::new(dir);
            store.adopt(&image, &names);
            return Ok((store, image, catalog));
        }
        let none = || RaftError::Damaged { path: dir.to_owned(), cause: "there is no image in it".to_owned() };
        Err(damaged.into_iter().next().map_or_else(none, |(_, flaw)| flaw))
    }

    /// Registers what `open` has found: the image it read, and those before it by their heads alone.
    fn adopt(&self, newest: &Image, older: &[(u64, PathBuf)]) {
        let mut state = self.state();
        for (_, path) in older {
            match read_head(path) {
                Ok(image) => state.images.push(image),
                Err(flaw) => {
                    warn!(error = %flaw.into_error(path), "an older image cannot be read; it is left alone");
                }
            }
        }
        state.images.push(newest.clone());
        prune(&mut state.images);
    }

    /// Writes an image and makes it durable; the oldest beyond two is removed. Blocking.
    pub(crate) fn write(&self, catalog: &Catalog, meta: &SnapshotMeta) -> Result<Image, RaftError> {
        let result = self.write_image(catalog, meta);
        self.state().failure = result.as_ref().err().map(ToString::to_string);
        self.attempts.send_modify(|n| *n += 1);
        result
    }

    fn write_image(&self, catalog: &Catalog, meta: &SnapshotMeta) -> Result<Image, RaftError> {
        let bytes = image::to_bytes(catalog).map_err(|e| RaftError::Image(e.to_string()))?;
        let head = ImageMeta::new(catalog.revision(), meta, bytes.len() as u64);
        let head = codec::encode(IMAGE_META, &head).map_err(|e| RaftError::Image(e.to_string()))?;
        let start = codec::frame(IMAGE_HEAD, &(head.len() as u64).to_le_bytes());

        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.dir.join(format!("{PREFIX}{}", catalog.revision()));
        durable::write(&path, &[&start, &head, &bytes]).map_err(RaftError::io("write image", &path))?;
        info!(path = %path.display(), revision = %catalog.revision(), bytes = bytes.len(), "image written");

        let image = Image { path, revision: catalog.revision(), meta: meta.clone() };
        let mut state = self.state();
        state.images.retain(|other| other.path != image.path);
        state.images.push(image.clone());
        state.images.sort_by_key(|image| image.meta.last_log_id);
        prune(&mut state.images);
        Ok(image)
    }

    /// The newest image.
    pub(crate) fn latest(&self) -> Option<Image> {
        self.state().images.last().cloned()
    }

    /// Of the newest image.
    pub(crate) fn latest_revision(&self) -> Option<Revision> {
        self.state().images.last().map(|image| image.revision)
    }

    /// The log must be kept after this: an image on disk may need it.
    pub(crate) fn floor(&self) -> Option<LogId> {
        self.state().images.first().and_then(|image| image.meta.last_log_id)
    }

    /// Why the last attempt failed, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Where an image of another node is received.
    pub(crate) fn received(&self) -> PathBuf {
        self.dir.join(format!("{PREFIX}received.{}", durable::TEMPORARY))
    }

    /// Changes with every attempt to write an image.
    pub(crate) fn attempts(&self) -> watch::Receiver<u64> {
        self.attempts.subscribe()
    }
}

/// Removes all but the newest. A file that cannot be removed only takes room: the next open tries again.
fn prune(images: &mut Vec<Image>) {
    while images.len() > KEPT {
        let old = images.remove(0);
        if let Err(error) = fs::remove_file(&old.path) {
            warn!(path = %old.path.display(), %error, "an old image cannot be removed");
        }
    }
}

fn set_aside(damaged: &[(PathBuf, RaftError)]) -> Result<(), RaftError> {
    for (path, _) in damaged {
        let aside = path.with_added_extension(DAMAGED);
        fs::rename(path, &aside).map_err(RaftError::io("set aside", path))?;
        warn!(path = %aside.display(), "the damaged image was set aside; the log replaces it");
    }
    Ok(())
}

/// The images by revision, oldest first. Unfinished files are removed on the way.
fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, RaftError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(RaftError::io("read directory", dir))? {
        let path = entry.map_err(RaftError::io("read directory", dir))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if let Ok(revision) = rest.parse::<u64>() {
            found.push((revision, path));
        } else if path.extension().is_some_and(|e| e == durable::TEMPORARY) {
            fs::remove_file(&path).map_err(RaftError::io("remove unfinished", &path))?;
        }
    }
    found.sort();
    Ok(found)
}

fn read_head(path: &Path) -> Result<Image, Flaw> {
    let mut file = File::open(path).map_err(Flaw::Io)?;
    let mut start = Vec::new();
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut start).map_err(Flaw::Io)?;
    let length = head_length(&start)?;
    let mut head = Vec::new();
    file.take(length).read_to_end(&mut head).map_err(Flaw::Io)?;
    let head: ImageMeta = codec::decode(IMAGE_META, &head)?;
    Ok(Image { path: path.to_owned(), revision: head.revision, meta: head.snapshot() })
}

fn head_length(start: &[u8]) -> Result<u64, Flaw> {
    let (_version, payload) = codec::unframe(IMAGE_HEAD, start)?;
    let length: [u8; 8] = payload.try_into().map_err(|_| Flaw::Damaged("its head has the wrong length".to_owned()))?;
    Ok(u64::from_le_bytes(length))
}

fn load(path: &Path) -> Result<(Image, Catalog), Flaw> {
    let bytes = fs::read(path).map_err(Flaw::Io)?;
    let (head, catalog) = decode(&bytes)?;
    Ok((Image { path: path.to_owned(), revision: head.revision, meta: head.snapshot() }, catalog))
}

fn decode(bytes: &[u8]) -> Result<(ImageMeta, Catalog), Flaw> {
    let short = || Flaw::Damaged(format!("{} bytes are too few", bytes.len()));
    let (start, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(short)?;
    let length = usize::try_from(head_length(start)?).map_err(|_| short())?;
    let (head, rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let head: ImageMeta = codec::decode(IMAGE_META, head)?;
    if rest.len() as u64 != head.catalog_bytes {
        return Err(Flaw::Damaged(format!(
            "{} bytes of catalog where {} were written",
            rest.len(),
            head.catalog_bytes
        )));
    }
    let catalog = image::from_bytes(rest)?;
    if catalog.revision() != head.revision {
        let cause = format!("its head says revision {}, its catalog {}", head.revision, catalog.revision());
        return Err(Flaw::Damaged(cause));
    }
    Ok((head, catalog))
}

/// Reads an image that another node has sent. Blocking.
pub(crate) fn receive(bytes: &[u8]) -> Result<(SnapshotMeta, Catalog), RaftError> {
    let (head, catalog) = decode(bytes).map_err(|flaw| flaw.into_error(Path::new("a received image")))?;
    Ok((head.snapshot(), catalog))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn meta(index: u64) -> SnapshotMeta {
        SnapshotMeta { last_log_id: Some(testing::log_id(1, index)), ..SnapshotMeta::default() }
    }

    #[test]
    fn the_last_two_images_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = ImageStore::new(dir.path());
        for index in 1..=4 {
            store.write(&testing::catalog_at(index), &meta(index)).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert_eq!(store.floor(), Some(testing::log_id(1, 3)));
        fs::write(dir.path().join("image.9.tmp"), b"unfinished").unwrap();
        let (store, image, catalog) = ImageStore::open(dir.path(), Some(3)).unwrap();
        assert_eq!((image.revision, catalog.revision()), (Revision(4), Revision(4)));
        assert_eq!(store.floor(), Some(testing::log_id(1, 3)));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn every_flipped_bit_of_an_image_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let store = ImageStore::new(dir.path());
        let path = store.write(&testing::catalog_at(3), &meta(3)).unwrap().path;
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(decode(&damaged).is_err(), "byte {at}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_damaged_image_is_replaced_by_the_older_only_while_the_log_covers_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = ImageStore::new(dir.path());
        store.write(&testing::catalog_at(3), &meta(3)).unwrap();
        let newest = store.write(&testing::catalog_at(5), &meta(5)).unwrap().path;
        fs::write(&newest, b"nothing that was written").unwrap();

        let refused = ImageStore::open(dir.path(), Some(4)).err().unwrap();
        assert!(refused.to_string().contains(newest.to_str().unwrap()), "{refused}");
        assert!(newest.exists(), "a refused open changes nothing");

        let (_, image, _) = ImageStore::open(dir.path(), Some(3)).unwrap();
        assert_eq!(image.revision, Revision(3));
        assert!(!newest.exists() && dir.path().join("image.5.damaged").exists());
    }

    #[test]
    fn an_image_of_a_newer_version_is_never_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let store = ImageStore::new(dir.path());
        store.write(&testing::catalog_at(3), &meta(3)).unwrap();
        let newest = store.write(&testing::catalog_at(5), &meta(5)).unwrap().path;
        let newer = codec::frame(Format { version: 2, ..IMAGE_HEAD }, &0_u64.to_le_bytes());
        fs::write(&newest, newer).unwrap();
        assert!(matches!(ImageStore::open(dir.path(), None), Err(RaftError::Newer { .. })));
    }
}
