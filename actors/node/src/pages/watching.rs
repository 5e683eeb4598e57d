//! `GET /api/v2/actors`, `/api/v2/actors/messages`, `/api/v2/traces`, `/api/v2/traces/{id}`: what actors do and did, on all
//! nodes. A node that does not answer is named; the others are shown.

use std::collections::HashMap;

use actors_messages::observer::{TellMessages, TellSpans, TellTraces, TellTree};
use runtime_actor::TraceId;
use runtime_actor::trace::{SpanFilter, SpanView, TraceSummary};
use runtime_http::{Asked, PageError};
use serde_json::{Value, json};

use crate::observer::{Observed, Observers};

/// Traces in one answer, unless asked for otherwise.
const USUAL: usize = 100;
/// Traces in one answer, at most.
const MOST: usize = 1_000;

/// The supervision tree of every node; `node=self`: of this one.
pub(super) async fn actors(observers: &Observers, asked: &Asked) -> Result<Value, PageError> {
    let told = match asked.parameter("node") {
        None => observers.ask_all(TellTree).await,
        Some(name) => {
            let node = named(observers, name)?;
            let answer = node.ask(TellTree).await;
            vec![(node, answer)]
        }
    };
    let nodes = told.into_iter().map(|(node, answer)| {
        let tree = answer.and_then(|told| told).and_then(|text| {
            serde_json::from_str::<Value>(&text).map_err(|error| format!("the answer cannot be read: {error}"))
        });
        let (tree, error) = match tree {
            Ok(tree) => (Some(tree), None),
            Err(error) => (None, Some(error)),
        };
        json!({ "node": node.node, "role": node.role, "reachable": tree.is_some(), "error": error, "tree": tree })
    });
    Ok(json!({ "nodes": nodes.collect::<Vec<_>>() }))
}

fn named(observers: &Observers, name: &str) -> Result<Observed, PageError> {
    if name == "self" {
        return Ok(observers.here());
    }
    let found = observers.all().into_iter().find(|node| node.node == name);
    found.ok_or_else(|| PageError::NotFound(format!("there is no node {name}")))
}

/// The last messages of one actor.
pub(super) async fn messages(observers: &Observers, asked: &Asked) -> Result<Value, PageError> {
    let node = named(observers, asked.parameter("node").unwrap_or("self"))?;
    let path = asked.parameter("path").ok_or_else(|| PageError::Bad("path=… names no actor".to_owned(), None))?;
    match node.ask(TellMessages { path: path.to_owned() }).await {
        Ok(Some(messages)) => Ok(json!({ "node": node.node, "path": path, "messages": messages })),
        Ok(None) => Err(PageError::NotFound(format!("there is no actor {path} on {}", node.node))),
        Err(why) => Err(PageError::NotReady(format!("{} does not answer: {why}", node.node))),
    }
}

/// Traces by job, actor, statement, text, errors and duration; each with what all nodes know of it.
pub(super) async fn traces(observers: &Observers, asked: &Asked) -> Result<Value, PageError> {
    let limit = asked.number("limit")?.map_or(USUAL, |limit| (limit as usize).clamp(1, MOST));
    let min_us = asked.number("min_ms")?.unwrap_or_default().saturating_mul(1000);
    let own = |name: &str| asked.parameter(name).map(str::to_owned);
    let base = SpanFilter {
        actor: own("actor"),
        errors_only: matches!(asked.parameter("errors"), Some("1" | "true")),
        min_total_us: min_us,
        limit,
        ..SpanFilter::default()
    };
    let (job, statement, text) = (own("job"), own("statement"), own("text"));
    let labelled = |label: String| SpanFilter { label: Some(label), ..base.clone() };
    let mut filters = match (&job, &statement, &text) {
        (Some(job), _, _) => vec![labelled(format!("job={job}"))],
        (None, Some(statement), _) => vec![labelled(format!("statement={statement}"))],
        (None, None, Some(text)) => match text.parse::<TraceId>() {
            Ok(trace) if text.len() == 32 => vec![SpanFilter { trace: Some(trace), ..base.clone() }],
            // A text may stand in a label or be the name of a message.
            _ => vec![labelled(text.clone()), SpanFilter { name: Some(text.clone()), ..base.clone() }],
        },
        (None, None, None) => vec![base.clone()],
    };
    let mut found: HashMap<TraceId, TraceSummary> = HashMap::new();
    let mut missing = Vec::new();
    for filter in filters.drain(..) {
        for (node, told) in observers.ask_all(TellTraces { filter }).await {
            match told {
                Ok(summaries) => summaries.into_iter().for_each(|summary| merge(&mut found, summary)),
                Err(_) if missing.contains(&node.node) => {}
                Err(_) => missing.push(node.node),
            }
        }
    }
    let has = |summary: &TraceSummary, key: &str, part: &Option<String>| {
        let is_it = |(k, v): &(String, String)| k == key && part.as_ref().is_none_or(|part| v.contains(part.as_str()));
        part.is_none() || summary.labels.iter().any(is_it)
    };
    let mut traces: Vec<TraceSummary> = found.into_values().collect();
    traces.retain(|summary| {
        summary.total_us >= min_us
            && (job.is_none() || statement.is_none() || has(summary, "statement", &statement))
            && (text.is_none() || job.is_none() && statement.is_none() || says(summary, &text))
    });
    traces.sort_by(|a, b| b.at_unix_us.cmp(&a.at_unix_us).then(a.trace.cmp(&b.trace)));
    traces.truncate(limit);
    Ok(json!({ "traces": traces, "missing_nodes": missing }))
}

fn says(summary: &TraceSummary, text: &Option<String>) -> bool {
    let part = text.as_deref().unwrap_or_default();
    summary.root.contains(part) || summary.labels.iter().any(|(key, value)| key.contains(part) || value.contains(part))
}

/// What two nodes know of one trace.
fn merge(found: &mut HashMap<TraceId, TraceSummary>, more: TraceSummary) {
    let Some(known) = found.get_mut(&more.trace) else {
        found.insert(more.trace, more);
        return;
    };
    // The same node, asked twice, says the same twice.
    let is_again = more.nodes.iter().all(|node| known.nodes.contains(node));
    let end = (known.at_unix_us + known.total_us).max(more.at_unix_us + more.total_us);
    if more.at_unix_us < known.at_unix_us {
        (known.at_unix_us, known.root) = (more.at_unix_us, more.root);
    }
    known.total_us = end - known.at_unix_us;
    known.spans = if is_again { known.spans.max(more.spans) } else { known.spans + more.spans };
    known.failed |= more.failed;
    for (key, value) in more.labels {
        if !known.labels.iter().any(|(known, _)| *known == key) {
            known.labels.push((key, value));
        }
    }
    known.nodes.extend(more.nodes);
    known.nodes.sort();
    known.nodes.dedup();
}

/// Every span of one trace.
pub(super) async fn trace(observers: &Observers, asked: &Asked) -> Result<Value, PageError> {
    let id = asked.parameter("id").unwrap_or_default();
    let trace: TraceId =
        id.parse().map_err(|_| PageError::Bad(format!("{id:?} is not a trace: 32 hex digits are"), None))?;
    let mut spans: Vec<SpanView> = Vec::new();
    let mut missing = Vec::new();
    for (node, told) in observers.ask_all(TellSpans { filter: SpanFilter::of_trace(trace) }).await {
        match told {
            Ok(more) => spans.extend(more),
            Err(why) => missing.push(json!({ "node": node.node, "error": why })),
        }
    }
    if spans.is_empty() && missing.is_empty() {
        return Err(PageError::NotFound(format!("no node remembers the trace {trace}")));
    }
    spans.sort_by(|a, b| a.at_unix_us.cmp(&b.at_unix_us).then(a.span.cmp(&b.span)));
    let names: Vec<Value> = missing.iter().map(|node| node["node"].clone()).collect();
    Ok(json!({ "trace": trace, "spans": spans, "missing_nodes": names, "missing": missing }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_know_one_trace() {
        let summary = |node: &str, at: u64, total: u64, label: &str| TraceSummary {
            trace: TraceId::of(b"x"),
            at_unix_us: at,
            total_us: total,
            spans: 2,
            root: format!("ask {node}"),
            labels: vec![(label.to_owned(), "1".to_owned())],
            failed: node == "cn",
            nodes: vec![node.to_owned()],
        };
        let mut found = HashMap::new();
        for more in [summary("cn", 150, 500, "b"), summary("fe", 100, 200, "a"), summary("fe", 100, 200, "a")] {
            merge(&mut found, more);
        }
        let known = &found[&TraceId::of(b"x")];
        assert_eq!((known.at_unix_us, known.total_us, known.spans), (100, 550, 4));
        assert_eq!((known.root.as_str(), known.failed, known.labels.len()), ("ask fe", true, 2));
        assert_eq!(known.nodes, ["cn", "fe"]);
    }
}
