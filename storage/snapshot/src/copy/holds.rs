//! The holds of a copy: while it runs no living owner of a source root deletes anything there.

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
    /// Made of the target: a copy that goes on after another was killed takes over the hold that was left.
    incarnation: Incarnation,
    held: Mutex<Vec<(Side, Volume)>>,
}

impl<'a> Holds<'a> {
    pub fn new(layout: &'a Layout, copy: &'a Copy<'a>) -> Holds<'a> {
        let target = format!("{}/{}", copy.target.location.trim_end_matches('/'), layout.root());
        let mut incarnation = sha256_hex(target.as_bytes());
        incarnation.truncate(32);
        Holds { layout, copy, incarnation: Incarnation(incarnation), held: Mutex::default() }
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
            }
            Err(error) => (self.copy.say)(&format!(
                "{at} cannot be held: a living owner may delete files while they are copied; the copy is checked at its end ({})",
                error.chain()
            )),
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
