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

#[test]
fn the_clock_never_goes_back() {
    let mut kit = Kit::empty();
    let command = Command::LeaseTxns { count: 1 };
    kit.catalog.apply(&Envelope { proposed_at: UnixMillis(START - 1), command: command.clone() }).unwrap();
    assert_eq!(kit.catalog.header.clock, UnixMillis(START));
    kit.catalog.apply(&Envelope { proposed_at: UnixMillis(START + 9), command }).unwrap();
    assert_eq!(kit.catalog.header.clock, UnixMillis(START + 9));
}
