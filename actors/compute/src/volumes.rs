//! The volumes that this node has opened: one client for each definition, so that connections are kept; and the same volumes read
//! through the node's data cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use storage_cache::{Counts, DataCache, Place};
use storage_model::{StorageVolume, VolumeId, VolumeType};
use storage_volume::{Volume, VolumeError};

/// Opened volumes. Cloning shares them.
#[derive(Clone, Default)]
pub struct Volumes {
    opened: Arc<Mutex<HashMap<VolumeId, Opened>>>,
    cache: Option<DataCache>,
}

/// A volume as it was defined when it was opened.
struct Opened {
    spec: StorageVolume,
    itself: Volume,
    near: Volume,
    passing: Volume,
}

impl Volumes {
    /// Volumes whose data files are read through a cache.
    pub fn cached(cache: Option<DataCache>) -> Volumes {
        Volumes { opened: Arc::default(), cache }
    }

    /// What the cache has done and holds. None: there is none.
    pub fn cache_counts(&self) -> Option<Counts> {
        self.cache.as_ref().map(DataCache::counts)
    }

    /// The volume as defined now, itself; opened again when its definition has changed.
    pub fn open(&self, spec: &StorageVolume) -> Result<Volume, VolumeError> {
        self.choose(spec, |opened| &opened.itself)
    }

    /// The volume through the cache.
    pub fn near(&self, spec: &StorageVolume) -> Result<Volume, VolumeError> {
        self.choose(spec, |opened| &opened.near)
    }

    /// The volume for reads that are not worth keeping: from the cache where it has all, and past it otherwise.
    pub fn passing(&self, spec: &StorageVolume) -> Result<Volume, VolumeError> {
        self.choose(spec, |opened| &opened.passing)
    }

    fn choose(&self, spec: &StorageVolume, which: impl Fn(&Opened) -> &Volume) -> Result<Volume, VolumeError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.get(&spec.id)
            && known.spec == *spec
        {
            return Ok(which(known).clone());
        }
        let new = self.open_anew(spec)?;
        let volume = which(&new).clone();
        opened.insert(spec.id, new);
        Ok(volume)
    }

    fn open_anew(&self, spec: &StorageVolume) -> Result<Opened, VolumeError> {
        let itself = Volume::open(spec)?;
        // Files of a directory are near already: the operating system caches them.
        let (near, passing) = match self.cache.as_ref().filter(|_| spec.volume_type != VolumeType::Local) {
            Some(cache) => {
                let place = Place::of(spec);
                (itself.through(|store| cache.over(place, store)), itself.through(|store| cache.beside(place, store)))
            }
            None => (itself.clone(), itself.clone()),
        };
        Ok(Opened { spec: spec.clone(), itself, near, passing })
    }
}
