//! Ids, scopes and rings.

use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::view::Outcome;

fn recorder() -> (Recorder, ManualClock) {
    let clock = ManualClock::new(1_000);
    (Recorder::new("fe", std::sync::Arc::new(clock.clone())), clock)
}

#[tokio::test]
async fn the_context_is_that_of_the_scope_and_ids_survive_text() {
    let cx = TraceContext { trace: TraceId::new(), span: SpanId::new() };
    assert_eq!(scope(cx, async { current() }).await, cx);
    assert_eq!(sync_scope(cx, current), cx);
    assert_ne!(current(), current());
    assert_eq!(cx.trace.to_string().parse::<TraceId>().unwrap(), cx.trace);
    assert_eq!(cx.span.to_string().len(), 16);
    let json = serde_json::to_string(&(cx.trace, cx.span)).unwrap();
    assert_eq!(serde_json::from_str::<(TraceId, SpanId)>(&json).unwrap(), (cx.trace, cx.span));
    assert_eq!(TraceContext::from_wire(cx.trace.as_u128(), cx.span.as_u64()), cx);
}

#[test]
fn a_derived_id_never_changes_and_the_class_stands_in_the_id() {
    // Frozen: nodes of several versions must agree.
    assert_eq!(TraceId::of(b"snapshot 17").to_string(), "885cc4412255b437e0e4c1a63a7915d2");
    assert_ne!(TraceId::of(b"snapshot 17"), TraceId::of(b"snapshot 18"));
    assert_eq!(TraceId::of(b"").class(), Class::Derived);
    assert_eq!(TraceId::new().class(), Class::Ordinary);
    assert_eq!(TraceId::routine().class(), Class::Routine);
    let upper: std::collections::HashSet<u64> =
        (0..1000_u32).map(|n| (TraceId::of(&n.to_be_bytes()).as_u128() >> 64) as u64).collect();
    assert_eq!(upper.len(), 1000);
}

#[tokio::test]
async fn what_repeats_is_left_out_when_asked_unless_it_failed() {
    let (recorder, _clock) = recorder();
    recorder.open("statement", "SELECT").finish();
    for name in ["well", "badly"] {
        let tick = recorder.open_in(TraceId::routine(), "tick", name);
        if name == "badly" {
            tick.fail("no such bucket");
        } else {
            tick.finish();
        }
    }
    let names = |without_routine: bool| {
        let spans = recorder.spans(&SpanFilter { without_routine, ..SpanFilter::default() });
        let mut names: Vec<_> = spans.into_iter().map(|span| span.name).collect();
        names.sort();
        names
    };
    assert_eq!(names(false), ["SELECT", "badly", "well"]);
    assert_eq!(names(true), ["SELECT", "badly"]);
}

#[tokio::test]
async fn a_span_below_a_span_with_labels_and_times() {
    let (recorder, clock) = recorder();
    let root = recorder.open("statement", "SELECT");
    root.label("statement", "SELECT 1");
    root.run(async {
        label("query", "q1");
        let step = span("job_step", "upload".to_owned());
        clock.advance(Duration::from_millis(5));
        step.fail("no such bucket");
    })
    .await;
    let running = recorder.spans(&SpanFilter::default());
    assert_eq!(running[0].outcome, Outcome::Running);
    assert_eq!(running[0].total_us, 5_000);
    root.finish();
    let spans = recorder.spans(&SpanFilter::default());
    let (root, step) = (&spans[0], &spans[1]);
    assert_eq!((root.kind.as_str(), root.name.as_str(), root.outcome), ("statement", "SELECT", Outcome::Done));
    assert_eq!(root.labels, [("statement".into(), "SELECT 1".into()), ("query".into(), "q1".into())]);
    assert_eq!((step.parent, step.trace, step.outcome), (Some(root.span), root.trace, Outcome::Failed));
    assert_eq!(step.labels, [("error".into(), "no such bucket".into())]);
    let trace = &recorder.traces(&SpanFilter { label: Some("query=q1".into()), ..SpanFilter::default() })[0];
    assert_eq!((trace.root.as_str(), trace.spans, trace.failed), ("statement SELECT", 2, true));
}

#[test]
fn a_span_ends_on_another_thread_and_its_seat_is_another_ones() {
    let (recorder, _clock) = recorder();
    let first = recorder.open("statement", "first");
    let carried = first.run_sync(Scope::current);
    std::thread::scope(|threads| threads.spawn(|| first.finish()).join().unwrap());
    let second = recorder.open("statement", "second");
    // A task that outlives its span labels nobody else's.
    carried.run_sync(|| label("late", "yes"));
    second.label("query", LabelValue::Uuid(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes()));
    second.finish();
    let spans = recorder.spans(&SpanFilter::default());
    assert_eq!(spans.len(), 2);
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    assert!(of("first").labels.is_empty() && of("first").outcome == Outcome::Done);
    assert_eq!(of("second").labels, [("query".into(), "01234567-89ab-cdef-0123-456789abcdef".into())]);
    let by_label = SpanFilter { label: Some("query=01234567-".into()), ..SpanFilter::default() };
    assert_eq!(recorder.spans(&by_label).len(), 1);
    assert_eq!(recorder.recorded(), 2);
}

#[test]
fn spans_that_are_open_are_bounded_and_room_comes_back() {
    let (recorder, _clock) = recorder();
    let all = SpanFilter { limit: usize::MAX, ..SpanFilter::default() };
    let mut open: Vec<_> = (0..20_000).map(|_| recorder.open("statement", "SELECT")).collect();
    let running = recorder.spans(&all).len();
    assert_eq!(recorder.dropped(), 20_000 - running as u64);
    assert!((1..20_000).contains(&running), "{running}");
    drop(open.pop());
    open.drain(..10).for_each(RootSpan::finish);
    recorder.open("statement", "late").finish();
    assert!(recorder.spans(&all).iter().any(|span| span.name == "late"));
    assert_eq!(recorder.recorded(), 11);
}

#[test]
fn many_threads_write_and_one_reads_each_span_once() {
    let (recorder, _clock) = recorder();
    let all = SpanFilter { limit: usize::MAX, ..SpanFilter::default() };
    std::thread::scope(|threads| {
        let writers: Vec<_> = (0..4)
            .map(|_| threads.spawn(|| (0..2_000).for_each(|_| recorder.open("statement", "SELECT").finish())))
            .collect();
        while !writers.iter().all(|writer| writer.is_finished()) {
            let spans = recorder.spans(&all);
            let distinct: std::collections::HashSet<_> = spans.iter().map(|span| span.span).collect();
            assert_eq!(distinct.len(), spans.len());
        }
    });
    assert_eq!((recorder.spans(&all).len(), recorder.recorded()), (8_000, 8_000));
}
