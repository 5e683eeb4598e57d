//! The role keeper: what Raft says of this frontend decides which actors live. A leader has those that decide; a follower and
//! an observer have one that listens. They are started when the role begins and stopped when it ends, and the routes of the
//! sessions are turned to them.

use std::sync::Arc;
use std::time::Duration;

use actors_messages::checkpointer::{CHECKPOINTER, CreateImage};
use actors_messages::collector::{Collect, GC_COORDINATOR};
use actors_messages::compactor::{COMPACTION_COORDINATOR, CompactNow};
use actors_messages::frontends::{FRONTEND, FrontendHeartbeat, FrontendStatus};
use actors_messages::leader::{Forward, METADATA_LEADER, ReadIndex};
use actors_messages::supervisor::{
    CreateSnapshot, Preflight, Reconcile, RestoreTable, RunningDetail, SNAPSHOT_JOB_SUPERVISOR, VerifySnapshot,
};
use actors_messages::{CatalogView, ReadLease, ReadPoints};
use actors_meta::{
    Again, AlterCoordinator, Checkpointer, CompactionCoordinator, FrontendMonitor, GcCoordinator, MetadataFollower,
    MetadataLeader, MetadataObserver, NodeDirectory, OrphanSweeper, OwnerWatch, Ownership, PartitionRoller, ReadLeases,
    ReplicaFacts, Route, Routes, SelfReport, SettingsReader, SnapshotJobSupervisor,
};
use runtime_actor::{Actor, Answer, Budget, Context, Handle, Message, Strategy, Supervisor, Tree};
use runtime_query::Zone;
use runtime_raft::{Meta, MetaDir, ProposeError, Role};
use runtime_rpc::Registry;
use serde::Serialize;
use storage_catalog::{Command, VolumeDraft};
use storage_model::Frontend;
use storage_snapshot::owner::OwnerFacts;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};

use crate::cli::VERSION;
use crate::frontend::gate::FrontendGate;
use crate::frontend::join;
use crate::spec::{BRIEF_EFFECTS, LONG_EFFECTS, spec, with_effects};

/// How long the actors of a role that ends may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// The role is looked at this often, though nothing has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The ways to the leader's actors.
#[derive(Clone)]
pub(super) struct LeaderRoutes {
    pub(super) forward: Route<Forward>,
    pub(super) read_index: Route<ReadIndex>,
    pub(super) create_image: Route<CreateImage>,
    pub(super) preflight: Route<Preflight>,
    pub(super) create_snapshot: Route<CreateSnapshot>,
    pub(super) verify_snapshot: Route<VerifySnapshot>,
    pub(super) restore_table: Route<RestoreTable>,
    pub(super) reconcile: Route<Reconcile>,
    pub(super) running_detail: Route<RunningDetail>,
    pub(super) collect: Route<Collect>,
    pub(super) compact: Route<CompactNow>,
}

impl LeaderRoutes {
    pub(super) fn new(routes: &Routes) -> LeaderRoutes {
        LeaderRoutes {
            // It carries its own number: twice is as good as once.
            forward: routes.to(METADATA_LEADER, Again::Yes),
            read_index: routes.to(METADATA_LEADER, Again::Yes),
            create_image: routes.to(CHECKPOINTER, Again::Yes),
            preflight: routes.to(SNAPSHOT_JOB_SUPERVISOR, Again::Yes),
            create_snapshot: routes.to(SNAPSHOT_JOB_SUPERVISOR, Again::No),
            verify_snapshot: routes.to(SNAPSHOT_JOB_SUPERVISOR, Again::Yes),
            restore_table: routes.to(SNAPSHOT_JOB_SUPERVISOR, Again::No),
            reconcile: routes.to(SNAPSHOT_JOB_SUPERVISOR, Again::Yes),
            running_detail: routes.to(SNAPSHOT_JOB_SUPERVISOR, Again::Yes),
            collect: routes.to(GC_COORDINATOR, Again::Yes),
            compact: routes.to(COMPACTION_COORDINATOR, Again::Yes),
        }
    }

    fn unseat(&self) {
        self.forward.unseat();
        self.read_index.unseat();
        self.create_image.unseat();
        self.preflight.unseat();
        self.create_snapshot.unseat();
        self.verify_snapshot.unseat();
        self.restore_table.unseat();
        self.reconcile.unseat();
        self.running_detail.unseat();
        self.collect.unseat();
        self.compact.unseat();
    }
}

/// Everything that the actors of the roles are made of. Cloning shares it.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) tree: Tree,
    pub(super) meta: Meta,
    pub(super) dir: MetaDir,
    pub(super) gate: FrontendGate,
    pub(super) view: CatalogView,
    pub(super) me: Frontend,
    pub(super) builtin: Option<VolumeDraft>,
    pub(super) directory: NodeDirectory,
    pub(super) registry: Registry,
    pub(super) routes: LeaderRoutes,
    pub(super) reads: ReadPoints,
    pub(super) lease: ReadLease,
    pub(super) statuses: Arc<watch::Sender<Arc<Vec<FrontendStatus>>>>,
    pub(super) report: SelfReport,
    pub(super) settings: SettingsReader,
    pub(super) owner_facts: OwnerFacts,
}

/// The actors of the role that is played now.
#[derive(Default)]
pub(super) struct Drawn {
    role: Option<Role>,
    groups: Vec<Supervisor>,
}

/// The role.
pub(super) struct RoleKeeper {
    stage: Stage,
    /// Outlives this actor: what was drawn must be found again.
    drawn: Arc<Mutex<Drawn>>,
    changes: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub(super) struct RoleKeeperState {
    role: String,
    leader: Option<String>,
    term: u64,
    changes: u64,
}

/// The actors are those of the role, and something may have changed since.
#[derive(Debug)]
struct Look {
    changed: bool,
}

impl Message for Look {
    type Reply = ();
    const NAME: &'static str = "Look";
}

impl RoleKeeper {
    pub(super) fn new(stage: Stage, drawn: Arc<Mutex<Drawn>>) -> RoleKeeper {
        RoleKeeper { stage, drawn, changes: 0 }
    }
}

impl Actor for RoleKeeper {
    const ROLE: &'static str = "role_keeper";
    type State = RoleKeeperState;

    fn observe(&self) -> RoleKeeperState {
        let standing = self.stage.meta.standing();
        RoleKeeperState {
            role: format!("{:?}", standing.role),
            leader: standing.leader.map(|node| node.address),
            term: standing.term,
            changes: self.changes,
        }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.notify(Look { changed: false });
    }
}

impl Handle<Look> for RoleKeeper {
    fn handle(&mut self, message: Look, cx: &mut Context<Self>) -> Answer<()> {
        self.changes += u64::from(message.changed);
        let (stage, drawn) = (self.stage.clone(), self.drawn.clone());
        cx.effect(async move {
            let mut standing = stage.meta.standing_watch();
            let role = standing.borrow_and_update().role;
            let changed = stage.play(role, &mut *drawn.lock().await).await;
            // Either is a reason to look again.
            let _ = timeout(LOOK_EVERY, standing.changed()).await;
            Look { changed }
        });
        Answer::done()
    }
}

impl Stage {
    /// Whether the role has changed.
    async fn play(&self, role: Role, drawn: &mut Drawn) -> bool {
        if drawn.role == Some(role) {
            return false;
        }
        tracing::info!(from = ?drawn.role, to = ?role, "the role of this frontend changes");
        if drawn.role == Some(Role::Leader) {
            self.routes.unseat();
            self.lease.follow();
        }
        self.registry.withdraw(FRONTEND);
        drawn.role = None;
        // In the reverse order of their start.
        while let Some(group) = drawn.groups.pop() {
            for late in group.stop(STOP_LIMIT).await {
                tracing::warn!(late, "an actor did not stop in time and was cut off");
            }
        }
        join::expose(&self.registry, &self.dir, &self.me, None);
        join::expose_leave(&self.registry, &self.dir, &self.gate);
        match role {
            Role::Leader => drawn.groups = self.lead().await,
            Role::Follower => {
                let facts = self.replica();
                let group = self.group("metadata");
                let actor = group.start(spec("metadata_follower"), move || MetadataFollower::new(facts.clone()));
                self.registry.expose::<_, FrontendHeartbeat>(FRONTEND, actor);
                drawn.groups.push(group);
            }
            Role::Learner => {
                let facts = self.replica();
                let group = self.group("metadata");
                let actor = group.start(spec("metadata_observer"), move || MetadataObserver::new(facts.clone()));
                self.registry.expose::<_, FrontendHeartbeat>(FRONTEND, actor);
                drawn.groups.push(group);
            }
            Role::Stopped => {}
        }
        drawn.role = Some(role);
        true
    }

    fn group(&self, name: &str) -> Supervisor {
        self.tree.supervisor(name, Strategy::OneForOne, Budget::default())
    }

    fn replica(&self) -> ReplicaFacts {
        ReplicaFacts {
            meta: self.meta.clone(),
            lease: self.lease.clone(),
            reads: self.reads.clone(),
            report: self.report.clone(),
            statuses: self.statuses.clone(),
        }
    }

    async fn lead(&self) -> Vec<Supervisor> {
        self.introduce().await;
        let (owns, ownership) = watch::channel(Ownership::Unknown { looked: false });
        let leases = ReadLeases::begin(Instant::now());
        let metadata = self.draw_metadata(Arc::new(owns), ownership.clone(), &leases);
        let background = self.draw_background(ownership, &leases);
        self.lease.lead();
        vec![metadata, background]
    }

    /// What fe.conf says that the catalog must know.
    async fn introduce(&self) {
        if self.meta.view().frontends().next().is_none()
            && let Err(error) = self.meta.propose(Command::RegisterFrontend { frontend: self.me.clone() }).await
        {
            tracing::error!(%error, "this frontend could not be registered");
        }
        let Some(draft) = self.builtin.clone() else { return };
        match self.meta.propose(Command::EnsureBuiltinVolume { draft }).await {
            Ok(_) => {}
            // After a restore that moved the volume fe.conf may still name the old place: the catalog is the truth.
            Err(ProposeError::Rejected(rejection)) => {
                tracing::warn!("{rejection}; the catalog's location is used, set fe.conf right");
            }
            Err(error) => tracing::error!(%error, "the volume of fe.conf could not be registered"),
        }
    }

    fn draw_metadata(
        &self,
        owns: Arc<watch::Sender<Ownership>>,
        ownership: watch::Receiver<Ownership>,
        leases: &ReadLeases,
    ) -> Supervisor {
        let group = self.group("metadata");
        let (view, facts) = (self.view.clone(), self.owner_facts.clone());
        group.start(with_effects("owner_watch", BRIEF_EFFECTS), move || {
            OwnerWatch::new(view.clone(), owns.clone(), facts.clone())
        });
        let meta = self.meta.clone();
        let leader = group.start(spec("metadata_leader").mailbox(16_384), move || {
            MetadataLeader::new(meta.clone(), ownership.clone())
        });
        let meta = self.meta.clone();
        let checkpointer = group.start(spec("checkpointer"), move || Checkpointer::new(meta.clone()));
        let (meta, directory, statuses) = (self.meta.clone(), self.directory.clone(), self.statuses.clone());
        let (leases, report) = (leases.clone(), self.report.clone());
        group.start(with_effects("frontend_monitor", BRIEF_EFFECTS), move || {
            FrontendMonitor::new(meta.clone(), directory.clone(), statuses.clone(), leases.clone(), report.clone())
        });
        self.routes.create_image.seat(checkpointer.recipient());
        self.routes.read_index.seat(leader.recipient());
        self.routes.forward.seat(leader.recipient());
        group
    }

    fn draw_background(&self, ownership: watch::Receiver<Ownership>, leases: &ReadLeases) -> Supervisor {
        let group = self.group("background");
        let (meta, nodes, owner) = (self.meta.clone(), self.directory.clone(), ownership.clone());
        let config = self.settings.clone();
        let supervisor = group.start(with_effects("snapshot_job_supervisor", LONG_EFFECTS), move || {
            SnapshotJobSupervisor::new(meta.clone(), nodes.clone(), owner.clone(), config.clone(), VERSION.to_owned())
        });
        let (meta, nodes, reads) = (self.meta.clone(), self.directory.clone(), self.reads.clone());
        let (leases, config) = (leases.clone(), self.settings.clone());
        let watched = ownership.clone();
        let collector = group.start(with_effects("gc_coordinator", LONG_EFFECTS), move || {
            let (reads, leases) = (reads.clone(), leases.clone());
            GcCoordinator::new(meta.clone(), reads, leases, nodes.clone(), ownership.clone(), config.clone())
        });
        let altering = watched.clone();
        let (meta, nodes, owner) = (self.meta.clone(), self.directory.clone(), watched.clone());
        let config = self.settings.clone();
        group.start(with_effects("orphan_sweeper", LONG_EFFECTS), move || {
            OrphanSweeper::new(meta.clone(), nodes.clone(), owner.clone(), config.clone())
        });
        let (meta, nodes, reads) = (self.meta.clone(), self.directory.clone(), self.reads.clone());
        let config = self.settings.clone();
        let compactor = group.start(with_effects("compaction_coordinator", LONG_EFFECTS), move || {
            let (reads, owner) = (reads.clone(), watched.clone());
            CompactionCoordinator::new(meta.clone(), reads, nodes.clone(), owner, config.clone())
        });
        let (meta, nodes, reads) = (self.meta.clone(), self.directory.clone(), self.reads.clone());
        group.start(with_effects("alter_coordinator", LONG_EFFECTS), move || {
            AlterCoordinator::new(meta.clone(), reads.clone(), nodes.clone(), altering.clone())
        });
        let (meta, config) = (self.meta.clone(), self.settings.clone());
        group.start(with_effects("partition_roller", BRIEF_EFFECTS), move || {
            PartitionRoller::new(meta.clone(), config.clone(), Arc::new(local_time))
        });
        self.routes.preflight.seat(supervisor.recipient());
        self.routes.create_snapshot.seat(supervisor.recipient());
        self.routes.verify_snapshot.seat(supervisor.recipient());
        self.routes.restore_table.seat(supervisor.recipient());
        self.routes.reconcile.seat(supervisor.recipient());
        self.routes.running_detail.seat(supervisor.recipient());
        self.routes.collect.seat(collector.recipient());
        self.routes.compact.seat(compactor.recipient());
        group
    }
}

/// What the clocks of a time zone show, in microseconds; those of this host when it has no name.
fn local_time(zone: &str, unix_millis: u64) -> Option<i64> {
    let zone = if zone.is_empty() { Zone::system().clone() } else { Zone::parse(zone)? };
    Some(zone.to_local(i64::try_from(unix_millis).ok()? * 1000))
}
