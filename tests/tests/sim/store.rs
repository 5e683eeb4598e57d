//! The object store: what is deleted here is gone for every timeline.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Model;

#[derive(Debug, Default)]
pub struct Store {
    /// Data files.
    pub objects: BTreeSet<String>,
    /// Manifests with their sections, by the name of the snapshot.
    pub manifests: BTreeMap<String, Manifest>,
}

#[derive(Debug)]
pub struct Manifest {
    pub cut: u64,
    pub sections: Vec<Vec<u8>>,
    /// What it should say.
    pub model: Model,
    /// Data files that a restore needs.
    pub needs: BTreeSet<String>,
    pub is_void: bool,
}

impl Store {
    /// The snapshots that a restore finds.
    pub fn present(&self) -> BTreeSet<(String, u64)> {
        self.manifests.iter().filter(|(_, m)| !m.is_void).map(|(name, m)| (name.clone(), m.cut)).collect()
    }
}
