//! A real server, asked over a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runtime_actor::{Actor, ActorSpec, Answer, Budget, Context, Handle, Message, Strategy, SystemClock, Tree};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::*;

#[derive(Debug)]
struct Hello;

impl Message for Hello {
    type Reply = u64;
    const NAME: &'static str = "Hello";
}

struct Greeter(u64);

impl Actor for Greeter {
    const ROLE: &'static str = "greeter";
    type State = Value;
    fn observe(&self) -> Value {
        json!({ "greeted": self.0 })
    }
}

impl Handle<Hello> for Greeter {
    fn handle(&mut self, _: Hello, _: &mut Context<Self>) -> Answer<u64> {
        self.0 += 1;
        Answer::now(self.0)
    }
}

/// Status and body of a request.
async fn request(address: &str, head: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

async fn get(address: &str, path: &str) -> (u16, Value) {
    let (status, body) = request(address, &format!("GET {path}")).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_answers_and_the_port_is_free_afterwards() {
    let tree = Tree::new("fe", SystemClock::shared());
    let group = tree.supervisor("meta", Strategy::OneForOne, Budget::default());
    let greeter = group.start(ActorSpec::new("greeter"), || Greeter(0));
    greeter.ask(Hello).await.unwrap();
    greeter.ask(Hello).await.unwrap();
    for n in 0..40 {
        group.start(ActorSpec::new(format!("crowd {n}")), || Greeter(0)).ask(Hello).await.unwrap();
    }
    let (ready, restoring) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let (ready_now, restoring_now) = (ready.clone(), restoring.clone());
    let routes = Routes::new(tree.clone(), move || match ready_now.load(Ordering::SeqCst) {
        true => Ok(Health { total_backend_num: 3, online_backend_num: 2 }),
        false => Err(NotReady("no leader".to_owned())),
    })
    .restore_state(move || match restoring_now.load(Ordering::SeqCst) {
        true => RestoreState::Restoring,
        false => RestoreState::Finished,
    })
    .metrics(|| "own_metric 7".to_owned())
    .json("/api/own", || async { Ok(json!([1, 2])) });
    let listener = bind("127.0.0.1:0").unwrap();
    let shutdown = CancellationToken::new();
    let serving = serve(listener, routes, shutdown.clone()).unwrap();
    let address = serving.local_addr().to_string();

    let healthy = json!({ "total_backend_num": 3, "online_backend_num": 2, "status": "OK" });
    assert_eq!(get(&address, "/api/health").await, (200, healthy));
    ready.store(false, Ordering::SeqCst);
    assert_eq!(get(&address, "/api/health").await, (503, json!({ "status": "FAILED", "msg": "no leader" })));
    let path = "/api/v2/get_cluster_snapshot_restore_state";
    let state = |state: &str| json!({ "cluster_snapshot_restore_state": state, "status": "OK" });
    assert_eq!(get(&address, path).await, (200, state("restoring")));
    restoring.store(false, Ordering::SeqCst);
    assert_eq!(get(&address, path).await, (200, state("finished")));
    assert_eq!(get(&address, "/api/own").await, (200, json!([1, 2])));

    let (status, actors) = get(&address, "/api/v2/actors").await;
    assert_eq!(status, 200);
    let node = &actors["root"]["children"][0]["children"][0];
    assert_eq!((&node["path"], &node["state"]), (&json!("fe/meta/greeter"), &json!({ "greeted": 2 })));

    let (status, metrics) = request(&address, "GET /metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.starts_with("own_metric 7\n# HELP starkeep_actor_up "), "{metrics}");
    // 41 of one role under one supervisor are counted together.
    for line in [
        "starkeep_actor_up{actor=\"fe/meta/*\",role=\"greeter\"} 41",
        "starkeep_actor_messages_total{actor=\"fe/meta/*\",role=\"greeter\",outcome=\"handled\"} 42",
        "starkeep_actor_handle_seconds_bucket{actor=\"fe/meta/*\",role=\"greeter\",le=\"+Inf\"} 42",
        "starkeep_actor_restarts_total{actor=\"fe/meta/*\",role=\"greeter\"} 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }

    let (status, body) = get(&address, "/no/such/page").await;
    assert_eq!((status, &body["msg"]), (404, &json!("nothing is served at /no/such/page")));
    let (status, _) = request(&address, "DELETE /api/health").await;
    assert_eq!(status, 405);
    let (status, body) = request(&address, "HEAD /metrics").await;
    assert_eq!((status, body.as_str()), (200, ""));

    let taken = bind(address.as_str()).unwrap_err();
    assert!(taken.to_string().contains(&format!("cannot listen for HTTP on {address}: ")), "{taken}");
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), serving.ended()).await.unwrap();
    drop(bind(address.as_str()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_do_no_harm() {
    use runtime_actor::random::{Ids, SeededIds};
    let tree = Tree::new("cn", SystemClock::shared());
    let routes = Routes::new(tree, || Ok(Health { total_backend_num: 1, online_backend_num: 1 }));
    let serving = serve(bind("127.0.0.1:0").unwrap(), routes, CancellationToken::new()).unwrap();
    let address = serving.local_addr().to_string();
    let ids = SeededIds::new(3);
    for round in 1..50_usize {
        let bytes: Vec<u8> = (0..round).flat_map(|_| ids.next().to_le_bytes()).collect();
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // The server may close in the middle of it.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.write_all(b"\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
    }
    assert_eq!(get(&address, "/api/health").await.0, 200);
    // A node that does not restore has no such page.
    assert_eq!(get(&address, "/api/v2/get_cluster_snapshot_restore_state").await.0, 404);
}

#[tokio::test]
async fn metrics_of_few_actors_keep_their_names() {
    let tree = Tree::new("cn", SystemClock::shared());
    let greeter = tree.root().start(ActorSpec::new("a \"b\""), || Greeter(0));
    greeter.ask(Hello).await.unwrap();
    let text = metrics::actor_metrics(&tree.view());
    let labels = "{actor=\"cn/a \\\"b\\\"\",role=\"greeter\"}";
    assert!(text.contains(&format!("starkeep_actor_up{labels} 1\n")), "{text}");
    assert!(text.contains(&format!("starkeep_actor_mailbox_capacity{labels} 256\n")), "{text}");
    assert!(text.contains("le=\"0.00001\"") && text.contains("le=\"10\""), "{text}");
}
