//! Which cluster this node belongs to, and which incarnation of it leads it now: the gate in front of its mailboxes.
//!
//! The first leader that calls a fresh node gives it its cluster id and token (trust on first use), kept in the file
//! `cluster_id` below `storage_root_path`, as StarRocks does. From then on only that cluster gets in. A new incarnation
//! of the same cluster is let in when it has a greater epoch and the lease of the old one has run out: a node never
//! changes sides while it serves a living cluster.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use runtime_rpc::{Gate, Identity};

use crate::node::LEASE;

/// The membership of this node.
pub struct Membership {
    file: PathBuf,
    node: String,
    product_version: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cluster: Option<(u64, String)>,
    /// Epoch, incarnation, and when it was last heard.
    leader: Option<(u64, String, Instant)>,
}

impl Membership {
    /// Reads the file of an earlier start; a node without one belongs to nobody yet.
    pub fn open(storage_root: &Path, node: String, product_version: String) -> io::Result<Membership> {
        std::fs::create_dir_all(storage_root)?;
        let file = storage_root.join("cluster_id");
        let cluster = match std::fs::read_to_string(&file) {
            Ok(text) => Some(parse(&text).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{} is not a cluster_id file", file.display()))
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let state = Mutex::new(State { cluster, leader: None });
        Ok(Membership { file, node, product_version, state })
    }

    /// The token of the cluster: what callers of the data plane prove.
    pub fn cluster_token(&self) -> Option<String> {
        self.lock().cluster.as_ref().map(|(_, token)| token.clone())
    }

    /// The cluster that this node belongs to.
    pub fn cluster_id(&self) -> Option<u64> {
        self.lock().cluster.as_ref().map(|(cluster, _)| *cluster)
    }

    /// Epoch and incarnation that lead this node now.
    pub fn leader(&self) -> Option<(u64, String)> {
        self.lock().leader.as_ref().map(|(epoch, incarnation, _)| (*epoch, incarnation.clone()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Durable before it returns: a node that has once said yes does not forget it.
    fn keep(&self, cluster_id: u64, token: &str) -> io::Result<()> {
        let temporary = self.file.with_extension("tmp");
        let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        write!(file, "clusterId={cluster_id}\ntoken={token}\n")?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.file)?;
        match self.file.parent() {
            Some(parent) => std::fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    fn judge(&self, caller: &Identity, now: Instant) -> Result<(), String> {
        let mut state = self.lock();
        match &state.cluster {
            Some((cluster, _)) if *cluster != caller.cluster_id => {
                return Err(format!("this node belongs to cluster {cluster}, not to {}", caller.cluster_id));
            }
            Some((_, token)) if !caller.brings(token) => {
                return Err(
                    "this node has joined its cluster by now, and the caller's token is not the cluster's".to_owned()
                );
            }
            Some(_) => {}
            None => {
                self.keep(caller.cluster_id, &caller.token).map_err(|e| format!("{}: {e}", self.file.display()))?;
                tracing::info!(cluster = caller.cluster_id, "this node joined a cluster");
                state.cluster = Some((caller.cluster_id, caller.token.clone()));
            }
        }
        if let Some((epoch, incarnation, heard)) = &state.leader {
            let is_same = *incarnation == caller.incarnation;
            if caller.epoch < *epoch || (caller.epoch == *epoch && !is_same) {
                return Err(format!(
                    "incarnation {} of epoch {} is stale: epoch {epoch} leads this node",
                    caller.incarnation, caller.epoch
                ));
            }
            if !is_same && now.saturating_duration_since(*heard) < LEASE {
                return Err(format!(
                    "this node still serves incarnation {incarnation} of epoch {epoch}, which is alive"
                ));
            }
        }
        state.leader = Some((caller.epoch, caller.incarnation.clone(), now));
        Ok(())
    }
}

fn parse(text: &str) -> Option<(u64, String)> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::trim);
    Some((value("clusterId")?.parse().ok()?, value("token")?.to_owned()))
}

impl Gate for Membership {
    fn token(&self) -> Option<String> {
        self.cluster_token()
    }

    fn admit(&self, caller: &Identity) -> Result<Identity, String> {
        self.judge(caller, Instant::now())?;
        let token = self.cluster_token().unwrap_or_default();
        Ok(Identity { token, node: self.node.clone(), product_version: self.product_version.clone(), ..caller.clone() })
    }

    /// Every message renews the lease of the incarnation that sent it; one that was overtaken is no longer heard.
    fn still_welcome(&self, caller: &Identity) -> Result<(), String> {
        self.judge(caller, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn caller(cluster_id: u64, epoch: u64, incarnation: &str) -> Identity {
        Identity {
            cluster_id,
            token: "secret".into(),
            incarnation: incarnation.into(),
            epoch,
            node: "fe".into(),
            product_version: "0".into(),
        }
    }

    #[test]
    fn who_hands_over_another_token_than_the_first_leader_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let node = Membership::open(root.path(), "cn".into(), "0".into()).unwrap();
        node.admit(&caller(42, 1, "a")).unwrap();
        // Both called while the node was fresh.
        let stranger = Identity { token: "guess".into(), ..caller(42, 9, "z") };
        assert!(node.admit(&stranger).unwrap_err().contains("token"));
        assert_eq!(node.leader(), Some((1, "a".to_owned())));
        assert!(
            node.admit(&Identity { token: String::new(), ..caller(42, 1, "a") }).is_ok(),
            "proven in the handshake"
        );
    }

    #[test]
    fn a_node_joins_once_and_changes_incarnation_only_when_the_old_one_is_silent() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Membership::open(dir.path(), "cn".into(), "0".into()).unwrap();
        let member = open();
        let start = Instant::now();
        assert_eq!(member.token(), None);
        member.judge(&caller(7, 1, "a"), start).unwrap();
        assert_eq!(open().token().as_deref(), Some("secret"), "it is durable");
        assert!(member.judge(&caller(8, 9, "z"), start).unwrap_err().contains("belongs to cluster 7"));
        assert!(member.judge(&caller(7, 2, "b"), start + LEASE / 2).unwrap_err().contains("is alive"));
        let later = start + LEASE + Duration::from_secs(1);
        member.judge(&caller(7, 2, "b"), later).unwrap();
        assert!(member.judge(&caller(7, 1, "a"), later + LEASE * 2).unwrap_err().contains("stale"));
        assert!(member.judge(&caller(7, 2, "c"), later + LEASE * 2).unwrap_err().contains("stale"));
        // A restarted node has no leader yet: the restored cluster gets it at once.
        open().judge(&caller(7, 3, "d"), later).unwrap();
    }
}
