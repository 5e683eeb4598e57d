//! Footers and page indexes are parsed once and kept in memory. A store that is opened anew, because its volume is defined otherwise
//! now, is another store: nothing that was read through the one is believed of the other.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use datafusion::common::{HashMap as Entries, Result, TableReference};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, DefaultParquetFileReaderFactory};
use datafusion::datasource::physical_plan::{ParquetFileReaderFactory, ParquetSource};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::execution::cache::{Cache, CacheEntryInfo};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::Result as ParquetResult;
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::path::Path;

use super::scan::Reading;

/// How often the footer of a file was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FooterCounts {
    /// So often it was.
    pub hits: u64,
    /// So often it was read.
    pub misses: u64,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// What makes readers of files of one store.
pub(crate) type Readers = Arc<dyn ParquetFileReaderFactory>;

/// The footers of all files that a node reads.
pub(crate) struct Footers {
    all: Arc<FileMetadataCache>,
    counters: Arc<Counters>,
    next_store: AtomicU64,
}

impl Footers {
    pub fn new(all: Arc<FileMetadataCache>) -> Footers {
        Footers { all, counters: Arc::default(), next_store: AtomicU64::new(0) }
    }

    /// So many bytes of memory.
    pub fn limit(&self, bytes: usize) {
        self.all.update_cache_limit(bytes);
    }

    pub fn counts(&self) -> FooterCounts {
        let Counters { hits, misses } = &*self.counters;
        FooterCounts { hits: hits.load(Ordering::Relaxed), misses: misses.load(Ordering::Relaxed) }
    }

    /// The readers of a store that was just opened.
    pub fn readers(&self, store: Arc<dyn ObjectStore>, reading: Reading) -> Readers {
        if reading == Reading::Once {
            return Arc::new(DefaultParquetFileReaderFactory::new(store));
        }
        let number = self.next_store.fetch_add(1, Ordering::Relaxed);
        let footers = OfStore { number, all: Arc::clone(&self.all), counters: Arc::clone(&self.counters) };
        Arc::new(Remembering(CachedParquetFileReaderFactory::new(store, Arc::new(footers))))
    }
}

/// The source, reading the files of a store with its readers, which are known by its URL.
pub(crate) fn reading_with(
    source: ParquetSource,
    store: &ObjectStoreUrl,
    readers: &HashMap<String, Readers>,
) -> ParquetSource {
    match readers.get(store.as_str()) {
        Some(readers) => source.with_parquet_file_reader_factory(Arc::clone(readers)),
        None => source,
    }
}

/// Reads page indexes with the footers, so that both are kept.
#[derive(Debug)]
struct Remembering(CachedParquetFileReaderFactory);

impl ParquetFileReaderFactory for Remembering {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let reader = self.0.create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(WithIndex(reader)))
    }
}

struct WithIndex(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for WithIndex {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let options = options.cloned().unwrap_or_default().with_page_index_policy(PageIndexPolicy::Optional);
        async move { self.0.get_metadata(Some(&options)).await }.boxed()
    }
}

/// The footers of the files of one store, among those of all.
struct OfStore {
    number: u64,
    all: Arc<FileMetadataCache>,
    counters: Arc<Counters>,
}

impl OfStore {
    fn key(&self, path: &Path) -> Path {
        Path::from(format!("{}/{path}", self.number))
    }
}

impl fmt::Debug for OfStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfStore").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Cache<Path, CachedFileMetadataEntry> for OfStore {
    fn get(&self, path: &Path) -> Option<CachedFileMetadataEntry> {
        let found = self.all.get(&self.key(path));
        let counter = if found.is_some() { &self.counters.hits } else { &self.counters.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn put(&self, path: &Path, footer: CachedFileMetadataEntry) -> Option<CachedFileMetadataEntry> {
        self.all.put(&self.key(path), footer)
    }

    fn remove(&self, path: &Path) -> Option<CachedFileMetadataEntry> {
        self.all.remove(&self.key(path))
    }

    fn contains_key(&self, path: &Path) -> bool {
        self.all.contains_key(&self.key(path))
    }

    fn len(&self) -> usize {
        self.all.len()
    }

    fn clear(&self) {
        self.all.clear();
    }

    fn name(&self) -> String {
        format!("footers of store {}", self.number)
    }

    fn cache_limit(&self) -> usize {
        self.all.cache_limit()
    }

    fn update_cache_limit(&self, limit: usize) {
        self.all.update_cache_limit(limit);
    }

    fn cache_ttl(&self) -> Option<Duration> {
        self.all.cache_ttl()
    }

    fn update_cache_ttl(&self, ttl: Option<Duration>) {
        self.all.update_cache_ttl(ttl);
    }

    fn drop_table_entries(&self, table: &TableReference) -> Result<()> {
        self.all.drop_table_entries(table)
    }

    fn list_entries(&self) -> Entries<Path, CacheEntryInfo<CachedFileMetadataEntry>> {
        self.all.list_entries()
    }
}
