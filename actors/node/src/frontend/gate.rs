//! Who is let in at `edit_log_port`: nodes of this cluster and incarnation. A frontend that has not joined yet lets the first
//! leader in that calls it (trust on first use, as compute nodes do).
//!
//! A caller of the same cluster with a greater epoch means that the cluster was restored, and that this frontend's metadata is
//! of the time before: it is told so, and must not go on with them.

use std::sync::{Arc, OnceLock};

use runtime_raft::Meta;
use runtime_rpc::identity::IdentitySource;
use runtime_rpc::{Gate, Identity};
use tokio::sync::watch;

use crate::cli::VERSION;

/// The gate. Cloning shares it.
#[derive(Clone)]
pub(super) struct FrontendGate(Arc<Inner>);

struct Inner {
    /// `fe:host:port`.
    node: String,
    /// Whether a cluster is waited for that takes this frontend in.
    joins: bool,
    opened: OnceLock<Meta>,
    superseded: watch::Sender<Option<String>>,
    dropped: watch::Sender<bool>,
}

impl FrontendGate {
    pub(super) fn new(node: String, joins: bool) -> FrontendGate {
        let (superseded, dropped) = (watch::Sender::new(None), watch::Sender::new(false));
        FrontendGate(Arc::new(Inner { node, joins, opened: OnceLock::new(), superseded, dropped }))
    }

    /// The metadata are open.
    pub(super) fn open(&self, meta: Meta) {
        // A frontend opens once.
        let _ = self.0.opened.set(meta);
    }

    /// How this frontend introduces itself; as nobody before the metadata are open.
    pub(super) fn identity(&self) -> IdentitySource {
        let inner = self.0.clone();
        Arc::new(move || inner.identity())
    }

    /// This cluster was restored elsewhere since: says by whom.
    pub(super) fn supersede(&self, by: String) {
        self.0.superseded.send_replace(Some(by));
    }

    /// Returns when it is known that the cluster was restored since, with what is known of that.
    pub(super) async fn superseded(&self) -> String {
        let mut superseded = self.0.superseded.subscribe();
        match superseded.wait_for(Option::is_some).await.map(|by| by.clone()) {
            Ok(Some(by)) => by,
            // The sender is held by this very gate.
            _ => std::future::pending().await,
        }
    }
}

impl FrontendGate {
    /// This frontend was dropped from the cluster.
    pub(super) fn drop_out(&self) {
        self.0.dropped.send_replace(true);
    }

    /// Returns when it was.
    pub(super) async fn dropped(&self) {
        // The sender is held by this very gate.
        let _ = self.0.dropped.subscribe().wait_for(|dropped| *dropped).await;
    }
}

impl Inner {
    fn identity(&self) -> Identity {
        let Some(meta) = self.opened.get() else { return Identity::default() };
        let catalog = meta.view();
        let known = catalog.identity();
        Identity {
            cluster_id: known.cluster_id.0,
            token: known.token.clone(),
            incarnation: known.incarnation.0.clone(),
            epoch: known.epoch.0,
            node: self.node.clone(),
            product_version: VERSION.to_owned(),
        }
    }
}

impl Gate for FrontendGate {
    fn token(&self) -> Option<String> {
        self.0.opened.get().map(|meta| meta.view().identity().token.clone())
    }

    fn admit(&self, caller: &Identity) -> Result<Identity, String> {
        if self.0.opened.get().is_none() {
            if !self.0.joins {
                return Err("this frontend is starting".to_owned());
            }
            return Ok(Identity { node: self.0.node.clone(), product_version: VERSION.to_owned(), ..caller.clone() });
        }
        let known = self.0.identity();
        self.judge(caller, &known)?;
        Ok(known)
    }

    /// One that called before this frontend had joined is judged when it has.
    fn still_welcome(&self, caller: &Identity) -> Result<(), String> {
        match self.0.opened.get() {
            None => Ok(()),
            Some(meta) => {
                let catalog = meta.view();
                let known = catalog.identity();
                if known.cluster_id.0 == caller.cluster_id && known.incarnation.0 == caller.incarnation {
                    return Ok(());
                }
                self.judge(caller, &self.0.identity())
            }
        }
    }
}

impl FrontendGate {
    fn judge(&self, caller: &Identity, known: &Identity) -> Result<(), String> {
        if caller.cluster_id != known.cluster_id {
            return Err(format!("this frontend belongs to cluster {}, not to {}", known.cluster_id, caller.cluster_id));
        }
        if !caller.brings(&known.token) {
            return Err(
                "this frontend has joined its cluster by now, and the caller's token is not the cluster's".to_owned()
            );
        }
        if caller.incarnation == known.incarnation {
            return Ok(());
        }
        if caller.epoch > known.epoch {
            let by = format!("{} leads incarnation {} of epoch {}", caller.node, caller.incarnation, caller.epoch);
            self.supersede(by.clone());
            return Err(format!("the metadata here are of epoch {}, before a restore: {by}", known.epoch));
        }
        Err(format!(
            "incarnation {} of epoch {} is stale: the cluster was restored as epoch {}; start that frontend with \
             --helper and the address of one of this cluster, and add it again",
            caller.incarnation, caller.epoch, known.epoch
        ))
    }
}
