//! One admitted caller: its asks run side by side, its answers go back as they are ready.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use runtime_actor::view::Outcome;
use runtime_actor::{TraceContext, trace};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shared;
use super::handshake::Admitted;
use crate::error::Fault;
use crate::identity::{Identity, same_token};
use crate::outbox::Outbox;
use crate::registry::Call;
use crate::stream::Reading;
use crate::wire::{Frame, FrameReader, Head, WireError, encode};

/// No ask is worked on for longer, whatever its caller says.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The asks that are being worked on, each with what ends it early.
type InFlight = Arc<Mutex<HashMap<u64, CancellationToken>>>;

struct Serving<'a> {
    caller: Arc<Identity>,
    /// What it has not proven yet: see [`Gate`](crate::Gate).
    given: Mutex<Option<String>>,
    shared: &'a Arc<Shared>,
    frame_limit: usize,
    outbox: Outbox,
    in_flight: InFlight,
    tasks: TaskTracker,
    /// The connection is over: nobody is left to hear an answer.
    over: CancellationToken,
}

/// Serves one caller until it goes, misbehaves, or the server stops.
pub(crate) async fn run(admitted: Admitted, from: SocketAddr, shared: &Arc<Shared>) {
    let Admitted { caller, given, mut reader, writer, frame_limit } = admitted;
    let (outbox, writing) = Outbox::open(writer, shared.options.outbox_bytes, shared.options.dead_after);
    let over = CancellationToken::new();
    let _over = over.clone().drop_guard();
    let mut writing = tokio::spawn(writing);
    let serving = Serving {
        caller,
        given: Mutex::new(given),
        shared,
        frame_limit,
        outbox,
        in_flight: InFlight::default(),
        tasks: TaskTracker::new(),
        over: over.clone(),
    };
    let ended = loop {
        let step = tokio::select! {
            () = shared.shutdown.cancelled() => break None,
            _ = &mut writing => break Some("the caller takes no answers".to_owned()),
            step = serving.step(&mut reader) => step,
        };
        match step {
            Ok(true) => {}
            Ok(false) => break Some("the caller closed it".to_owned()),
            Err(error) => break Some(error.to_string()),
        }
    };
    serving.tasks.close();
    match ended {
        Some(reason) => {
            tracing::debug!(%from, caller = serving.caller.node, reason, "a connection ends");
            over.cancel();
        }
        None => {
            // Asks that are being worked on may end, and their answers go out.
            let _ = tokio::time::timeout(shared.options.grace, serving.tasks.wait()).await;
            over.cancel();
        }
    }
    drop(serving);
    if !writing.is_finished() && tokio::time::timeout(Duration::from_secs(1), &mut writing).await.is_err() {
        writing.abort();
    }
}

impl Serving<'_> {
    /// Takes in the next frame; false when there is none any more. A caller that does not fetch its answers is not heard:
    /// its asks stay on its side.
    async fn step(&self, reader: &mut FrameReader<Reading>) -> Result<bool, WireError> {
        if self.outbox.has_room().await.is_err() {
            return Ok(false);
        }
        match reader.next().await? {
            Some(frame) => self.take(frame).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn take(&self, frame: Frame) -> Result<(), WireError> {
        match frame.head {
            Head::Ask { id, mailbox, message, deadline_ms, trace, parent } => {
                if let Err(reason) = self.is_welcome() {
                    tracing::warn!(caller = ?self.caller, reason, "a caller is not welcome any more");
                    self.send(&Head::Answer { id, fault: Some(Fault::Unwelcome(reason)) }, &[]).await;
                    return Err(WireError::OutOfTurn);
                }
                let deadline = Duration::from_millis(deadline_ms).min(LONGEST);
                let cause = TraceContext::from_wire(trace, parent);
                self.ask(id, &mailbox, &message, deadline, cause, frame.payload).await;
            }
            Head::Cancel { id } => {
                let ask = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                if let Some(ask) = ask {
                    ask.cancel();
                }
            }
            Head::Ping => self.send(&Head::Pong, &[]).await,
            Head::Pong => {}
            _ => return Err(WireError::OutOfTurn),
        }
        Ok(())
    }

    fn is_welcome(&self) -> Result<(), String> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*given
            && let Some(own) = self.shared.gate.token().filter(|own| !own.is_empty())
        {
            if !same_token(token, &own) {
                return Err("this node has joined a cluster since, and not the caller's".to_owned());
            }
            *given = None;
        }
        drop(given);
        self.shared.gate.still_welcome(&self.caller)
    }

    async fn ask(
        &self,
        id: u64,
        mailbox: &str,
        message: &str,
        deadline: Duration,
        cause: TraceContext,
        payload: Bytes,
    ) {
        let Some(entry) = self.shared.registry.find(mailbox, message) else {
            let fault = Fault::NoSuchMailbox { mailbox: mailbox.to_owned(), message: message.to_owned() };
            return self.send(&Head::Answer { id, fault: Some(fault) }, &[]).await;
        };
        let cancel = self.over.child_token();
        if !self.enlist(id, &cancel) {
            self.note_refusal(mailbox, message, cause);
            return self.send(&Head::Answer { id, fault: Some(Fault::Full) }, &[]).await;
        }
        let call = Call { caller: self.caller.clone(), payload, deadline };
        let (outbox, in_flight, limit) = (self.outbox.clone(), self.in_flight.clone(), self.frame_limit);
        let answer = async move {
            // A panic of an exposed function must not take the bookkeeping with it.
            let working = tokio::spawn(trace::scope(cause, tokio::time::timeout(deadline, entry(call))));
            let abort = working.abort_handle();
            let result = tokio::select! {
                () = cancel.cancelled() => {
                    abort.abort();
                    return;
                }
                result = working => result,
            };
            let result = match result {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(Fault::Deadline),
                Err(_) => Err(Fault::Lost),
            };
            if let Some(frame) = answer_frame(id, result, limit) {
                // In flight until it is on its way: answers that nobody fetches are no more than asks may be in flight.
                tokio::select! {
                    () = cancel.cancelled() => return,
                    // Nobody is left to hear it if this fails.
                    _ = outbox.send(frame) => {}
                }
            }
            in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        };
        self.tasks.spawn(answer);
    }

    /// Counts an ask among those in flight; false if there are too many.
    fn enlist(&self, id: u64, cancel: &CancellationToken) -> bool {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if in_flight.len() >= self.shared.options.max_in_flight {
            return false;
        }
        in_flight.insert(id, cancel.clone());
        true
    }

    /// A refused ask reaches no actor: its span is made here.
    fn note_refusal(&self, mailbox: &str, message: &str, cause: TraceContext) {
        if let Some(recorder) = &self.shared.options.recorder {
            let span = recorder.open_in(cause, "ask", message.to_owned()).at(mailbox.into());
            span.label("error", format!("{} asks of one caller are in flight", self.shared.options.max_in_flight));
            span.finish_as(Outcome::Refused);
        }
    }

    async fn send(&self, head: &Head, payload: &[u8]) {
        if let Ok(frame) = encode(head, payload, self.frame_limit) {
            // The writer is gone: the reader will see it too.
            let _ = self.outbox.send(frame).await;
        }
    }
}

fn answer_frame(id: u64, result: Result<Vec<u8>, Fault>, limit: usize) -> Option<Bytes> {
    let (fault, payload) = match result {
        Ok(payload) => (None, payload),
        Err(fault) => (Some(fault), Vec::new()),
    };
    match encode(&Head::Answer { id, fault }, &payload, limit) {
        Ok(frame) => Some(frame),
        Err(_) => {
            let fault = Fault::TooLarge { bytes: payload.len() as u64, limit: limit as u64 };
            encode(&Head::Answer { id, fault: Some(fault) }, &[], limit).ok()
        }
    }
}
