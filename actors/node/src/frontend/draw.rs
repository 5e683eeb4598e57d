//! The supervision tree of a frontend, but for the actors of its role.

use std::sync::Arc;

use actors_front::{AuditLog, Front, FrontFacts};
use actors_messages::frontends::FrontendReport;
use actors_messages::{CatalogView, ReadLease, ReadPoints};
use actors_meta::{ComputeNodeMonitor, Proposer, Routes, SelfReport, TransactionLease};
use runtime_actor::{Address, Budget, Recipient, Strategy};
use storage_model::{Frontend, Revision, UnixMillis};
use storage_snapshot::owner::OwnerFacts;
use tokio::sync::watch;

use super::Process;
use super::roles::{Drawn, LeaderRoutes, RoleKeeper, Stage};
use crate::cli::{COMMIT, VERSION, full_version};
use crate::config::builtin_volume;
use crate::observer::{Observer, Observers};
use crate::settings::{LiveConfig, SettingsKeeper};
use crate::spec::{BRIEF_EFFECTS, spec, with_effects};

impl Process {
    fn catalog_view(&self) -> CatalogView {
        let meta = self.meta.clone();
        CatalogView::new(move || meta.view(), self.meta.watch())
    }

    pub(super) fn draw_tree(&self, live: LiveConfig, lease: ReadLease) -> Front {
        let view = self.catalog_view();
        let (statuses, frontends) = watch::channel(Arc::default());
        let routes = Routes::new(self.meta.standing_watch(), self.directory.peers(), self.registry.clone());
        let routes = LeaderRoutes::new(&routes);
        let monitor = self.draw_nodes(&view);
        let stage = Stage {
            tree: self.tree.clone(),
            meta: self.meta.clone(),
            dir: self.dir.clone(),
            gate: self.gate.clone(),
            view: view.clone(),
            me: self.me.clone(),
            builtin: builtin_volume(&self.config),
            directory: self.directory.clone(),
            registry: self.registry.clone(),
            routes: routes.clone(),
            reads: ReadPoints::default(),
            lease: lease.clone(),
            statuses: Arc::new(statuses),
            report: self.self_report(),
            settings: live.meta_settings(),
            owner_facts: OwnerFacts::new(&self.me.host, UnixMillis(self.clock.now_unix_ms()), VERSION),
        };
        let reads = stage.reads.clone();
        let proposer = Proposer::new(routes.forward.recipient(), self.meta.clone());
        let transactions = self.draw_frontend(stage, &view, &live, &proposer);
        Front {
            recorder: self.tree.recorder(),
            view,
            reads,
            lease,
            propose: Recipient::new(proposer),
            draw_txn: transactions.recipient(),
            read_index: routes.read_index.recipient(),
            create_image: routes.create_image.recipient(),
            preflight: routes.preflight.recipient(),
            create_snapshot: routes.create_snapshot.recipient(),
            verify_snapshot: routes.verify_snapshot.recipient(),
            restore_table: routes.restore_table.recipient(),
            reconcile: routes.reconcile.recipient(),
            running_detail: routes.running_detail.recipient(),
            collect: routes.collect.recipient(),
            compact: routes.compact.recipient(),
            beat: monitor.recipient(),
            suspect: monitor.recipient(),
            nodes: self.directory.statuses(),
            frontends,
            leader: {
                let meta = self.meta.clone();
                Arc::new(move || meta.standing().leader.map(|node| node.id))
            },
            tls: self.tls.clone(),
            client_tls: self.client_tls.clone(),
            settings: Arc::new(live),
            me: FrontFacts {
                id: self.me.id,
                name: self.me.name.clone(),
                host: self.me.host.clone(),
                query_port: self.me.query_port,
                started_at_ms: self.started_at_ms,
                product_version: VERSION.to_owned(),
                commit: COMMIT.to_owned(),
            },
            clock: self.clock.clone(),
            audit: AuditLog::default(),
        }
    }

    fn self_report(&self) -> SelfReport {
        let report = report_of(&self.me, self.started_at_ms);
        Arc::new(move || report.clone())
    }

    pub(super) fn draw_observer(&self) -> Observers {
        let tree = self.tree.clone();
        let observer = self.tree.root().start(spec("observer"), move || Observer::new(tree.clone()));
        Observer::expose(&self.registry, &observer);
        let view = self.catalog_view();
        Observers::new(format!("fe:{}", self.me.address()), observer, Some((self.directory.clone(), view)))
    }

    fn draw_frontend(
        &self,
        stage: Stage,
        view: &CatalogView,
        live: &LiveConfig,
        proposer: &Proposer,
    ) -> Address<TransactionLease> {
        let group = self.tree.supervisor("frontend", Strategy::OneForOne, Budget::default());
        let (view, live) = (view.clone(), live.clone());
        group.start(spec("settings_keeper"), move || SettingsKeeper::new(view.clone(), live.clone()));
        let (proposer, settings) = (proposer.clone(), stage.settings.clone());
        let transactions = group.start(spec("transaction_lease").mailbox(16_384), move || {
            TransactionLease::new(Recipient::new(proposer.clone()), settings.clone())
        });
        let drawn = Arc::new(tokio::sync::Mutex::new(Drawn::default()));
        group.start(spec("role_keeper"), move || RoleKeeper::new(stage.clone(), drawn.clone()));
        transactions
    }

    fn draw_nodes(&self, view: &CatalogView) -> Address<ComputeNodeMonitor> {
        let group = self.tree.supervisor("nodes", Strategy::OneForOne, Budget::default());
        let (view, directory) = (view.clone(), self.directory.clone());
        let (meta, here) = (self.meta.clone(), self.me.address());
        let leader: actors_meta::nodes::LeaderAddress =
            Arc::new(move || meta.standing().leader.map_or_else(|| here.clone(), |node| node.address));
        group.start(with_effects("compute_node_monitor", BRIEF_EFFECTS), move || {
            ComputeNodeMonitor::new(view.clone(), directory.clone(), leader.clone())
        })
    }
}

/// What a frontend says of itself; how far it is is filled in by who answers.
pub(super) fn report_of(me: &Frontend, started_at_ms: u64) -> FrontendReport {
    FrontendReport {
        id: me.id,
        applied: Revision(0),
        oldest_read: Revision(0),
        started_at_ms,
        version: full_version(),
        http_port: me.http_port,
        query_port: me.query_port,
        rpc_port: me.rpc_port,
    }
}
