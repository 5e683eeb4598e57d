//! The sections of a snapshot on their way: packed and compressed one after the other on a thread that may wait, and uploaded
//! side by side. No more bytes are between the two than there is room for, so that a catalog of a gigabyte and one of a
//! kilobyte take the same memory. What is in the store already is not sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use storage_catalog::Catalog;
use storage_catalog::image::{self, ImageError, Secrets, Section};
use storage_volume::Volume;
use storage_volume::layout::Layout;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::Progress;
use crate::error::SnapshotError;
use crate::manifest::SectionEntry;
use crate::store::{self, PARALLEL};

/// Bytes of packed sections that may wait for the store or be on their way. The one that is being packed comes on top.
const ROOM: usize = 32 << 20;
/// Room is given in units of so many bytes.
const UNIT: usize = 1 << 10;

/// A section that takes up room until it is dropped.
#[derive(Debug)]
struct Held {
    section: Section,
    _room: OwnedSemaphorePermit,
}

/// The sections of a catalog, as they are packed.
struct Packed {
    name: String,
    sections: mpsc::Receiver<Held>,
    packer: JoinHandle<Result<(), ImageError>>,
}

impl Packed {
    /// Begins to pack. It waits whenever there is no room, and ends when this is dropped.
    fn begin(
        catalog: &Catalog,
        name: &str,
        room: usize,
        is_wanted: impl Fn(&Section) -> bool + Send + 'static,
    ) -> Packed {
        // More than one may be ready: what bounds them is the room.
        let (sender, sections) = mpsc::channel(PARALLEL);
        let units = room.div_ceil(UNIT).max(1);
        let (free, handle) = (Arc::new(Semaphore::new(units)), tokio::runtime::Handle::current());
        let catalog = catalog.clone();
        let packer = tokio::task::spawn_blocking(move || {
            image::each(&catalog, Secrets::Omit, |section| {
                if sender.is_closed() {
                    return Err(ImageError::Unwanted);
                }
                if !is_wanted(&section) {
                    return Ok(());
                }
                // One that is larger than all the room goes alone.
                let needed = section.bytes.len().div_ceil(UNIT).clamp(1, units);
                let needed = u32::try_from(needed).unwrap_or(u32::MAX);
                let room = handle.block_on(Arc::clone(&free).acquire_many_owned(needed));
                let held = Held { section, _room: room.map_err(|_| ImageError::Unwanted)? };
                sender.blocking_send(held).map_err(|_| ImageError::Unwanted)
            })
        });
        Packed { name: name.to_owned(), sections, packer }
    }

    /// Ok when every section was packed.
    async fn end(self) -> Result<(), SnapshotError> {
        drop(self.sections);
        let internal = |e: String| SnapshotError::internal("encode the catalog of", &self.name, e);
        self.packer.await.map_err(|e| internal(e.to_string()))?.map_err(|e| internal(e.to_string()))
    }
}

/// What the sections of the catalog will be, without their bytes: the manifest names them, and people are told how many there
/// are before the first is sent.
pub(super) async fn outline(
    catalog: &Catalog,
    name: &str,
    progress: &impl Fn(Progress),
) -> Result<Vec<SectionEntry>, SnapshotError> {
    let mut packed = Packed::begin(catalog, name, ROOM, |_| true);
    let (mut entries, mut all) = (Vec::new(), Progress::default());
    while let Some(held) = packed.sections.recv().await {
        let entry = entry(name, &held.section);
        all.sections += 1;
        all.bytes += entry.size;
        progress(all);
        entries.push(entry);
    }
    packed.end().await?;
    Ok(entries)
}

fn entry(name: &str, section: &Section) -> SectionEntry {
    SectionEntry {
        path: Layout::section_in_root(name, &section.sha256),
        kind: section.kind,
        size: section.bytes.len() as u64,
        sha256: section.sha256.clone(),
    }
}

/// Where sections go.
pub(super) struct Job<'a> {
    /// The volume.
    pub volume: &'a Volume,
    /// The service root.
    pub layout: &'a Layout,
    /// The snapshot.
    pub name: &'a str,
    /// What is in its directory already, with sizes.
    pub present: &'a BTreeMap<String, u64>,
}

impl Job<'_> {
    /// Brings the sections of the catalog into the store, those that are not there yet.
    pub(super) async fn upload(
        &self,
        catalog: &Catalog,
        entries: &[SectionEntry],
        progress: &impl Fn(Progress),
    ) -> Result<(), SnapshotError> {
        let mut state = Progress { sections: entries.len() as u64, ..Progress::default() };
        let mut missing = BTreeSet::new();
        for entry in entries {
            state.bytes += entry.size;
            if self.present.get(&self.layout.in_root(&entry.path)) == Some(&entry.size) {
                state.sections_done += 1;
                state.bytes_done += entry.size;
            } else {
                missing.insert(entry.sha256.clone());
            }
        }
        progress(state);
        if missing.is_empty() {
            return Ok(());
        }
        let mut packed = Packed::begin(catalog, self.name, ROOM, move |section| missing.contains(&section.sha256));
        let state = Mutex::new(state);
        let puts =
            futures::stream::poll_fn(|cx| packed.sections.poll_recv(cx)).map(|held| self.put(held, &state, progress));
        puts.buffer_unordered(PARALLEL).try_collect::<Vec<()>>().await?;
        packed.end().await
    }

    async fn put(
        &self,
        held: Held,
        state: &Mutex<Progress>,
        progress: &impl Fn(Progress),
    ) -> Result<(), SnapshotError> {
        let Held { section, _room } = held;
        let path = self.layout.section(self.name, &section.sha256);
        let bytes = Bytes::from(section.bytes);
        let size = bytes.len() as u64;
        fail::fail_point!("job.section.before");
        store::write(self.volume, "upload section", &path, bytes).await?;
        fail::fail_point!("job.section.after");
        let mut now = state.lock().unwrap_or_else(PoisonError::into_inner);
        now.sections_done += 1;
        now.bytes_done += size;
        progress(*now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Kit;

    #[tokio::test]
    async fn no_more_is_packed_than_there_is_room_for() {
        let catalog = Kit::new().await.catalog;
        let all = image::encode(&catalog, Secrets::Omit).unwrap();
        assert!(all.len() > 2, "{} sections", all.len());
        // Every section is larger than this: each goes alone.
        let mut packed = Packed::begin(&catalog, "m", 1, |_| true);
        let mut taken = Vec::new();
        while let Some(held) = packed.sections.recv().await {
            tokio::task::yield_now().await;
            assert!(packed.sections.is_empty(), "another one is there while the room is taken");
            taken.push(held.section.clone());
        }
        packed.end().await.unwrap();
        assert!(taken == all);
    }

    #[tokio::test]
    async fn packing_ends_when_nobody_wants_it() {
        let mut packed = Packed::begin(&Kit::new().await.catalog, "m", 1, |_| true);
        let first = packed.sections.recv().await.unwrap();
        drop(first);
        let error = packed.end().await.unwrap_err();
        assert!(error.chain().contains("nobody takes its sections"), "{}", error.chain());
    }

    #[tokio::test]
    async fn only_what_is_wanted_takes_room() {
        let packed = Packed::begin(&Kit::new().await.catalog, "m", 1, |_| false);
        let Packed { mut sections, packer, .. } = packed;
        assert!(sections.recv().await.is_none());
        packer.await.unwrap().unwrap();
    }
}
