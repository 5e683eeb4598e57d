//! Joining a cluster: a frontend with `--helper` and an empty meta directory waits until an administrator adds it and the
//! leader calls. What the leader says is made durable before it is answered, so that a crash on either side is repaired by
//! saying it again.

use std::sync::Arc;
use std::time::Duration;

use actors_messages::frontends::{FRONTEND, FrontendHeartbeat, FrontendReport, Join, Leave};
use anyhow::Context;
use runtime_raft::{Identity, MetaDir, Node};
use runtime_rpc::Registry;
use storage_model::{Frontend, FrontendRole, NodeId, Revision};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::gate::FrontendGate;

/// How often it is said what is waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// How long the helper may take to take a connection.
const KNOCK_LIMIT: Duration = Duration::from_secs(3);

/// Waits until this frontend is a member.
pub(super) async fn wait(
    dir: &MetaDir,
    me: &Frontend,
    helper: &str,
    registry: &Registry,
    report: FrontendReport,
) -> anyhow::Result<()> {
    let joined = Arc::new(Notify::new());
    expose(registry, dir, me, Some(joined.clone()));
    // The leader looks for one that has lost its directory by this: nobody has the id 0.
    registry.expose_with(FRONTEND, move |_, _: FrontendHeartbeat, _| {
        let report = FrontendReport { id: NodeId(0), applied: Revision(0), oldest_read: Revision(0), ..report.clone() };
        async move { Ok(report) }
    });
    let address = me.address();
    loop {
        let knocked = match timeout(KNOCK_LIMIT, TcpStream::connect(helper)).await {
            Ok(Ok(_)) => "it is there".to_owned(),
            Ok(Err(error)) => format!("it cannot be reached: {error}"),
            Err(_) => format!("it does not answer within {} s", KNOCK_LIMIT.as_secs()),
        };
        tracing::info!(
            helper,
            knocked,
            "waiting to be added to the cluster: say ALTER SYSTEM ADD FOLLOWER \"{address}\" (or ADD OBSERVER) there"
        );
        if timeout(SAY_EVERY, joined.notified()).await.is_ok() {
            return Ok(());
        }
    }
}

/// Serves [`Join`], for as long as the process lives: the leader repeats it if it did not hear the answer.
pub(super) fn expose(registry: &Registry, dir: &MetaDir, me: &Frontend, joined: Option<Arc<Notify>>) {
    let (dir, address) = (dir.clone(), me.address());
    let one_at_a_time = Arc::new(tokio::sync::Mutex::new(()));
    registry.expose_with(FRONTEND, move |_, message: Join, _| {
        let (dir, address, joined) = (dir.clone(), address.clone(), joined.clone());
        let one_at_a_time = one_at_a_time.clone();
        async move {
            let _held = one_at_a_time.lock().await;
            let waits = joined.is_some();
            let taken = tokio::task::spawn_blocking(move || take(&dir, &address, &message, waits)).await;
            let answer = taken.unwrap_or_else(|error| Err(error.to_string()));
            if let (Ok(()), Some(joined)) = (&answer, joined) {
                joined.notify_one();
            }
            Ok(answer)
        }
    });
}

/// Serves [`Leave`]: it is remembered before it is answered, and then the process ends.
pub(super) fn expose_leave(registry: &Registry, dir: &MetaDir, gate: &FrontendGate) {
    let (dir, gate) = (dir.clone(), gate.clone());
    registry.expose_with(FRONTEND, move |_, message: Leave, _| {
        let (dir, gate) = (dir.clone(), gate.clone());
        async move {
            let left = tokio::task::spawn_blocking(move || {
                let known = dir.identity().map_err(|error| error.to_string())?.node.id;
                if known != message.id {
                    return Err(format!("this is frontend {known}, not {}", message.id));
                }
                dir.mark_dropped().map_err(|error| error.to_string())
            })
            .await;
            let left = left.unwrap_or_else(|error| Err(error.to_string()));
            if left.is_ok() {
                gate.drop_out();
            }
            Ok(left)
        }
    });
}

fn take(dir: &MetaDir, address: &str, message: &Join, waits: bool) -> Result<(), String> {
    if dir.exists() {
        let known = dir.identity().map_err(|error| error.to_string())?.node.id;
        return match known == message.id {
            true => Ok(()),
            false => Err(format!("this is frontend {known}, not {}: drop this one and add it again", message.id)),
        };
    }
    if !waits {
        return Err("this frontend does not wait to join a cluster".to_owned());
    }
    if address != message.address {
        return Err(format!("this frontend is {address}, not {}: add it by that name", message.address));
    }
    let node = Node { id: message.id, address: address.to_owned() };
    let role = message.role.to_string();
    let who = Identity { node, name: message.name.clone(), role };
    dir.join(&message.cluster, &who).map_err(|error| format!("{error}"))?;
    tracing::info!(cluster = %message.cluster.cluster_id, id = %message.id, role = %message.role, "joining the cluster");
    Ok(())
}

/// What this frontend is, as its meta directory remembers.
pub(super) fn remembered(dir: &MetaDir, me: Frontend) -> anyhow::Result<Frontend> {
    let known = dir.identity().context("who this frontend is")?;
    let role =
        if known.role == FrontendRole::Observer.to_string() { FrontendRole::Observer } else { FrontendRole::Follower };
    Ok(Frontend { id: known.node.id, name: known.name, role, ..me })
}
