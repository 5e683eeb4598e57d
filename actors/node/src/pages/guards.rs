//! Who may look. A frontend asks its own users. A compute node has none: it tries the name and the password at the frontend
//! that sends its heartbeats, over the MySQL protocol, so that the password itself travels no further.

use std::net::IpAddr;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use runtime_actor::Tree;
use runtime_http::{Denied, Guard, NodeFacts};
use storage_model::Frontend;

use super::Progress;
use crate::cli::VERSION;

/// How long the frontend may take to let somebody in.
const LOGIN: Duration = Duration::from_secs(2);
/// Error codes of the MySQL protocol.
const ACCESS_DENIED: u16 = 1045;
const PRIVILEGE_DENIED: u16 = 5203;

/// A frontend's.
pub(super) struct FrontendGuard {
    progress: Progress,
    node: String,
    host: String,
}

impl FrontendGuard {
    pub(super) fn new(progress: Progress, me: &Frontend) -> FrontendGuard {
        let host = me.host.to_lowercase();
        FrontendGuard { progress, node: format!("fe:{}:{}", me.host, me.edit_log_port), host }
    }
}

impl Guard for FrontendGuard {
    fn check(&self, user: String, password: String, from: IpAddr) -> BoxFuture<'static, Result<(), Denied>> {
        let progress = self.progress.clone();
        async move {
            let opened = progress.opened().map_err(|error| Denied::Unavailable(error.to_string()))?;
            if !opened.desk.authenticates(&user, &password, from) {
                return Err(Denied::Wrong);
            }
            opened.desk.may_operate(&user, from).map_err(|error| Denied::NotAllowed(error.message))
        }
        .boxed()
    }

    fn still_may(&self, user: &str, from: IpAddr) -> Result<(), Denied> {
        let opened = self.progress.opened().map_err(|error| Denied::Unavailable(error.to_string()))?;
        opened.desk.may_operate(user, from).map_err(|error| Denied::NotAllowed(error.message))
    }

    fn facts(&self) -> NodeFacts {
        let opened = self.progress.opened().ok();
        NodeFacts {
            node: self.node.clone(),
            role: "fe".to_owned(),
            version: VERSION.to_owned(),
            cluster_id: opened.map(|opened| opened.meta.view().identity().cluster_id.to_string()),
        }
    }

    fn has_name(&self, host: &str) -> bool {
        host == self.host
    }
}

/// A compute node's.
pub(super) struct ComputeGuard {
    tree: Tree,
    node: String,
    host: String,
    cluster_id: Box<dyn Fn() -> Option<u64> + Send + Sync>,
}

impl ComputeGuard {
    pub(super) fn new(
        tree: Tree,
        node: String,
        host: &str,
        cluster_id: impl Fn() -> Option<u64> + Send + Sync + 'static,
    ) -> ComputeGuard {
        ComputeGuard { tree, node, host: host.to_lowercase(), cluster_id: Box::new(cluster_id) }
    }
}

/// `host:port` where the leader that this node has heard of takes MySQL clients.
async fn leader_of(tree: &Tree) -> Option<(String, u16)> {
    let view = tree.observe().await;
    let address = view.root.find("compute_node")?.state["leader_sql"].as_str()?.to_owned();
    let (host, port) = address.rsplit_once(':')?;
    Some((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port.parse().ok()?))
}

async fn log_in_at(host: String, port: u16, user: String, password: String) -> Result<(), mysql_async::Error> {
    let options = OptsBuilder::default().ip_or_hostname(host).tcp_port(port).prefer_socket(false);
    let options = options.user(Some(user)).pass(Some(password)).stmt_cache_size(0);
    // The driver asks for these two unless it is told.
    let options = options.max_allowed_packet(Some(1 << 20)).wait_timeout(Some(60));
    let mut connection = Conn::new(options).await?;
    // Needs OPERATE, and never waits.
    let may = connection.query_drop("SHOW FRONTENDS").await;
    // Whether the goodbye arrives does not matter.
    let _ = connection.disconnect().await;
    may
}

impl Guard for ComputeGuard {
    /// The frontend sees this node's address as the user's.
    fn check(&self, user: String, password: String, _from: IpAddr) -> BoxFuture<'static, Result<(), Denied>> {
        let tree = self.tree.clone();
        async move {
            let Some((host, port)) = leader_of(&tree).await else {
                let why =
                    "a compute node has no users, and this one has not heard of a frontend that could be asked yet";
                return Err(Denied::Unavailable(why.to_owned()));
            };
            let unavailable = |why: String| {
                Denied::Unavailable(format!(
                    "the frontend at {host}:{port}, whose users may look, cannot be asked: {why}"
                ))
            };
            match tokio::time::timeout(LOGIN, log_in_at(host.clone(), port, user, password)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(mysql_async::Error::Server(error))) if error.code == ACCESS_DENIED => Err(Denied::Wrong),
                Ok(Err(mysql_async::Error::Server(error))) if error.code == PRIVILEGE_DENIED => {
                    Err(Denied::NotAllowed(error.message))
                }
                Ok(Err(error)) => Err(unavailable(error.to_string())),
                Err(_) => Err(unavailable(format!("no answer within {} s", LOGIN.as_secs()))),
            }
        }
        .boxed()
    }

    fn facts(&self) -> NodeFacts {
        NodeFacts {
            node: self.node.clone(),
            role: "cn".to_owned(),
            version: VERSION.to_owned(),
            cluster_id: (self.cluster_id)().map(|id| id.to_string()),
        }
    }

    fn has_name(&self, host: &str) -> bool {
        host == self.host
    }
}
