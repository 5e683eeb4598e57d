//! A collector in this process: what it is sent, and what happens without it.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use runtime_actor::SystemClock;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status as Answer};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Answer> {
        let _ = self.0.send(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn collect(address: &str) -> (String, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::unbounded_channel();
    let service = TraceServiceServer::new(Collector(sender));
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    (endpoint, requests)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_arrive_with_our_ids_and_parents() {
    let (endpoint, mut requests) = collect("127.0.0.1:0").await;
    let recorder = Recorder::new("fe:127.0.0.1:9010", SystemClock::shared());
    let shutdown = CancellationToken::new();
    let exported = start(Some(&endpoint), &recorder, "starkeep-fe", shutdown.clone()).unwrap();
    let statement = recorder.open("statement", "INSERT");
    statement.label("statement", "INSERT INTO t VALUES (1)");
    let cause = statement.context();
    let asked = statement.run_sync(|| runtime_actor::trace::span("remote", "Heartbeat").at("10.0.0.2:9050/cn".into()));
    let asked_id = asked.context().span;
    asked.fail("no answer");
    statement.finish();

    let mut spans = Vec::new();
    while spans.len() < 2 {
        let request = tokio::time::timeout(LIMIT, requests.recv()).await.unwrap().unwrap();
        for resource in request.resource_spans {
            let facts = resource.resource.unwrap().attributes;
            let text = |key: &str| {
                let found = facts.iter().find(|fact| fact.key == key).unwrap();
                match found.value.clone().unwrap().value.unwrap() {
                    Value::StringValue(text) => text,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(
                (text("service.name").as_str(), text("service.instance.id").as_str()),
                ("starkeep-fe", "fe:127.0.0.1:9010")
            );
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (root, remote) = (of("INSERT"), of("Heartbeat"));
    let trace = cause.trace.as_u128().to_be_bytes().to_vec();
    assert_eq!((&root.trace_id, &remote.trace_id), (&trace, &trace));
    assert_eq!(root.span_id, cause.span.as_u64().to_be_bytes());
    assert_eq!(remote.span_id, asked_id.as_u64().to_be_bytes());
    assert_eq!((root.parent_span_id.len(), &remote.parent_span_id), (0, &root.span_id));
    assert!(root.end_time_unix_nano >= root.start_time_unix_nano && root.start_time_unix_nano > 0);
    let status = remote.status.clone().unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "no answer"));
    let has = |span: &opentelemetry_proto::tonic::trace::v1::Span, key: &str, text: &str| {
        let wanted = Some(Value::StringValue(text.to_owned()));
        assert!(
            span.attributes.iter().any(|a| a.key == key && a.value.clone().unwrap().value == wanted),
            "{key} {span:?}"
        );
    };
    has(remote, "starkeep.actor", "10.0.0.2:9050/cn");
    has(remote, "starkeep.outcome", "failed");
    has(root, "starkeep.statement", "INSERT INTO t VALUES (1)");
    // The collector may have answered a moment later.
    tokio::time::timeout(LIMIT, async {
        while exported.sent.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(exported.lost.load(Ordering::Relaxed), 0);
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_collector_costs_the_spans_and_is_found_again() {
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = vacant.local_addr().unwrap().to_string();
    drop(vacant);
    let recorder = Recorder::new("cn", SystemClock::shared());
    let exported =
        start(Some(&format!("http://{address}")), &recorder, "starkeep-cn", CancellationToken::new()).unwrap();
    // More than the queue holds: nobody waits.
    for _ in 0..3 * QUEUE {
        recorder.open("statement", "SELECT").finish();
    }
    tokio::time::timeout(LIMIT, async {
        while exported.lost.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert!(recorder.dropped() > 0 && exported.sent.load(Ordering::Relaxed) == 0);
    let (_, mut requests) = collect(&address).await;
    let request = tokio::time::timeout(LIMIT, requests.recv()).await.unwrap().unwrap();
    assert!(!request.resource_spans.is_empty());
    // Without an endpoint nothing listens to the recorder.
    let quiet = Recorder::new("cn", SystemClock::shared());
    start(None, &quiet, "starkeep-cn", CancellationToken::new()).unwrap();
    for _ in 0..2 * QUEUE {
        quiet.open("statement", "SELECT").finish();
    }
    assert_eq!(quiet.dropped(), 0);
}
