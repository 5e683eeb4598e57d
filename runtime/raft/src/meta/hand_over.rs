//! A leader that is stopped in good order, or that was dropped, sees to it that another leads before it goes.

use std::time::Duration;

use runtime_actor::{TraceId, trace};
use tokio::time::{sleep, timeout};
use tracing::info;

use super::{Member, Meta, Role, Standing};
use crate::network::{Elect, RAFT, To};
use crate::types::Node;

/// How long somebody is looked for who has everything, and how long it may then take to lead.
const LIMIT: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const ASK_LIMIT: Duration = Duration::from_millis(300);

impl Meta {
    /// When nothing is proposed any more; otherwise it may have to be said again. The voter that has the whole log is told to
    /// elect itself; this node votes for it. Openraft 0.9 knows no transfer, and without this the others would notice the
    /// silence only after their time-outs.
    /// Who leads now, if this node led and somebody took it over.
    pub async fn hand_over(&self) -> Option<Node> {
        let is_other_voter = |member: &Member| member.votes && member.node.id != self.0.me.id;
        if self.standing().role != Role::Leader || !self.members().iter().any(is_other_voter) {
            return None;
        }
        let heir = timeout(LIMIT, self.find_heir()).await.ok();
        match &heir {
            Some(heir) => info!(to = %heir, "the leadership is handed over"),
            None => info!("nobody took the leadership over; the others elect one of themselves"),
        }
        heir
    }

    async fn find_heir(&self) -> Node {
        let mut standing = self.standing_watch();
        let mut heir = None;
        loop {
            // Looked for only while this node leads: then it knows how far the others are.
            heir = self.heir().or(heir);
            let Some(heir) = &heir else {
                sleep(LOOK_EVERY).await;
                continue;
            };
            // The first time this node, which has just been heard as a leader, refuses its vote, and steps down because of the
            // new term that it has learned of; the second time it votes.
            let peer = self.0.peers.to(&heir.address);
            let asked = peer.ask(RAFT, To { to: heir.id.0, request: Elect }, ASK_LIMIT);
            // Whether it worked is seen below; if not, the next try comes.
            let _ = trace::scope(TraceId::routine(), asked).await;
            let leads = |now: &Standing| now.leader.as_ref().is_some_and(|leader| leader.id != self.0.me.id);
            if let Ok(Ok(now)) = timeout(ASK_LIMIT, standing.wait_for(leads)).await
                && let Some(leader) = &now.leader
            {
                return leader.clone();
            }
        }
    }

    /// A voter that has all of the log.
    fn heir(&self) -> Option<Node> {
        let last = self.0.raft.metrics().borrow().last_log_index;
        let me = self.0.me.id;
        self.members().into_iter().find(|m| m.votes && m.node.id != me && m.has >= last).map(|m| m.node)
    }
}
