//! Finished spans for an OpenTelemetry collector, by OTLP over gRPC: an option. The recorder of the tree has ids, parents and times
//! over all nodes already, so its spans are sent as they are; nothing is traced a second time.
//!
//! A queue of bounded length lies between: what does not fit, and what a collector did not take, is dropped and counted. A collector
//! that is down costs one warning when it goes and one line when it is back.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use runtime_actor::trace::{Recorder, SpanView, Subscription};
use runtime_actor::view::Outcome;
use tokio_util::sync::CancellationToken;

/// How many finished spans may wait.
const QUEUE: usize = 8_192;
/// How many go in one request.
const BATCH: usize = 512;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// After the first span of a batch others are waited for so long.
const GATHER: Duration = Duration::from_millis(200);
/// After a request that failed the next waits so long, doubling up to [`PAUSE_MOST`].
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// What became of the spans.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    /// Taken by the collector.
    pub(crate) sent: AtomicU64,
    /// Given up because the collector did not take them. What the queue had no room for is counted by the recorder.
    pub(crate) lost: AtomicU64,
}

/// Begins to send, if there is an endpoint. Must be called inside a tokio runtime; ends after `shutdown`.
pub(crate) fn start(
    endpoint: Option<&str>,
    recorder: &Recorder,
    service: &'static str,
    shutdown: CancellationToken,
) -> anyhow::Result<Arc<Exported>> {
    let exported = Arc::<Exported>::default();
    let Some(endpoint) = endpoint else { return Ok(exported) };
    let builder =
        opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(PATIENCE);
    let mut exporter = builder.build().with_context(|| format!("otlp_endpoint = {endpoint}"))?;
    let facts = [
        KeyValue::new("service.name", service),
        KeyValue::new("service.instance.id", recorder.node().to_string()),
        KeyValue::new("service.version", crate::cli::VERSION),
    ];
    exporter.set_resource(&Resource::builder_empty().with_attributes(facts).build());
    let export = Export {
        endpoint: endpoint.to_owned(),
        exporter,
        spans: recorder.subscribe(QUEUE),
        exported: exported.clone(),
    };
    tracing::info!(endpoint, "finished spans go to a collector");
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = export.run() => {}
        }
    });
    Ok(exported)
}

struct Export<E> {
    endpoint: String,
    exporter: E,
    spans: Subscription,
    exported: Arc<Exported>,
}

impl<E: SpanExporter> Export<E> {
    /// Ends when nobody can record any more.
    async fn run(mut self) {
        let mut pause = None;
        loop {
            let mut batch = self.spans.next_many(BATCH).await;
            if batch.is_empty() {
                return;
            }
            // Few large requests instead of one for every span.
            if batch.len() < BATCH {
                tokio::time::sleep(GATHER).await;
                let more = tokio::time::timeout(Duration::ZERO, self.spans.next_many(BATCH - batch.len())).await;
                batch.extend(more.unwrap_or_default());
            }
            let count = batch.len() as u64;
            let sent = self.exporter.export(batch.iter().map(span_data).collect()).await;
            match (sent, pause) {
                (Ok(()), before) => {
                    self.exported.sent.fetch_add(count, Ordering::Relaxed);
                    if before.is_some() {
                        let lost = self.exported.lost.load(Ordering::Relaxed);
                        tracing::info!(endpoint = self.endpoint, lost, "the collector of spans takes them again");
                    }
                    pause = None;
                }
                (Err(error), before) => {
                    self.exported.lost.fetch_add(count, Ordering::Relaxed);
                    if before.is_none() {
                        tracing::warn!(endpoint = self.endpoint, %error, "the collector of spans takes none; they are dropped");
                    }
                    let now = before.map_or(PAUSE_FIRST, |before: Duration| (before * 2).min(PAUSE_MOST));
                    pause = Some(now);
                    tokio::time::sleep(now).await;
                }
            }
        }
    }
}

/// A span as OpenTelemetry has it, with our own ids.
fn span_data(span: &SpanView) -> SpanData {
    let start_time = SystemTime::UNIX_EPOCH + Duration::from_micros(span.at_unix_us);
    let trace = TraceId::from(span.trace.as_u128());
    let id = SpanId::from(span.span.as_u64());
    let micros = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("starkeep.node", span.node.clone()),
        KeyValue::new("starkeep.actor", span.actor.clone()),
        KeyValue::new("starkeep.kind", span.kind.clone()),
        KeyValue::new("starkeep.outcome", outcome_name(span.outcome)),
        KeyValue::new("starkeep.wait_us", micros(span.wait_us)),
        KeyValue::new("starkeep.handle_us", micros(span.handle_us)),
    ];
    let labels = span.labels.iter().map(|(key, value)| KeyValue::new(format!("starkeep.{key}"), value.clone()));
    attributes.extend(labels);
    let why = || span.labels.iter().find(|(key, _)| key == "error").map(|(_, text)| text.clone());
    let status = match span.outcome.is_failure() {
        true => Status::error(why().unwrap_or_else(|| outcome_name(span.outcome).to_owned())),
        false => Status::Unset,
    };
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| SpanId::from(parent.as_u64())),
        parent_span_is_remote: false,
        span_kind: match span.kind.as_str() {
            "remote" => SpanKind::Client,
            "statement" => SpanKind::Server,
            _ => SpanKind::Internal,
        },
        name: Cow::Owned(span.name.clone()),
        start_time,
        end_time: start_time + Duration::from_micros(span.total_us),
        attributes,
        dropped_attributes_count: 0,
        events: Default::default(),
        links: Default::default(),
        status,
        instrumentation_scope: InstrumentationScope::builder("starkeep").with_version(crate::cli::VERSION).build(),
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Running => "running",
        Outcome::Panicked => "panicked",
        Outcome::Failed => "failed",
        Outcome::Lost => "lost",
        Outcome::Expired => "expired",
        Outcome::Refused => "refused",
    }
}

#[cfg(test)]
mod tests;
