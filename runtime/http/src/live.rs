//! `GET /api/v2/live?topics=a,b`: server-sent events. Each topic is asked for once a second while somebody listens, and sent
//! when it has changed. Listeners share what was asked for; each holds at most a few events, and one that does not take
//! them is cut off.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::answer::{failed, refused};
use crate::login::{Caller, Gate};
use crate::routes::{Asked, PageOf};
use crate::server::Socket;

/// Streams at the same time.
pub(crate) const MOST_STREAMS: usize = 32;
/// Between two looks at a topic.
const EVERY: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 1_000 });
/// A comment this often tells both ends that the stream lives.
const COMMENT: Duration = Duration::from_secs(15);
/// A listener that takes nothing for so long is cut off.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 500 } else { 10_000 });
/// No stream lasts longer; the browser opens another one by itself.
const LONGEST: Duration = Duration::from_secs(3600);
/// Events that wait for one listener.
const WAITING: usize = 4;
/// What differs at every look and is no news by itself.
const MOVING: [&str; 5] = ["now_unix_ms", "at_unix_ms", "state_at_unix_ms", "age_ms", "seconds"];

/// A topic as it was found last: a number that rises with every change, and the JSON.
type Found = BTreeMap<String, (u64, Arc<str>)>;

/// All topics and who listens to them.
pub(crate) struct Feeds {
    topics: BTreeMap<String, PageOf>,
    /// Topics that are looked at, with the number of those who listen; the look-out leaves when it finds nobody.
    listeners: Mutex<HashMap<String, usize>>,
    found: watch::Sender<Arc<Found>>,
    streams: Arc<Semaphore>,
    runtime: Handle,
    shutdown: CancellationToken,
}

impl Feeds {
    pub(crate) fn new(topics: Vec<(String, PageOf)>, runtime: Handle, shutdown: CancellationToken) -> Arc<Feeds> {
        Arc::new(Feeds {
            topics: topics.into_iter().collect(),
            listeners: Mutex::default(),
            found: watch::channel(Arc::default()).0,
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            runtime,
            shutdown,
        })
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first listener of a topic starts its look-out, unless that of an earlier one has not left yet.
    fn listen(self: &Arc<Self>, topic: &str) -> Listening {
        match self.listeners().entry(topic.to_owned()) {
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(new) => {
                new.insert(1);
                self.runtime.spawn(look_out(self.clone(), topic.to_owned()));
            }
        }
        Listening { feeds: self.clone(), topic: topic.to_owned() }
    }

    fn publish(&self, topic: &str, version: u64, text: &str) {
        self.found.send_modify(|found| {
            Arc::make_mut(found).insert(topic.to_owned(), (version, text.into()));
        });
    }
}

struct Listening {
    feeds: Arc<Feeds>,
    topic: String,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.feeds.listeners();
        if let Some(count) = listeners.get_mut(&self.topic) {
            *count = count.saturating_sub(1);
        }
    }
}

async fn look_out(feeds: Arc<Feeds>, topic: String) {
    let Some(page) = feeds.topics.get(&topic).cloned() else { return };
    let mut last = None;
    // Versions go on rising when a topic is taken up again.
    let mut version = feeds.found.borrow().get(&topic).map_or(0, |(version, _)| *version);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = feeds.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        {
            let mut listeners = feeds.listeners();
            if listeners.get(&topic).copied().unwrap_or_default() == 0 {
                // What nobody follows must not be sent to whoever comes next.
                listeners.remove(&topic);
                feeds.found.send_modify(|found| drop(Arc::make_mut(found).remove(&topic)));
                return;
            }
        }
        // In a task of its own: a page that breaks does not end the topic.
        let (runtime, page) = (&feeds.runtime, page.clone());
        let asking = AbortOnDropHandle::new(runtime.spawn(async move { page(Asked::default()).await }));
        let Ok(Ok(value)) = asking.await else { continue };
        let still = without_moving(&value);
        if last.as_ref() != Some(&still) {
            last = Some(still);
            version += 1;
            feeds.publish(&topic, version, &value.to_string());
        }
    }
}

fn without_moving(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let still = fields.iter().filter(|(key, _)| !MOVING.contains(&key.as_str()));
            Value::Object(still.map(|(key, value)| (key.clone(), without_moving(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_moving).collect()),
        other => other.clone(),
    }
}

/// One stream.
struct Stream {
    feeds: Arc<Feeds>,
    gate: Arc<Gate>,
    caller: Caller,
    topics: Vec<String>,
    to: mpsc::Sender<Bytes>,
    socket: Option<Socket>,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    async fn run(self) {
        if self.pump().await.is_err() {
            tracing::info!(user = self.caller.user, "a listener of the live feed takes nothing and is cut off");
            if let Some(socket) = &self.socket {
                // It may be closed already.
                let _ = socket.0.shutdown(Shutdown::Both);
            }
        }
    }

    /// Err: the listener is too slow.
    async fn pump(&self) -> Result<(), ()> {
        let _listening: Vec<Listening> = self.topics.iter().map(|topic| self.feeds.listen(topic)).collect();
        let mut found = self.feeds.found.subscribe();
        let mut sent: HashMap<&str, u64> = HashMap::new();
        let until = Instant::now() + LONGEST;
        let mut comments = tokio::time::interval_at(Instant::now() + COMMENT, COMMENT);
        let mut seconds = tokio::time::interval(EVERY);
        self.send("retry: 2000\n\n".to_owned()).await?;
        loop {
            let now = found.borrow_and_update().clone();
            for topic in &self.topics {
                let Some((version, text)) = now.get(topic) else { continue };
                if sent.insert(topic, *version) != Some(*version) {
                    self.send(format!("event: {topic}\ndata: {text}\n\n")).await?;
                }
            }
            tokio::select! {
                () = self.feeds.shutdown.cancelled() => return Ok(()),
                () = self.to.closed() => return Ok(()),
                changed = found.changed() => if changed.is_err() { return Ok(()) },
                _ = comments.tick() => self.send(": still here\n\n".to_owned()).await?,
                _ = seconds.tick() => {
                    let is_gone = self.socket.as_ref().is_some_and(Socket::is_closed);
                    if is_gone || Instant::now() >= until || !self.gate.is_still_in(&self.caller) {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn send(&self, text: String) -> Result<(), ()> {
        match self.to.send_timeout(text.into(), PATIENCE).await {
            // A listener that went away is noticed by the loop.
            Ok(()) | Err(SendTimeoutError::Closed(_)) => Ok(()),
            Err(SendTimeoutError::Timeout(_)) => Err(()),
        }
    }
}

/// Opens a stream for whoever is let in.
pub(crate) async fn live(
    feeds: &Arc<Feeds>,
    gate: &Arc<Gate>,
    request: &HttpRequest,
    parameters: &BTreeMap<String, String>,
) -> HttpResponse {
    let caller = match gate.admit(request).await {
        Ok(caller) => caller,
        Err(why) => return refused(&why),
    };
    let wanted = parameters.get("topics").map(String::as_str).unwrap_or_default();
    let mut topics: Vec<String> = Vec::new();
    for topic in wanted.split(',').map(str::trim).filter(|topic| !topic.is_empty()) {
        if !feeds.topics.contains_key(topic) {
            let known: Vec<&str> = feeds.topics.keys().map(String::as_str).collect();
            return failed(400, &format!("there is no topic {topic:?}; there are {}", known.join(", ")));
        }
        if !topics.iter().any(|known| known == topic) {
            topics.push(topic.to_owned());
        }
    }
    if topics.is_empty() {
        return failed(400, "name topics: ?topics=cluster,actors");
    }
    let Ok(place) = feeds.streams.clone().try_acquire_owned() else {
        return failed(503, &format!("{MOST_STREAMS} live feeds are open, which is the most"));
    };
    let (to, mut from) = mpsc::channel(WAITING);
    let socket = request.conn_data::<Socket>().cloned();
    let stream = Stream { feeds: feeds.clone(), gate: gate.clone(), caller, topics, to, socket, _place: place };
    feeds.runtime.spawn(stream.run());
    let body = futures::stream::poll_fn(move |cx| from.poll_recv(cx).map(|event| event.map(Ok::<_, std::io::Error>)));
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(body)
}
