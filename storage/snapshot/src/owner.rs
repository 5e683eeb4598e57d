//! Who owns a service root. Claims have names that are never used twice, so that no store has to refuse a second write;
//! the greatest (epoch, incarnation) owns. A hold asks a living owner to stop deleting while a restore or a copy looks. A lease
//! asks every owner to keep one snapshot, for as long as it is renewed: a cluster lives on the files of that.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use storage_model::{Epoch, Incarnation, Loan, UnixMillis};
use storage_volume::layout::{Layout, OwnerName, parse_owner_name};
use storage_volume::{ObjectInfo, Volume};

use crate::error::SnapshotError;
use crate::manifest::Stamp;
use crate::store::{self, PARALLEL};

/// What a claim or hold says of whoever wrote it: for people and messages, never for decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerFacts {
    /// The host.
    pub host: String,
    /// When, by the writer's clock.
    pub at: Stamp,
    /// The writer.
    pub product_version: String,
}

impl OwnerFacts {
    /// Facts of now.
    pub fn new(host: &str, now: UnixMillis, product_version: &str) -> OwnerFacts {
        OwnerFacts { host: host.to_owned(), at: now.into(), product_version: product_version.to_owned() }
    }
}

/// A claim. Greater claims win.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// From this epoch on.
    pub epoch: Epoch,
    /// This incarnation owns the root.
    pub incarnation: Incarnation,
    /// When it was written, by the store's clock.
    pub written_at: UnixMillis,
    /// None when they cannot be read: the name is what counts.
    pub facts: Option<OwnerFacts>,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who looks.
    pub incarnation: Incarnation,
    /// When it was written (or renewed: written again), by the store's clock.
    pub written_at: UnixMillis,
    /// None when they cannot be read.
    pub facts: Option<OwnerFacts>,
}

/// A lease that was not renewed for so long, by the store's clock, binds nobody any more; milliseconds.
pub const LEASE_MILLIS: u64 = 86_400_000;

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who needs it.
    pub incarnation: Incarnation,
    /// What.
    pub loan: Loan,
    /// When it was written (or renewed: written again), by the store's clock.
    pub written_at: UnixMillis,
    /// None when they cannot be read: the name is what counts.
    pub facts: Option<OwnerFacts>,
}

/// All claims, holds and leases of a root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owners {
    /// In rising order: the last one owns.
    pub claims: Vec<Claim>,
    /// In order of incarnation.
    pub holds: Vec<Hold>,
    /// In order of incarnation.
    pub leases: Vec<Lease>,
    /// When anything was written here last, by the store's clock.
    pub newest: Option<UnixMillis>,
}

impl Owners {
    /// What the store's clock shows at least. Leases and holds end by it: the clock of this host may be ahead of it by any time. An
    /// owner that lives writes its mark again and again, so that this one goes on. `own`: of this host, when nothing is there.
    pub fn now(&self, own: UnixMillis) -> UnixMillis {
        self.newest.unwrap_or(own)
    }

    /// The claim that wins.
    pub fn greatest(&self) -> Option<&Claim> {
        self.claims.last()
    }

    /// Whether this incarnation owns the root. Nobody does while there is no claim.
    pub fn is_owned_by(&self, epoch: Epoch, incarnation: &Incarnation) -> bool {
        self.greatest().is_some_and(|claim| (claim.epoch, &claim.incarnation) == (epoch, incarnation))
    }

    /// Whether somebody's hold was written after `since` (the store's clock): older ones are stale.
    pub fn is_held_since(&self, since: UnixMillis) -> bool {
        self.holds.iter().any(|hold| hold.written_at > since)
    }
}

/// Claims the root. Read [`owners`] afterwards: a greater claim may be there.
pub async fn claim(
    volume: &Volume,
    layout: &Layout,
    epoch: Epoch,
    incarnation: &Incarnation,
    facts: &OwnerFacts,
) -> Result<(), SnapshotError> {
    write(volume, "write owner claim", &layout.claim(epoch, incarnation), facts).await
}

/// Takes a claim back: a restore that did not go through, or a greater claim of the same owner.
pub async fn release(
    volume: &Volume,
    layout: &Layout,
    epoch: Epoch,
    incarnation: &Incarnation,
) -> Result<(), SnapshotError> {
    store::delete_all(volume, "delete owner claim", &[layout.claim(epoch, incarnation)]).await
}

/// Asks a living owner to delete nothing. Call it again to renew it, [`let_go`] to end it.
pub async fn hold(
    volume: &Volume,
    layout: &Layout,
    incarnation: &Incarnation,
    facts: &OwnerFacts,
) -> Result<(), SnapshotError> {
    write(volume, "write hold", &layout.hold(incarnation), facts).await
}

/// Ends a hold.
pub async fn let_go(volume: &Volume, layout: &Layout, incarnation: &Incarnation) -> Result<(), SnapshotError> {
    store::delete_all(volume, "delete hold", &[layout.hold(incarnation)]).await
}

/// Asks every owner to keep a snapshot. Call it again to renew it, [`end_lease`] to end it.
pub async fn lease(
    volume: &Volume,
    layout: &Layout,
    incarnation: &Incarnation,
    loan: &Loan,
    facts: &OwnerFacts,
) -> Result<(), SnapshotError> {
    write(volume, "write lease", &layout.lease(incarnation, loan), facts).await
}

/// Ends a lease.
pub async fn end_lease(
    volume: &Volume,
    layout: &Layout,
    incarnation: &Incarnation,
    loan: &Loan,
) -> Result<(), SnapshotError> {
    store::delete_all(volume, "delete lease", &[layout.lease(incarnation, loan)]).await
}

/// Ends leases that have bound nobody for as long as they did before, when it is `now` by the store's clock; their number. Each is
/// read at every look. A borrower that comes back writes its own again. For the owner.
pub async fn end_lapsed_leases(
    volume: &Volume,
    layout: &Layout,
    owners: &Owners,
    now: UnixMillis,
) -> Result<usize, SnapshotError> {
    let oldest = now.0.saturating_sub(2 * LEASE_MILLIS);
    let lapsed = owners.leases.iter().filter(|lease| lease.written_at.0 < oldest);
    let paths: Vec<String> = lapsed.map(|lease| layout.lease(&lease.incarnation, &lease.loan)).collect();
    if !paths.is_empty() {
        store::delete_all(volume, "delete lapsed leases", &paths).await?;
    }
    Ok(paths.len())
}

/// All claims of a root, rising: the last one owns.
pub async fn claims(volume: &Volume, layout: &Layout) -> Result<Vec<Claim>, SnapshotError> {
    Ok(owners(volume, layout).await?.claims)
}

/// The claim that wins.
pub async fn greatest(volume: &Volume, layout: &Layout) -> Result<Option<Claim>, SnapshotError> {
    Ok(owners(volume, layout).await?.claims.pop())
}

/// All claims, holds and leases with their facts: one LIST, one GET each.
pub async fn owners(volume: &Volume, layout: &Layout) -> Result<Owners, SnapshotError> {
    let mut owners = owner_names(volume, layout).await?;
    let paths = owners.claims.iter().map(|c| layout.claim(c.epoch, &c.incarnation));
    let paths = paths.chain(owners.holds.iter().map(|h| layout.hold(&h.incarnation)));
    let paths = paths.chain(owners.leases.iter().map(|l| layout.lease(&l.incarnation, &l.loan)));
    let paths: Vec<String> = paths.collect();
    let reads: Vec<_> = paths.iter().map(|path| store::read(volume, "read owner claim", path)).collect();
    let bodies: Vec<Option<Bytes>> = futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
    let mut facts = bodies.iter().map(|body| serde_json::from_slice(body.as_deref()?).ok());
    for claim in &mut owners.claims {
        claim.facts = facts.next().flatten();
    }
    for hold in &mut owners.holds {
        hold.facts = facts.next().flatten();
    }
    for lease in &mut owners.leases {
        lease.facts = facts.next().flatten();
    }
    Ok(owners)
}

/// All claims, holds and leases without their facts, by one LIST: what a leader asks every few seconds.
pub async fn owner_names(volume: &Volume, layout: &Layout) -> Result<Owners, SnapshotError> {
    let mut owners = Owners::default();
    for ObjectInfo { path, last_modified_ms, .. } in
        store::list(volume, "list owner claims in", &layout.owner_dir()).await?
    {
        let written_at = UnixMillis(last_modified_ms);
        owners.newest = owners.newest.max(Some(written_at));
        match parse_owner_name(&path) {
            Some(OwnerName::Claim(epoch, incarnation)) => {
                owners.claims.push(Claim { epoch, incarnation, written_at, facts: None });
            }
            Some(OwnerName::Hold(incarnation)) => owners.holds.push(Hold { incarnation, written_at, facts: None }),
            Some(OwnerName::Lease(incarnation, loan)) => {
                owners.leases.push(Lease { incarnation, loan, written_at, facts: None });
            }
            Some(OwnerName::Mark(..)) => {}
            None => {
                tracing::warn!(path, "an object in the owner directory is neither claim nor hold nor lease nor mark")
            }
        }
    }
    owners.claims.sort_by(|a, b| (a.epoch, &a.incarnation).cmp(&(b.epoch, &b.incarnation)));
    owners.holds.sort_by(|a, b| a.incarnation.cmp(&b.incarnation));
    owners.leases.sort_by(|a, b| (&a.incarnation, &a.loan).cmp(&(&b.incarnation, &b.loan)));
    Ok(owners)
}

async fn write(volume: &Volume, operation: &'static str, path: &str, facts: &OwnerFacts) -> Result<(), SnapshotError> {
    let text = serde_json::to_vec_pretty(facts).map_err(|e| SnapshotError::internal(operation, path, e.to_string()))?;
    store::write(volume, operation, path, Bytes::from(text)).await
}
