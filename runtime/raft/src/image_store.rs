//! The image files of a meta directory: written whole and durable, read back checked, the last two kept by number, each
//! with its checksum beside it (see [`file`]).
//!
//! The log is kept back to the older of the two, so that a damaged newest image costs a longer replay and nothing else.
//! No image is ever whole in memory: that is where the catalog is, and one section of about 8 MiB.

mod file;

use std::fs::{self, File};
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage_catalog::Catalog;
use storage_model::Revision;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::durable;
use crate::error::RaftError;
use crate::room::Room;
use crate::types::{LogId, SnapshotMeta};

use file::{CHECKSUM, PREFIX};
pub(crate) use file::{Checksum, Flaw, Loaded, load};

/// How many images stay. StarRocks has no key for it.
const KEPT: usize = 2;
const DAMAGED: &str = "damaged";

/// An image on disk.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) path: PathBuf,
    pub(crate) revision: Revision,
    pub(crate) meta: SnapshotMeta,
    /// Of the file, the catalog's.
    catalog_bytes: u64,
}

impl Image {
    /// Of the last entry that is in it.
    pub(crate) fn index(&self) -> Option<u64> {
        self.meta.last_log_id.map(|id| id.index)
    }
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    images: Vec<Image>,
    failure: Option<String>,
    refusal: Option<String>,
}

/// The images of one meta directory.
pub(crate) struct ImageStore {
    dir: PathBuf,
    state: Mutex<State>,
    writing: Mutex<()>,
    attempts: watch::Sender<u64>,
    /// No image is wanted any more.
    stopping: AtomicBool,
    /// Images are not begun without room.
    room: Option<Arc<Room>>,
}

impl ImageStore {
    /// A store that knows of no image yet.
    pub(crate) fn new(dir: &Path) -> ImageStore {
        let (attempts, _) = watch::channel(0);
        ImageStore {
            dir: dir.to_owned(),
            state: Mutex::default(),
            writing: Mutex::default(),
            attempts,
            stopping: AtomicBool::new(false),
            room: None,
        }
    }

    /// The same store; its images leave the log its room.
    pub(crate) fn in_room(self, room: Arc<Room>) -> ImageStore {
        ImageStore { room: Some(room), ..self }
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
            let (loaded, checksum) = match load(&path) {
                Ok(found) => found,
                Err(flaw @ (Flaw::Io(_) | Flaw::Newer(_))) => return Err(flaw.into_error(&path)),
                Err(flaw) => {
                    let flaw = flaw.into_error(&path);
                    error!(path = %path.display(), error = %flaw, "an image is damaged; trying the one before it");
                    damaged.push((path, flaw));
                    continue;
                }
            };
            let (image, catalog, sha256) = loaded.into_parts(&path);
            if image.index() < purged {
                let own = || RaftError::Damaged {
                    path: path.clone(),
                    cause: format!("it ends at log index {:?}, but the log begins after {purged:?}", image.index()),
                };
                return Err(damaged.into_iter().next().map_or_else(own, |(_, flaw)| flaw));
            }
            set_aside(&damaged)?;
            if checksum == Checksum::Missing {
                note_checksum(&image.path, &sha256);
            }
            let store = ImageStore::new(dir);
            store.adopt(&image, &names);
            return Ok((store, image, catalog));
        }
        let none = || RaftError::Damaged { path: dir.to_owned(), cause: "there is no image in it".to_owned() };
        Err(damaged.into_iter().next().map_or_else(none, |(_, flaw)| flaw))
    }

    /// Registers what `open` has found: the image it read, and those before it by their heads alone.
    fn adopt(&self, newest: &Image, older: &[(u64, PathBuf)]) {
        for (_, path) in older {
            match read_head(path) {
                Ok(image) => self.state().images.push(image),
                Err(flaw) => {
                    warn!(error = %flaw.into_error(path), "an older image cannot be read; it is left alone");
                }
            }
        }
        self.state().images.push(newest.clone());
        self.prune();
    }

    /// Writes an image and makes it durable; the oldest beyond two is removed. One that is given up because of
    /// [`stop`](Self::stop) leaves nothing behind. Blocking.
    pub(crate) fn write(&self, catalog: &Catalog, meta: &SnapshotMeta) -> Result<Image, RaftError> {
        let room = self.room.as_ref().map_or(Ok(()), |room| room.check()).map_err(RaftError::Image);
        let result = room.and_then(|()| self.write_image(catalog, meta));
        if result.is_err() && self.is_stopping() {
            return Err(RaftError::Stopped);
        }
        self.attempted(result.as_ref().err().map(ToString::to_string));
        result
    }

    /// An attempt to write an image is over: why it failed, if it did. [`write`](Self::write) notes it itself, if it comes to
    /// an end.
    pub(crate) fn attempted(&self, failure: Option<String>) {
        self.state().failure = failure;
        self.attempts.send_modify(|n| *n += 1);
    }

    /// The image that is being written is given up, and none is begun any more.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether no image is wanted any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn write_image(&self, catalog: &Catalog, meta: &SnapshotMeta) -> Result<Image, RaftError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path_of(catalog.revision());
        let like = self.latest().map_or(0, |image| image.catalog_bytes);
        let written =
            file::remove_checksum(&path).and_then(|()| file::write(&path, catalog, meta, like, &self.stopping));
        let (catalog_bytes, sha256) = written.map_err(RaftError::io("write image", &path))?;
        info!(path = %path.display(), revision = %catalog.revision(), bytes = catalog_bytes, "image written");
        Ok(self.take(Image { path, revision: catalog.revision(), meta: meta.clone(), catalog_bytes }, &sha256))
    }

    /// Makes an image that was received this node's own: its bytes are kept as they are. Durable when it returns. Blocking.
    pub(crate) fn keep(&self, received: &mut File, loaded: Loaded) -> Result<Catalog, RaftError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path_of(loaded.revision);
        let kept = file::remove_checksum(&path).and_then(|()| file::keep(&path, received));
        kept.map_err(RaftError::io("keep image", &path))?;
        info!(path = %path.display(), revision = %loaded.revision, bytes = loaded.catalog_bytes, "image kept");
        let (image, catalog, sha256) = loaded.into_parts(&path);
        self.take(image, &sha256);
        self.attempts.send_modify(|n| *n += 1);
        Ok(catalog)
    }

    /// An image that was received cannot be this node's own. Raft stops for that.
    pub(crate) fn refuse(&self, cause: String) {
        self.state().refusal = Some(cause);
        self.attempts.send_modify(|n| *n += 1);
    }

    /// Why an image that was received was not kept.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.state().refusal.clone()
    }

    fn path_of(&self, revision: Revision) -> PathBuf {
        self.dir.join(format!("{PREFIX}{revision}"))
    }

    /// An image is in place: notes its checksum, and removes the oldest beyond those that stay.
    fn take(&self, image: Image, sha256: &str) -> Image {
        note_checksum(&image.path, sha256);
        {
            let mut state = self.state();
            state.images.retain(|other| other.path != image.path);
            state.images.push(image.clone());
            state.images.sort_by_key(|image| image.meta.last_log_id);
        }
        self.prune();
        image
    }

    /// Removes all but the newest, one caller at a time. The disk is waited for without the lock, and the log is kept back to
    /// an image until that is gone. A file that cannot be removed only takes room: the next open tries again.
    fn prune(&self) {
        let old = {
            let state = self.state();
            state.images[..state.images.len().saturating_sub(KEPT)].to_vec()
        };
        for Image { path, .. } in &old {
            if let Err(error) = fs::remove_file(path).and_then(|()| file::remove_checksum(path)) {
                warn!(path = %path.display(), %error, "an old image cannot be removed");
            }
        }
        self.state().images.retain(|image| !old.iter().any(|other| other.path == image.path));
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

    /// Changes with every attempt to write an image, or to keep one that was received.
    pub(crate) fn attempts(&self) -> watch::Receiver<u64> {
        self.attempts.subscribe()
    }
}

/// An image is good without its checksum: it has others inside.
fn note_checksum(image: &Path, sha256: &str) {
    if let Err(error) = file::write_checksum(image, sha256) {
        warn!(path = %image.display(), %error, "the checksum beside an image cannot be written");
    }
}

fn set_aside(damaged: &[(PathBuf, RaftError)]) -> Result<(), RaftError> {
    for (path, _) in damaged {
        let aside = path.with_added_extension(DAMAGED);
        fs::rename(path, &aside).map_err(RaftError::io("set aside", path))?;
        file::remove_checksum(path).map_err(RaftError::io("remove the checksum of", path))?;
        warn!(path = %aside.display(), "the damaged image was set aside; the log replaces it");
    }
    Ok(())
}

/// The images by revision, oldest first. Unfinished files are removed on the way, and checksums of images that are gone.
fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, RaftError> {
    let (mut found, mut checksums) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dir).map_err(RaftError::io("read directory", dir))? {
        let path = entry.map_err(RaftError::io("read directory", dir))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let Some(rest) = name.strip_prefix(PREFIX).or_else(|| name.strip_prefix(CHECKSUM)) else { continue };
        if let Ok(revision) = rest.parse::<u64>() {
            if name.starts_with(PREFIX) { &mut found } else { &mut checksums }.push((revision, path));
        } else if path.extension().is_some_and(|e| e == durable::TEMPORARY) {
            fs::remove_file(&path).map_err(RaftError::io("remove unfinished", &path))?;
        }
    }
    found.sort();
    for (_, lonely) in checksums.iter().filter(|(revision, _)| !found.iter().any(|(other, _)| other == revision)) {
        fs::remove_file(lonely).map_err(RaftError::io("remove the checksum of no image", lonely))?;
    }
    Ok(found)
}

impl Loaded {
    fn into_parts(self, path: &Path) -> (Image, Catalog, String) {
        let Loaded { revision, meta, catalog, sha256, catalog_bytes } = self;
        (Image { path: path.to_owned(), revision, meta, catalog_bytes }, catalog, sha256)
    }
}

fn read_head(path: &Path) -> Result<Image, Flaw> {
    let head = file::read_head(path)?;
    Ok(Image {
        path: path.to_owned(),
        revision: head.revision,
        meta: head.snapshot(),
        catalog_bytes: head.catalog_bytes,
    })
}

/// Reads an image that another node has sent, section by section. Blocking.
pub(crate) fn receive(received: &mut File) -> Result<Loaded, RaftError> {
    let read = |received: &mut File| {
        let length = received.metadata()?.len();
        received.rewind()?;
        file::read(received, length)
    };
    read(received).map_err(|flaw| flaw.into_error(Path::new("a received image")))
}

#[cfg(test)]
mod tests;
