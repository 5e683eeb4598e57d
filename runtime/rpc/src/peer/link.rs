//! One live connection: many asks at once, answers in any order, pings while it lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use runtime_actor::trace;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::{Fault, RpcError};
use crate::identity::Identity;
use crate::options::RpcOptions;
use crate::outbox::Outbox;
use crate::stream::{Reading, Writing};
use crate::wire::{Frame, FrameReader, Head, WireError, encode};

/// What becomes of an ask.
enum Ended {
    Answered(Result<Bytes, Fault>),
    Broken(String),
}

/// The asks that wait for their answers.
#[derive(Default)]
struct Pending {
    /// Why no more answers will come.
    over: Option<String>,
    asks: HashMap<u64, oneshot::Sender<Ended>>,
}

type Shared = Arc<Mutex<Pending>>;

pub(crate) struct Link {
    address: String,
    remote: Identity,
    outbox: Outbox,
    pending: Shared,
    ids: AtomicU64,
    frame_limit: usize,
    _closes: DropGuard,
}

fn lock(pending: &Shared) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(crate) fn start(
        address: &str,
        remote: Identity,
        reader: FrameReader<Reading>,
        writer: Writing,
        frame_limit: usize,
        options: &RpcOptions,
    ) -> Self {
        let (outbox, writing) = Outbox::open(writer, options.outbox_bytes, options.dead_after);
        let pending = Shared::default();
        let close = CancellationToken::new();
        let writing = tokio::spawn(writing);
        let reading = read(reader, pending.clone(), outbox.clone(), options.clone());
        let (ending, closed) = (pending.clone(), close.clone());
        tokio::spawn(async move {
            let over = tokio::select! {
                () = closed.cancelled() => "the connection was closed here".to_owned(),
                over = reading => over,
            };
            let asks = {
                let mut pending = lock(&ending);
                pending.over = Some(over.clone());
                std::mem::take(&mut pending.asks)
            };
            for ask in asks.into_values() {
                // An asker that gave up is not waited for.
                let _ = ask.send(Ended::Broken(over.clone()));
            }
            writing.abort();
        });
        Self {
            address: address.to_owned(),
            remote,
            outbox,
            pending,
            ids: AtomicU64::new(1),
            frame_limit,
            _closes: close.drop_guard(),
        }
    }

    pub(crate) fn remote(&self) -> &Identity {
        &self.remote
    }

    pub(crate) fn is_live(&self) -> bool {
        lock(&self.pending).over.is_none()
    }

    /// Sends the bytes of a message, and waits for those of the answer.
    pub(crate) async fn ask(
        &self,
        mailbox: &str,
        message: &str,
        payload: &[u8],
        until: Instant,
    ) -> Result<Bytes, RpcError> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let left = until.saturating_duration_since(Instant::now());
        let cause = trace::current();
        let head = Head::Ask {
            id,
            mailbox: mailbox.to_owned(),
            message: message.to_owned(),
            deadline_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            trace: cause.trace.as_u128(),
            parent: cause.span.as_u64(),
        };
        let frame = encode(&head, payload, self.frame_limit).map_err(|error| match error {
            WireError::TooLarge { bytes, limit } => RpcError::TooLarge { bytes: bytes as u64, limit: limit as u64 },
            error => RpcError::Unencodable { message: message.to_owned(), cause: error.to_string() },
        })?;
        let (told, ended) = oneshot::channel();
        {
            let mut pending = lock(&self.pending);
            if let Some(cause) = pending.over.clone() {
                return Err(RpcError::Unreachable { address: self.address.clone(), cause });
            }
            pending.asks.insert(id, told);
        }
        // From here on, whoever gives up takes the ask back.
        let mut waiting = Waiting { link: self, id, sent: false };
        let answer = async {
            if self.outbox.send(frame).await.is_err() {
                return Ended::Broken("the connection broke".to_owned());
            }
            waiting.sent = true;
            ended.await.unwrap_or_else(|_| Ended::Broken("the connection broke".to_owned()))
        };
        let answered = tokio::time::timeout_at(until, answer).await;
        let address = self.address.clone();
        match answered {
            Err(_) => Err(RpcError::Deadline { address }),
            Ok(Ended::Answered(Ok(reply))) => Ok(reply),
            Ok(Ended::Answered(Err(fault))) => Err(RpcError::from_fault(fault, &address)),
            Ok(Ended::Broken(cause)) => Err(RpcError::Lost { address, cause }),
        }
    }
}

/// An ask that waits; dropped before its answer came, it tells the other node that none is wanted.
struct Waiting<'a> {
    link: &'a Link,
    id: u64,
    sent: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = lock(&self.link.pending).asks.remove(&self.id).is_some();
        if waited
            && self.sent
            && let Ok(frame) = encode(&Head::Cancel { id: self.id }, &[], self.link.frame_limit)
        {
            // A full outbox: the other node works in vain, no more.
            let _ = self.link.outbox.try_send(frame);
        }
    }
}

/// Reads answers until the connection is over, and keeps it alive with pings.
async fn read(mut reader: FrameReader<Reading>, pending: Shared, outbox: Outbox, options: RpcOptions) -> String {
    reader.heard = Instant::now();
    let mut pings = tokio::time::interval(options.ping_every);
    pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            next = reader.next() => next,
            _ = pings.tick() => {
                if reader.heard.elapsed() > options.dead_after {
                    return "the other node gives no sign of life".to_owned();
                }
                if let Ok(ping) = encode(&Head::Ping, &[], options.frame_limit) {
                    // An outbox that is full is a sign of life wanted already.
                    let _ = outbox.try_send(ping);
                }
                continue;
            }
        };
        let Frame { head, payload } = match next {
            Ok(Some(frame)) => frame,
            Ok(None) => return "the other node closed the connection".to_owned(),
            Err(error) => return error.to_string(),
        };
        match head {
            Head::Answer { id, fault } => {
                let ask = lock(&pending).asks.remove(&id);
                if let Some(ask) = ask {
                    let _ = ask.send(Ended::Answered(fault.map_or(Ok(payload), Err)));
                }
            }
            Head::Refused { reason } => return format!("the other node refused to go on: {reason}"),
            Head::Pong => {}
            _ => return "the other node sent a frame out of turn".to_owned(),
        }
    }
}
