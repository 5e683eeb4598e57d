//! The frontend monitor: on the leader, who else is there; and the reconciler that makes the Raft group what the catalog says,
//! one member at a time.
//!
//! | the catalog lists it | the group | what is done |
//! |---|---|---|
//! | yes | – | `Join` is sent; when it is answered, the frontend becomes a member that does not vote |
//! | as a follower | does not vote | when it has caught up, it votes |
//! | no | votes | it votes no more: from then on nobody waits for it |
//! | no | leads | it hands over |
//! | no | does not vote | `Leave` is sent, and it is removed, whether it has heard that or not |
//!
//! Each step can be repeated, and whoever leads next goes on where the catalog and the group stand. A change of the voters that
//! a leader has left half done is finished before the next begins.

pub mod leases;

use std::sync::Arc;
use std::time::Duration;

use actors_messages::frontends::{FRONTEND, FrontendHeartbeat, FrontendReport, FrontendStatus, Join, Leave};
use futures::future::join_all;
use runtime_actor::{Actor, Answer, Clock, Context, Handle, Message, SystemClock};
use runtime_raft::{Member, Meta, Node};
use serde::Serialize;
use storage_catalog::{Catalog, Command};
use storage_model::{Frontend, FrontendRole, NodeId};
use tokio::sync::watch;
use tokio::time::Instant;

use self::leases::ReadLeases;
use crate::nodes::NodeDirectory;
use crate::replica::SelfReport;

/// Between two heartbeats.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A frontend that does not answer within this is not alive.
const BEAT_DEADLINE: Duration = Duration::from_secs(2);
/// A member that lacks at most so many entries has caught up: it would have them within a heartbeat.
const CAUGHT_UP: u64 = 64;

/// The role.
pub struct FrontendMonitor {
    meta: Meta,
    directory: NodeDirectory,
    statuses: Arc<watch::Sender<Arc<Vec<FrontendStatus>>>>,
    leases: ReadLeases,
    report: SelfReport,
    working: bool,
    rounds: u64,
    last_error: String,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct FrontendMonitorState {
    rounds: u64,
    frontends: Vec<(u64, bool, String)>,
    members: Vec<(String, bool)>,
    last_error: String,
}

/// A change of the group that the catalog asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was dropped. As long as it votes it must stay, or a majority may be missing that takes its vote away.
    StopVoting(Node),
    /// It was dropped, and does not vote.
    Remove(Node),
    /// It has caught up.
    LetVote(Node),
}

/// The next change; those who leave come first. `last`: the end of the leader's log.
pub fn next_change(catalog: &Catalog, members: &[Member], me: NodeId, last: Option<u64>) -> Option<Change> {
    let gone = |member: &&Member| catalog.frontend(member.node.id).is_none();
    // Whoever leads goes last: then the others can elect one of themselves.
    let mut leaving: Vec<_> = members.iter().filter(gone).collect();
    leaving.sort_by_key(|member| member.node.id == me);
    if let Some(member) = leaving.first() {
        let node = member.node.clone();
        return Some(if member.votes { Change::StopVoting(node) } else { Change::Remove(node) });
    }
    let has_caught_up =
        |member: &&Member| member.has.unwrap_or(0) + CAUGHT_UP >= last.unwrap_or(0) && member.has.is_some();
    let is_follower =
        |member: &&Member| catalog.frontend(member.node.id).is_some_and(|known| known.role == FrontendRole::Follower);
    let ready = members.iter().filter(|member| !member.votes).filter(is_follower).find(has_caught_up)?;
    Some(Change::LetVote(ready.node.clone()))
}

/// Whether a member is all that it was added for: until a follower votes, the loss of another is not survived.
fn counts(role: FrontendRole, member: &Member) -> bool {
    member.votes || role == FrontendRole::Observer
}

/// One round is over.
#[derive(Debug)]
struct RoundOver {
    error: Option<String>,
}

impl Message for RoundOver {
    type Reply = ();
    const NAME: &'static str = "RoundOver";
}

#[derive(Debug)]
struct Tick;

impl Message for Tick {
    type Reply = ();
    const NAME: &'static str = "Tick";
}

/// What a round works with.
#[derive(Clone)]
struct Round {
    meta: Meta,
    directory: NodeDirectory,
    statuses: Arc<watch::Sender<Arc<Vec<FrontendStatus>>>>,
    leases: ReadLeases,
    report: SelfReport,
}

impl FrontendMonitor {
    /// A monitor that publishes to `statuses` and notes in `leases` what the others read.
    pub fn new(
        meta: Meta,
        directory: NodeDirectory,
        statuses: Arc<watch::Sender<Arc<Vec<FrontendStatus>>>>,
        leases: ReadLeases,
        report: SelfReport,
    ) -> FrontendMonitor {
        let (working, rounds, last_error) = (false, 0, String::new());
        FrontendMonitor { meta, directory, statuses, leases, report, working, rounds, last_error }
    }
}

impl Round {
    async fn run(self) -> RoundOver {
        let catalog = self.meta.view();
        let members = self.meta.members();
        let looks = catalog.frontends().map(|known| self.look_at(known.clone(), &members));
        let fresh: Vec<FrontendStatus> = join_all(looks).await;
        self.publish(fresh.clone());
        let changed = self.change().await;
        let registered = self.register(&catalog, &fresh).await;
        RoundOver { error: changed.err().or(registered.err()) }
    }

    async fn look_at(&self, known: Arc<Frontend>, members: &[Member]) -> FrontendStatus {
        let me = self.meta.me().id;
        let member = members.iter().find(|member| member.node.id == known.id);
        let joined = member.is_some_and(|member| counts(known.role, member));
        if known.id == me {
            let applied = self.meta.view().revision();
            let report = FrontendReport { applied, oldest_read: applied, ..(self.report)() };
            return status(&known, joined, Ok(report), None);
        }
        let before = self.statuses.borrow().iter().find(|status| status.id == known.id).cloned();
        if member.is_none() {
            let answer = self.take_in(&known).await;
            return status(&known, false, answer.and(Err("it is catching up".to_owned())), before);
        }
        status(&known, joined, self.beat(&known).await, before)
    }

    async fn beat(&self, known: &Frontend) -> Result<FrontendReport, String> {
        let sent = Instant::now();
        let (leader, applied) = (self.meta.me().id, self.meta.view().revision());
        let message = FrontendHeartbeat { leader, applied, frontends: self.statuses.borrow().clone() };
        let peer = self.directory.peer(&known.address());
        let report = peer.ask(FRONTEND, message, BEAT_DEADLINE).await.map_err(|error| error.to_string())?;
        if report.id != known.id {
            return Err(format!("frontend {} is there, not {}: drop this one and add it again", report.id, known.id));
        }
        self.leases.note(known.id, sent, report.oldest_read);
        Ok(report)
    }

    /// Asks a frontend to join, and makes it a member.
    async fn take_in(&self, known: &Frontend) -> Result<(), String> {
        let cluster = self.meta.view().identity().clone();
        let (id, name, role, address) = (known.id, known.name.clone(), known.role, known.address());
        let message = Join { cluster, id, name, role, address: address.clone() };
        let peer = self.directory.peer(&address);
        peer.ask(FRONTEND, message, BEAT_DEADLINE).await.map_err(|error| error.to_string())??;
        // It may have been dropped in the meantime: then it must not become a member.
        if self.meta.view().frontend(id).is_none() {
            return Err("it was dropped".to_owned());
        }
        let node = Node { id, address };
        self.meta.add_learner(&node).await.map_err(|error| error.to_string())?;
        tracing::info!(frontend = %node, role = %known.role, "a frontend has joined");
        Ok(())
    }

    async fn change(&self) -> Result<(), String> {
        if self.meta.is_changing() {
            self.meta.finish_change().await.map_err(|error| format!("the change that was begun: {error}"))?;
            tracing::info!("a change of the group that was begun is finished");
            return Ok(());
        }
        let last = self.meta.status().last_log;
        let Some(change) = next_change(&self.meta.view(), &self.meta.members(), self.meta.me().id, last) else {
            return Ok(());
        };
        let (changed, node) = match &change {
            // Whoever leads next goes on.
            Change::StopVoting(node) | Change::Remove(node) if node.id == self.meta.me().id => {
                let heir = self.meta.hand_over().await;
                return heir.map(drop).ok_or_else(|| format!("{node}: nobody has taken the leadership over yet"));
            }
            Change::StopVoting(node) => (self.meta.stop_voting(node).await, node),
            Change::Remove(node) => {
                self.tell_to_leave(node).await;
                (self.meta.remove(node).await, node)
            }
            Change::LetVote(node) => (self.meta.let_vote(node).await, node),
        };
        changed.map_err(|error| format!("{node}: {error}"))?;
        match change {
            Change::StopVoting(node) => tracing::info!(frontend = %node, "a frontend that was dropped votes no more"),
            Change::Remove(node) => {
                self.directory.forget(&node.address);
                tracing::info!(frontend = %node, "a frontend has left the group");
            }
            Change::LetVote(node) => tracing::info!(frontend = %node, "a frontend has caught up, and votes"),
        }
        Ok(())
    }

    /// A frontend that is not there learns it when it hears of nobody any more.
    async fn tell_to_leave(&self, node: &Node) {
        let peer = self.directory.peer(&node.address);
        if let Err(error) = peer.ask(FRONTEND, Leave { id: node.id }, BEAT_DEADLINE).await {
            tracing::info!(frontend = %node, %error, "a frontend that was dropped could not be told");
        }
    }

    /// Writes down where the frontends are found, as they tell it.
    async fn register(&self, catalog: &Catalog, fresh: &[FrontendStatus]) -> Result<(), String> {
        for known in catalog.frontends() {
            let Some(report) = fresh.iter().find(|s| s.id == known.id).and_then(|s| s.report.as_ref()) else {
                continue;
            };
            let (http_port, query_port, rpc_port) = (report.http_port, report.query_port, report.rpc_port);
            let frontend = Frontend { http_port, query_port, rpc_port, ..known.as_ref().clone() };
            if frontend != **known {
                let registered = self.meta.propose(Command::RegisterFrontend { frontend }).await;
                registered.map_err(|error| format!("{}: {error}", known.name))?;
            }
        }
        Ok(())
    }

    fn publish(&self, fresh: Vec<FrontendStatus>) {
        let before = self.statuses.borrow().clone();
        for status in &fresh {
            let was_alive = before.iter().find(|known| known.id == status.id).map(|known| known.alive);
            match (was_alive, status.alive) {
                (Some(false) | None, true) => tracing::info!(frontend = %status.id, "frontend is alive"),
                (Some(true), false) => tracing::warn!(frontend = %status.id, error = status.error, "frontend is lost"),
                _ => {}
            }
        }
        self.statuses.send_replace(Arc::new(fresh));
    }
}

fn status(
    known: &Frontend,
    joined: bool,
    answer: Result<FrontendReport, String>,
    before: Option<FrontendStatus>,
) -> FrontendStatus {
    match answer {
        Ok(report) => FrontendStatus {
            id: known.id,
            joined,
            alive: true,
            report: Some(report),
            last_heartbeat_ms: Some(SystemClock.now_unix_ms()),
            error: if joined { String::new() } else { "it does not vote yet".to_owned() },
        },
        Err(error) => {
            let (report, last_heartbeat_ms) = before.map_or((None, None), |b| (b.report, b.last_heartbeat_ms));
            FrontendStatus { id: known.id, joined, alive: false, report, last_heartbeat_ms, error }
        }
    }
}

impl Actor for FrontendMonitor {
    const ROLE: &'static str = "frontend_monitor";
    type State = FrontendMonitorState;

    fn observe(&self) -> FrontendMonitorState {
        let frontends = self.statuses.borrow().iter().map(|s| (s.id.0, s.alive, s.error.clone())).collect();
        let members = self.meta.members().into_iter().map(|m| (m.node.to_string(), m.votes)).collect();
        FrontendMonitorState { rounds: self.rounds, frontends, members, last_error: self.last_error.clone() }
    }

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.notify(Tick);
        cx.every(BEAT_EVERY, || Tick);
    }
}

impl Handle<Tick> for FrontendMonitor {
    fn handle(&mut self, _: Tick, cx: &mut Context<Self>) -> Answer<()> {
        fail::fail_point!("handler.frontend_monitor");
        if !self.working {
            self.working = true;
            self.rounds += 1;
            let round = Round {
                meta: self.meta.clone(),
                directory: self.directory.clone(),
                statuses: self.statuses.clone(),
                leases: self.leases.clone(),
                report: self.report.clone(),
            };
            cx.effect(round.run());
        }
        Answer::done()
    }
}

impl Handle<RoundOver> for FrontendMonitor {
    fn handle(&mut self, message: RoundOver, _: &mut Context<Self>) -> Answer<()> {
        self.working = false;
        let error = message.error.unwrap_or_default();
        if !error.is_empty() && error != self.last_error {
            tracing::warn!(error, "the group of frontends is not yet what the catalog says");
        }
        self.last_error = error;
        Answer::done()
    }
}

#[cfg(test)]
mod tests;
