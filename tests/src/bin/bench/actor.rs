//! What a message costs, and what its span costs: the same actors, with tracing on and off in turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use runtime_actor::{
    Actor, ActorSpec, Address, Answer, Context, Handle, Message, Recorder, SystemClock, TellError, TraceId, Tree, trace,
};
use serde_json::{Value, json};

/// Measurements with tracing and as many without, in turns, so that the machine's moods fall on both.
const TURNS: u32 = 4;

struct Echo(u64);

impl Actor for Echo {
    const ROLE: &'static str = "echo";
    type State = u64;

    fn observe(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
struct Add(u64);

impl Message for Add {
    type Reply = u64;
    const NAME: &'static str = "Add";
}

impl Handle<Add> for Echo {
    fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> Answer<u64> {
        self.0 += n;
        Answer::now(self.0)
    }
}

/// Rates of one way to send, with tracing and without.
#[derive(Default)]
struct Rates {
    on: Vec<f64>,
    off: Vec<f64>,
}

impl Rates {
    fn report(&self, what: &str) -> Value {
        let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len().max(1) as f64;
        let (on, off) = (mean(&self.on), mean(&self.off));
        let span_nanos = (1e9 / on - 1e9 / off).max(0.0);
        json!({ "what": what, "traced_per_second": on, "untraced_per_second": off, "ratio": on / off, "span_nanos": span_nanos })
    }
}

pub(crate) async fn run(time: Duration) -> anyhow::Result<Value> {
    let tree = Tree::new("bench", SystemClock::shared());
    let echo = tree.root().start(ActorSpec::new("echo").mailbox(4096), || Echo(0));
    let recorder = tree.recorder();
    let slice = time / (2 * TURNS);
    let (mut one, mut sixteen, mut tells) = (Rates::default(), Rates::default(), Rates::default());
    asks(&echo, 1, slice).await?;
    for turn in 0..2 * TURNS {
        let traced = turn % 2 == 0;
        recorder.set_rate(if traced { u32::MAX } else { 0 });
        for (rates, rate) in [
            (&mut one, asks(&echo, 1, slice).await?),
            (&mut sixteen, asks(&echo, 16, slice).await?),
            (&mut tells, told(&echo, slice).await?),
        ] {
            if traced { rates.on.push(rate) } else { rates.off.push(rate) }
        }
    }
    let spans = recorder.recorded();
    let statements = [("nothing", 0), ("200 a second", 200), ("everything", u32::MAX)].map(|(what, rate)| {
        recorder.set_rate(rate);
        json!({ "recorded": what, "nanos": statement_nanos(&recorder, slice) })
    });
    tree.stop(Duration::from_secs(10)).await;
    let runs = [one.report("ask, one asker"), sixteen.report("ask, sixteen askers"), tells.report("tell, one sender")];
    Ok(json!({ "spans": spans, "runs": runs, "span_of_a_statement": statements }))
}

/// What a session does for the span of a statement, again and again: nanoseconds of each, the median of slices.
fn statement_nanos(recorder: &Recorder, time: Duration) -> f64 {
    const SLICE: u32 = 20_000;
    let shown: Arc<str> = "SELECT 1".into();
    let mut nanos = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time || nanos.is_empty() {
        let since = Instant::now();
        for n in 0..SLICE {
            let span = recorder.open("statement", "SELECT");
            span.label("query", trace::LabelValue::Uuid(u128::from(n).to_be_bytes()));
            span.label("statement", shown.clone());
            span.run_sync(|| std::hint::black_box(n));
            span.finish();
        }
        nanos.push(since.elapsed().as_nanos() as f64 / f64::from(SLICE));
    }
    nanos.sort_by(f64::total_cmp);
    nanos[nanos.len() / 2]
}

/// Round trips a second.
async fn asks(echo: &Address<Echo>, askers: u32, time: Duration) -> anyhow::Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let asking: Vec<_> = (0..askers)
        .map(|_| {
            let (echo, stop, answered) = (echo.clone(), stop.clone(), answered.clone());
            // As in a session: many messages in one trace.
            tokio::spawn(trace::scope(TraceId::new(), async move {
                while !stop.load(Ordering::Relaxed) {
                    echo.ask(Add(1)).await?;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            }))
        })
        .collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    for asker in asking {
        asker.await.context("an asker")??;
    }
    Ok(answered.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

/// Messages a second that are taken in and handled.
async fn told(echo: &Address<Echo>, time: Duration) -> anyhow::Result<f64> {
    let before = echo.ask(Add(0)).await?;
    let began = Instant::now();
    let sending = trace::scope(TraceId::new(), async {
        while began.elapsed() < time {
            for _ in 0..64 {
                match echo.tell(Add(1)) {
                    Ok(()) => {}
                    Err(TellError::Full) => tokio::task::yield_now().await,
                    Err(stopped) => return Err(stopped),
                }
            }
        }
        Ok(())
    });
    sending.await?;
    let after = loop {
        match echo.ask(Add(0)).await {
            Err(runtime_actor::AskError::Full) => tokio::task::yield_now().await,
            answer => break answer?,
        }
    };
    Ok((after - before) as f64 / began.elapsed().as_secs_f64())
}
