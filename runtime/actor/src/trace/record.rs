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

/// The value of a label: text, which may be shared with whoever else keeps it, or an id that becomes text when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelValue {
    /// As it is.
    Text(Arc<str>),
    /// The bytes of a UUID.
    Uuid([u8; 16]),
}

impl LabelValue {
    /// At most [`LONGEST_VALUE`] of it, and a sign that there was more.
    fn shortened(self) -> Self {
        let Self::Text(text) = self else { return self };
        if text.len() <= LONGEST_VALUE {
            return Self::Text(text);
        }
        let mut end = LONGEST_VALUE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self::Text(format!("{}…", &text[..end]).into())
    }

    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Uuid(bytes) => {
                let n = u128::from_be_bytes(*bytes);
                let (low, mid, high) = (n >> 96, n >> 80 & 0xffff, n >> 64 & 0xffff);
                Cow::Owned(format!(
                    "{low:08x}-{mid:04x}-{high:04x}-{:04x}-{:012x}",
                    n >> 48 & 0xffff,
                    n & 0xffff_ffff_ffff
                ))
            }
        }
    }
}

impl From<&str> for LabelValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for LabelValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Arc<str>> for LabelValue {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}

pub(crate) type Label = (&'static str, LabelValue);

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) parent: SpanId,
    /// The actor's path, or the place that opened it; none where nobody placed it.
    pub(crate) actor: Option<Arc<str>>,
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
    pub(crate) fn label(&mut self, key: &'static str, value: LabelValue) {
        let value = value.shortened();
        if let Some(known) = self.labels.iter_mut().find(|(known, _)| *known == key) {
            known.1 = value;
        } else if self.labels.len() < MOST_LABELS {
            if self.labels.is_empty() {
                // Few spans have more, and they are kept for long.
                self.labels.reserve_exact(2);
            }
            self.labels.push((key, value));
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.outcome.is_failure()
    }

    /// Where it happened: at `place` unless it says otherwise.
    pub(crate) fn actor<'a>(&'a self, place: &'a str) -> &'a str {
        self.actor.as_deref().unwrap_or(place)
    }

    pub(crate) fn view(&self, node: &str, place: &str) -> SpanView {
        SpanView {
            trace: self.trace,
            span: self.span,
            parent: self.parent.some(),
            node: node.to_owned(),
            actor: self.actor(place).to_owned(),
            name: self.name.to_string(),
            kind: self.kind.to_owned(),
            at_unix_us: self.at_unix_us,
            wait_us: self.wait_us,
            handle_us: self.handle_us,
            total_us: self.total_us,
            outcome: self.outcome,
            labels: self.labels.iter().map(|(key, value)| ((*key).to_owned(), value.text().into_owned())).collect(),
        }
    }
}
