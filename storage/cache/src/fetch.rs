//! Blocks that are not in memory. Neighbours come from the store in one request, and a block that somebody waits for already is
//! waited for by the next one too. A fetch goes on when nobody wants it any more: it is small, and what comes is kept.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, try_join_all};
use object_store::{Error, GetOptions, ObjectStore, Result};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::block::Block;
use crate::cache::DataCache;
use crate::error::{again, odd};
use crate::key::{BlockKey, Object};

/// Bytes of a request, at most.
const RUN_BYTES: u64 = 8 << 20;
/// Blocks that nobody asked for are fetched with the others when they are no more bytes than that: a request costs more.
const GAP_BYTES: u64 = 1 << 20;
/// Bytes on their way from one store, at most.
const IN_FLIGHT_BYTES: u64 = 64 << 20;

/// Neighbouring blocks, on their way.
pub(crate) type Flight = Shared<BoxFuture<'static, Result<Arc<Run>, Arc<Error>>>>;

/// Neighbouring blocks. Those behind the end of the object are empty.
#[derive(Debug)]
pub(crate) struct Run {
    first: u64,
    blocks: Vec<Block>,
}

/// Where blocks come from.
#[derive(Debug)]
pub(crate) struct Source {
    pub store: Arc<dyn ObjectStore>,
    /// One for each block that may be on its way.
    permits: Semaphore,
    all_permits: u32,
}

impl Source {
    pub fn new(store: Arc<dyn ObjectStore>, block_bytes: u64) -> Source {
        let all_permits = u32::try_from(IN_FLIGHT_BYTES / block_bytes).unwrap_or(1).max(1);
        Source { store, permits: Semaphore::new(all_permits as usize), all_permits }
    }
}

/// Takes blocks off the list of those that are on their way.
struct Landing {
    cache: DataCache,
    object: Object,
    run: Range<u64>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self.cache.flights();
        for number in self.run.clone() {
            flights.remove(&self.object.block(number));
        }
    }
}

impl DataCache {
    /// The blocks of these numbers, which rise, from wherever they are.
    pub(crate) async fn blocks(
        &self,
        source: &Arc<Source>,
        object: &Object,
        numbers: &[u64],
    ) -> Result<HashMap<u64, Block>> {
        let (mut blocks, flights) = self.look(source, object, numbers);
        let runs = try_join_all(flights).await.map_err(|error| again(&error))?;
        for run in runs {
            for (number, block) in (run.first..).zip(&run.blocks) {
                if numbers.binary_search(&number).is_ok() {
                    blocks.entry(number).or_insert_with(|| block.clone());
                }
            }
        }
        Ok(blocks)
    }

    /// What is in memory, and what is on its way now.
    fn look(&self, source: &Arc<Source>, object: &Object, numbers: &[u64]) -> (HashMap<u64, Block>, Vec<Flight>) {
        let counters = &self.inner.counters;
        let (mut blocks, mut joined) = (HashMap::new(), Vec::<Flight>::new());
        let (mut held, mut absent) = (Vec::new(), Vec::new());
        // Under this lock a block that lands is in memory before it is no longer in flight.
        let mut flights = self.flights();
        for number in numbers {
            let key = object.block(*number);
            if let Some(found) = self.inner.memory.get(&key) {
                counters.memory_hits.add(1);
                counters.memory_bytes.add(found.value().bytes.len() as u64);
                blocks.insert(*number, found.value().clone());
            } else if let Some(flight) = flights.get(&key) {
                counters.shared.add(1);
                if !joined.last().is_some_and(|last| last.ptr_eq(flight)) {
                    joined.push(flight.clone());
                }
            } else if self.is_on_disk(key) {
                held.push(*number);
            } else {
                absent.push(*number);
            }
        }
        counters.disk_hits.add(held.len() as u64);
        counters.misses.add(absent.len() as u64);
        let mut runs = self.runs(&held, |_| false);
        runs.extend(self.runs(&absent, |number| self.is_nowhere(object.block(number), &flights)));
        let begun: Vec<Flight> = runs.into_iter().map(|run| self.begin(source, object, run, &mut flights)).collect();
        joined.extend(begun);
        (blocks, joined)
    }

    /// Fetches what is nowhere yet, for whoever reads on.
    pub(crate) fn read_ahead(&self, source: &Arc<Source>, object: &Object, numbers: Range<u64>) {
        let mut flights = self.flights();
        let absent: Vec<u64> = numbers.filter(|n| self.is_nowhere(object.block(*n), &flights)).collect();
        self.inner.counters.read_ahead.add(absent.len() as u64);
        for run in self.runs(&absent, |_| false) {
            drop(self.begin(source, object, run, &mut flights));
        }
    }

    fn is_nowhere(&self, key: BlockKey, flights: &HashMap<BlockKey, Flight>) -> bool {
        !self.inner.memory.contains(&key) && !flights.contains_key(&key) && !self.is_on_disk(key)
    }

    /// Neighbours, and what is little apart if all between may be taken too.
    fn runs(&self, numbers: &[u64], may_take: impl Fn(u64) -> bool) -> Vec<Range<u64>> {
        let (most, gap) = ((RUN_BYTES / self.inner.block_bytes).max(1), GAP_BYTES / self.inner.block_bytes);
        let mut runs: Vec<Range<u64>> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some(run)
                    if number - run.start < most && number - run.end <= gap && (run.end..*number).all(&may_take) =>
                {
                    run.end = number + 1;
                }
                _ => runs.push(*number..number + 1),
            }
        }
        runs
    }

    fn begin(
        &self,
        source: &Arc<Source>,
        object: &Object,
        run: Range<u64>,
        flights: &mut HashMap<BlockKey, Flight>,
    ) -> Flight {
        let (cache, source, object_of, numbers) = (self.clone(), Arc::clone(source), object.clone(), run.clone());
        let work = async move {
            let landing = Landing { cache, object: object_of, run: numbers.clone() };
            let landed = landing.cache.bring(&source, &landing.object, numbers).await;
            landed.map(Arc::new).map_err(Arc::new)
        };
        let work = tokio::spawn(work.in_current_span());
        let flight = work.map(|landed| landed.unwrap_or_else(|e| Err(Arc::new(Error::from(e))))).boxed().shared();
        for number in run {
            flights.insert(object.block(number), flight.clone());
        }
        flight
    }

    async fn bring(&self, source: &Source, object: &Object, run: Range<u64>) -> Result<Run> {
        let mut blocks = self.read_disk(object, run.clone()).await;
        let mut lacking: Vec<Range<u64>> = Vec::new();
        for (number, _) in run.clone().zip(&blocks).filter(|(_, block)| block.is_none()) {
            match lacking.last_mut() {
                Some(part) if part.end == number => part.end += 1,
                _ => lacking.push(number..number + 1),
            }
        }
        let fetches: Vec<_> = lacking.iter().map(|part| self.fetch(source, object, part.clone())).collect();
        let fetched = try_join_all(fetches).await?;
        for (number, block) in lacking.into_iter().flatten().zip(fetched.into_iter().flatten()) {
            blocks[(number - run.start) as usize] = Some(block);
        }
        let blocks = blocks.into_iter().collect::<Option<Vec<Block>>>();
        Ok(Run { first: run.start, blocks: blocks.ok_or_else(|| odd("a block was not fetched"))? })
    }

    /// One request.
    async fn fetch(&self, source: &Source, object: &Object, part: Range<u64>) -> Result<Vec<Block>> {
        let (of, counters) = (self.inner.block_bytes, &self.inner.counters);
        let permits = u32::try_from(part.end - part.start).unwrap_or(u32::MAX).min(source.all_permits);
        let _permits = source.permits.acquire_many(permits).await.map_err(|e| odd(e.to_string()))?;
        let wanted = part.start * of..part.end * of;
        counters.store_requests.add(1);
        let options = GetOptions::new().with_range(Some(wanted.clone()));
        let answer = source.store.get_opts(&object.path, options).await?;
        let object_bytes = answer.meta.size;
        let bytes = answer.bytes().await?;
        counters.store_bytes.add(bytes.len() as u64);
        let due = wanted.end.min(object_bytes).saturating_sub(wanted.start);
        if bytes.len() as u64 != due {
            return Err(odd(format!("{} bytes of {} came, {due} were due", bytes.len(), object.path)));
        }
        let block = |number: u64| {
            let begin = ((number - part.start) * of).min(due) as usize;
            let end = ((number - part.start + 1) * of).min(due) as usize;
            // Of its own: a slice would keep all of the answer for as long as one block of it.
            let block = Block { object_bytes, bytes: Bytes::copy_from_slice(&bytes[begin..end]) };
            if !block.bytes.is_empty() {
                self.keep(object.block(number), &block);
            }
            block
        };
        Ok(part.clone().map(block).collect())
    }
}
