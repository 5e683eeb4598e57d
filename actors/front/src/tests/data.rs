//! Statements that need a compute node, with none that lives.

use std::sync::Arc;

use actors_messages::compute::NodeReport;
use actors_messages::nodes::NodeStatus;
use storage_model::{ComputeNode, NodeId, UnixMillis};

use super::kit::{Kit, quickstart};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_compute_node_data_is_out_of_reach() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    for sql in ["SELECT * FROM t", "INSERT INTO t VALUES (1, '2020-01-01', 'a')", "INSERT INTO t SELECT k, d, v FROM t"]
    {
        let (code, text) = client.fails(sql).await;
        assert!(code == 1064 && text.starts_with("no compute node is alive"), "{sql}: {text}");
    }
    assert!(
        client
            .rows("EXPLAIN SELECT * FROM t WHERE d < '2019-01-01'")
            .await
            .iter()
            .any(|l| l.contains("partitions=1/2"))
    );
    let (code, text) = client.fails("INSERT INTO t VALUES (1, 'no date', 'a')").await;
    assert!(code == 1064 && text.contains("no date"), "{text}");
    assert_eq!(client.fails("INSERT INTO t PARTITION (nothing) VALUES (1, '2020-01-01', 'a')").await.0, 1735);
    assert_eq!(client.fails("INSERT INTO t WITH LABEL `a b` VALUES (1, '2020-01-01', 'a')").await.0, 5082);
    assert_eq!(client.fails("INSERT INTO nothing VALUES (1)").await.0, 5502);
    client.ok("CREATE TABLE e (d DATE) PARTITION BY RANGE(d) ()").await;
    assert_eq!(client.fails("INSERT INTO e VALUES ('2020-01-01')").await.0, 1748);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_answer_is_suspected_and_another_one_is_tried() {
    let kit = Kit::start().await;
    let mut client = kit.client().await;
    quickstart(&mut client).await;
    let node = |id| NodeStatus {
        node: Arc::new(ComputeNode {
            id: NodeId(id),
            host: "127.0.0.1".to_owned(),
            heartbeat_port: 9050,
            added_at: UnixMillis(0),
        }),
        alive: true,
        // Nobody listens on the discard port.
        report: Some(NodeReport { brpc_port: 9, cpu_cores: 2, ..NodeReport::default() }),
        last_heartbeat_ms: None,
        error: String::new(),
    };
    for (nodes, suspected) in [(vec![node(7)], 1), (vec![node(7), node(8)], 2), (vec![node(7), node(8), node(9)], 2)] {
        kit.nodes.send_replace(Arc::new(nodes));
        for sql in ["SELECT * FROM t", "INSERT INTO t VALUES (1, '2020-01-01', 'a')"] {
            kit.told();
            assert_eq!(client.fails(sql).await.0 / 1000 * 1000, if suspected == 1 { 1000 } else { 5000 }, "{sql}");
            assert_eq!(kit.told(), vec!["SuspectNode"; suspected], "{sql}");
        }
    }
}
