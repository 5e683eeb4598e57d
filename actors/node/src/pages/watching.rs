//! `GET /api/v2/actors`, `/api/v2/actors/messages`, `/api/v2/traces`, `/api/v2/traces/{id}`: what actors do and did, on all
//! nodes. A node that does not answer is named; the others are shown.

use std::collections::{BTreeSet, HashMap};

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

/// What is looked for.
struct Search {
    job: Option<String>,
    statement: Option<String>,
    text: Option<String>,
    base: SpanFilter,
    limit: usize,
}

impl Search {
    fn of(asked: &Asked) -> Result<Search, PageError> {
        let limit = asked.number("limit")?.map_or(USUAL, |limit| (limit as usize).clamp(1, MOST));
        let own = |name: &str| asked.parameter(name).map(str::to_owned);
        let base = SpanFilter {
            actor: own("actor"),
            errors_only: matches!(asked.parameter("errors"), Some("1" | "true")),
            min_total_us: asked.number("min_ms")?.unwrap_or_default().saturating_mul(1000),
            // More than are shown: nodes look less closely than we do.
            limit: MOST,
            // Ticks, and what the dashboard asks by itself.
            without_routine: asked.parameter("routine") == Some("0"),
            ..SpanFilter::default()
        };
        Ok(Search { job: own("job"), statement: own("statement"), text: own("text"), base, limit })
    }

    /// What nodes are asked for: all that fits, and more.
    fn filters(&self) -> Vec<SpanFilter> {
        let labelled = |label: &str| SpanFilter { label: Some(label.to_owned()), ..self.base.clone() };
        match (&self.job, &self.statement, &self.text) {
            (Some(job), _, _) => vec![labelled(&format!("job={job}"))],
            (None, Some(statement), _) => vec![labelled(longest_part(statement))],
            (None, None, Some(text)) => match text.parse::<TraceId>() {
                Ok(trace) if text.len() == 32 => vec![SpanFilter { trace: Some(trace), ..self.base.clone() }],
                // A text may stand in a label or be the name of a message.
                _ => {
                    vec![labelled(longest_part(text)), SpanFilter { name: Some(text.clone()), ..self.base.clone() }]
                }
            },
            (None, None, None) => vec![self.base.clone()],
        }
    }

    /// Whether what nodes have found is what is looked for.
    fn fits(&self, found: &TraceSummary) -> bool {
        let label = |key: &str| found.labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
        let says = |part: &String| {
            let anywhere = found.labels.iter().any(|(key, value)| key.contains(part) || value.contains(part));
            // A message may have the name; nodes have looked at that.
            anywhere || self.statement.is_none() && self.job.is_none() && !part.contains('=')
        };
        found.total_us >= self.base.min_total_us
            && self.job.as_ref().is_none_or(|job| label("job") == Some(job))
            && self.statement.as_ref().is_none_or(|part| label("statement").is_some_and(|text| text.contains(part)))
            && self.text.as_ref().is_none_or(says)
    }
}

/// Nodes take what stands before `=` for the name of a label.
fn longest_part(text: &str) -> &str {
    text.split('=').max_by_key(|part| part.len()).unwrap_or_default()
}

/// Traces by job, actor, statement, text, errors and duration, the newest first; with `routine=0` without what repeats by
/// itself. Each with what all nodes know of it.
pub(super) async fn traces(observers: &Observers, asked: &Asked) -> Result<Value, PageError> {
    let search = Search::of(asked)?;
    let mut found: HashMap<TraceId, TraceSummary> = HashMap::new();
    let mut missing = BTreeSet::new();
    let filters = search.filters();
    let rounds = filters.iter().cloned().map(|filter| (filter, true));
    // A statement's text stands on the frontend: what other nodes did for it is looked up by the trace.
    let everything = SpanFilter { limit: MOST, without_routine: search.base.without_routine, ..SpanFilter::default() };
    let again = (filters != [everything.clone()]).then_some((everything, false));
    for (filter, is_search) in rounds.chain(again) {
        for (node, told) in observers.ask_all(TellTraces { filter }).await {
            match told {
                Ok(summaries) => {
                    let wanted = summaries.into_iter().filter(|one| is_search || found.contains_key(&one.trace));
                    wanted.collect::<Vec<_>>().into_iter().for_each(|summary| merge(&mut found, summary));
                }
                Err(_) => drop(missing.insert(node.node)),
            }
        }
    }
    let mut traces: Vec<TraceSummary> = found.into_values().filter(|summary| search.fits(summary)).collect();
    traces.sort_by(|a, b| b.at_unix_us.cmp(&a.at_unix_us).then(a.trace.cmp(&b.trace)));
    traces.truncate(search.limit);
    Ok(json!({ "traces": traces, "missing_nodes": missing }))
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

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        let own = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        Asked { parameters: pairs.iter().map(own).collect(), ..Asked::default() }
    }

    fn statement(text: &str) -> TraceSummary {
        TraceSummary {
            trace: TraceId::of(b"x"),
            at_unix_us: 1,
            total_us: 5_000,
            spans: 1,
            root: "statement select".to_owned(),
            labels: vec![("job".to_owned(), "17".to_owned()), ("statement".to_owned(), text.to_owned())],
            failed: false,
            nodes: Vec::new(),
        }
    }

    #[test]
    fn nodes_are_asked_for_more_and_what_fits_is_kept() {
        let search = |pairs: &[(&str, &str)]| Search::of(&asked(pairs)).unwrap();
        let found = statement("SELECT a FROM t WHERE id = 7");
        for fits in [
            &[][..],
            &[("job", "17")],
            &[("statement", "WHERE id = 7")],
            &[("job", "17"), ("statement", "FROM t")],
            &[("text", "id = 7")],
            &[("text", "Propose")],
            &[("min_ms", "5")],
        ] {
            assert!(search(fits).fits(&found), "{fits:?}");
        }
        for other in [
            &[("job", "1")][..],
            &[("job", "17"), ("statement", "FROM u")],
            &[("statement", "id = 8")],
            &[("text", "id = 8")],
            &[("min_ms", "6")],
        ] {
            assert!(!search(other).fits(&found), "{other:?}");
        }
        assert_eq!(search(&[("statement", "WHERE id = 7")]).filters()[0].label.as_deref(), Some("WHERE id "));
        assert_eq!(search(&[("job", "17")]).filters()[0].label.as_deref(), Some("job=17"));
        assert_eq!(search(&[("text", "Propose")]).filters().len(), 2);
        let id = TraceId::of(b"x").to_string();
        assert_eq!(search(&[("text", &id)]).filters()[0].trace, Some(TraceId::of(b"x")));
        assert!(Search::of(&asked(&[("limit", "many")])).is_err());
        assert_eq!(search(&[("limit", "0")]).limit, 1);
    }

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
