//! Traces: which message caused which.

use std::time::Duration;

use super::kit::*;
use crate::trace::{Class, SpanFilter, SpanView};
use crate::view::Outcome;
use crate::*;

const SECOND: Duration = Duration::from_secs(1);

/// Asks a clerk, starts an effect, ticks.
struct Boss {
    clerk: Address<Clerk>,
    diligent: bool,
}

#[derive(Debug)]
struct Order;
impl Message for Order {
    type Reply = u64;
    const NAME: &'static str = "Order";
}

#[derive(Debug)]
struct Looked(#[allow(dead_code, reason = "it is what the effect found")] u64);
impl Message for Looked {
    type Reply = ();
    const NAME: &'static str = "Looked";
}

#[derive(Debug)]
struct Look;
impl Message for Look {
    type Reply = ();
    const NAME: &'static str = "Look";
}

impl Actor for Boss {
    const ROLE: &'static str = "boss";
    type State = ();
    fn observe(&self) {}

    fn started(&mut self, cx: &mut Context<Self>) {
        cx.every(SECOND, || Look);
    }
}

impl Handle<Order> for Boss {
    fn handle(&mut self, _: Order, cx: &mut Context<Self>) -> Answer<u64> {
        trace::label("order", "7");
        let clerk = self.clerk.clone();
        cx.effect(async move {
            trace::label("effect", "yes");
            tokio::time::sleep(SECOND).await;
            Looked(clerk.ask(Add(1)).await.unwrap_or_default())
        });
        let clerk = self.clerk.clone();
        Answer::later(async move {
            tokio::time::sleep(2 * SECOND).await;
            clerk.ask(Add(1)).await.unwrap_or_default()
        })
    }
}

impl Handle<Looked> for Boss {
    fn handle(&mut self, Looked(_): Looked, _: &mut Context<Self>) -> Answer<()> {
        Answer::done()
    }
}

impl Handle<Look> for Boss {
    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> Answer<()> {
        if self.diligent {
            self.clerk.tell(Boom).unwrap();
            self.diligent = false;
        }
        Answer::done()
    }
}

fn office(tree: &Tree, diligent: bool) -> (Address<Boss>, Address<Clerk>) {
    let clerk = tree.root().start(ActorSpec::new("clerk"), clerk("c", &Diary::default()));
    let of_boss = clerk.clone();
    let boss = tree.root().start(ActorSpec::new("boss"), move || Boss { clerk: of_boss.clone(), diligent });
    (boss, clerk)
}

fn find<'a>(spans: &'a [SpanView], kind: &str, name: &str) -> &'a SpanView {
    spans
        .iter()
        .find(|span| span.kind == kind && span.name == name)
        .unwrap_or_else(|| panic!("{kind} {name}: {spans:#?}"))
}

#[test]
fn a_trace_is_the_tree_of_what_one_cause_set_off() {
    paused(async |tree: Tree| {
        let (boss, _) = office(&tree, false);
        let root = tree.recorder().open("statement", "INSERT");
        assert_eq!(root.run(boss.ask(Order)).await, Ok(2));
        let trace = root.context().trace;
        root.finish();
        let spans = tree.spans(&SpanFilter::of_trace(trace));
        let statement = find(&spans, "statement", "INSERT");
        let order = find(&spans, "ask", "Order");
        let effect = find(&spans, "effect", "Looked");
        let event = find(&spans, "event", "Looked");
        let adds: Vec<_> = spans.iter().filter(|span| span.name == "Add").collect();
        assert_eq!(statement.parent, None);
        assert_eq!(order.parent, Some(statement.span));
        assert_eq!(effect.parent, Some(order.span));
        assert_eq!(event.parent, Some(effect.span));
        assert_eq!(adds.iter().map(|add| add.parent).collect::<Vec<_>>(), [Some(effect.span), Some(order.span)]);
        assert_eq!((order.actor.as_str(), order.node.as_str()), ("test/boss", "test"));
        assert_eq!((effect.actor.as_str(), adds[0].actor.as_str()), ("test/boss", "test/clerk"));
        assert_eq!((order.outcome, order.total_us, order.handle_us), (Outcome::Done, 2_000_000, 0));
        assert_eq!(effect.total_us, 1_000_000);
        assert_eq!(order.at_unix_us, 1_000_000_000);
        assert_eq!(order.labels, [("order".to_owned(), "7".to_owned())]);
        assert_eq!(effect.labels, [("effect".to_owned(), "yes".to_owned())]);
        assert_eq!(spans.len(), 6);
        let by_label = SpanFilter { label: Some("order=7".into()), ..SpanFilter::default() };
        let found = tree.traces(&by_label);
        assert_eq!((found.len(), found[0].spans, found[0].root.as_str()), (1, 6, "statement INSERT"));
        assert_eq!((found[0].total_us, found[0].failed), (2_000_000, false));
        let back: trace::TraceSummary = serde_json::from_value(serde_json::to_value(&found[0]).unwrap()).unwrap();
        assert_eq!(back, found[0]);
    });
}

#[test]
fn ticks_have_a_ring_of_their_own_and_what_fails_is_kept() {
    paused(async |tree: Tree| {
        let (boss, clerk) = office(&tree, true);
        let mut exported = tree.recorder().subscribe(16);
        boss.ask(Order).await.unwrap();
        tokio::time::sleep(6_000 * SECOND).await;
        let ticks = tree.spans(&SpanFilter { name: Some("Look".into()), limit: 100_000, ..SpanFilter::default() });
        let ticks: Vec<_> = ticks.iter().filter(|span| span.kind == "tick").collect();
        assert!(ticks.len() > 1_000 && ticks.len() <= 4_096, "{}", ticks.len());
        assert!(ticks.iter().all(|tick| tick.parent.is_none() && tick.trace.class() == Class::Routine));
        let order = tree.spans(&SpanFilter { name: Some("Order".into()), ..SpanFilter::default() });
        assert_eq!(order.len(), 1, "six thousand ticks later it is still there");
        // The first tick told the clerk to break.
        let boom = tree.spans(&SpanFilter { errors_only: true, ..SpanFilter::default() });
        let boom = find(&boom, "tell", "Boom");
        assert_eq!((boom.outcome, boom.trace.class()), (Outcome::Panicked, Class::Routine));
        assert_eq!(boom.labels, [("error".to_owned(), "boom of c".to_owned())]);
        assert!(tree.traces(&SpanFilter::of_trace(boom.trace))[0].failed);
        assert_eq!(clerk.ask(Life).await, Ok(2));
        let mut names = Vec::new();
        for span in exported.next_many(16).await {
            names.push(span.name);
        }
        assert!(names.contains(&"Boom".to_owned()) && !names.contains(&"Look".to_owned()), "{names:?}");
        assert_eq!(tree.recorder().dropped(), 0);
    });
}

#[test]
fn what_is_sent_in_start_begins_a_trace_each() {
    paused(async |tree: Tree| {
        let (boss, _) = office(&tree, false);
        boss.ask(Order).await.unwrap();
        boss.ask(Order).await.unwrap();
        let traces: Vec<_> = tree.traces(&SpanFilter { name: Some("Order".into()), ..SpanFilter::default() });
        assert_eq!(traces.len(), 2);
        assert!(traces.iter().all(|trace| trace.root == "ask Order"));
        assert!(traces[0].at_unix_us > traces[1].at_unix_us, "the newest first");
    });
}

#[test]
fn recording_can_be_switched_off_and_limited_to_so_many_whole_traces() {
    paused(async |tree: Tree| {
        let (boss, clerk) = office(&tree, false);
        let recorder = tree.recorder();
        recorder.set_rate(0);
        boss.ask(Order).await.unwrap();
        let id = TraceId::new();
        let (seen, _) = trace::scope(id, clerk.ask(WhoseTrace)).await.unwrap();
        assert_eq!(seen.trace, id, "the id travels all the same");
        assert!(tree.spans(&SpanFilter::default()).is_empty());
        assert!(recorder.records(TraceId::of(b"job 1")), "jobs are always recorded");
        recorder.set_rate(10);
        let orders = futures::future::join_all((0..40).map(|_| boss.ask(Order))).await;
        assert!(orders.iter().all(Result::is_ok));
        let traces = tree.traces(&SpanFilter { name: Some("Order".into()), ..SpanFilter::default() });
        assert_eq!(traces.len(), 10, "they were sent all at once: the burst of a second");
        assert!(traces.iter().all(|trace| trace.spans == 5), "each is whole");
        recorder.set_rate(0);
        assert!(!recorder.records(TraceId::new()));
    });
}

#[test]
fn of_a_trace_that_is_not_sampled_what_failed_or_took_long_is_kept() {
    paused(async |tree: Tree| {
        let (_, clerk) = office(&tree, false);
        let recorder = tree.recorder();
        recorder.set_rate(1);
        recorder.open("statement", "sampled").finish();
        let quick = recorder.open("statement", "quick");
        assert_eq!(quick.context().trace.class(), Class::Unsampled);
        quick.run(clerk.ask(WhoseTrace)).await.unwrap();
        quick.finish();
        let failed = recorder.open("statement", "failed");
        failed.label("statement", "SELECT nonsense");
        failed.fail("no such column");
        let long = recorder.open("statement", "long");
        tokio::time::sleep(Duration::from_secs(2)).await;
        long.finish();
        drop(recorder.open("statement", "lost"));
        let mut spans = tree.spans(&SpanFilter { without_routine: true, ..SpanFilter::default() });
        spans.sort_by(|one, other| one.name.cmp(&other.name));
        let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["failed", "long", "lost", "sampled"]);
        let labels = &spans[0].labels;
        assert!(labels.contains(&("statement".into(), "SELECT nonsense".into())), "{labels:?}");
        assert!(labels.contains(&("error".into(), "no such column".into())), "{labels:?}");
        assert!(spans[1].total_us >= 2_000_000);
    });
}

#[test]
fn rings_and_subscriptions_are_bounded() {
    paused(async |tree: Tree| {
        let (_, clerk) = office(&tree, false);
        let recorder = tree.recorder();
        let mut slow = recorder.subscribe(10);
        let job = TraceId::of(b"job 17");
        let step = recorder.open_in(job, "job_step", "upload");
        step.label("job", "17");
        step.label("long", "ü".repeat(5_000));
        step.finish();
        let hung = recorder.open("statement", "SELECT");
        for _ in 0..20_000 {
            clerk.ask(Add(1)).await.unwrap();
        }
        let all = tree.spans(&SpanFilter { limit: 1_000_000, ..SpanFilter::default() });
        assert!(all.len() <= 32_768, "{}", all.len());
        assert_eq!(recorder.recorded(), 20_001);
        assert_eq!(recorder.dropped(), 20_001 - 10);
        assert_eq!(slow.next().await.unwrap().name, "upload");
        let kept = tree.spans(&SpanFilter { label: Some("job=17".into()), ..SpanFilter::default() });
        assert_eq!((kept.len(), kept[0].trace), (1, job), "twenty thousand messages later");
        assert!(kept[0].labels[1].1.len() <= 1_100);
        let running = tree.spans(&SpanFilter { name: Some("SELECT".into()), ..SpanFilter::default() });
        assert_eq!(running[0].outcome, Outcome::Running);
        drop(hung);
        let lost = tree.spans(&SpanFilter { errors_only: true, ..SpanFilter::default() });
        assert_eq!((lost[0].name.as_str(), lost[0].outcome), ("SELECT", Outcome::Lost));
    });
}

#[test]
fn answers_that_are_cut_off_and_messages_nobody_waits_for_are_seen() {
    paused(async |tree: Tree| {
        let (_, clerk) = office(&tree, false);
        assert_eq!(clerk.ask(LaterBoom).await, Err(AskError::Lost));
        // Spans of the same microsecond have no order.
        tokio::time::sleep(SECOND).await;
        assert_eq!(clerk.ask_within(Wanted(60 * SECOND), SECOND).await, Err(AskError::Deadline));
        tokio::time::sleep(SECOND).await;
        assert_eq!(clerk.ask(Boom).await, Err(AskError::Lost));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(clerk.ask_within(Add(1), Duration::from_millis(1)).await, Err(AskError::Deadline));
        tokio::time::sleep(SECOND).await;
        let spans = tree.spans(&SpanFilter { actor: Some("clerk".into()), ..SpanFilter::default() });
        let seen: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.outcome)).collect();
        let expected = [
            ("LaterBoom", Outcome::Panicked),
            ("Wanted", Outcome::Lost),
            ("Boom", Outcome::Panicked),
            ("Add", Outcome::Expired),
        ];
        assert_eq!(seen, expected);
        assert_eq!(spans[0].labels, [("error".to_owned(), "later boom".to_owned())]);
        assert_eq!(spans[1].total_us, 1_000_000);
    });
}
