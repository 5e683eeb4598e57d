//! The data plane of a compute node: Arrow Flight. A ticket is a [`ReadFragment`] and streams rows; the action `load` is a
//! [`LoadFragment`] and answers with the files written; `supersede` and `delete` look keys up and answer with the rows that a
//! commit takes away. Who may call is decided by the interceptor in front of it.

use std::pin::Pin;
use std::sync::Arc;

use actors_messages::compute::{
    DELETE_ACTION, DeleteFragment, LOAD_ACTION, LoadDone, LoadFragment, PROFILE_ACTION, ReadFragment, SUPERSEDE_ACTION,
    SupersedeFragment,
};
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
use runtime_query::{Connect, Crew, Engine, Errand, QueryError, Rows, Stages};
use runtime_rpc::plane::MESSAGE_LIMIT;
use storage_model::Superseded;
use storage_tablet::{TooFewNumbers, WriteError, WriteSpec};
use tonic::{Request, Response, Status, Streaming};

use crate::fragments::{Counted, Fragments, Notes, Running};
use crate::keys;
use crate::volumes::Volumes;

/// The service. Cloning shares it.
#[derive(Clone)]
pub struct Plane {
    engine: Arc<Engine>,
    stages: Stages,
    volumes: Volumes,
    fragments: Fragments,
}

impl Plane {
    /// A plane that runs plans on `engine`, alone and with other nodes that `connect` reaches.
    pub fn new(engine: Arc<Engine>, connect: Connect, volumes: Volumes, fragments: Fragments) -> Plane {
        let stages = Stages::new(Arc::clone(&engine), connect, Arc::new(fragments.clone()));
        Plane { engine, stages, volumes, fragments }
    }

    /// What other compute nodes call.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    async fn begin(&self, query: &str, cause: (u128, u64), what: &'static str) -> Result<Running, Status> {
        self.fragments.begin(query, cause, what).await
    }

    /// Starts the plan of a fragment, here or on several nodes.
    async fn execute(&self, read: &ReadFragment) -> Result<Rows, QueryError> {
        let Some(split) = &read.split else {
            return match read.observed {
                true => self.engine.execute_observed(&read.plan, &read.volumes),
                false => self.engine.execute(&read.plan, &read.volumes),
            };
        };
        let (query, volumes) = (read.query.clone(), read.volumes.clone());
        let errand = Errand { query, cause: (read.trace, read.parent), volumes, observed: read.observed };
        let crew = Crew { here: &split.here, workers: &split.workers, bytes: split.bytes };
        self.stages.execute(&read.plan, &errand, &crew).await
    }

    async fn load(&self, fragment: LoadFragment<WriteSpec>) -> Result<LoadDone, Status> {
        let running = self.begin_read(&fragment.read, "load").await?;
        let (plane, notes) = (self.clone(), running.notes().clone());
        self.work(running, async move { plane.write(&fragment, &notes).await }).await
    }

    async fn supersede(&self, fragment: SupersedeFragment) -> Result<Superseded, Status> {
        let running = self.begin(&fragment.query, (fragment.trace, fragment.parent), "supersede").await?;
        let (volumes, notes) = (self.volumes.clone(), running.notes().clone());
        let work = async move {
            let found = keys::superseded(&volumes, &fragment).await.map_err(|e| status_of_write(&e))?;
            notes.more_rows(found.rows());
            Ok(found)
        };
        self.work(running, work).await
    }

    async fn delete(&self, fragment: DeleteFragment) -> Result<Superseded, Status> {
        let running = self.begin_read(&fragment.read, "delete").await?;
        let (plane, notes) = (self.clone(), running.notes().clone());
        let work = async move {
            let read = &fragment.read;
            let found = plane.execute(read).await.map_err(|e| status_of(&e))?;
            let found = Counted::uncounted(found, notes.clone());
            let found = keys::deleted(&plane.volumes, &fragment, found).await.map_err(|e| status_of_write(&e))?;
            notes.more_rows(found.rows());
            notes.over();
            Ok(found)
        };
        self.work(running, work).await
    }

    async fn begin_read(&self, read: &ReadFragment, what: &'static str) -> Result<Running, Status> {
        self.begin(&read.query, (read.trace, read.parent), what).await
    }

    /// Work of a fragment, on the threads of the engine.
    async fn work<T: Send + 'static>(
        &self,
        mut running: Running,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let done = running.inside(self.engine.run(work)).await.map_err(|e| status_of(&e)).and_then(|done| done);
        running.error = done.as_ref().err().map(|status| status.message().to_owned());
        done
    }

    async fn write(&self, fragment: &LoadFragment<WriteSpec>, notes: &Notes) -> Result<LoadDone, Status> {
        let target =
            self.volumes.open(&fragment.target).map_err(|e| Status::internal(storage_volume::error_chain(&e)))?;
        let batches = self.execute(&fragment.read).await.map_err(|e| status_of(&e))?;
        let counted = Counted::new(batches, notes.clone());
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
        notes.over();
        Ok(LoadDone { files: written.files, rows: written.rows, missing: written.missing, wanted_ids: 0 })
    }
}

/// Rows on their way out, with the fragment they belong to.
struct Sent<S> {
    inner: S,
    running: Running,
}

impl<S: Stream<Item = Result<RecordBatch, FlightError>> + Unpin> Stream for Sent<S> {
    type Item = Result<RecordBatch, FlightError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
        let polled = self.inner.poll_next_unpin(cx);
        if let std::task::Poll::Ready(Some(Err(error))) = &polled {
            self.running.error = Some(error.to_string());
        }
        polled
    }
}

/// The frontend gets the MySQL code back with the message: `code|message`.
/// When another node was lost, its address: `host:port|message`.
fn status_of(error: &QueryError) -> Status {
    if let Some(address) = &error.lost {
        return Status::aborted(format!("{address}|{}", error.message));
    }
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

fn encode<T: serde::Serialize>(answer: &T) -> Result<Vec<u8>, Status> {
    bincode::serde::encode_to_vec(answer, bincode::config::standard())
        .map_err(|e| Status::internal(format!("the answer cannot be written: {e}")))
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
        let mut running = self.begin_read(&fragment, "read").await?;
        let batches = running.inside(self.execute(&fragment)).await;
        let batches = batches.map_err(|error| {
            running.error = Some(error.to_string());
            status_of(&error)
        })?;
        let schema = batches.schema();
        let inner = Counted::new(batches, running.notes().clone())
            .map_err(|e| FlightError::Tonic(Box::new(status_of(&e))))
            .boxed();
        let rows = Sent { inner, running };
        let encoded = FlightDataEncoderBuilder::new().with_schema(schema).build(rows);
        let out = encoded.map_err(|e| match e {
            FlightError::Tonic(status) => *status,
            other => Status::internal(other.to_string()),
        });
        Ok(Response::new(out.boxed()))
    }

    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        let action = request.into_inner();
        let body = match action.r#type.as_str() {
            LOAD_ACTION => encode(&self.load(decode("the load", &action.body)?).await?)?,
            SUPERSEDE_ACTION => encode(&self.supersede(decode("the look for keys", &action.body)?).await?)?,
            DELETE_ACTION => encode(&self.delete(decode("the deletion", &action.body)?).await?)?,
            PROFILE_ACTION => encode(&self.fragments.take_profiles(&decode::<String>("the query", &action.body)?))?,
            other => return Err(Status::invalid_argument(format!("there is no action {other}"))),
        };
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
        let known = [
            (LOAD_ACTION, "run a plan and write its rows"),
            (SUPERSEDE_ACTION, "look the keys of new runs up in those that are there"),
            (DELETE_ACTION, "run a plan and look up the keys that it finds"),
            (PROFILE_ACTION, "what the fragments of a query have done"),
        ];
        let action =
            |(name, what): (&str, &str)| Ok(ActionType { r#type: name.to_owned(), description: what.to_owned() });
        Ok(Response::new(futures::stream::iter(known.map(action)).boxed()))
    }

    async fn do_exchange(&self, _: Request<Streaming<FlightData>>) -> Answer<Self::DoExchangeStream> {
        not_here("do_exchange")
    }
}
