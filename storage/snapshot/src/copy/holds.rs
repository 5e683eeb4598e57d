//! The holds of a copy: while it runs no living owner of a source root deletes anything there. Every copy has a hold of its
//! own: of two that overlap, the one that ends first lets go of nothing that the other needs.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use storage_model::Incarnation;
use storage_volume::{Layout, Volume};

use super::Copy;
use crate::owner;
use crate::store::sha256_hex;

/// Between two renewals.
const RENEW_EVERY: Duration = Duration::from_secs(60);
/// A hold that was not renewed for so long, by the store's clock, was left by a copy that was killed; milliseconds.
const LEFT_MILLIS: u64 = 240_000;

/// Where a root is: both sides may have the same location, on two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Target,
}

/// Holds on the roots that were taken so far.
pub(super) struct Holds<'a> {
    layout: &'a Layout,
    copy: &'a Copy<'a>,
    /// Begins with [`Holds::kin`].
    incarnation: Incarnation,
    /// Made of the target: a copy that goes on after another was killed knows the hold that was left.
    kin: String,
    held: Mutex<Vec<(Side, Volume)>>,
}

impl<'a> Holds<'a> {
    pub fn new(layout: &'a Layout, copy: &'a Copy<'a>) -> Holds<'a> {
        let target = format!("{}/{}", copy.target.location.trim_end_matches('/'), layout.root());
        let mut kin = sha256_hex(target.as_bytes());
        kin.truncate(16);
        let own = uuid::Uuid::new_v4().simple().to_string();
        let incarnation = Incarnation(format!("{kin}{}", &own[..16]));
        Holds { layout, copy, incarnation, kin, held: Mutex::default() }
    }

    /// Best effort: a source may be read-only.
    pub async fn take(&self, side: Side, volume: &Volume) {
        let is_held = |(at, held): &(Side, Volume)| *at == side && held.location() == volume.location();
        if self.copy.dry_run || self.all().iter().any(is_held) {
            return;
        }
        let at = format!("{}/{}", volume.location().trim_end_matches('/'), self.layout.root());
        match owner::hold(volume, self.layout, &self.incarnation, &self.copy.facts).await {
            Ok(()) => {
                (self.copy.say)(&format!("holding {at}: a living owner deletes nothing there until the copy ends"));
                self.held.lock().unwrap_or_else(PoisonError::into_inner).push((side, volume.clone()));
                self.take_away_what_was_left(volume).await;
            }
            Err(error) => (self.copy.say)(&format!(
                "{at} cannot be held: a living owner may delete files while they are copied; the copy is checked at its end ({})",
                error.chain()
            )),
        }
    }

    /// Holds of copies to the same place that were killed: their holds are renewed no more. Best effort.
    async fn take_away_what_was_left(&self, volume: &Volume) {
        let Ok(owners) = owner::owner_names(volume, self.layout).await else { return };
        let Some(own) = owners.holds.iter().find(|hold| hold.incarnation == self.incarnation) else { return };
        let is_left = |hold: &&owner::Hold| {
            let silent = own.written_at.0.saturating_sub(hold.written_at.0);
            hold.incarnation.as_str().starts_with(&self.kin) && silent > LEFT_MILLIS
        };
        for hold in owners.holds.iter().filter(is_left) {
            if let Err(error) = owner::let_go(volume, self.layout, &hold.incarnation).await {
                (self.copy.say)(&format!("the hold of a copy that was killed could not be removed: {}", error.chain()));
            }
        }
    }

    /// For ever.
    pub async fn renew(&self) -> Infallible {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            for (_, volume) in self.all() {
                if let Err(error) = owner::hold(&volume, self.layout, &self.incarnation, &self.copy.facts).await {
                    (self.copy.say)(&format!("the hold on {} was not renewed: {}", volume.location(), error.chain()));
                }
            }
        }
    }

    pub async fn let_go(&self) {
        for (_, volume) in self.all() {
            if let Err(error) = owner::let_go(&volume, self.layout, &self.incarnation).await {
                let path = self.layout.hold(&self.incarnation);
                (self.copy.say)(&format!(
                    "{path} in {} could not be removed, and no file is deleted there for a day: {}",
                    volume.location(),
                    error.chain()
                ));
            }
        }
    }

    fn all(&self) -> Vec<(Side, Volume)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
