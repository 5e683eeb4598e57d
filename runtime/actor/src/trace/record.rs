//! A span as it is kept: small, without formatted text.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{SpanId, SpanView, TraceId};
use crate::view::Outcome;

/// Labels per span, at most.
const MOST_LABELS: usize = 16;
/// Bytes of a label's value, at most.
const LONGEST_VALUE: usize = 1024;

/// A duration in whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// At most [`LONGEST_VALUE`] of a text, and a sign that there was more.
fn shortened(value: Arc<str>) -> Arc<str> {
    if value.len() <= LONGEST_VALUE {
        return value;
    }
    let mut end = LONGEST_VALUE;
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &value[..end]).into()
}

pub(crate) type Label = (&'static str, Arc<str>);

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) parent: SpanId,
    /// The actor's path, or the place that opened it.
    pub(crate) actor: Arc<str>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: &'static str,
    /// When it was sent or opened.
    pub(crate) at_unix_us: u64,
    pub(crate) began: Instant,
    pub(crate) wait_us: u64,
    pub(crate) handle_us: u64,
    pub(crate) total_us: u64,
    pub(crate) outcome: Outcome,
    pub(crate) labels: Vec<Label>,
}

impl Record {
    /// Adds a label, or replaces the one with that key. Too many are passed over, long ones cut.
    pub(crate) fn label(&mut self, key: &'static str, value: Arc<str>) {
        let value = shortened(value);
        if let Some(known) = self.labels.iter_mut().find(|(known, _)| *known == key) {
            known.1 = value;
        } else if self.labels.len() < MOST_LABELS {
            self.labels.push((key, value));
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.outcome.is_failure()
    }

    pub(crate) fn view(&self, node: &str) -> SpanView {
        SpanView {
            trace: self.trace,
            span: self.span,
            parent: self.parent.some(),
            node: node.to_owned(),
            actor: self.actor.to_string(),
            name: self.name.to_string(),
            kind: self.kind.to_owned(),
            at_unix_us: self.at_unix_us,
            wait_us: self.wait_us,
            handle_us: self.handle_us,
            total_us: self.total_us,
            outcome: self.outcome,
            labels: self.labels.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect(),
        }
    }
}
