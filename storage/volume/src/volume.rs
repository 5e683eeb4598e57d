//! A volume, open: objects by path below its location.

mod through;

use std::fmt;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UploadPart,
};
use storage_model::{Kind, StorageVolume, VolumeId};

use crate::error::{VolumeError, cause_text, kind_of};
use crate::layout::is_lease_or_hold;
use crate::open::{Opened, open_store};

/// Bodies larger than this go up in parts of this size, bytes.
pub(crate) const PART: usize = 8 << 20;
/// Parts in flight.
const PARTS_AT_ONCE: usize = 4;
/// What stores say when the bucket or container itself is not there.
const HOLDER_IS_GONE: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"];
/// S3 takes 10,000 parts at most.
const MOST_PARTS: usize = 9_000;

/// Bytes of each piece but the last that [`Volume::put_stream`] takes for an object of this size.
pub fn piece_size(size: u64) -> u64 {
    (PART as u64).max(size.div_ceil(MOST_PARTS as u64))
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Below the volume's location.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Milliseconds since the epoch, by the store's clock.
    pub last_modified_ms: u64,
}

/// One level of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Directories.
    pub directories: Vec<String>,
    /// Objects.
    pub objects: Vec<String>,
    /// Bytes of each of them.
    pub sizes: Vec<u64>,
}

impl From<ObjectMeta> for ObjectInfo {
    fn from(meta: ObjectMeta) -> ObjectInfo {
        let last_modified_ms = u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or(0);
        ObjectInfo { path: meta.location.to_string(), size: meta.size, last_modified_ms }
    }
}

/// An open storage volume. Cheap to clone. Paths are relative to its location, parts joined by `/`. One that is borrowed takes
/// nothing but leases and holds, and gives nothing else away.
#[derive(Clone)]
pub struct Volume {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    id: VolumeId,
    name: String,
    location: String,
    /// Two servers may have a bucket of the same name.
    endpoint: Option<String>,
    store: Arc<dyn ObjectStore>,
    secrets: Vec<String>,
    parts: bool,
    borrowed: bool,
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Volume({} '{}' {})", self.inner.id, self.inner.name, self.inner.location)
    }
}

impl Volume {
    /// Opens a volume. A LOCAL directory is made when absent; for S3 nothing is asked yet (see [`Volume::probe`]).
    pub fn open(volume: &StorageVolume) -> Result<Volume, VolumeError> {
        let Opened { store, secrets, parts } = open_store(volume)?;
        #[cfg(any(test, feature = "testing"))]
        let store = crate::testing::wrap(&volume.location, store);
        let (id, name, location) = (volume.id, volume.name.clone(), volume.location.clone());
        let endpoint = volume.properties.get("aws.s3.endpoint").cloned();
        let borrowed = volume.borrowed.is_some();
        Ok(Volume { inner: Arc::new(Inner { id, name, location, endpoint, store, secrets, parts, borrowed }) })
    }

    /// Its id.
    pub fn id(&self) -> VolumeId {
        self.inner.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Its location, as it was defined.
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// Whether it is where another volume is.
    pub fn is_at_place_of(&self, other: &Volume) -> bool {
        (&self.inner.location, &self.inner.endpoint) == (&other.inner.location, &other.inner.endpoint)
    }

    /// Whether another cluster owns what is there.
    pub fn is_borrowed(&self) -> bool {
        self.inner.borrowed
    }

    /// The store, rooted at the location: paths are the same as here.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner.store)
    }

    /// Writes an object whole, over what may be there. Durable when it returns. After an error it may be there or not.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<(), VolumeError> {
        let at = self.own_path("write", path)?;
        let written = if bytes.len() <= PART || !self.inner.parts {
            self.inner.store.put(&at, bytes.into()).await.map(|_| ())
        } else {
            self.put_parts(&at, bytes).await
        };
        written.map_err(|e| self.wrong_kind_if_missing("write", path, &e))
    }

    async fn put_parts(&self, at: &Path, bytes: Bytes) -> object_store::Result<()> {
        let mut upload = self.inner.store.put_multipart(at).await?;
        match send_parts(upload.as_mut(), bytes).await {
            Ok(()) => upload.complete().await.map(|_| ()),
            Err(e) => {
                if let Err(e) = upload.abort().await {
                    tracing::warn!(volume = self.name(), path = %at, error = %e, "an upload was left half");
                }
                Err(e)
            }
        }
    }

    /// Writes an object of `size` bytes piece by piece, over what may be there, with no more than a few pieces in memory.
    /// Each piece has [`piece_size`] bytes, the last one what is left. Nothing is written when a piece is an error, or when
    /// the pieces are more or fewer than `size` bytes.
    pub async fn put_stream<E: From<VolumeError>>(
        &self,
        path: &str,
        size: u64,
        pieces: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<(), E> {
        let at = self.own_path("write", path)?;
        let mut pieces = pin!(pieces);
        let mut due = Due { left: size, piece: piece_size(size) };
        if size <= PART as u64 {
            let whole = self.next_piece(path, &mut due, pieces.as_mut()).await?.unwrap_or_default();
            self.next_piece(path, &mut due, pieces).await?;
            return Ok(self.put(path, whole).await?);
        }
        let begun = self.inner.store.put_multipart(&at).await;
        let mut upload = begun.map_err(|e| self.wrong_kind_if_missing("write", path, &e))?;
        match self.send_pieces(path, upload.as_mut(), due, pieces).await {
            Ok(()) => match upload.complete().await {
                Ok(_) => Ok(()),
                Err(e) => Err(self.wrong_kind_if_missing("write", path, &e).into()),
            },
            Err(error) => {
                if let Err(e) = upload.abort().await {
                    tracing::warn!(volume = self.name(), path, error = %e, "an upload was left half");
                }
                Err(error)
            }
        }
    }

    async fn send_pieces<E: From<VolumeError>>(
        &self,
        path: &str,
        upload: &mut dyn MultipartUpload,
        mut due: Due,
        mut pieces: Pin<&mut impl Stream<Item = Result<Bytes, E>>>,
    ) -> Result<(), E> {
        let mut sending = FuturesUnordered::<UploadPart>::new();
        let mut ended = false;
        while !ended || !sending.is_empty() {
            tokio::select! {
                biased;
                Some(sent) = sending.next(), if !sending.is_empty() => {
                    sent.map_err(|e| self.wrong_kind_if_missing("write", path, &e))?;
                }
                piece = self.next_piece(path, &mut due, pieces.as_mut()), if !ended && sending.len() < PARTS_AT_ONCE => {
                    match piece? {
                        Some(piece) => sending.push(upload.put_part(piece.into())),
                        None => ended = true,
                    }
                }
            }
        }
        Ok(())
    }

    /// None: all pieces were there.
    async fn next_piece<E: From<VolumeError>>(
        &self,
        path: &str,
        due: &mut Due,
        mut pieces: Pin<&mut impl Stream<Item = Result<Bytes, E>>>,
    ) -> Result<Option<Bytes>, E> {
        let piece = pieces.try_next().await?;
        let (found, expected) = (piece.as_ref().map_or(0, |p| p.len() as u64), due.left.min(due.piece));
        if found != expected {
            let cause = format!("a piece of {found} bytes, {expected} were due");
            return Err(self.operation(Kind::Internal, "write", path, cause).into());
        }
        due.left -= found;
        Ok(piece)
    }

    /// Writes an object only where none is. Some stores ignore the condition: nothing may hang on it (see
    /// [`Volume::probe`]). An object that is there is a Conflict.
    pub async fn put_new(&self, path: &str, bytes: Bytes) -> Result<(), VolumeError> {
        let at = self.own_path("create", path)?;
        let options = PutOptions::from(PutMode::Create);
        let written = self.inner.store.put_opts(&at, PutPayload::from(bytes), options).await;
        written.map(|_| ()).map_err(|e| self.wrong_kind_if_missing("create", path, &e))
    }

    /// Reads an object whole. `Kind::NotFound` when there is none.
    pub async fn get(&self, path: &str) -> Result<Bytes, VolumeError> {
        let at = self.path("read", path)?;
        let read = async { self.inner.store.get(&at).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(bytes),
            Err(e) => Err(self.failed_read("read", path, &at, &e).await),
        }
    }

    /// Reads bytes `range` of an object; fewer when it ends before.
    pub async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, VolumeError> {
        let at = self.path("read", path)?;
        match self.inner.store.get_range(&at, range).await {
            Ok(bytes) => Ok(bytes),
            Err(e) => Err(self.failed_read("read", path, &at, &e).await),
        }
    }

    /// Some bytes of an object, each range by itself; neighbours are fetched together.
    pub async fn get_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, VolumeError> {
        let at = self.path("read", path)?;
        match self.inner.store.get_ranges(&at, ranges).await {
            Ok(bytes) => Ok(bytes),
            Err(e) => Err(self.failed_read("read", path, &at, &e).await),
        }
    }

    /// Size and time of an object; None when there is none.
    pub async fn head(&self, path: &str) -> Result<Option<ObjectInfo>, VolumeError> {
        let at = self.path("look up", path)?;
        match self.inner.store.head(&at).await {
            // The prefix store leaves its prefix in the answer to HEAD: the path is the one that was asked for.
            Ok(meta) => Ok(Some(ObjectInfo { path: at.to_string(), ..meta.into() })),
            Err(e) => match self.failed_read("look up", path, &at, &e).await {
                error if error.is_not_found() => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Not found only when the store says so twice: stores answer the same for a bucket that is gone (HEAD has no
    /// body to tell), and what is not known must not look like what is not there. A listing tells them apart.
    async fn failed_read(&self, operation: &str, path: &str, at: &Path, error: &object_store::Error) -> VolumeError {
        let error = self.error(operation, path, error);
        if !error.is_not_found() {
            return error;
        }
        match self.inner.store.list(Some(at)).try_next().await {
            Ok(_) => error,
            Err(e) => self.wrong_kind_if_missing(operation, path, &e),
        }
    }

    /// All objects below the directory `prefix` (empty: all of the volume), however deep, in order of path.
    pub async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, VolumeError> {
        let at = self.path("list", prefix)?;
        let listed = self.inner.store.list(Some(&at)).map_ok(ObjectInfo::from).try_collect::<Vec<_>>().await;
        let mut objects = listed.map_err(|e| self.wrong_kind_if_missing("list", prefix, &e))?;
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// The directories right below the directory `prefix`, as paths from the volume's location, in order.
    pub async fn list_dirs(&self, prefix: &str) -> Result<Vec<String>, VolumeError> {
        Ok(self.list_level(prefix).await?.directories)
    }

    /// What is right below the directory `prefix`, as paths from the volume's location, in order.
    pub async fn list_level(&self, prefix: &str) -> Result<Level, VolumeError> {
        let at = self.path("list", prefix)?;
        let listed = self.inner.store.list_with_delimiter(Some(&at)).await;
        let listed = listed.map_err(|e| self.wrong_kind_if_missing("list", prefix, &e))?;
        let mut directories: Vec<String> = listed.common_prefixes.iter().map(Path::to_string).collect();
        let objects = listed.objects.iter().map(|object| (object.location.to_string(), object.size));
        let mut objects: Vec<(String, u64)> = objects.collect();
        directories.sort();
        objects.sort();
        let (objects, sizes) = objects.into_iter().unzip();
        Ok(Level { directories, objects, sizes })
    }

    /// Deletes an object. One that is not there is Ok.
    pub async fn delete(&self, path: &str) -> Result<(), VolumeError> {
        let at = self.own_path("delete", path)?;
        self.deleted(path, self.inner.store.delete(&at).await.map(|()| at))
    }

    /// Deletes many objects, a thousand a request where the store can. One result for each path, in order.
    pub async fn delete_many(&self, paths: &[String]) -> Vec<Result<(), VolumeError>> {
        let mut results = Vec::with_capacity(paths.len());
        for chunk in paths.chunks(1000) {
            results.extend(self.delete_chunk(chunk).await);
        }
        results
    }

    async fn delete_chunk(&self, paths: &[String]) -> Vec<Result<(), VolumeError>> {
        let parsed: Result<Vec<Path>, VolumeError> = paths.iter().map(|path| self.own_path("delete", path)).collect();
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(e) => return vec![Err(e); paths.len()],
        };
        let stream = futures::stream::iter(parsed.into_iter().map(Ok)).boxed();
        let answers: Vec<object_store::Result<Path>> = self.inner.store.delete_stream(stream).collect().await;
        if answers.len() == paths.len() {
            return paths.iter().zip(answers).map(|(path, answer)| self.deleted(path, answer)).collect();
        }
        // The request as a whole failed: nobody knows what is gone, so nothing is said to be.
        let error = match answers.into_iter().find_map(Result::err) {
            Some(e) => self.wrong_kind_if_missing("delete", &paths[0], &e),
            None => {
                self.operation(Kind::Internal, "delete", &paths[0], "the store did not answer for every object".into())
            }
        };
        vec![Err(error); paths.len()]
    }

    fn deleted(&self, path: &str, answer: object_store::Result<Path>) -> Result<(), VolumeError> {
        match answer {
            Ok(_) => Ok(()),
            Err(e) => {
                let error = self.error("delete", path, &e);
                if error.is_not_found() { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Of what this cluster may change here.
    fn own_path(&self, operation: &str, path: &str) -> Result<Path, VolumeError> {
        if self.inner.borrowed && !is_lease_or_hold(path) {
            let cause = "the volume is borrowed: another cluster owns what is there".to_owned();
            return Err(self.operation(Kind::Invalid, operation, path, cause));
        }
        self.path(operation, path)
    }

    fn path(&self, operation: &str, path: &str) -> Result<Path, VolumeError> {
        Path::parse(path).map_err(|e| self.error(operation, path, &e.into()))
    }

    pub(crate) fn error(&self, operation: &str, path: &str, error: &object_store::Error) -> VolumeError {
        let cause = cause_text(error, &self.inner.secrets);
        let kind = match kind_of(error) {
            Kind::NotFound if HOLDER_IS_GONE.iter().any(|said| cause.contains(said)) => Kind::Unavailable,
            kind => kind,
        };
        self.operation(kind, operation, path, cause)
    }

    /// For what cannot miss an object: there "not found" is said of the bucket or the directory.
    fn wrong_kind_if_missing(&self, operation: &str, path: &str, error: &object_store::Error) -> VolumeError {
        match self.error(operation, path, error) {
            VolumeError::Operation { kind: Kind::NotFound, operation, volume, path, cause } => {
                VolumeError::Operation { kind: Kind::Unavailable, operation, volume, path, cause }
            }
            other => other,
        }
    }

    pub(crate) fn operation(&self, kind: Kind, operation: &str, path: &str, cause: String) -> VolumeError {
        let (operation, volume, path) = (operation.to_owned(), self.inner.name.clone(), path.to_owned());
        VolumeError::Operation { kind, operation, volume, path, cause }
    }
}

/// What of an object has not come yet, and in pieces of what size it does.
struct Due {
    left: u64,
    piece: u64,
}

async fn send_parts(upload: &mut dyn MultipartUpload, bytes: Bytes) -> object_store::Result<()> {
    let size = PART.max(bytes.len().div_ceil(MOST_PARTS));
    // The order of the calls numbers the parts; the requests themselves run side by side.
    let parts: Vec<_> = (0..bytes.len())
        .step_by(size)
        .map(|start| upload.put_part(bytes.slice(start..bytes.len().min(start + size)).into()))
        .collect();
    futures::stream::iter(parts).buffer_unordered(PARTS_AT_ONCE).try_collect::<Vec<()>>().await.map(|_| ())
}

#[cfg(test)]
mod tests;
