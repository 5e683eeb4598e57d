//! openraft's own conformance suite against our log store and state machine.

use std::sync::Arc;

use openraft::testing::{StoreBuilder, Suite};
use tempfile::TempDir;

use crate::image_store::ImageStore;
use crate::log_store::{LogStore, open_log};
use crate::meta_dir::MetaDir;
use crate::shared::Shared;
use crate::state_machine::StateMachine;
use crate::testing;
use crate::types::{SnapshotMeta, StorageError, Types};

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError> {
        let dir = tempfile::tempdir().unwrap();
        let (image_dir, log_dir) = (dir.path().join("image"), dir.path().join("log"));
        std::fs::create_dir(&image_dir).unwrap();
        std::fs::create_dir(&log_dir).unwrap();
        let lock = Arc::new(MetaDir::new(dir.path()).lock().unwrap());
        let images = Arc::new(ImageStore::new(&image_dir));
        let log = LogStore::new(open_log(&log_dir).unwrap(), images.clone(), lock.clone());
        let catalog = testing::catalog_at(0);
        let shared = Arc::new(Shared::new(&catalog, None));
        let state_machine = StateMachine::new(catalog, SnapshotMeta::default(), shared, images, lock);
        Ok((dir, log, state_machine))
    }
}

#[test]
fn openraft_is_content_with_our_storage() {
    Suite::test_all(Builder).unwrap();
}
