//! The object store: what is deleted here is gone for every timeline.

use std::collections::{BTreeMap, BTreeSet};

use storage_catalog::PresentManifest;
use storage_model::{Incarnation, Revision, UnixMillis};

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
    pub incarnation: Incarnation,
    pub sections: Vec<Vec<u8>>,
    /// What it should say.
    pub model: Model,
    /// Data files that a restore needs.
    pub needs: BTreeSet<String>,
    pub is_void: bool,
}

impl Store {
    /// The snapshots that a restore finds.
    pub fn present(&self) -> Vec<PresentManifest> {
        let there = self.manifests.iter().filter(|(_, m)| !m.is_void);
        let present = |(name, manifest): (&String, &Manifest)| PresentManifest {
            name: name.clone(),
            cut: Revision(manifest.cut),
            incarnation: manifest.incarnation.clone(),
            starmgr_id: 0,
            sha256: sha256(manifest.cut),
            bytes: 1,
            created_at: UnixMillis(1),
            finished_at: UnixMillis(2),
            comment: String::new(),
            revived_at: manifest.model.revived.map(Revision),
        };
        there.map(present).collect()
    }
}

/// What the manifest of a cut says that its hash is.
pub fn sha256(cut: u64) -> String {
    format!("{cut:064x}")
}
