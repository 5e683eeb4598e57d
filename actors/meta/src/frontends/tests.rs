//! What the catalog asks of the group.

use storage_catalog::{ClusterIdentity, Envelope};
use storage_model::{ClusterId, Epoch, Incarnation, Now, ServiceId, UnixMillis};

use super::*;

fn apply(catalog: &mut Catalog, command: Command) {
    catalog.apply(&Envelope { proposed_at: Now::at(1), command }).unwrap();
}

fn catalog() -> Catalog {
    let identity = ClusterIdentity {
        cluster_id: ClusterId(1),
        token: String::new(),
        service_id: ServiceId("s".into()),
        incarnation: Incarnation("i".into()),
        epoch: Epoch(1),
    };
    let mut catalog = Catalog::genesis(identity, UnixMillis(0));
    let frontend = Frontend {
        id: NodeId(1),
        name: "a".into(),
        role: FrontendRole::Follower,
        host: "a".into(),
        edit_log_port: 9010,
        http_port: 1,
        query_port: 1,
        rpc_port: 1,
    };
    apply(&mut catalog, Command::RegisterFrontend { frontend });
    for (host, role) in [("b", FrontendRole::Follower), ("c", FrontendRole::Observer)] {
        apply(&mut catalog, Command::AddFrontend { host: host.into(), edit_log_port: 9010, role });
    }
    catalog
}

fn member(id: NodeId, votes: bool, has: Option<u64>) -> Member {
    Member { node: Node { id, address: id.to_string() }, votes, has }
}

#[test]
fn a_follower_has_joined_when_it_votes_and_an_observer_when_it_is_a_member() {
    let (learns, votes) = (member(NodeId(2), false, Some(500)), member(NodeId(2), true, Some(500)));
    assert!(!counts(FrontendRole::Follower, &learns), "two of three that vote would be lost with one of them");
    assert!(counts(FrontendRole::Follower, &votes));
    assert!(counts(FrontendRole::Observer, &learns));
}

#[test]
fn a_follower_votes_when_it_has_caught_up_and_an_observer_never() {
    let catalog = catalog();
    let ids: Vec<_> = catalog.frontends().map(|known| known.id).collect();
    let me = member(ids[0], true, Some(500));
    let next = |members: &[Member]| next_change(&catalog, members, ids[0], Some(500));
    assert_eq!(next(std::slice::from_ref(&me)), None, "who has not joined is asked to, elsewhere");
    assert_eq!(next(&[me.clone(), member(ids[1], false, None)]), None);
    assert_eq!(next(&[me.clone(), member(ids[1], false, Some(400))]), None);
    let ready = member(ids[1], false, Some(480));
    assert_eq!(next(&[me.clone(), ready.clone()]), Some(Change::LetVote(ready.node.clone())));
    assert_eq!(next(&[me.clone(), member(ids[1], true, Some(1)), member(ids[2], false, Some(500))]), None);
    let stranger = member(NodeId(99), true, Some(1));
    let leaving = Some(Change::StopVoting(stranger.node.clone()));
    assert_eq!(next(&[me.clone(), ready.clone(), stranger.clone()]), leaving, "who leaves comes first");
    let leaving = Some(Change::Remove(stranger.node.clone()));
    assert_eq!(next(&[me, ready, Member { votes: false, ..stranger }]), leaving, "and is told when it votes no more");
}

#[test]
fn who_was_dropped_is_removed_and_the_leader_last() {
    let mut catalog = catalog();
    let ids: Vec<_> = catalog.frontends().map(|known| known.id).collect();
    let drop_b =
        Command::DropFrontend { host: "b".into(), edit_log_port: 9010, role: FrontendRole::Follower, leader: ids[0] };
    apply(&mut catalog, drop_b);
    let (me, other) = (member(ids[1], true, None), member(NodeId(77), false, None));
    // The dropped one leads: the command went through before it was elected.
    let members = [me.clone(), member(ids[0], true, Some(9)), other.clone()];
    assert_eq!(next_change(&catalog, &members, ids[1], Some(9)), Some(Change::Remove(other.node)));
    assert_eq!(next_change(&catalog, &members[..2], ids[1], Some(9)), Some(Change::StopVoting(me.node)));
}

/// A group as Raft keeps it, and what may happen to it within a week of changes.
struct Week {
    catalog: Catalog,
    members: Vec<Member>,
    leader: NodeId,
    /// The end of the leader's log.
    last: u64,
    seed: u64,
}

impl Week {
    /// Repeatable; good enough to choose what happens next.
    fn draw(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    fn voters(&self) -> Vec<NodeId> {
        self.members.iter().filter(|member| member.votes).map(|member| member.node.id).collect()
    }

    /// What an administrator says. Refusals are the catalog's business.
    fn command(&mut self) {
        let (host, edit_log_port) = (format!("h{}", self.draw(6)), 9010);
        let role = if self.draw(3) == 0 { FrontendRole::Observer } else { FrontendRole::Follower };
        let leader = self.leader;
        let command = match self.draw(2) {
            0 => Command::AddFrontend { host, edit_log_port, role },
            _ => Command::DropFrontend { host, edit_log_port, role, leader },
        };
        let _ = self.catalog.apply(&Envelope { proposed_at: Now::at(self.last), command });
        self.last += 1;
    }

    /// One that is listed and reachable becomes a member; its leader may die before it knows.
    fn join(&mut self) {
        let listed: Vec<_> = self.catalog.frontends().map(|known| known.id).collect();
        let at = self.draw(listed.len() as u64) as usize;
        if !self.members.iter().any(|member| member.node.id == listed[at]) {
            self.members.push(member(listed[at], false, None));
        }
    }

    fn catch_up(&mut self) {
        let at = self.draw(self.members.len() as u64) as usize;
        let lag = self.draw(200);
        self.members[at].has = Some(self.last.saturating_sub(lag));
    }

    /// Whoever has everything that was acknowledged may lead next.
    fn elect(&mut self) {
        let voters = self.voters();
        let at = self.draw(voters.len() as u64) as usize;
        self.leader = voters[at];
    }

    fn reconcile(&mut self) {
        let Some(change) = next_change(&self.catalog, &self.members, self.leader, Some(self.last)) else { return };
        let before = self.voters();
        match change {
            Change::LetVote(node) => {
                let known = self.catalog.frontend(node.id).expect("only who is listed votes");
                assert_eq!(known.role, FrontendRole::Follower);
                let found = self.members.iter_mut().find(|member| member.node.id == node.id).unwrap();
                found.votes = true;
            }
            Change::StopVoting(node) => {
                assert!(self.catalog.frontend(node.id).is_none(), "nobody loses its vote who is listed");
                if node.id == self.leader {
                    let strangers = self.members.iter().filter(|m| self.catalog.frontend(m.node.id).is_none());
                    assert_eq!(strangers.count(), 1, "the leader goes last");
                    // It hands over; whoever leads then goes on.
                    self.elect();
                    return;
                }
                let found = self.members.iter_mut().find(|member| member.node.id == node.id).unwrap();
                assert!(found.votes);
                found.votes = false;
            }
            Change::Remove(gone) => {
                assert!(self.catalog.frontend(gone.id).is_none(), "nobody is removed who is listed");
                let found = self.members.iter().find(|member| member.node.id == gone.id).unwrap();
                assert!(!found.votes, "nobody is removed who votes");
                self.members.retain(|member| member.node.id != gone.id);
            }
        }
        let after = self.voters();
        assert!(before.len().abs_diff(after.len()) <= 1, "one voter at a time: {before:?} {after:?}");
        assert!(after.contains(&self.leader), "whoever leads votes");
    }
}

#[test]
fn a_week_of_changes_ends_with_the_group_that_the_catalog_lists() {
    for seed in 1..=40 {
        let catalog = catalog();
        let leader = NodeId(1);
        let members = vec![member(leader, true, Some(0))];
        let mut week = Week { catalog, members, leader, last: 0, seed };
        for _ in 0..2_000 {
            match week.draw(8) {
                0 => week.command(),
                1 => week.join(),
                2 | 3 => week.catch_up(),
                4 => week.elect(),
                _ => week.reconcile(),
            }
            assert!(!week.voters().is_empty());
        }
        // When nobody says anything any more, everybody who is listed joins, and everything is caught up with.
        for _ in 0..500 {
            week.join();
            for member in &mut week.members {
                member.has = Some(week.last);
            }
            week.reconcile();
        }
        let mut group: Vec<_> = week.members.iter().map(|member| (member.node.id, member.votes)).collect();
        group.sort();
        let listed = week.catalog.frontends().map(|f| (f.id, f.role == FrontendRole::Follower)).collect::<Vec<_>>();
        assert_eq!(group, listed, "seed {seed}");
    }
}
