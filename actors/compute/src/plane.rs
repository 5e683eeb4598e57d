//! The data plane of a compute node: Arrow Flight. A ticket is a [`ReadFragment`] and streams rows; the action `load` is a
//! [`LoadFragment`] and answers with the files written. Who may call is decided by the interceptor in front of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actors_messages::compute::{FragmentEnded, FragmentStarted, LOAD_ACTION, LoadDone, LoadFragment, ReadFragment};
use arrow::record_batch::RecordBatch;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, Result as ActionResult, SchemaResult, Ticket,
};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use runtime_actor::trace::RootSpan;
use runtime_actor::{Recipient, Recorder, TraceContext};
use runtime_query::{Engine, QueryError};
use runtime_rpc::plane::MESSAGE_LIMIT;
use storage_tablet::{TooFewNumbers, WriteError, WriteSpec};
use tonic::{Request, Response, Status, Streaming};

use crate::volumes::Volumes;

/// The service. Cloning shares it.
#[derive(Clone)]
pub struct Plane {
    engine: Arc<Engine>,
    volumes: Volumes,
    started: Recipient<FragmentStarted>,
    ended: Recipient<FragmentEnded>,
    recorder: Recorder,
}

impl Plane {
    /// A plane that runs plans on `engine` and tells the node's actor of each. Every fragment is a span of `recorder`.
    pub fn new(
        engine: Arc<Engine>,
        volumes: Volumes,
        started: Recipient<FragmentStarted>,
        ended: Recipient<FragmentEnded>,
        recorder: Recorder,
    ) -> Plane {
        Plane { engine, volumes, started, ended, recorder }
    }

    async fn begin(&self, read: &ReadFragment, what: &'static str) -> Result<Running, Status> {
        let span = self.recorder.open_in(TraceContext::from_wire(read.trace, read.parent), "fragment", what);
        span.label("query", read.query.as_str());
        let started = FragmentStarted { query: read.query.clone(), what };
        let started = span.run(self.started.ask(started)).await;
        let fragment = started.map_err(|e| Status::unavailable(e.to_string()))?;
        let rows = Arc::new(AtomicU64::new(0));
        Ok(Running { fragment, rows, error: None, ended: self.ended.clone(), span: Some(span) })
    }

    async fn load(&self, fragment: LoadFragment<WriteSpec>) -> Result<LoadDone, Status> {
        let mut running = self.begin(&fragment.read, "load").await?;
        let (plane, rows) = (self.clone(), running.rows.clone());
        let work = async move { plane.write(&fragment, rows).await };
        let done = running.inside(self.engine.run(work)).await.map_err(|e| status_of(&e)).and_then(|done| done);
        running.error = done.as_ref().err().map(|status| status.message().to_owned());
        done
    }

    async fn write(&self, fragment: &LoadFragment<WriteSpec>, rows: Arc<AtomicU64>) -> Result<LoadDone, Status> {
        let target =
            self.volumes.open(&fragment.target).map_err(|e| Status::internal(storage_volume::error_chain(&e)))?;
        let batches = self.engine.execute(&fragment.read.plan, &fragment.read.volumes).map_err(|e| status_of(&e))?;
        let counted = batches.inspect_ok(move |batch: &RecordBatch| {
            rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        });
        fail::fail_point!("cn.rowset.before");
        let numbered = storage_tablet::numbered(counted, &fragment.spec.table, fragment.ids.clone());
        let written = match storage_tablet::write(numbered, &fragment.spec, &target).await {
            Ok(written) => written,
            Err(error) => match too_few(&error) {
                Some(TooFewNumbers { wanted }) => return Ok(LoadDone { wanted_ids: *wanted, ..LoadDone::default() }),
                None => return Err(status_of_write(&error)),
            },
        };
        fail::fail_point!("cn.rowset.after");
        Ok(LoadDone { files: written.files, rows: written.rows, missing: written.missing, wanted_ids: 0 })
    }
}

/// A fragment that runs; told to be over when it is dropped, however that comes.
struct Running {
    fragment: u64,
    rows: Arc<AtomicU64>,
    error: Option<String>,
    ended: Recipient<FragmentEnded>,
    span: Option<RootSpan>,
}

impl Running {
    /// Works for the fragment's span.
    async fn inside<F: Future>(&self, work: F) -> F::Output {
        match &self.span {
            Some(span) => span.run(work).await,
            None => work.await,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (fragment, rows, error) = (self.fragment, self.rows.load(Ordering::Relaxed), self.error.take());
        let Some(span) = self.span.take() else { return };
        span.label("rows", rows.to_string());
        let told = span.run_sync(|| self.ended.tell(FragmentEnded { fragment, rows, error: error.clone() }));
        if let Err(lost) = told {
            tracing::warn!(fragment, %lost, "the node's actor was not told of the end of a fragment");
        }
        match error {
            Some(error) => span.fail(error),
            None => span.finish(),
        }
    }
}

/// Rows on their way out, with the fragment they belong to.
struct Rows<S> {
    inner: S,
    running: Running,
}

impl<S: Stream<Item = Result<RecordBatch, FlightError>> + Unpin> Stream for Rows<S> {
    type Item = Result<RecordBatch, FlightError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
        let polled = self.inner.poll_next_unpin(cx);
        match &polled {
            std::task::Poll::Ready(Some(Ok(batch))) => {
                self.running.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            }
            std::task::Poll::Ready(Some(Err(error))) => self.running.error = Some(error.to_string()),
            _ => {}
        }
        polled
    }
}

/// The frontend gets the MySQL code back with the message: `code|message`.
fn status_of(error: &QueryError) -> Status {
    Status::failed_precondition(format!("{}|{}", error.code, error.message))
}

/// Whether rows wait for more numbers, and nothing else is wrong.
fn too_few(error: &WriteError) -> Option<&TooFewNumbers> {
    match error {
        WriteError::Source(cause) => cause.downcast_ref(),
        _ => None,
    }
}

fn status_of_write(error: &WriteError) -> Status {
    Status::failed_precondition(format!("1064|{error}"))
}

fn decode<T: serde::de::DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Status> {
    let decoded = bincode::serde::decode_from_slice(bytes, bincode::config::standard().with_limit::<MESSAGE_LIMIT>());
    decoded.map(|(value, _)| value).map_err(|e| Status::invalid_argument(format!("{what} cannot be read: {e}")))
}

type Answer<T> = Result<Response<T>, Status>;

fn not_here<T>(what: &str) -> Answer<T> {
    Err(Status::unimplemented(format!("{what} is not part of this data plane")))
}

#[tonic::async_trait]
impl FlightService for Plane {
    type HandshakeStream = BoxStream<'static, Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, Result<FlightInfo, Status>>;
    type DoGetStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoPutStream = BoxStream<'static, Result<PutResult, Status>>;
    type DoActionStream = BoxStream<'static, Result<ActionResult, Status>>;
    type ListActionsStream = BoxStream<'static, Result<ActionType, Status>>;
    type DoExchangeStream = BoxStream<'static, Result<FlightData, Status>>;

    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let fragment: ReadFragment = decode("the ticket", &request.into_inner().ticket)?;
        let mut running = self.begin(&fragment, "read").await?;
        let batches = running.inside(async { self.engine.execute(&fragment.plan, &fragment.volumes) }).await;
        let batches = batches.map_err(|error| {
            running.error = Some(error.to_string());
            status_of(&error)
        })?;
        let schema = batches.schema();
        let inner = batches.map_err(|e| FlightError::Tonic(Box::new(status_of(&e)))).boxed();
        let rows = Rows { inner, running };
        let encoded = FlightDataEncoderBuilder::new().with_schema(schema).build(rows);
        let out = encoded.map_err(|e| match e {
            FlightError::Tonic(status) => *status,
            other => Status::internal(other.to_string()),
        });
        Ok(Response::new(out.boxed()))
    }

    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        let action = request.into_inner();
        if action.r#type != LOAD_ACTION {
            return Err(Status::invalid_argument(format!("there is no action {}", action.r#type)));
        }
        let fragment: LoadFragment<WriteSpec> = decode("the load", &action.body)?;
        let done = self.load(fragment).await?;
        let body = bincode::serde::encode_to_vec(&done, bincode::config::standard())
            .map_err(|e| Status::internal(format!("the answer cannot be written: {e}")))?;
        let answer = Ok(ActionResult { body: body.into() });
        Ok(Response::new(futures::stream::iter([answer]).boxed()))
    }

    async fn handshake(&self, _: Request<Streaming<HandshakeRequest>>) -> Answer<Self::HandshakeStream> {
        not_here("handshake")
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        not_here("list_flights")
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        not_here("get_flight_info")
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<PollInfo> {
        not_here("poll_flight_info")
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        not_here("get_schema")
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        not_here("do_put")
    }

    async fn list_actions(&self, _: Request<Empty>) -> Answer<Self::ListActionsStream> {
        let load =
            ActionType { r#type: LOAD_ACTION.to_owned(), description: "run a plan and write its rows".to_owned() };
        Ok(Response::new(futures::stream::iter([Ok(load)]).boxed()))
    }

    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Answer<Self::DoExchangeStream> {
        not_here("do_exchange")
    }
}
