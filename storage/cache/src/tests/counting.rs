//! A store whose objects all have the same bytes; it counts what is asked of it.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::{RwLock, RwLockWriteGuard};

const PAGE: u64 = 512;

/// Bytes of an object: each page has its own.
pub fn pattern(range: Range<u64>, seed: u8) -> Bytes {
    let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
    let mut at = range.start;
    while at < range.end {
        let end = ((at / PAGE + 1) * PAGE).min(range.end);
        let page = at / PAGE;
        let value = (page ^ (page >> 8) ^ (page >> 16)) as u8 ^ seed.wrapping_mul(85);
        bytes.resize(bytes.len() + (end - at) as usize, value);
        at = end;
    }
    Bytes::from(bytes)
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Range<u64>>,
    in_flight: u64,
    most: u64,
    error: Option<Error>,
    short: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Counting {
    size: u64,
    seed: u8,
    state: Arc<Mutex<State>>,
    door: RwLock<()>,
}

impl Counting {
    pub fn new(size: u64, seed: u8) -> Counting {
        Counting { size, seed, state: Arc::default(), door: RwLock::new(()) }
    }

    /// Ranges that were asked for, in order.
    pub fn requests(&self) -> Vec<Range<u64>> {
        self.state.lock().unwrap().requests.clone()
    }

    /// The most bytes that were on their way at a time.
    pub fn most_in_flight(&self) -> u64 {
        self.state.lock().unwrap().most
    }

    /// The next request fails.
    pub fn fail(&self, error: Option<Error>) {
        self.state.lock().unwrap().error = error;
    }

    /// Answers lack their last byte.
    pub fn cut_short(&self, short: bool) {
        self.state.lock().unwrap().short = short;
    }

    /// No request is answered before what is returned is dropped.
    pub fn shut(&self) -> RwLockWriteGuard<'_, ()> {
        self.door.try_write().unwrap()
    }
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counting")
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        unreachable!("nothing is written")
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("nothing is written")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let range = match &options.range {
            Some(range) => {
                range.as_range(self.size).map_err(|e| Error::Generic { store: "counting", source: e.into() })?
            }
            None => 0..self.size,
        };
        let meta = ObjectMeta {
            location: location.clone(),
            last_modified: DateTime::UNIX_EPOCH,
            size: self.size,
            e_tag: None,
            version: None,
        };
        if !options.head {
            let mut state = self.state.lock().unwrap();
            state.requests.push(range.clone());
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            state.in_flight += range.end - range.start;
            state.most = state.most.max(state.in_flight);
        }
        drop(self.door.read().await);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let bytes = if options.head { Bytes::new() } else { pattern(range.clone(), self.seed) };
        let mut state = self.state.lock().unwrap();
        state.in_flight = state.in_flight.saturating_sub(bytes.len() as u64);
        let bytes = bytes.slice(..bytes.len().saturating_sub(usize::from(state.short)));
        let payload = GetResultPayload::Stream(stream::once(std::future::ready(Ok(bytes))).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        unreachable!("nothing is deleted")
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        unreachable!("nothing is listed")
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        unreachable!("nothing is listed")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("nothing is copied")
    }
}
