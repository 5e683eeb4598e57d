//! The owner watch: whose data is it? Every incarnation writes a claim into the roots it uses; the greatest claim wins.
//! A leader that has not read the claims lately deletes nothing; one that sees a greater claim turns read-only. And the
//! leader tells in each root how far its metadata are; one that begins behind that has metadata that were copied back. Roots that
//! are borrowed are not claimed: what is needed there is leased. And leases that others have here are kept.

mod loans;
mod mark;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors_messages::CatalogView;
use actors_messages::leader::ProposeFailure;
use runtime_actor::{Actor, Answer, Clock, Context, Handle, Message, SystemClock};
use serde::Serialize;
use storage_catalog::Catalog;
use storage_model::{Incarnation, Revision, SnapshotJob, StorageVolume, UnixMillis, VolumeId};
use storage_snapshot::owner::{self, Hold, Lease, OwnerFacts, Owners};
use storage_volume::Volume;
use storage_volume::layout::Layout;
use tokio::sync::watch;

use loans::Loans;
pub(crate) use loans::{describe_lease, is_lease_on, live_leases};
pub use mark::copied_back;
use mark::{HoldSeen, Told, Written};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// A hold older than this was left behind by a restore that died.
const HOLD_MILLIS: u64 = 86_400_000;
/// A store that does not answer within this is not waited for.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// A reading older than this allows nothing to be deleted.
const FRESH: Duration = Duration::from_secs(10);

/// Whose data it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// No root has answered yet.
    Unknown {
        /// This leader has looked at least once.
        looked: bool,
    },
    /// Ours, as read at these times, per volume.
    Ours {
        /// When each volume's claims were last read.
        read_at: HashMap<VolumeId, Instant>,
        /// What others have leased there, as last read.
        leases: BTreeMap<VolumeId, Vec<Lease>>,
        /// The volumes that somebody held when they were last read.
        held: BTreeSet<VolumeId>,
    },
    /// A greater claim was seen; for ever.
    Superseded(String),
    /// These metadata were copied back: the leader of this very incarnation was further than they are; for ever.
    CopiedBack(String),
}

impl Ownership {
    /// Whether objects of the volume may be deleted or retired at `now`.
    pub fn allows_deletes(&self, volume: VolumeId, now: Instant) -> bool {
        match self {
            Ownership::Ours { read_at, .. } => {
                read_at.get(&volume).is_some_and(|at| now.saturating_duration_since(*at) < FRESH)
            }
            Ownership::Unknown { .. } | Ownership::Superseded(_) | Ownership::CopiedBack(_) => false,
        }
    }

    /// Whether it is known by what others the volume is needed: this leader has looked there, and nobody holds it.
    pub fn knows_needs(&self, volume: VolumeId) -> bool {
        matches!(self, Ownership::Ours { leases, held, .. } if leases.contains_key(&volume) && !held.contains(&volume))
    }

    /// Whether the volume was read after this moment.
    pub fn has_read_since(&self, volume: VolumeId, at: Instant) -> bool {
        matches!(self, Ownership::Ours { read_at, .. } if read_at.get(&volume).is_some_and(|read| *read > at))
    }

    /// The lease of another cluster on a snapshot: it stays until that is over.
    pub fn lease_on(&self, job: &SnapshotJob) -> Option<&Lease> {
        let Ownership::Ours { leases, .. } = self else { return None };
        leases.values().flatten().find(|lease| is_lease_on(lease, job))
    }

    /// Whether this leader has looked whose data it is, with or without an answer.
    pub fn looked(&self) -> bool {
        *self != Ownership::Unknown { looked: false }
    }

    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Ownership::Unknown { .. } => "not read yet".to_owned(),
            Ownership::Ours { read_at, .. } => format!("ours, in {} volumes", read_at.len()),
            Ownership::Superseded(by) => format!("superseded: {by}"),
            Ownership::CopiedBack(why) => why.clone(),
        }
    }

    /// Why nothing may be changed any more.
    pub fn refusal(&self) -> Option<ProposeFailure> {
        match self {
            Ownership::Superseded(by) => Some(ProposeFailure::Superseded(by.clone())),
            Ownership::CopiedBack(why) => Some(ProposeFailure::ReadOnly(why.clone())),
            Ownership::Unknown { .. } | Ownership::Ours { .. } => None,
        }
    }
}

/// The role.
pub struct OwnerWatch {
    view: CatalogView,
    ownership: Arc<watch::Sender<Ownership>>,
    facts: OwnerFacts,
    /// How far the metadata were when this leader began: nobody but itself has told more since.
    began_at: Revision,
    told: Told,
    loans: Loans,
    looking: bool,
    looks: u64,
    failures: Vec<String>,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct OwnerWatchState {
    looks: u64,
    ownership: String,
    /// The greatest revision told in the roots, and why it could not be told where it was not.
    mark: Revision,
    mark_failures: Vec<String>,
    /// Snapshots that other clusters live on.
    leases: Vec<String>,
    failures: Vec<String>,
}

#[derive(Debug)]
struct Tick;

impl Message for Tick {
    type Reply = ();
    const NAME: &'static str = "Tick";
}

/// What one look at all roots has found.
#[derive(Debug)]
struct Looked {
    read: Vec<VolumeId>,
    /// Volumes that somebody holds, with the newest hold there.
    held: Vec<(VolumeId, HoldSeen)>,
    /// What others have leased, by volume.
    leases: BTreeMap<VolumeId, Vec<Lease>>,
    /// Borrowed volumes in which our lease was renewed.
    renewed: Vec<VolumeId>,
    /// When the look began: what it saw is at least that young.
    at: Instant,
    /// Why nothing may be changed any more.
    refusal: Option<Ownership>,
    failures: Vec<String>,
}

impl Message for Looked {
    type Reply = ();
    const NAME: &'static str = "Looked";
}

/// How far the metadata are was told.
#[derive(Debug)]
struct MarksWritten(Written);

impl Message for MarksWritten {
    type Reply = ();
    const NAME: &'static str = "MarksWritten";
}

impl OwnerWatch {
    /// A watch that publishes to `ownership`.
    pub fn new(view: CatalogView, ownership: Arc<watch::Sender<Ownership>>, facts: OwnerFacts) -> OwnerWatch {
        let began_at = view.now().revision();
        let (told, loans, failures) = (Told::default(), Loans::default(), Vec::new());
        OwnerWatch { view, ownership, facts, began_at, told, loans, looking: false, looks: 0, failures }
    }
}

/// Every volume that is not borrowed: one that is disabled for new data may still hold files and snapshots.
fn used_volumes(catalog: &Catalog) -> Vec<StorageVolume> {
    catalog.volumes().filter(|v| v.borrowed.is_none()).map(|v| v.as_ref().clone()).collect()
}

/// What one look needs to know.
struct Look {
    catalog: Arc<Catalog>,
    facts: OwnerFacts,
    at: Instant,
    began_at: Revision,
    checked: HashSet<VolumeId>,
    /// Borrowed volumes in which our lease is to be renewed.
    due: HashSet<VolumeId>,
}

/// What is seen in a root.
enum Seen {
    /// It is ours. Somebody may look at it: nothing is deleted until the hold is taken away, or is a day old.
    Ours {
        /// The newest hold.
        hold: Option<HoldSeen>,
        /// What others need.
        leases: Vec<Lease>,
    },
    /// A greater claim.
    Greater(String),
    /// A mark that these metadata are behind.
    Behind(String),
}

impl Look {
    async fn look(self) -> Looked {
        let catalog = &self.catalog;
        let mut looked = Looked {
            read: Vec::new(),
            held: Vec::new(),
            leases: BTreeMap::new(),
            renewed: Vec::new(),
            at: self.at,
            refusal: None,
            failures: Vec::new(),
        };
        let layout = Layout(catalog.identity().service_id.clone());
        let volumes = used_volumes(catalog);
        // Side by side and not for long: a store that does not answer must not let the readings of the others go stale.
        let looks = volumes.iter().map(|spec| async {
            let seen = tokio::time::timeout(LOOK_LIMIT, self.look_at(spec, &layout)).await;
            seen.unwrap_or_else(|_| Err(format!("no answer within {} s", LOOK_LIMIT.as_secs())))
        });
        let (seen, loans) = tokio::join!(futures::future::join_all(looks), self.keep_loans(&layout));
        for (volume, kept) in loans {
            match kept {
                Ok(true) => looked.renewed.push(volume),
                Ok(false) => {}
                Err(cause) => looked.failures.push(cause),
            }
        }
        for (spec, seen) in volumes.iter().zip(seen) {
            match seen {
                Ok(Seen::Ours { hold, leases }) => {
                    looked.leases.insert(spec.id, leases);
                    let Some(hold) = hold else {
                        looked.read.push(spec.id);
                        continue;
                    };
                    let holder = &hold.0;
                    let why = format!("a restore or a copy (incarnation {holder}) holds it: nothing is deleted there");
                    looked.failures.push(format!("{}: {why}", spec.name));
                    looked.held.push((spec.id, hold));
                }
                Ok(Seen::Greater(by)) => looked.refusal = Some(Ownership::Superseded(by)),
                Ok(Seen::Behind(why)) => looked.refusal = Some(Ownership::CopiedBack(why)),
                Err(cause) => looked.failures.push(format!("{}: {cause}", spec.name)),
            }
        }
        looked
    }

    /// Our own claim is written where it is missing.
    async fn look_at(&self, spec: &StorageVolume, layout: &Layout) -> Result<Seen, String> {
        let identity = self.catalog.identity();
        let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
        let owners = owner::owners(&volume, layout).await.map_err(|e| e.chain())?;
        if let Some(other) = greater_claim(&owners, &self.catalog, &spec.location) {
            return Ok(Seen::Greater(other));
        }
        // Later on the mark is what this leader has told itself.
        if !self.checked.contains(&spec.id)
            && let Some(why) = mark::ahead(&volume, layout, &self.catalog, self.began_at).await?
        {
            return Ok(Seen::Behind(why));
        }
        if !owners.claims.iter().any(|c| c.epoch == identity.epoch && c.incarnation == identity.incarnation) {
            let claimed = owner::claim(&volume, layout, identity.epoch, &identity.incarnation, &self.facts).await;
            claimed.map_err(|e| e.chain())?;
        }
        let now = owners.now(UnixMillis(SystemClock.now_unix_ms()));
        let leases = live_leases(&owners, now);
        let ended = owner::end_lapsed_leases(&volume, layout, &owners, now).await.map_err(|e| e.chain())?;
        if ended > 0 {
            tracing::info!(volume = spec.name, ended, "leases that were over for a day were taken away");
        }
        let newest = newest_hold(&owners, &identity.incarnation, now);
        Ok(Seen::Ours { hold: newest.map(|hold| (hold.incarnation.clone(), hold.written_at)), leases })
    }
}

/// The newest hold of somebody else that still counts, when it is `now` by the store's clock.
pub(crate) fn newest_hold<'a>(owners: &'a Owners, own: &Incarnation, now: UnixMillis) -> Option<&'a Hold> {
    let oldest = UnixMillis(now.0.saturating_sub(HOLD_MILLIS));
    let holds = owners.holds.iter().filter(|hold| hold.incarnation != *own && hold.written_at > oldest);
    holds.max_by_key(|hold| hold.written_at)
}

/// Whether another incarnation has claimed a root of this cluster since; says which. A store that does not answer says nothing.
pub async fn later_owner(catalog: &Catalog) -> Option<String> {
    let layout = Layout(catalog.identity().service_id.clone());
    let volumes = used_volumes(catalog);
    let looks = volumes.iter().map(|spec| async {
        let seen = tokio::time::timeout(LOOK_LIMIT, async {
            let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
            owner::owner_names(&volume, &layout).await.map_err(|e| e.chain())
        });
        let owners = seen.await.unwrap_or_else(|_| Err(format!("no answer within {} s", LOOK_LIMIT.as_secs())));
        match owners {
            Ok(owners) => greater_claim(&owners, catalog, &spec.location),
            Err(cause) => {
                tracing::warn!(volume = spec.name, cause, "whether another cluster owns this volume is not known");
                None
            }
        }
    });
    futures::future::join_all(looks).await.into_iter().flatten().next()
}

/// A claim that is greater than ours, in words.
fn greater_claim(owners: &Owners, catalog: &Catalog, location: &str) -> Option<String> {
    let identity = catalog.identity();
    let ours = (identity.epoch, identity.incarnation.clone());
    let claim = |c: &&owner::Claim| (c.epoch, c.incarnation.clone());
    let other = owners.claims.iter().max_by_key(claim).filter(|c| claim(c) > ours)?;
    Some(format!("incarnation {} of epoch {} owns {location}", other.incarnation, other.epoch))
}

impl Actor for OwnerWatch {
    const ROLE: &'static str = "owner_watch";
    type State = OwnerWatchState;

    fn observe(&self) -> OwnerWatchState {
        let ownership = self.ownership.borrow();
        let leases = match &*ownership {
            Ownership::Ours { leases, .. } => leases.values().flatten().map(describe_lease).collect(),
            _ => Vec::new(),
        };
        OwnerWatchState {
            looks: self.looks,
            ownership: ownership.describe(),
            leases,
            mark: self.told.greatest(),
            mark_failures: self.told.failures.clone(),
            failures: self.failures.clone(),
        }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.notify(Tick);
        cx.every(LOOK_EVERY, || Tick);
    }
}

impl Handle<Tick> for OwnerWatch {
    fn handle(&mut self, _: Tick, cx: &mut Context<Self>) -> Answer<()> {
        fail::fail_point!("handler.owner_watch");
        if !self.looking && self.ownership.borrow().refusal().is_none() {
            self.looking = true;
            let look = Look {
                catalog: self.view.now(),
                facts: self.facts.clone(),
                at: cx.clock().monotonic(),
                began_at: self.began_at,
                checked: self.told.checked.clone(),
                due: self.loans.due(&self.view.now(), cx.clock().monotonic()),
            };
            cx.effect(look.look());
        }
        Answer::done()
    }
}

impl Handle<Looked> for OwnerWatch {
    fn handle(&mut self, looked: Looked, cx: &mut Context<Self>) -> Answer<()> {
        self.looking = false;
        self.looks += 1;
        for failure in looked.failures.iter().filter(|f| !self.failures.contains(f)) {
            tracing::warn!(failure, "nothing is deleted in this volume now");
        }
        self.failures = looked.failures;
        if let Some(refusal) = looked.refusal {
            match &refusal {
                Ownership::Superseded(by) => {
                    tracing::error!(by, "this cluster was superseded: it is read-only and deletes nothing");
                }
                other => tracing::error!("{}; this cluster is read-only and deletes nothing", other.describe()),
            }
            self.ownership.send_replace(refusal);
            return Answer::done();
        }
        self.loans.renewed(&looked.renewed, looked.at);
        let held: BTreeSet<VolumeId> = looked.held.iter().map(|(volume, _)| *volume).collect();
        self.told.checked.extend(looked.read.iter().chain(&held));
        let readable: Vec<VolumeId> = looked.read.iter().chain(&held).copied().collect();
        self.tell(&readable, looked.held, cx);
        self.ownership.send_modify(|ownership| {
            let (mut read_at, mut leases, known) = match ownership {
                Ownership::Ours { read_at, leases, held } => {
                    (std::mem::take(read_at), std::mem::take(leases), std::mem::take(held))
                }
                Ownership::Unknown { looked: seen } if looked.read.is_empty() => {
                    *seen = true;
                    return;
                }
                Ownership::Unknown { .. } => Default::default(),
                Ownership::Superseded(_) | Ownership::CopiedBack(_) => return,
            };
            // Of what does not answer it is not known that nobody holds it any more.
            let held = known.into_iter().filter(|id| !looked.leases.contains_key(id)).chain(held).collect();
            read_at.extend(looked.read.iter().map(|id| (*id, looked.at)));
            leases.extend(looked.leases);
            *ownership = Ownership::Ours { read_at, leases, held };
        });
        Answer::done()
    }
}

impl Handle<MarksWritten> for OwnerWatch {
    fn handle(&mut self, written: MarksWritten, cx: &mut Context<Self>) -> Answer<()> {
        self.told.take(written.0, cx.clock().monotonic());
        Answer::done()
    }
}

impl OwnerWatch {
    /// The view of a leader holds only what is committed. Who holds a root wants to know whether its owner lives.
    fn tell(&mut self, readable: &[VolumeId], held: Vec<(VolumeId, HoldSeen)>, cx: &mut Context<Self>) {
        let catalog = self.view.now();
        let asked = self.told.asked(held);
        let due = self.told.due(&catalog, readable, &asked, cx.clock().monotonic());
        if due.is_empty() {
            return;
        }
        let facts = OwnerFacts { at: UnixMillis(cx.clock().now_unix_ms()).into(), ..self.facts.clone() };
        cx.effect(async move {
            let mut written = mark::tell(&catalog, &due, &facts).await;
            written.asked = asked;
            MarksWritten(written)
        });
    }
}
