//! An object store that reads data files through the cache. Everything else goes to the store below.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use storage_volume::layout::parse_data_name;

use crate::ahead::Ahead;
use crate::block::Block;
use crate::cache::DataCache;
use crate::fetch::Source;
use crate::key::{Object, Place};

/// Bytes of one read.
const MOST_AT_ONCE: u64 = 4 << 30;
/// Bytes that are fetched before somebody who reads on asks for them.
const AHEAD_BYTES: u64 = 1 << 20;

/// See the module.
pub(crate) struct CachedStore {
    cache: DataCache,
    place: Place,
    source: Arc<Source>,
    /// What is read is not kept.
    passing: bool,
    ahead: Ahead,
}

/// What was read, and the bytes of the whole object.
struct Read {
    parts: Vec<Bytes>,
    object_bytes: u64,
}

impl CachedStore {
    pub fn new(cache: DataCache, place: Place, store: Arc<dyn ObjectStore>, passing: bool) -> CachedStore {
        let source = Arc::new(Source::new(store, cache.inner.block_bytes));
        CachedStore { cache, place, source, passing, ahead: Ahead::default() }
    }

    fn store(&self) -> &dyn ObjectStore {
        self.source.store.as_ref()
    }

    /// None: the store itself is to be asked. Readers know how long files are: whole blocks behind the end are an error.
    async fn read(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Option<Read>> {
        let of = self.cache.inner.block_bytes;
        if parse_data_name(path.as_ref()).is_none() || ranges.iter().any(Range::is_empty) {
            return Ok(None);
        }
        // No reader wants so much at once: a length was read wrong, and the store says how.
        if ranges.iter().map(|range| range.end.saturating_sub(range.start)).fold(0, u64::saturating_add) > MOST_AT_ONCE
        {
            return Ok(None);
        }
        let numbers = ranges.iter().flat_map(|range| range.start / of..=(range.end - 1) / of);
        let numbers: Vec<u64> = numbers.collect::<BTreeSet<u64>>().into_iter().collect();
        let (Some(first), Some(last)) = (numbers.first().copied(), numbers.last().copied()) else { return Ok(None) };
        let object = Object::new(self.place, path, of);
        if self.passing && !self.cache.has_all(&object, &numbers) {
            self.cache.inner.counters.passed.add(1);
            return Ok(None);
        }
        let blocks = self.cache.blocks(&self.source, &object, &numbers).await?;
        let parts: Option<Vec<Bytes>> = ranges.iter().map(|range| part(&blocks, range, of)).collect();
        let object_bytes = blocks.get(&first).map(|block| block.object_bytes);
        // A range that begins behind the end of the object: the store says it best.
        let (Some(parts), Some(object_bytes)) = (parts, object_bytes) else { return Ok(None) };
        if !self.passing && self.ahead.reads_on(object.key, first, last) {
            let end = (last + 1 + (AHEAD_BYTES / of).max(1)).min(object_bytes.div_ceil(of));
            self.cache.read_ahead(&self.source, &object, last + 1..end);
        }
        Ok(Some(Read { parts, object_bytes }))
    }
}

/// Bytes `range` of an object, fewer when it ends before. None: it ends before the range begins.
fn part(blocks: &HashMap<u64, Block>, range: &Range<u64>, of: u64) -> Option<Bytes> {
    let end = range.end.min(blocks.get(&(range.start / of))?.object_bytes);
    if range.start >= end {
        return None;
    }
    let (first, last) = (range.start / of, (end - 1) / of);
    let cut = |number: u64| {
        let (block, begin) = (blocks.get(&number)?, number * of);
        let (from, to) = (range.start.max(begin) - begin, end.min(begin + of) - begin);
        (to <= block.bytes.len() as u64).then(|| block.bytes.slice(from as usize..to as usize))
    };
    if first == last {
        return cut(first);
    }
    let mut whole = BytesMut::with_capacity((end - range.start) as usize);
    for number in first..=last {
        whole.extend_from_slice(&cut(number)?);
    }
    Some(whole.freeze())
}

/// The range, if nothing else is asked for.
fn plain_range(options: &GetOptions) -> Option<Range<u64>> {
    let has_conditions = options.if_match.is_some()
        || options.if_none_match.is_some()
        || options.if_modified_since.is_some()
        || options.if_unmodified_since.is_some()
        || options.version.is_some();
    match &options.range {
        Some(GetRange::Bounded(range)) if !has_conditions && !options.head => Some(range.clone()),
        _ => None,
    }
}

impl fmt::Display for CachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cached({})", self.source.store)
    }
}

impl fmt::Debug for CachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedStore").field("store", &self.source.store).finish_non_exhaustive()
    }
}

#[async_trait]
impl ObjectStore for CachedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.store().put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store().put_multipart_opts(location, options).await
    }

    /// Of what came from the cache the size is known, and not when it was written.
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let Some(range) = plain_range(&options) else { return self.store().get_opts(location, options).await };
        let Some(read) = self.read(location, std::slice::from_ref(&range)).await? else {
            return self.store().get_opts(location, options).await;
        };
        let bytes: Bytes = read.parts.into_iter().next().unwrap_or_default();
        let range = range.start..range.start + bytes.len() as u64;
        let meta = ObjectMeta {
            location: location.clone(),
            last_modified: DateTime::UNIX_EPOCH,
            size: read.object_bytes,
            e_tag: None,
            version: None,
        };
        let payload = GetResultPayload::Stream(stream::once(std::future::ready(Ok(bytes))).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.read(location, ranges).await? {
            Some(read) => Ok(read.parts),
            None => self.store().get_ranges(location, ranges).await,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store().delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store().list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store().list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store().copy_opts(from, to, options).await
    }
}
