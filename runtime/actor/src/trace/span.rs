//! Spans that are no messages.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::lane::Seat;
use super::record::Record;
use super::{LabelValue, Recorder, Scope, TraceContext, TraceId};
use crate::gauge::lock;
use crate::view::Outcome;

/// A span that is no message: a SQL statement, a step of a job. Recorded when it is finished; one that is dropped before is
/// recorded as [`Outcome::Lost`] (its future was dropped), or [`Outcome::Panicked`] in a panic.
#[must_use = "a span that is dropped at once measures nothing"]
#[derive(Debug)]
pub struct RootSpan {
    recorder: Option<Recorder>,
    cx: TraceContext,
    /// Where it is kept, while it is open and recorded.
    seat: Option<Seat>,
    /// The root of a trace that is not sampled.
    aside: Option<Box<Mutex<Record>>>,
}

impl RootSpan {
    /// One that is recorded below `parent`, if there was room for it.
    pub(super) fn recorded(recorder: Recorder, parent: TraceContext, seat: Option<Seat>) -> Self {
        let cx = TraceContext { trace: parent.trace, span: seat.map_or(parent.span, |seat| seat.span) };
        Self { recorder: Some(recorder), cx, seat, aside: None }
    }

    /// One of a trace that is not recorded.
    pub(super) fn aside(recorder: Recorder, cx: TraceContext, aside: Option<Record>) -> Self {
        Self { recorder: Some(recorder), cx, seat: None, aside: aside.map(|record| Box::new(Mutex::new(record))) }
    }

    /// One that nobody records.
    pub(super) fn unrecorded(cx: TraceContext) -> Self {
        Self { recorder: None, cx, seat: None, aside: None }
    }

    /// Says where it happens, if that is not the actor of the span around it (or the tree, outside of any).
    pub fn at(self, place: Arc<str>) -> Self {
        if let Some((recorder, seat)) = self.mine() {
            recorder.update(seat, |record| record.actor = Some(place));
        } else if let Some(aside) = &self.aside {
            lock(aside).actor = Some(place);
        }
        self
    }

    /// What is sent from inside of the span carries this.
    pub fn context(&self) -> TraceContext {
        self.cx
    }

    /// Labels the span.
    pub fn label(&self, key: &'static str, value: impl Into<LabelValue>) {
        if let Some((recorder, seat)) = self.mine() {
            recorder.label(seat, key, value.into());
        } else if let Some(aside) = &self.aside {
            lock(aside).label(key, value.into());
        }
    }

    /// Moves the span to another trace, as a root of it: which job it works for is sometimes known only afterwards. What was
    /// sent from inside of the span before stays where it is.
    pub fn join(&mut self, trace: TraceId) {
        if let Some((recorder, seat)) = self.mine() {
            recorder.rejoin(seat, trace);
        } else if let Some(aside) = &self.aside {
            lock(aside).trace = trace;
        }
        self.cx.trace = trace;
    }

    /// Runs a future inside of the span.
    pub fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.scope().run(future)
    }

    /// Runs a function inside of the span.
    pub fn run_sync<T>(&self, f: impl FnOnce() -> T) -> T {
        self.scope().run_sync(f)
    }

    /// It went well.
    pub fn finish(self) {
        self.finish_as(Outcome::Done);
    }

    /// It went wrong; `error` is labelled.
    pub fn fail(self, error: impl Display) {
        self.label("error", error.to_string());
        self.finish_as(Outcome::Failed);
    }

    /// It ended like this.
    pub fn finish_as(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    /// Runs a future inside of the span and finishes it with what the future gives. The future is boxed at once: spans
    /// inside of spans would double its size with each.
    pub fn around<T, E, F>(self, future: F) -> impl Future<Output = Result<T, E>>
    where
        E: Display,
        F: Future<Output = Result<T, E>>,
    {
        let running = Box::pin(self.run(future));
        async move {
            let result = running.await;
            match &result {
                Ok(_) => self.finish(),
                Err(error) => self.fail(error),
            }
            result
        }
    }

    fn scope(&self) -> Scope {
        Scope { cx: Some(self.cx), seat: self.seat, recorder: self.recorder.clone() }
    }

    /// Where it is kept, while it is open.
    fn mine(&self) -> Option<(&Recorder, Seat)> {
        Some((self.recorder.as_ref()?, self.seat?))
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some((recorder, seat)) = self.mine() {
            recorder.finish_span(seat, outcome);
        } else if let (Some(recorder), Some(aside)) = (&self.recorder, self.aside.take()) {
            let record = aside.into_inner().unwrap_or_else(PoisonError::into_inner);
            recorder.finish_aside(record, outcome);
        }
        self.seat = None;
    }
}

impl Drop for RootSpan {
    fn drop(&mut self) {
        if self.seat.is_some() || self.aside.is_some() {
            self.end(if std::thread::panicking() { Outcome::Panicked } else { Outcome::Lost });
        }
    }
}
