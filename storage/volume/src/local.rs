//! A directory as an object store that keeps its word: when a write returns, file and directories are on disk. Reads,
//! lists and deletes are object_store's own; a directory that is gone (not mounted) is an error, never an empty store.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

const STORE: &str = "LOCAL";
/// A delete elsewhere may remove a directory that has just been made here: so often it is made again.
const ATTEMPTS: usize = 20;
/// So many synced directories are remembered.
const MOST_DURABLE: usize = 100_000;
/// Uploads in parts are staged under this suffix and those behind it: no write of one piece ever comes so far.
const FIRST_OF_PARTS: u64 = 1_000_000;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct LocalStore {
    root: Arc<PathBuf>,
    /// Directories whose entries in their parents this process has synced.
    durable: Arc<Mutex<HashSet<PathBuf>>>,
    inner: Arc<LocalFileSystem>,
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LOCAL({})", self.root.display())
    }
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: source.into() }
}

fn io_error(doing: &str, path: &FilePath, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{doing} {}: {error}", path.display()))
}

impl LocalStore {
    /// Opens the directory `root`, and makes it when absent.
    pub fn open(root: &FilePath) -> Result<LocalStore> {
        if !root.is_dir() {
            fs::create_dir_all(root).map_err(|e| generic(io_error("cannot create", root, &e)))?;
            for directory in root.ancestors().skip(1).take(2) {
                sync_directory(directory).map_err(generic)?;
            }
        }
        let root = root.canonicalize().map_err(|e| generic(io_error("cannot open", root, &e)))?;
        // Directories go with their last file: a listing by delimiter shows what a bucket would show.
        let inner = LocalFileSystem::new_with_prefix(&root)?.with_automatic_cleanup(true);
        Ok(LocalStore { root: Arc::new(root), durable: Arc::default(), inner: Arc::new(inner) })
    }

    /// An error when the directory itself is gone.
    fn check_root(&self) -> Result<()> {
        match fs::metadata(self.root.as_path()) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(generic(format!("{} is not a directory", self.root.display()))),
            Err(e) => Err(generic(io_error("cannot reach", &self.root, &e))),
        }
    }

    fn put_blocking(&self, location: &Path, payload: &PutPayload, mode: &PutMode) -> Result<()> {
        self.check_root()?;
        let path = self.inner.path_to_filesystem(location)?;
        for attempt in 1.. {
            match self.try_put(&path, payload, mode) {
                Ok(()) => break,
                Err(e) if e.kind() == ErrorKind::NotFound && attempt < ATTEMPTS && self.root.is_dir() => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists && *mode == PutMode::Create => {
                    let path = location.to_string();
                    return Err(object_store::Error::AlreadyExists { path, source: Box::new(e) });
                }
                Err(e) => return Err(generic(io_error("cannot write", &path, &e))),
            }
        }
        Ok(())
    }

    /// Staged beside its place under a name that listings skip (`name#7`), synced, then moved.
    fn try_put(&self, path: &FilePath, payload: &PutPayload, mode: &PutMode) -> io::Result<()> {
        self.make_parents(path)?;
        let (mut file, staged) = stage(path)?;
        let written = payload.iter().try_for_each(|part| file.write_all(part)).and_then(|()| file.sync_all());
        drop(file);
        let moved = written.and_then(|()| match mode {
            PutMode::Create => fs::hard_link(&staged, path).and_then(|()| fs::remove_file(&staged)),
            _ => fs::rename(&staged, path),
        });
        if let Err(e) = moved {
            let _ = fs::remove_file(&staged);
            return Err(e);
        }
        path.parent().map_or(Ok(()), sync_directory)
    }

    /// Makes the directories between the root and `path`, each on disk before the next.
    fn make_parents(&self, path: &FilePath) -> io::Result<()> {
        let below: Vec<&FilePath> = path.ancestors().skip(1).take_while(|d| *d != self.root.as_path()).collect();
        for directory in below.into_iter().rev() {
            let exists = directory.is_dir();
            // Another writer may have made it and died before its entry was on disk.
            if exists && self.durable().contains(directory) {
                continue;
            }
            match fs::create_dir(directory) {
                Ok(()) => {}
                Err(e) if exists || e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
            directory.parent().map_or(Ok(()), sync_directory)?;
            let mut durable = self.durable();
            if durable.len() >= MOST_DURABLE {
                durable.clear();
            }
            durable.insert(directory.to_owned());
        }
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stage_parts_blocking(&self, location: &Path) -> Result<(PathBuf, (Arc<File>, PathBuf))> {
        let path = self.inner.path_to_filesystem(location)?;
        for attempt in 1.. {
            match self.make_parents(&path).and_then(|()| stage_parts(&path)) {
                Ok((file, staged)) => return Ok((path, (Arc::new(file), staged))),
                Err(e) if e.kind() == ErrorKind::NotFound && attempt < ATTEMPTS && self.root.is_dir() => {}
                Err(e) => return Err(generic(io_error("cannot write", &path, &e))),
            }
        }
        Err(generic("no free name to stage under"))
    }

    fn sync_blocking(&self, location: &Path) -> Result<()> {
        let path = self.inner.path_to_filesystem(location)?;
        let file = File::open(&path).and_then(|file| file.sync_all());
        file.map_err(|e| generic(io_error("cannot sync", &path, &e)))?;
        for directory in path.ancestors().skip(1).take_while(|d| d.starts_with(self.root.as_path())) {
            sync_directory(directory).map_err(generic)?;
        }
        Ok(())
    }
}

fn staged_name(path: &FilePath, suffix: u64) -> PathBuf {
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!("#{suffix}"));
    PathBuf::from(staged)
}

/// Locked while its writer lives: what one that died has left half is written over, so that it does not stay for ever.
fn stage_parts(path: &FilePath) -> io::Result<(File, PathBuf)> {
    for suffix in FIRST_OF_PARTS.. {
        let staged = staged_name(path, suffix);
        let (file, new) = match OpenOptions::new().write(true).create_new(true).open(&staged) {
            Ok(file) => (file, true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => match OpenOptions::new().write(true).open(&staged) {
                Ok(file) => (file, false),
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            },
            Err(e) => return Err(e),
        };
        match file.try_lock() {
            // Its writer may have moved it into its place after it was opened here.
            Ok(()) if is_at(&file, &staged) => {
                file.set_len(0)?;
                return Ok((file, staged));
            }
            // A file system without locks: only what is new is ours.
            Err(TryLockError::Error(_)) if new => return Ok((file, staged)),
            Ok(()) | Err(_) => {}
        }
    }
    Err(io::Error::other("no free name to stage under"))
}

fn is_at(file: &File, path: &FilePath) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

fn stage(path: &FilePath) -> io::Result<(File, PathBuf)> {
    for suffix in 1_u64.. {
        let staged = staged_name(path, suffix);
        match OpenOptions::new().write(true).create_new(true).open(&staged) {
            Ok(file) => return Ok((file, staged)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other("no free name to stage under"))
}

fn sync_directory(directory: &FilePath) -> io::Result<()> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(|e| io_error("cannot sync", directory, &e))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if matches!(options.mode, PutMode::Update(_)) {
            let operation = "put with PutMode::Update".to_owned();
            return Err(object_store::Error::NotImplemented { operation, implementer: STORE.to_owned() });
        }
        let (store, location) = (self.clone(), location.clone());
        blocking(move || store.put_blocking(&location, &payload, &options.mode)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.check_root()?;
        let (store, location) = (self.clone(), location.clone());
        let (path, staged) = blocking(move || store.stage_parts_blocking(&location)).await?;
        Ok(Box::new(LocalUpload { path, staged: Some(staged), end: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.inner.get_opts(location, options).await {
            Err(e @ object_store::Error::NotFound { .. }) => self.check_root().and(Err(e)),
            other => other,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let deleted = self.inner.delete_stream(locations);
        deleted
            .map(move |result| match result {
                Err(e @ object_store::Error::NotFound { .. }) => store.check_root().and(Err(e)),
                other => other,
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check_root() {
            Ok(()) => self.inner.list(prefix),
            Err(e) => futures::stream::once(async move { Err(e) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check_root()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.check_root()?;
        self.inner.copy_opts(from, to, options).await?;
        let (store, to) = (self.clone(), to.clone());
        blocking(move || store.sync_blocking(&to)).await
    }
}

/// An upload in parts: staged beside its place, and on disk before it is moved there.
#[derive(Debug)]
struct LocalUpload {
    path: PathBuf,
    /// None once it is moved or given up.
    staged: Option<(Arc<File>, PathBuf)>,
    /// Where the next part goes.
    end: u64,
}

impl LocalUpload {
    fn give_up(&mut self) {
        if let Some((_, staged)) = self.staged.take() {
            let _ = fs::remove_file(staged);
        }
    }
}

impl Drop for LocalUpload {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[async_trait]
impl MultipartUpload for LocalUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let begin = self.end;
        self.end += data.content_length() as u64;
        let staged = self.staged.clone();
        Box::pin(blocking(move || {
            let (file, path) = staged.ok_or_else(|| generic("the upload has ended"))?;
            let mut at = begin;
            for part in &data {
                file.write_all_at(part, at).map_err(|e| generic(io_error("cannot write", &path, &e)))?;
                at += part.len() as u64;
            }
            Ok(())
        }))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (file, staged) = self.staged.take().ok_or_else(|| generic("the upload has ended"))?;
        let path = self.path.clone();
        blocking(move || {
            let moved = file.sync_all().and_then(|()| fs::rename(&staged, &path));
            if let Err(e) = moved {
                let _ = fs::remove_file(&staged);
                return Err(generic(io_error("cannot write", &path, &e)));
            }
            path.parent().map_or(Ok(()), sync_directory).map_err(generic)
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        self.give_up();
        Ok(())
    }
}
