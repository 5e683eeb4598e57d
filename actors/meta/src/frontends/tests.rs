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
    assert_eq!(next(&[me, ready, stranger.clone()]), Some(Change::Remove(stranger)), "who leaves comes first");
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
    assert_eq!(next_change(&catalog, &members, ids[1], Some(9)), Some(Change::Remove(other)));
    assert_eq!(next_change(&catalog, &members[..2], ids[1], Some(9)), Some(Change::Remove(me)));
}
