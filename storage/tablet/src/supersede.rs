//! What a commit takes away of PRIMARY KEY tablets: its keys are looked up in the key indexes of the runs that are there, and
//! the rows found are put into their delete vectors. Nothing of the table itself is read.
//!
//! ```text
//!   load, UPDATE:  index of each new run ──┐
//!   DELETE:        keys that a query found ─┼── find in the runs before ── delete vectors (in the catalog, or an object)
//!   compaction:    rows lost meanwhile ─────┘   (find in the new run)
//! ```

use std::collections::{BTreeMap, HashMap};

use arrow::array::ArrayRef;
use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};
use storage_model::{
    ByteRange, CompactedTablet, GoneRows, KeyedRun, KeyedTablet, PartitionId, Place, RowsetChange, Superseded,
    TabletChange, Vector, VectorSpec, VolumeId, WrittenFile,
};
use storage_volume::Volume;
use storage_volume::layout::{DataName, Layout, vectors_object};

use crate::bucket::hashes_of;
use crate::delete_vector;
use crate::error::{TabletError, WriteError};
use crate::key_index::KeyIndex;
use crate::keys::{KeyHash, hashes};

/// Vectors of so many bytes stand in the catalog itself.
const INLINE_BYTES: usize = 128;
/// When so many bytes of vectors stand there, the others of a commit go into objects: it is one log entry.
const MOST_INLINE_BYTES: usize = 256 << 10;
/// Tablets that are looked at at once.
const TABLETS_AT_ONCE: usize = 4;
/// Runs of a tablet in which keys are looked up at once.
const RUNS_AT_ONCE: usize = 16;
/// So many keys of a DELETE are kept before they are looked up.
const KEYS_AT_ONCE: usize = 4 << 20;

/// The volumes of all runs, opened.
pub type Volumes = BTreeMap<VolumeId, Volume>;

/// Looks keys up.
pub struct Lookup<'a> {
    spec: &'a VectorSpec,
    layout: Layout,
    volumes: &'a Volumes,
}

/// Rows that a tablet loses, by its runs.
struct Losses<'a> {
    partition: PartitionId,
    bucket: u32,
    base: u64,
    runs: Vec<(&'a KeyedRun, RoaringBitmap)>,
}

impl<'a> Lookup<'a> {
    /// One over these volumes, that of `spec` among them.
    pub fn new(spec: &'a VectorSpec, volumes: &'a Volumes) -> Lookup<'a> {
        Lookup { spec, layout: Layout(spec.service_id.clone()), volumes }
    }

    /// What the new runs of the tablets supersede, of the old ones and of each other.
    ///
    /// # Errors
    /// When the store cannot be read or written, or holds something else than was written.
    pub async fn superseded(&self, tablets: &[KeyedTablet]) -> Result<Superseded, WriteError> {
        let looks: Vec<_> = tablets.iter().map(|tablet| self.losses(tablet).boxed()).collect();
        self.changes(stream::iter(looks).buffered(TABLETS_AT_ONCE).try_collect().await?).await
    }

    async fn losses<'t>(&self, tablet: &'t KeyedTablet) -> Result<Losses<'t>, WriteError> {
        let KeyedTablet { partition, bucket, base, old, new } = tablet;
        let mut runs: Vec<_> = old.iter().chain(new).map(|run| (run, RoaringBitmap::new())).collect();
        for (at, run) in (old.len()..).zip(new) {
            if at == 0 {
                continue;
            }
            let index = self.index(run)?;
            let mut entries = index.scan();
            while let Some(some) = entries.try_next().await? {
                let keys: Vec<KeyHash> = some.iter().map(|(key, _)| *key).collect();
                let found = self.find(runs[..at].iter().map(|(run, _)| *run), &keys).await?;
                runs.iter_mut().zip(found).for_each(|((_, lost), found)| *lost |= found);
            }
        }
        Ok(Losses { partition: *partition, bucket: *bucket, base: *base, runs })
    }

    /// What runs that were compacted have lost since they were read is what the new ones lose.
    ///
    /// # Errors
    /// As [`Lookup::superseded`].
    pub async fn caught_up(&self, tablets: &[CompactedTablet]) -> Result<Superseded, WriteError> {
        let looks: Vec<_> = tablets.iter().map(|tablet| self.lost_meanwhile(tablet).boxed()).collect();
        self.changes(stream::iter(looks).buffered(TABLETS_AT_ONCE).try_collect().await?).await
    }

    async fn lost_meanwhile<'t>(&self, tablet: &'t CompactedTablet) -> Result<Losses<'t>, WriteError> {
        let CompactedTablet { partition, bucket, base, inputs, output } = tablet;
        let (new, mut lost) = (self.index(output)?, RoaringBitmap::new());
        for (run, gone) in inputs {
            let before = self.vector(run.vector.as_ref()).await?;
            let now = match gone {
                GoneRows::All => None,
                GoneRows::These(vector) => Some(self.vector(Some(vector)).await?),
            };
            let is_news = |row: u32| !before.contains(row) && now.as_ref().is_none_or(|now| now.contains(row));
            let index = self.index(run)?;
            let mut entries = index.scan();
            while let Some(some) = entries.try_next().await? {
                let keys: Vec<KeyHash> = some.iter().filter(|(_, row)| is_news(*row)).map(|(key, _)| *key).collect();
                lost |= new.find(&keys).await?;
            }
        }
        Ok(Losses { partition: *partition, bucket: *bucket, base: *base, runs: vec![(output, lost)] })
    }

    /// The rows of each run that have one of these keys, which are in order.
    async fn find<'t>(
        &self,
        runs: impl Iterator<Item = &'t KeyedRun>,
        keys: &[KeyHash],
    ) -> Result<Vec<RoaringBitmap>, WriteError> {
        let looks: Vec<_> = runs.map(|run| async move { self.index(run)?.find(keys).await }.boxed()).collect();
        stream::iter(looks).buffered(RUNS_AT_ONCE).try_collect().await
    }

    fn volume(&self, id: VolumeId) -> Result<&'a Volume, TabletError> {
        self.volumes.get(&id).ok_or_else(|| TabletError::invalid(format!("volume {id} of a run is not named")))
    }

    fn index<'t>(&self, run: &'t KeyedRun) -> Result<KeyIndex<'t>, TabletError>
    where
        'a: 't,
    {
        KeyIndex::of(run, &self.layout, self.volume(run.place.volume)?)
    }

    async fn vector(&self, vector: Option<&Vector<Place>>) -> Result<RoaringBitmap, WriteError> {
        match vector {
            None => Ok(RoaringBitmap::new()),
            Some(Vector::Inline(bytes)) => Ok(delete_vector::decode(bytes)?),
            Some(Vector::Stored { file, bytes }) => {
                let path = self.layout.in_root(&file.object);
                let bytes = self.volume(file.volume)?.get_range(&path, bytes.range()).await?;
                Ok(delete_vector::decode(&bytes)?)
            }
        }
    }

    /// The changes of the catalog, with the objects that they need in the store.
    async fn changes(&self, losses: Vec<Losses<'_>>) -> Result<Superseded, WriteError> {
        let mut bodies: BTreeMap<PartitionId, Vec<u8>> = BTreeMap::new();
        let mut inline = 0;
        let mut tablets = Vec::with_capacity(losses.len());
        for Losses { partition, bucket, base, runs } in losses {
            let mut rowsets = Vec::new();
            for (run, lost) in runs {
                if lost.is_empty() {
                    continue;
                }
                let all = self.vector(run.vector.as_ref()).await? | lost;
                if all.len() <= run.deleted {
                    continue;
                }
                rowsets.push((run, all.len(), delete_vector::encode(&all)));
            }
            let body = bodies.entry(partition).or_default();
            let rowsets = rowsets.into_iter().map(|(run, rows, bytes)| {
                let is_inline = bytes.len() <= INLINE_BYTES && inline + bytes.len() <= MOST_INLINE_BYTES;
                inline += if is_inline { bytes.len() } else { 0 };
                RowsetChange {
                    volume: run.place.volume,
                    object: run.place.object.clone(),
                    before: run.deleted,
                    rows,
                    // Which object it is in is known when all of them are.
                    vector: if is_inline { Vector::Inline(bytes) } else { appended(body, &bytes) },
                }
            });
            tablets.push(TabletChange { partition, bucket, base, rowsets: rowsets.collect() });
        }
        let vectors = self.store(bodies).await?;
        let numbers: HashMap<PartitionId, u32> = (0..).zip(&vectors).map(|(n, file)| (file.partition, n)).collect();
        for tablet in &mut tablets {
            for change in &mut tablet.rowsets {
                if let (Vector::Stored { file, .. }, Some(n)) = (&mut change.vector, numbers.get(&tablet.partition)) {
                    *file = *n;
                }
            }
        }
        Ok(Superseded { tablets, vectors })
    }

    /// One object for the vectors of each partition that has some.
    async fn store(&self, bodies: BTreeMap<PartitionId, Vec<u8>>) -> Result<Vec<WrittenFile>, WriteError> {
        let VectorSpec { database, table, volume, incarnation, txn, attempt, .. } = self.spec;
        let target = self.volume(*volume)?;
        let mut files = Vec::new();
        for (n, (partition, body)) in (0..).zip(bodies.into_iter().filter(|(_, body)| !body.is_empty())) {
            let name = DataName::new(incarnation, *txn, *attempt, n);
            let object = vectors_object(*database, *table, partition, &name);
            let (size, sha256) = (body.len() as u64, hex::encode(Sha256::digest(&body)));
            target.put(&self.layout.in_root(&object), body.into()).await?;
            files.push(WrittenFile {
                partition,
                volume: *volume,
                object,
                size,
                sha256,
                runs: Vec::new(),
                statistics: Vec::new(),
            });
        }
        Ok(files)
    }
}

fn appended(body: &mut Vec<u8>, bytes: &[u8]) -> Vector<u32> {
    let start = body.len() as u64;
    body.extend_from_slice(bytes);
    Vector::Stored { file: 0, bytes: ByteRange { start, end: body.len() as u64 } }
}

/// The keys of a DELETE, as a query finds them.
pub struct Deletion<'a> {
    lookup: Lookup<'a>,
    tablets: &'a [KeyedTablet],
    places: HashMap<(PartitionId, u32), usize>,
    buckets: HashMap<PartitionId, u32>,
    waiting: Vec<Vec<KeyHash>>,
    count: usize,
    lost: Vec<Vec<RoaringBitmap>>,
}

impl<'a> Deletion<'a> {
    /// Of rows of these tablets, whose new runs are none. `buckets`: how many each of their partitions has.
    pub fn new(lookup: Lookup<'a>, tablets: &'a [KeyedTablet], buckets: HashMap<PartitionId, u32>) -> Deletion<'a> {
        let places = tablets.iter().enumerate().map(|(at, tablet)| ((tablet.partition, tablet.bucket), at)).collect();
        let lost = tablets.iter().map(|tablet| vec![RoaringBitmap::new(); tablet.old.len()]).collect();
        Deletion { lookup, tablets, places, buckets, waiting: vec![Vec::new(); tablets.len()], count: 0, lost }
    }

    /// More keys: the partition of each row, its key columns as [`crate::keys::positions`] has them, and the columns that its
    /// bucket follows from.
    ///
    /// # Errors
    /// When a row is of no tablet, or the store cannot be read.
    pub async fn push(
        &mut self,
        partitions: &[PartitionId],
        key: &[ArrayRef],
        distribution: &[ArrayRef],
    ) -> Result<(), WriteError> {
        let keys = hashes(key)?;
        let spread = hashes_of(distribution)?;
        for ((partition, key), hash) in partitions.iter().zip(keys).zip(spread) {
            let buckets = self.buckets.get(partition).copied().filter(|buckets| *buckets > 0);
            let place = buckets.and_then(|buckets| self.places.get(&(*partition, hash % buckets)));
            let place = place.ok_or_else(|| {
                TabletError::invalid(format!("a row of partition {partition} is in no tablet that was named"))
            })?;
            self.waiting[*place].push(key);
        }
        self.count += partitions.len();
        if self.count >= KEYS_AT_ONCE { self.look_up().await } else { Ok(()) }
    }

    async fn look_up(&mut self) -> Result<(), WriteError> {
        self.count = 0;
        for (at, keys) in self.waiting.iter_mut().enumerate() {
            let mut keys = std::mem::take(keys);
            if keys.is_empty() {
                continue;
            }
            keys.sort_unstable();
            let found = self.lookup.find(self.tablets[at].old.iter(), &keys).await?;
            self.lost[at].iter_mut().zip(found).for_each(|(lost, found)| *lost |= found);
        }
        Ok(())
    }

    /// What is gone then.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn finish(mut self) -> Result<Superseded, WriteError> {
        self.look_up().await?;
        let losses = self.tablets.iter().zip(self.lost).map(|(tablet, lost)| Losses {
            partition: tablet.partition,
            bucket: tablet.bucket,
            base: tablet.base,
            runs: tablet.old.iter().zip(lost).collect(),
        });
        let mut superseded = self.lookup.changes(losses.collect()).await?;
        // Tablets that lose nothing need not be as they were.
        superseded.tablets.retain(|tablet| !tablet.rowsets.is_empty());
        Ok(superseded)
    }
}
