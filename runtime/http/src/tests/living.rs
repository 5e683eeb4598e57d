//! Server-sent events.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::kit::Kit;
use crate::live::MOST_STREAMS;

const LIMIT: Duration = Duration::from_secs(20);

/// An open stream.
struct Listener(BufReader<TcpStream>);

impl Listener {
    async fn open(kit: &Kit, topics: &str, cookie: &str) -> (u16, Listener) {
        let mut stream = TcpStream::connect(&kit.address).await.unwrap();
        let head = format!("GET /api/v2/live?topics={topics} HTTP/1.1\r\nHost: {}\r\n{cookie}\r\n\r\n", kit.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        (line[9..12].parse().unwrap(), Listener(stream))
    }

    /// The next event: topic and JSON; None at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        let mut topic = None;
        loop {
            let mut line = String::new();
            if tokio::time::timeout(LIMIT, self.0.read_line(&mut line)).await.unwrap().unwrap_or(0) == 0 {
                return None;
            }
            if let Some(name) = line.strip_prefix("event: ") {
                topic = Some(name.trim().to_owned());
            } else if let (Some(data), Some(topic)) = (line.strip_prefix("data: "), topic.take()) {
                return Some((topic, serde_json::from_str(data).unwrap()));
            }
        }
    }
}

/// Waits until a condition holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_sent_at_once_and_when_it_changes() {
    let kit = Kit::start().await;
    let (cookie, _) = kit.log_in().await;
    let (status, mut one) = Listener::open(&kit, "number", &cookie).await;
    assert_eq!(status, 200);
    let number = |event: Option<(String, Value)>| {
        let (topic, value) = event.unwrap();
        assert_eq!(topic, "number");
        value["number"].as_u64().unwrap()
    };
    assert_eq!(number(one.next().await), 1);
    // Several looks later it is still no news: only the time has moved.
    let looks = kit.looks.load(Ordering::SeqCst);
    until("more looks", || kit.looks.load(Ordering::SeqCst) >= looks + 2).await;
    kit.number.store(2, Ordering::SeqCst);
    assert_eq!(number(one.next().await), 2);
    // Who comes later is told at once, and looks are shared.
    let (_, mut two) = Listener::open(&kit, "number,%20number", &cookie).await;
    assert_eq!(number(two.next().await), 2);
    kit.number.store(3, Ordering::SeqCst);
    assert_eq!((number(one.next().await), number(two.next().await)), (3, 3));
    // When nobody listens nobody looks; and what was is not told to the next one.
    drop((one, two));
    kit.number.store(4, Ordering::SeqCst);
    let idle = async {
        let mut before = u64::MAX;
        loop {
            let now = kit.looks.load(Ordering::SeqCst);
            if now == before {
                return;
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::time::timeout(LIMIT * 2, idle).await.unwrap();
    kit.number.store(5, Ordering::SeqCst);
    let (_, mut three) = Listener::open(&kit, "number", &cookie).await;
    assert_eq!(number(three.next().await), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_session_and_with_the_server() {
    let kit = Kit::start().await;
    let (cookie, token) = kit.log_in().await;
    let (_, mut listener) = Listener::open(&kit, "number", &cookie).await;
    listener.next().await.unwrap();
    assert_eq!(kit.post("/api/v2/logout", &[&cookie, &token], &json!({})).await.status, 200);
    assert_eq!(listener.next().await, None);

    let (cookie, _) = kit.log_in().await;
    let (_, mut listener) = Listener::open(&kit, "number", &cookie).await;
    listener.next().await.unwrap();
    kit.shutdown.cancel();
    assert_eq!(listener.next().await, None);
    tokio::time::timeout(LIMIT, kit.serving.ended()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_survives_its_page_and_quick_changes_of_listeners() {
    let kit = Kit::start().await;
    let (cookie, _) = kit.log_in().await;
    let (_, mut frail) = Listener::open(&kit, "frail", &cookie).await;
    assert_eq!(frail.next().await.unwrap().1["look"], 1, "after the look that broke");
    // One comes as the other goes: nobody misses what changes.
    for number in 10..20 {
        let (_, mut listener) = Listener::open(&kit, "number", &cookie).await;
        listener.next().await.unwrap();
        kit.number.store(number, Ordering::SeqCst);
        while listener.next().await.unwrap().1["number"] != number {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_must_exist_and_streams_are_counted() {
    let kit = Kit::start().await;
    let (cookie, _) = kit.log_in().await;
    for topics in ["", "number,no", ","] {
        assert_eq!(Listener::open(&kit, topics, &cookie).await.0, 400, "{topics}");
    }
    assert_eq!(Listener::open(&kit, "number", "Cookie: starkeep_session=no").await.0, 401);
    let mut open = Vec::new();
    for _ in 0..MOST_STREAMS {
        let (status, listener) = Listener::open(&kit, "number", &cookie).await;
        assert_eq!(status, 200);
        open.push(listener);
    }
    assert_eq!(Listener::open(&kit, "number", &cookie).await.0, 503);
    // One that goes makes room.
    open.pop();
    let room = async {
        while Listener::open(&kit, "number", &cookie).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LIMIT, room).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_nothing_is_cut_off() {
    let kit = Kit::start().await;
    let (cookie, _) = kit.log_in().await;
    // Megabytes with every look, of which nothing is read.
    let (_, listener) = Listener::open(&kit, "large", &cookie).await;
    let mut stream = listener.0.into_inner();
    let (status, mut good) = Listener::open(&kit, "number", &cookie).await;
    assert_eq!(status, 200);
    good.next().await.unwrap();
    // Once the server has closed the connection, what is sent there fails.
    let cut = async {
        while stream.write_all(b"?").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await
        }
    };
    tokio::time::timeout(LIMIT * 2, cut).await.unwrap();
    kit.number.store(2, Ordering::SeqCst);
    assert_eq!(good.next().await.unwrap().1["number"], 2, "others go on");
}
