//! Does the owner of a root live? Whoever is about to take the root asks it by a hold: an owner that sees one tells anew how
//! far its metadata are, at once. One that has told nothing for long is not waited for. An owner that lives and does not answer
//! in time loses nothing but its place: it sees the greater claim and turns read-only.

use std::time::Duration;

use bytes::Bytes;
use storage_model::Incarnation;
use storage_volume::Volume;
use storage_volume::layout::Layout;
use tokio::time::Instant;

use crate::error::SnapshotError;
use crate::owner::{self, Claim, OwnerFacts};
use crate::store;

/// An owner looks for holds every three seconds, and waits up to five for a volume that does not answer; so long it has to tell.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// An owner tells how far its metadata are every minute at least: one that has not for so long is gone, milliseconds.
const SILENT_MILLIS: u64 = 180_000;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A root whose owner was asked.
#[derive(Debug)]
pub struct Question {
    volume: Volume,
    mark: String,
    /// None: nobody owns it, or has not told anything for long.
    owner: Option<Claim>,
    /// What the owner had told when it was asked.
    told: Option<Bytes>,
    asked: Instant,
}

impl Question {
    /// Holds the root for `ours`, and so asks its owner. [`owner::let_go`] ends the hold.
    pub async fn ask(
        volume: &Volume,
        layout: &Layout,
        ours: &Incarnation,
        facts: &OwnerFacts,
    ) -> Result<Question, SnapshotError> {
        let owner = owner::owners(volume, layout).await?.greatest().cloned();
        let mark = owner.as_ref().map_or_else(String::new, |claim| layout.mark(claim.epoch, &claim.incarnation));
        let told = match &owner {
            Some(_) => store::read(volume, "read high-water mark", &mark).await?,
            None => None,
        };
        owner::hold(volume, layout, ours, facts).await?;
        let mut question = Question { volume: volume.clone(), mark, owner, told, asked: Instant::now() };
        if question.owner.is_some() && question.is_silent(&layout.hold(ours)).await? {
            question.owner = None;
        }
        Ok(question)
    }

    /// Both times are of the store's clock.
    async fn is_silent(&self, hold: &str) -> Result<bool, SnapshotError> {
        let at = async |path: &str| store::head(&self.volume, "look up when it was written:", path).await;
        let (told, held) = (at(&self.mark).await?, at(hold).await?);
        Ok(match (told, held) {
            (Some(told), Some(held)) => held.last_modified_ms.saturating_sub(told.last_modified_ms) > SILENT_MILLIS,
            // It has claimed the root, and may tell something for the first time.
            _ => false,
        })
    }

    /// The owner, if it has answered. Waits until [`ANSWER_WITHIN`] has passed since it was asked.
    pub async fn answer(&self) -> Result<Option<&Claim>, SnapshotError> {
        let Some(owner) = &self.owner else { return Ok(None) };
        loop {
            let is_over = self.asked.elapsed() >= ANSWER_WITHIN;
            if store::read(&self.volume, "read high-water mark", &self.mark).await? != self.told {
                return Ok(Some(owner));
            }
            if is_over {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until an owner that lives deletes nothing any more, and nothing that it had begun to delete is under way.
    pub async fn heard(&self) {
        if self.owner.is_some() {
            tokio::time::sleep_until(self.asked + ANSWER_WITHIN).await;
        }
    }

    /// The root.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }
}
