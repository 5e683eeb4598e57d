//! The catalog under openraft: applies entries, builds images of a frozen clone, installs images of others.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use openraft::storage::RaftStateMachine;
use openraft::{AnyError, OptionalSend, RaftSnapshotBuilder, StorageIOError};
use storage_catalog::{Catalog, Command, Envelope, Reply};
use storage_model::snapshot::JobEvent;
use tokio::fs::File;
use tracing::{error, info};

use crate::background;
use crate::error::RaftError;
use crate::image_store::{self, Image, ImageStore};
use crate::meta_dir::DirLock;
use crate::shared::Shared;
use crate::types::{
    Applied, Entry, EntryPayload, LogId, Snapshot, SnapshotMeta, StorageError, StoredMembership, Types,
};

/// The replicated catalog of this node.
pub(crate) struct StateMachine {
    catalog: Catalog,
    applied: Option<LogId>,
    membership: StoredMembership,
    shared: Arc<Shared>,
    images: Arc<ImageStore>,
    lock: Arc<DirLock>,
}

impl StateMachine {
    /// The state that an image holds.
    pub(crate) fn new(
        catalog: Catalog,
        meta: SnapshotMeta,
        shared: Arc<Shared>,
        images: Arc<ImageStore>,
        lock: Arc<DirLock>,
    ) -> StateMachine {
        let SnapshotMeta { last_log_id: applied, last_membership: membership, .. } = meta;
        StateMachine { catalog, applied, membership, shared, images, lock }
    }

    fn apply_command(&mut self, envelope: &Envelope) -> Reply {
        let reply = self.catalog.apply(envelope);
        if let (Command::SnapshotEvent { job, event: JobEvent::Cut | JobEvent::Recut, .. }, Ok(_)) =
            (&envelope.command, &reply)
        {
            self.shared.freeze(*job, &self.catalog);
        }
        reply
    }

    fn apply_entry(&mut self, entry: Entry) -> Applied {
        self.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Applied::default(),
            EntryPayload::Normal(batch) => Applied(batch.0.iter().map(|e| self.apply_command(e)).collect()),
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
                Applied::default()
            }
        }
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotBuilder = ImageBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let replies = entries.into_iter().map(|entry| self.apply_entry(entry)).collect();
        self.shared.publish(&self.catalog, self.applied);
        Ok(replies)
    }

    /// Runs on the task that applies entries: a clone of the catalog costs nothing, and that is all that happens here.
    async fn get_snapshot_builder(&mut self) -> ImageBuilder {
        let (index, term) = self.applied.map_or((0, 0), |id| (id.index, id.leader_id.term));
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: format!("{}-{term}-{index}", self.catalog.revision()),
        };
        ImageBuilder { catalog: self.catalog.clone(), meta, images: self.images.clone(), lock: self.lock.clone() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<File>, StorageError> {
        let path = self.images.received();
        let file = tokio::task::spawn_blocking(move || -> io::Result<std::fs::File> {
            let file = std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
            // Nameless from here on: whatever happens to the transfer, nothing is left behind.
            std::fs::remove_file(&path)?;
            Ok(file)
        })
        .await
        .map_err(write_failed)?
        .map_err(write_failed)?;
        Ok(Box::new(File::from_std(file)))
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Box<File>) -> Result<(), StorageError> {
        let file = snapshot.into_std().await;
        let (images, expected) = (self.images.clone(), meta.clone());
        let installed = tokio::task::spawn_blocking(move || install(&images, &expected, file)).await;
        let installed = installed.map_err(|e| e.to_string()).and_then(|kept| kept.map_err(|e| e.to_string()));
        let catalog = installed.map_err(|cause| {
            self.images.refuse(cause.clone());
            write_failed(cause)
        })?;
        info!(revision = %catalog.revision(), "image of the leader installed");
        self.catalog = catalog;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.shared.publish(&self.catalog, self.applied);
        self.shared.freeze_if_cut(&self.catalog);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        match self.images.latest() {
            // The image of a frontend that has just joined holds nothing.
            Some(image) if image.meta.last_log_id.is_some() => Ok(Some(open_image(image).await?)),
            Some(_) | None => Ok(None),
        }
    }
}

/// Checks a received image, makes it this node's own and durable.
fn install(images: &ImageStore, expected: &SnapshotMeta, mut file: std::fs::File) -> Result<Catalog, RaftError> {
    let loaded = image_store::receive(&mut file)?;
    let found = &loaded.meta;
    if found.last_log_id != expected.last_log_id {
        let cause = format!("the received image ends at {:?}, not at {:?}", found.last_log_id, expected.last_log_id);
        return Err(RaftError::Image(cause));
    }
    if found.last_membership != expected.last_membership {
        let (found, expected) = (&found.last_membership, &expected.last_membership);
        return Err(RaftError::Image(format!("the received image is of the group {found}, not {expected}")));
    }
    images.keep(&mut file, loaded)
}

async fn open_image(image: Image) -> Result<Snapshot, StorageError> {
    let file = File::open(&image.path).await.map_err(|e| {
        let cause = AnyError::error(format!("{}: {e}", image.path.display()));
        StorageIOError::read_snapshot(Some(image.meta.signature()), cause)
    })?;
    Ok(Snapshot { meta: image.meta, snapshot: Box::new(file) })
}

fn write_failed(cause: impl Display) -> StorageError {
    StorageIOError::write_snapshot(None, AnyError::error(cause)).into()
}

/// A frozen catalog on its way to disk, while the state machine goes on.
pub(crate) struct ImageBuilder {
    catalog: Catalog,
    meta: SnapshotMeta,
    images: Arc<ImageStore>,
    lock: Arc<DirLock>,
}

impl RaftSnapshotBuilder<Types> for ImageBuilder {
    /// An image that cannot be written (a full disk) must not stop Raft, which can do without: the one before it is
    /// handed over again, which changes nothing, and the cause is kept for whoever asked.
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        let (catalog, meta) = (self.catalog.clone(), self.meta.clone());
        let (images, lock) = (self.images.clone(), self.lock.clone());
        // Whoever commits meanwhile is not to wait for it.
        let written = background::run("image", move || {
            let written = images.write(&catalog, &meta);
            drop(lock);
            written
        });
        let failure = match written.await {
            Ok(Ok(image)) => return open_image(image).await,
            Ok(Err(error)) => error.to_string(),
            Err(error) => {
                self.images.attempted(Some(error.clone()));
                error
            }
        };
        if !self.images.is_stopping() {
            error!(error = %failure, "the image of the metadata was not written; the log goes on");
        }
        match self.images.latest() {
            Some(image) => open_image(image).await,
            None => Err(write_failed(failure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta_dir::MetaDir;
    use crate::room::Room;
    use crate::testing;

    #[tokio::test]
    async fn whoever_waits_for_an_image_hears_that_its_thread_has_panicked() {
        let dir = tempfile::tempdir().unwrap();
        let images = ImageStore::new(dir.path());
        images.write(&testing::catalog_at(3), &testing::meta_at(3)).unwrap();
        let images = Arc::new(images.in_room(Arc::new(Room::broken())));
        let (catalog, lock) = (testing::catalog_at(5), Arc::new(MetaDir::new(dir.path()).lock().unwrap()));
        let shared = Arc::new(Shared::new(&catalog, None));
        let mut machine = StateMachine::new(catalog, testing::meta_at(5), shared, images.clone(), lock);
        let attempts = images.attempts();
        let snapshot = machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
        assert_eq!(snapshot.meta, testing::meta_at(3), "the one before it");
        assert!(attempts.has_changed().unwrap());
        assert_eq!(images.failure().as_deref(), Some("image: panicked"));
    }
}
