//! The volumes that this node has opened: one client for each definition, so that connections are kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use storage_model::StorageVolume;
use storage_volume::{Volume, VolumeError};

/// Opened volumes. Cloning shares them.
#[derive(Clone, Default)]
pub struct Volumes {
    opened: Arc<Mutex<HashMap<storage_model::VolumeId, (StorageVolume, Volume)>>>,
}

impl Volumes {
    /// The volume as defined now; opened again when its definition has changed.
    pub fn open(&self, spec: &StorageVolume) -> Result<Volume, VolumeError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, volume)) = opened.get(&spec.id)
            && known == spec
        {
            return Ok(volume.clone());
        }
        let volume = Volume::open(spec)?;
        opened.insert(spec.id, (spec.clone(), volume.clone()));
        Ok(volume)
    }
}
