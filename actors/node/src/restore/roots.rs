//! The roots of the cluster that is to be: those that it owns are claimed, those that it borrows are leased.

use std::collections::BTreeMap;

use storage_catalog::{Catalog, VolumeDraft};
use storage_model::{Epoch, Incarnation, Loan, StorageVolume, VolumeId};
use storage_snapshot::owner::{self, OwnerFacts};
use storage_volume::Volume;
use storage_volume::layout::Layout;
use storage_volume::location::normalize_location;

use super::{RestoreError, chain, open};

/// Every volume of the new cluster, opened.
pub(super) struct Roots<'a> {
    layout: &'a Layout,
    incarnation: &'a Incarnation,
    facts: &'a OwnerFacts,
    /// Each must be claimed before the cluster lives.
    pub owned: BTreeMap<VolumeId, Volume>,
    /// Each must be leased before the cluster lives.
    borrowed: Vec<(Volume, Loan)>,
}

impl<'a> Roots<'a> {
    /// Those of a catalog that was rebased. `builtin`: what fe.conf describes, which the cluster will claim when it starts.
    pub fn open(
        restored: &Catalog,
        builtin: Option<&VolumeDraft>,
        layout: &'a Layout,
        incarnation: &'a Incarnation,
        facts: &'a OwnerFacts,
    ) -> Result<Roots<'a>, RestoreError> {
        check_apart(restored, builtin)?;
        let mut roots = Roots { layout, incarnation, facts, owned: BTreeMap::new(), borrowed: Vec::new() };
        for spec in restored.volumes() {
            match &spec.borrowed {
                Some(loan) => roots.borrowed.push((open(spec)?, loan.clone())),
                None => drop(roots.owned.insert(spec.id, open(spec)?)),
            }
        }
        Ok(roots)
    }

    pub fn all(&self) -> impl Iterator<Item = &Volume> {
        self.owned.values().chain(self.borrowed.iter().map(|(volume, _)| volume))
    }

    /// Greater than every epoch in what is owned.
    pub async fn next_epoch(&self, image: &Catalog) -> Result<Epoch, RestoreError> {
        let mut greatest = image.identity().epoch;
        for volume in self.owned.values() {
            let claim = owner::greatest(volume, self.layout).await.map_err(chain)?;
            greatest = greatest.max(claim.map_or(Epoch(0), |c| c.epoch));
        }
        Ok(Epoch(greatest.0 + 1))
    }

    /// Leases what is borrowed, then claims what is not.
    pub async fn take(&self, epoch: Epoch, say: &(dyn Fn(&str) + Send + Sync)) -> Result<(), RestoreError> {
        let failed = |volume: &Volume, what: &str, error: storage_snapshot::SnapshotError| RestoreError::Volume {
            volume: volume.name().to_owned(),
            cause: format!("volume {} cannot be {what}: {}", volume.id(), error.chain()),
        };
        for (volume, loan) in &self.borrowed {
            let leased = owner::lease(volume, self.layout, self.incarnation, loan, self.facts).await;
            leased.map_err(|e| failed(volume, "leased", e))?;
            let (snapshot, location) = (&loan.snapshot, volume.location());
            say(&format!("leased {snapshot} in {location}: its owner keeps it, and nothing else is written there"));
        }
        for volume in self.owned.values() {
            let claimed = owner::claim(volume, self.layout, epoch, self.incarnation, self.facts).await;
            claimed.map_err(|e| failed(volume, "claimed", e))?;
        }
        say(&format!("claimed {} volumes as epoch {epoch}", self.owned.len()));
        Ok(())
    }

    /// Nobody is behind the claims and leases: whoever owned the roots goes on.
    pub async fn give_back(&self, epoch: Epoch) {
        let say = |volume: &Volume, given: Result<(), storage_snapshot::SnapshotError>| {
            if let Err(error) = given {
                let (volume, error) = (volume.name(), error.chain());
                tracing::error!(volume, error, "a claim or lease of the failed restore could not be taken back");
            }
        };
        for volume in self.owned.values() {
            say(volume, owner::release(volume, self.layout, epoch, self.incarnation).await);
        }
        for (volume, loan) in &self.borrowed {
            say(volume, owner::end_lease(volume, self.layout, self.incarnation, loan).await);
        }
    }
}

/// A claim on a place that is borrowed would take it from its owner.
fn check_apart(restored: &Catalog, builtin: Option<&VolumeDraft>) -> Result<(), RestoreError> {
    let (borrowed, owned): (Vec<_>, Vec<_>) = restored.volumes().partition(|volume| volume.borrowed.is_some());
    let owned = owned.iter().map(|volume| (&volume.name, place(&volume.location, &volume.properties)));
    let owned = owned.chain(builtin.map(|draft| (&draft.name, place(&draft.location, &draft.properties))));
    for (name, at) in owned {
        if let Some(other) = borrowed.iter().find(|volume| place(&volume.location, &volume.properties) == at) {
            return Err(RestoreError::Plan(format!(
                "storage volume '{name}' is at {}, which '{}' borrows from another cluster: give it a place of its own",
                at.0, other.name
            )));
        }
    }
    Ok(())
}

/// A location on a server: two servers may have a bucket of the same name.
fn place(location: &str, properties: &BTreeMap<String, String>) -> (String, String) {
    let endpoint = properties.get("aws.s3.endpoint").map(|text| text.trim_end_matches('/').to_owned());
    (normalize_location(location).trim_end_matches('/').to_owned(), endpoint.unwrap_or_default())
}

/// Whether two definitions are of the same place.
pub(super) fn is_same_place(one: &StorageVolume, other: &StorageVolume) -> bool {
    place(&one.location, &one.properties) == place(&other.location, &other.properties)
}
