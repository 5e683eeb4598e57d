//! One incarnation of an actor, as an actix actor that reads our mailbox as a stream.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use actix::{Actor as _, ActorContext, AsyncContext};
use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::context::{AtHand, Context, Verdict};
use crate::letter::Envelope;
use crate::mailbox::{Control, Feed, Item, Life, Mailbox};
use crate::supervision::{Event, NodeId};
use crate::trace::TraceContext;
use crate::view::Outcome;

/// Builds the actor, once per incarnation.
pub(crate) type Factory<A> = Arc<Mutex<Box<dyn Fn() -> A + Send>>>;

/// How an incarnation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exit {
    /// In order.
    Stopped,
    /// Its supervisor ended it.
    Superseded,
    /// A panic, a failure, or a lost thread.
    Broken(String),
}

/// Tells the supervisor, exactly once and whatever happens, that an incarnation ended.
pub(crate) struct Guard {
    pub(crate) node: NodeId,
    pub(crate) incarnation: u64,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) exit: Exit,
}

impl Guard {
    pub(crate) fn new(node: NodeId, incarnation: u64, events: mpsc::UnboundedSender<Event>) -> Self {
        Self { node, incarnation, events, exit: Exit::Broken("its thread ended".to_owned()) }
    }
}

impl Guard {
    fn started(&self) {
        // Without a receiver the whole tree is gone.
        let _ = self.events.send(Event::Started { node: self.node, incarnation: self.incarnation });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let exit = std::mem::replace(&mut self.exit, Exit::Superseded);
        // Without a receiver the whole tree is gone.
        let _ = self.events.send(Event::Exited { node: self.node, incarnation: self.incarnation, exit });
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}

struct Host<A: Actor> {
    // Boxed, because actix wants its actors Unpin and ours need not be.
    actor: Option<Box<A>>,
    cx: Context<A>,
    mailbox: Arc<Mailbox<A>>,
    life: Life,
    grace: Duration,
    guard: Option<Guard>,
}

/// Builds the actor on this thread and lets it live here.
pub(crate) fn live<A: Actor>(mailbox: Arc<Mailbox<A>>, factory: &Factory<A>, grace: Duration, mut guard: Guard) {
    let incarnation = guard.incarnation;
    let life = mailbox.open(incarnation);
    if life.kill.is_cancelled() {
        guard.exit = Exit::Superseded;
        return;
    }
    mailbox.gauge.busy(incarnation);
    let built = match factory.try_lock() {
        Ok(factory) => catch_unwind(AssertUnwindSafe(&**factory)),
        Err(TryLockError::Poisoned(factory)) => catch_unwind(AssertUnwindSafe(&**factory.into_inner())),
        Err(TryLockError::WouldBlock) => Err(Box::new("its factory still runs for an earlier life") as Box<_>),
    };
    mailbox.gauge.idle(incarnation);
    match built {
        Ok(actor) => {
            let cx = Context::new(mailbox.clone(), incarnation, life.clone());
            Host { actor: Some(Box::new(actor)), cx, mailbox, life, grace, guard: Some(guard) }.start();
        }
        Err(panic) => {
            mailbox.supersede(incarnation);
            guard.exit = Exit::Broken(format!("its factory panicked: {}", panic_text(&*panic)));
        }
    }
}

type HostContext<A> = actix::Context<Host<A>>;

impl<A: Actor> actix::Actor for Host<A> {
    type Context = HostContext<A>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let incarnation = self.cx.incarnation();
        ctx.add_stream(Feed { mailbox: self.mailbox.clone(), incarnation });
        self.mailbox.gauge.busy(incarnation);
        // Nothing has caused it: each message that is sent from here starts a trace.
        let scope = self.mailbox.scope(None, None);
        let result = scope.run_sync(|| {
            let (Some(actor), cx) = (self.actor.as_mut(), &mut self.cx) else { return Ok(()) };
            catch_unwind(AssertUnwindSafe(|| actor.started(cx)))
        });
        self.mailbox.gauge.idle(incarnation);
        match result {
            Ok(()) => {
                if let Some(guard) = &self.guard {
                    guard.started();
                }
                self.obey(ctx);
            }
            Err(panic) => self.broken(format!("panicked while it started: {}", panic_text(&*panic)), ctx),
        }
    }
}

impl<A: Actor> actix::StreamHandler<Item<A>> for Host<A> {
    fn handle(&mut self, item: Item<A>, ctx: &mut Self::Context) {
        match item {
            Item::Letter(envelope) => self.deliver(envelope, ctx),
            Item::Control(Control::Stop) => self.stop(ctx),
            Item::Control(Control::Observe(told)) => {
                self.tell_state();
                let _ = told.send(());
            }
            Item::Control(Control::Crash(incarnation, reason)) => {
                if incarnation == self.cx.incarnation() {
                    self.broken(reason, ctx);
                }
            }
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        self.end(Exit::Superseded, ctx);
    }
}

impl<A: Actor> Host<A> {
    fn deliver(&mut self, envelope: Envelope<A>, ctx: &mut HostContext<A>) {
        let Some(actor) = self.actor.as_mut() else {
            return envelope.letter.refuse(crate::AskError::Lost);
        };
        let taken = self.mailbox.taken(&envelope);
        let seat = self.mailbox.open_span(&envelope, &taken);
        let cx = &mut self.cx;
        let seq = self.mailbox.gauge.begin(&taken, cx.incarnation());
        cx.at_hand = Some(AtHand { seq, seat, began: taken.now, settled: false });
        let at = TraceContext { trace: taken.trace, span: seat.map_or(envelope.cx.span, |seat| seat.span) };
        let letter = envelope.letter;
        let scope = self.mailbox.scope(Some(at), seat);
        let result = scope.run_sync(|| catch_unwind(AssertUnwindSafe(|| letter.deliver(actor, cx))));
        if let (Err(panic), Some(seat)) = (&result, seat) {
            self.mailbox.recorder.label(seat, "error", panic_text(&**panic).into());
        }
        // Only after a panic: otherwise it was done before the answer went out.
        self.cx.handled(Outcome::Panicked);
        match result {
            Ok(_) => self.obey(ctx),
            Err(panic) => {
                let reason = format!("panicked in {} (trace {}): {}", taken.name, taken.trace, panic_text(&*panic));
                self.broken(reason, ctx);
            }
        }
    }

    /// Does what the handler decided about the actor's life.
    fn obey(&mut self, ctx: &mut HostContext<A>) {
        match self.cx.verdict.take() {
            None => {}
            Some(Verdict::Stop) => self.stop(ctx),
            Some(Verdict::Fail(reason)) => self.broken(format!("failed: {reason}"), ctx),
        }
    }

    fn broken(&mut self, reason: String, ctx: &mut HostContext<A>) {
        self.mailbox.supersede(self.cx.incarnation());
        self.end(Exit::Broken(reason), ctx);
    }

    /// Stops in order: the actor first, then the answers it still owes, then the news to the supervisor.
    fn stop(&mut self, ctx: &mut HostContext<A>) {
        self.mailbox.leave();
        if let Some(actor) = self.actor.as_mut() {
            let cx = &mut self.cx;
            self.mailbox.gauge.busy(cx.incarnation());
            let result = catch_unwind(AssertUnwindSafe(|| actor.stopping(cx)));
            self.mailbox.gauge.idle(self.cx.incarnation());
            if let Err(panic) = result {
                // The answers that it owes still go out, and it is not called back to life.
                tracing::error!(actor = %self.mailbox.path, reason = panic_text(&*panic), "panicked while it stopped");
            }
        }
        self.tell_state();
        self.life.effects.cancel();
        self.life.answers.close();
        if let Some(mut guard) = self.guard.take() {
            guard.exit = Exit::Stopped;
            let (mailbox, life, grace) = (self.mailbox.clone(), self.life.clone(), self.grace);
            self.life.runtime.spawn(async move {
                tokio::select! {
                    () = life.answers.wait() => {}
                    () = life.kill.cancelled() => {}
                    () = tokio::time::sleep(grace) => {}
                }
                mailbox.supersede(guard.incarnation);
                drop(guard);
            });
        }
        self.end(Exit::Stopped, ctx);
    }

    /// Drops the actor and tells the supervisor, unless that was arranged already.
    fn end(&mut self, exit: Exit, ctx: &mut HostContext<A>) {
        let actor = self.actor.take();
        // A half-changed actor may panic once more when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(actor)));
        if let Some(mut guard) = self.guard.take() {
            guard.exit = exit;
        }
        ctx.terminate();
    }

    fn tell_state(&self) {
        let Some(actor) = self.actor.as_ref() else { return };
        let state = catch_unwind(AssertUnwindSafe(|| serde_json::to_value(actor.observe())));
        let state = match state {
            Ok(Ok(state)) => state,
            Ok(Err(error)) => serde_json::json!({ "unobservable": error.to_string() }),
            Err(panic) => serde_json::json!({ "unobservable": panic_text(&*panic) }),
        };
        self.mailbox.gauge.tell_state(state, self.mailbox.clock.now_unix_ms());
    }
}
