//! Spans and traces as people see them, and how they are searched.

use serde::{Deserialize, Serialize};

use super::record::Record;
use super::{Class, SpanId, TraceId};
use crate::view::Outcome;

/// One span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanView {
    /// The trace it belongs to.
    pub trace: TraceId,
    /// Its own id.
    pub span: SpanId,
    /// Its cause; none at the root.
    pub parent: Option<SpanId>,
    /// The node on which it ran.
    pub node: String,
    /// The actor's path, or the place that opened it.
    pub actor: String,
    /// The message, or what a [`RootSpan`](super::RootSpan) was named.
    pub name: String,
    /// `ask`, `tell`, `event` (sent by the actor to itself), `tick`, `effect`, or the kind of a [`RootSpan`](super::RootSpan).
    pub kind: String,
    /// When it was sent or opened, microseconds since 1970.
    pub at_unix_us: u64,
    /// From sent to taken up.
    pub wait_us: u64,
    /// Inside the handler.
    pub handle_us: u64,
    /// From sent until the answer was settled; until now while it runs.
    pub total_us: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Keys and values.
    pub labels: Vec<(String, String)>,
}

/// Which spans, or traces that hold such a span. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpanFilter {
    /// Of this trace only.
    pub trace: Option<TraceId>,
    /// The actor's path contains this.
    pub actor: Option<String>,
    /// Some label, written `key=value`, contains this.
    pub label: Option<String>,
    /// The name contains this.
    pub name: Option<String>,
    /// Only what failed.
    pub errors_only: bool,
    /// Only what took at least this long (a span; for traces, the whole trace).
    pub min_total_us: u64,
    /// At most this many, the newest; 0 = 1000.
    pub limit: usize,
    /// Nothing of routine traces, unless it failed.
    pub without_routine: bool,
}

impl SpanFilter {
    /// Everything of one trace.
    pub fn of_trace(trace: TraceId) -> Self {
        Self { trace: Some(trace), ..Self::default() }
    }

    pub(crate) fn most(&self) -> usize {
        if self.limit == 0 { 1000 } else { self.limit }
    }

    pub(crate) fn fits(&self, record: &Record, place: &str) -> bool {
        self.trace.is_none_or(|trace| trace == record.trace)
            && (!self.errors_only || record.failed())
            && (!self.without_routine || record.failed() || record.trace.class() != Class::Routine)
            && self.actor.as_ref().is_none_or(|part| record.actor(place).contains(part.as_str()))
            && self.name.as_ref().is_none_or(|part| record.name.contains(part.as_str()))
            && self.label.as_ref().is_none_or(|part| {
                record.labels.iter().any(|(key, value)| {
                    let value = value.text();
                    match part.split_once('=') {
                        Some((k, v)) => {
                            key.ends_with(k) && value.starts_with(v) || format!("{key}={value}").contains(part)
                        }
                        None => key.contains(part.as_str()) || value.contains(part.as_str()),
                    }
                })
            })
    }
}

/// One trace in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceSummary {
    /// The trace.
    pub trace: TraceId,
    /// When its first span began, microseconds since 1970.
    pub at_unix_us: u64,
    /// From the first beginning to the last end.
    pub total_us: u64,
    /// How many spans are known.
    pub spans: usize,
    /// What started it: kind and name of its first span.
    pub root: String,
    /// The labels of all its spans, each key once.
    pub labels: Vec<(String, String)>,
    /// Some span failed.
    pub failed: bool,
    /// The nodes that took part.
    pub nodes: Vec<String>,
}

impl TraceSummary {
    /// Sums up spans, which may come from several nodes, trace by trace; the newest first.
    pub fn of(spans: &[SpanView]) -> Vec<TraceSummary> {
        let mut by_trace: std::collections::HashMap<TraceId, Vec<&SpanView>> = std::collections::HashMap::new();
        for span in spans {
            by_trace.entry(span.trace).or_default().push(span);
        }
        let mut out: Vec<_> = by_trace.into_values().filter_map(|spans| sum_up(&spans)).collect();
        out.sort_by(|a, b| b.at_unix_us.cmp(&a.at_unix_us).then(a.trace.cmp(&b.trace)));
        out
    }
}

fn sum_up(spans: &[&SpanView]) -> Option<TraceSummary> {
    // A root before everything else; then whatever came first.
    let root = spans.iter().min_by_key(|span| (span.parent.is_some(), span.at_unix_us))?;
    let begin = spans.iter().map(|span| span.at_unix_us).min()?;
    let end = spans.iter().map(|span| span.at_unix_us.saturating_add(span.total_us)).max()?;
    let mut labels: Vec<(String, String)> = Vec::new();
    let mut nodes: Vec<String> = Vec::new();
    for span in spans {
        for label in &span.labels {
            if !labels.iter().any(|(key, _)| *key == label.0) {
                labels.push(label.clone());
            }
        }
        if !nodes.contains(&span.node) {
            nodes.push(span.node.clone());
        }
    }
    nodes.sort();
    Some(TraceSummary {
        trace: root.trace,
        at_unix_us: begin,
        total_us: end - begin,
        spans: spans.len(),
        root: format!("{} {}", root.kind, root.name),
        labels,
        failed: spans.iter().any(|span| span.outcome.is_failure()),
        nodes,
    })
}
