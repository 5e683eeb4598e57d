//! A node with pages, and a client that writes its own requests.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use runtime_actor::{Actor, ActorSpec, Answer, Budget, Context, Handle, Message, Strategy, SystemClock, Tree};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::prometheus::Family;
use crate::*;

#[derive(Debug)]
pub(super) struct Hello;

impl Message for Hello {
    type Reply = u64;
    const NAME: &'static str = "Hello";
}

pub(super) struct Greeter(pub(super) u64);

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

/// Knows `root` without a password, `admin` with one, and `guest`, who may nothing. All are dismissed once this is true.
struct Keeper(Arc<AtomicBool>);

impl Guard for Keeper {
    fn check(&self, user: String, password: String, _from: IpAddr) -> BoxFuture<'static, Result<(), Denied>> {
        let checked = match (user.as_str(), password.as_str()) {
            ("root", "") | ("admin", "säsam: 1") => Ok(()),
            ("guest", "guest") => Err(Denied::NotAllowed("OPERATE is missing".to_owned())),
            ("away", _) => Err(Denied::Unavailable("nobody can be asked".to_owned())),
            ("bug", _) => panic!("a broken guard"),
            _ => Err(Denied::Wrong),
        };
        futures::future::ready(checked).boxed()
    }

    fn still_may(&self, user: &str, _from: IpAddr) -> Result<(), Denied> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(Denied::NotAllowed(format!("{user} was dismissed"))),
            false => Ok(()),
        }
    }

    fn facts(&self) -> NodeFacts {
        NodeFacts {
            node: "fe:h:9010".to_owned(),
            role: "fe".to_owned(),
            version: "0.1.0".to_owned(),
            cluster_id: Some("77".to_owned()),
        }
    }

    fn has_name(&self, host: &str) -> bool {
        host == "fe.example.com"
    }
}

/// A server with everything, and what tests turn.
pub(super) struct Kit {
    pub(super) address: String,
    pub(super) ready: Arc<AtomicBool>,
    /// Whether nobody may any more.
    pub(super) dismissed: Arc<AtomicBool>,
    pub(super) restoring: Arc<AtomicBool>,
    /// What the topic `number` and the page of the same name show.
    pub(super) number: Arc<AtomicU64>,
    /// How often the topic was asked for.
    pub(super) looks: Arc<AtomicU64>,
    pub(super) serving: HttpServing,
    pub(super) shutdown: CancellationToken,
    _stop: DropGuard,
}

pub(super) async fn tree_of_greeters() -> Tree {
    let tree = Tree::new("fe", SystemClock::shared());
    let group = tree.supervisor("meta", Strategy::OneForOne, Budget::default());
    let greeter = group.start(ActorSpec::new("greeter"), || Greeter(0));
    greeter.ask(Hello).await.unwrap();
    greeter.ask(Hello).await.unwrap();
    for n in 0..40 {
        group.start(ActorSpec::new(format!("crowd {n}")), || Greeter(0)).ask(Hello).await.unwrap();
    }
    tree
}

impl Kit {
    pub(super) async fn start() -> Kit {
        let (ready, restoring) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let (number, looks) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(0)));
        let dismissed = Arc::new(AtomicBool::new(false));
        let (is_ready, is_restoring) = (ready.clone(), restoring.clone());
        let health = move || match is_ready.load(Ordering::SeqCst) {
            true => Ok(Health { total_backend_num: 3, online_backend_num: 2 }),
            false => Err(NotReady("no leader".to_owned())),
        };
        let (shown, told, counted) = (number.clone(), number.clone(), looks.clone());
        let broken = AtomicU64::new(0);
        let routes = Routes::new(tree_of_greeters().await, health)
            .restore_state(move || match is_restoring.load(Ordering::SeqCst) {
                true => RestoreState::Restoring,
                false => RestoreState::Finished,
            })
            .metrics(|tree| vec![Family::gauge("own_metric", "Its own.").with(&[("tree", &tree.name)], 7.0)])
            .open("/api/own", |asked| async move { Ok(json!({ "x": asked.parameter("x") })) })
            .guard(Keeper(dismissed.clone()), "starkeep_session")
            .get("/api/v2/number", move |asked| {
                let number = shown.load(Ordering::SeqCst);
                async move { Ok(json!({ "number": number, "user": asked.user })) }
            })
            .get("/api/v2/things/{id}", |asked| async move {
                match asked.parameter("id") {
                    Some("1") => Ok(json!({ "id": "1", "limit": asked.number("limit")? })),
                    Some("late") => Err(NotReady("later".to_owned()).into()),
                    Some("bug") => panic!("a broken page"),
                    other => Err(PageError::NotFound(format!("no thing {other:?}"))),
                }
            })
            .post("/api/v2/number", |asked| async move {
                match &asked.body["to"] {
                    Value::Null => Err(PageError::Bad("to what?".to_owned(), Some(1064))),
                    to => Ok(json!({ "to": to, "user": asked.user })),
                }
            })
            .topic("number", move |_| {
                let (number, look) = (told.load(Ordering::SeqCst), counted.fetch_add(1, Ordering::SeqCst));
                async move { Ok(json!({ "number": number, "now_unix_ms": look })) }
            })
            .topic("frail", move |_| {
                let look = broken.fetch_add(1, Ordering::SeqCst);
                async move { if look == 0 { panic!("a broken topic") } else { Ok(json!({ "look": 1 })) } }
            })
            .topic("large", |_| async {
                use runtime_actor::random;
                Ok(json!({ "id": random::hex_id(), "bulk": "x".repeat(4 << 20) }))
            });
        let shutdown = CancellationToken::new();
        let serving = serve(bind("127.0.0.1:0").unwrap(), routes, shutdown.clone()).unwrap();
        let address = serving.local_addr().to_string();
        let stop = shutdown.clone().drop_guard();
        Kit { address, ready, dismissed, restoring, number, looks, serving, shutdown, _stop: stop }
    }

    /// Sends a request as it is written: lines of the head with `\n`, and a body.
    pub(super) async fn send(&self, head: &str, body: &str) -> Reply {
        let length = if head.starts_with("POST") { format!("\nContent-Length: {}", body.len()) } else { String::new() };
        self.exchange(&format!("{head}{length}"), body).await
    }

    /// Sends a head, and never what it announces.
    pub(super) async fn send_head(&self, head: &str) -> Reply {
        self.exchange(head, "").await
    }

    async fn exchange(&self, head: &str, body: &str) -> Reply {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let host =
            if head.to_lowercase().contains("\nhost:") { String::new() } else { format!("Host: {}\n", self.address) };
        let (request, headers) = head.split_once('\n').unwrap_or((head, ""));
        let headers = if headers.is_empty() { String::new() } else { format!("{headers}\n") };
        let text = format!("{request} HTTP/1.1\n{host}{headers}Connection: close\n\n").replace('\n', "\r\n");
        stream.write_all((text + body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer));
        read.await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Reply { status: head[9..12].parse().unwrap(), head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.send(&format!("GET {path}"), "").await
    }

    /// A POST of JSON with more headers.
    pub(super) async fn post(&self, path: &str, headers: &[&str], body: &Value) -> Reply {
        let mut head = format!("POST {path}\nContent-Type: application/json");
        headers.iter().for_each(|header| head.push_str(&format!("\n{header}")));
        self.send(&head, &body.to_string()).await
    }

    /// Cookie and token of a new session.
    pub(super) async fn log_in(&self) -> (String, String) {
        let reply = self.post("/api/v2/login", &[], &json!({ "user": "root", "password": "" })).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        (format!("Cookie: {cookie}"), format!("X-CSRF-Token: {}", reply.json()["csrf"].as_str().unwrap()))
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Status and words of a refusal.
    pub(super) fn refusal(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["status"], "FAILED", "{}", self.body);
        (self.status, json["msg"].as_str().unwrap().to_owned())
    }
}
