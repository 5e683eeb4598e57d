//! Frontends, compute nodes, configuration.

use storage_model::{Frontend, FrontendRole, NodeId};

use super::*;

pub(super) fn frontend(id: u64) -> Frontend {
    Frontend {
        id: NodeId(id),
        name: format!("fe{id}"),
        role: FrontendRole::Follower,
        host: "127.0.0.1".to_owned(),
        edit_log_port: 9010,
        http_port: 8030,
        query_port: 9030,
        rpc_port: 9020,
    }
}

fn add(port: u16) -> Command {
    Command::AddComputeNode { host: "cn".to_owned(), heartbeat_port: port }
}

fn remove(port: u16) -> Command {
    Command::DropComputeNode { host: "cn".to_owned(), heartbeat_port: port }
}

#[test]
fn a_compute_node_is_known_by_host_and_port() {
    let mut kit = Kit::empty();
    let Outcome::Node(id) = kit.ok(add(9050)) else { panic!() };
    assert_eq!(kit.catalog.compute_node(id).unwrap().address(), "cn:9050");
    assert_eq!(kit.refused(add(9050)), Rejection::ComputeNodeExists("cn:9050".to_owned()));
    kit.ok(add(9051));
    kit.ok(remove(9050));
    assert_eq!(kit.refused(remove(9050)), Rejection::UnknownComputeNode("cn:9050".to_owned()));
    assert_eq!(kit.catalog.compute_nodes().count(), 1);
    let Outcome::Node(again) = kit.ok(add(9050)) else { panic!() };
    assert_ne!(again, id, "ids are never used twice");
}

#[test]
fn a_frontend_registers_at_every_start() {
    let mut kit = Kit::empty();
    let register = |frontend| Command::RegisterFrontend { frontend };
    assert_eq!(kit.ok(register(frontend(1))), Outcome::Done);
    assert_eq!(kit.ok(register(frontend(1))), Outcome::Nothing);
    assert_eq!(kit.ok(register(Frontend { query_port: 19030, ..frontend(1) })), Outcome::Done);
    assert_eq!(kit.catalog.frontends().map(|f| f.query_port).collect::<Vec<_>>(), [19030]);
}

#[test]
fn configuration_is_kept() {
    let mut kit = Kit::empty();
    for value in ["1", "2"] {
        kit.ok(Command::SetConfig { key: "k".to_owned(), value: value.to_owned() });
    }
    assert_eq!(kit.catalog.config().collect::<Vec<_>>(), [(&"k".to_owned(), &"2".to_owned())]);
}

/// The wall clock is taken as it is; the uptime, by which things expire, never goes back.
#[test]
fn the_wall_clock_may_go_back_and_the_uptime_never_does() {
    let mut kit = Kit::empty();
    let mut at = |wall: u64, uptime: u64| {
        let proposed_at = Now { wall: UnixMillis(wall), uptime: Uptime(uptime) };
        kit.catalog.apply(&Envelope { proposed_at, command: Command::KeepTime }).unwrap();
        (kit.catalog.header.clock.0, kit.catalog.header.uptime.0)
    };
    assert_eq!(at(START + 9, START + 5), (START + 9, START + 5));
    assert_eq!(at(START - 1, START + 4), (START - 1, START + 5));
}

/// A year forth on the wall and back again: nothing has expired.
#[test]
fn a_jump_of_the_wall_clock_expires_nothing() {
    let mut kit = Kit::new();
    let file = kit.load("notes", 0, "o1");
    kit.ok(drop_table("notes", false));
    let year = 365 * 24 * 60 * MINUTE;
    let proposed_at = Now { wall: UnixMillis(kit.clock + year), uptime: kit.catalog.header.uptime };
    let command = Command::EraseTrash { older_than_millis: MINUTE };
    assert_eq!(kit.catalog.apply(&Envelope { proposed_at, command }), Ok(Outcome::Erased(0)));
    assert!(kit.catalog.file(file).unwrap().removed_at().is_none());
}

#[test]
fn a_frontend_is_known_by_host_and_port_and_has_a_role() {
    let mut kit = Kit::empty();
    let add = |host: &str, role| Command::AddFrontend { host: host.to_owned(), edit_log_port: 9010, role };
    let remove = |host: &str, role| {
        let (host, leader) = (host.to_owned(), NodeId(1));
        Command::DropFrontend { host, edit_log_port: 9010, role, leader }
    };
    kit.ok(Command::RegisterFrontend { frontend: frontend(1) });
    let Outcome::Node(id) = kit.ok(add("b", FrontendRole::Follower)) else { panic!() };
    let known = kit.catalog.frontend(id).unwrap();
    assert_eq!((known.address().as_str(), known.query_port), ("b:9010", 0));
    assert!(known.name.starts_with("b_9010_"), "{}", known.name);
    let name = known.name.clone();
    assert_eq!(kit.refused(add("b", FrontendRole::Observer)), Rejection::FrontendExists(name));
    assert_eq!(kit.refused(remove("127.0.0.1", FrontendRole::Follower)), Rejection::DropsLeader);
    assert_eq!(kit.refused(remove("c", FrontendRole::Follower)), Rejection::UnknownFrontend("c:9010".to_owned()));
    let wrong = kit.refused(remove("b", FrontendRole::Observer));
    assert_eq!(wrong.to_string(), "OBSERVER does not exist[b:9010]");
    // Its ports are told by itself, once it is there; one that was dropped does not come back like this.
    let told = Frontend { query_port: 9030, ..kit.catalog.frontend(id).unwrap().as_ref().clone() };
    kit.ok(Command::RegisterFrontend { frontend: told.clone() });
    kit.ok(remove("b", FrontendRole::Follower));
    assert_eq!(
        kit.refused(Command::RegisterFrontend { frontend: told }),
        Rejection::UnknownFrontend("b:9010".to_owned())
    );
    let Outcome::Node(again) = kit.ok(add("b", FrontendRole::Observer)) else { panic!() };
    assert_ne!(again, id, "another life has another id: Raft must not take it for the former");
}
