//! How nodes reach each other. A call that fails because its node is not there says so, and which node it was.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, ExecuteTaskRequest, GetWorkerInfoRequest, GetWorkerInfoResponse,
    RouteTasksEvent, RouteTasksEventResponse, RouteTasksHandler, SetPlanRequest, WorkerChannel, WorkerResolver,
    WorkerToCoordinatorMsg,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::HeaderMap;
use tonic::{Code, Status};
use url::Url;

use crate::error::QueryError;

/// Makes the channel to a data plane, which shows that the caller belongs to the cluster.
pub type Connect = Arc<dyn Fn(&str) -> Result<BoxCloneSyncChannel, String> + Send + Sync>;

/// The URL by which a data plane at `host:port` is known.
pub(super) fn url_of(address: &str) -> Result<Url, QueryError> {
    Url::parse(&format!("http://{address}"))
        .map_err(|error| QueryError::internal(format!("{address} is no address of a data plane: {error}")))
}

fn address_of(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

/// The nodes that there are for a plan.
pub(super) struct Crewed(Vec<Url>);

impl Crewed {
    pub fn new(workers: &[String]) -> Result<Crewed, QueryError> {
        workers.iter().map(|address| url_of(address)).collect::<Result<_, _>>().map(Crewed)
    }
}

impl WorkerResolver for Crewed {
    fn get_urls(&self) -> Result<Vec<Url>, DataFusionError> {
        Ok(self.0.clone())
    }
}

/// The tasks of a stage go to the nodes in their order, so that the task that reads a node's files runs there. A single
/// task goes wherever it comes out best.
pub(super) fn routes(workers: &[String]) -> Result<impl RouteTasksHandler, QueryError> {
    let urls = Crewed::new(workers)?.0;
    Ok(move |event: RouteTasksEvent<'_>| {
        let tasks = (event.task_count > 1).then(|| urls.get(..event.task_count))??;
        Some(Ok(RouteTasksEventResponse::new(tasks.to_vec())))
    })
}

/// Reaches nodes.
pub(super) struct Connected(Connect);

impl Connected {
    pub fn new(connect: Connect) -> Connected {
        Connected(connect)
    }
}

#[async_trait]
impl ChannelResolver for Connected {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let address = address_of(url);
        let channel = (self.0)(&address).map_err(|cause| QueryError::lost(&address, cause).told())?;
        Ok(Box::new(Named { address: address.into(), inner: create_worker_client(channel) }))
    }
}

/// A channel that knows whose it is.
struct Named {
    address: Arc<str>,
    inner: Box<dyn WorkerChannel>,
}

#[async_trait]
impl WorkerChannel for Named {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        plan: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        task: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        let answers = self.inner.coordinator_channel(headers, plan, messages, metrics, task).await;
        let answers = answers.map_err(|error| named(&self.address, error))?;
        let address = Arc::clone(&self.address);
        Ok(answers.map(move |answer| answer.map_err(|error| named(&address, error))).boxed())
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        task: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        let partitions = self.inner.execute_task(headers, request, metrics, task).await;
        let partitions = partitions.map_err(|error| named(&self.address, error))?;
        let named_rows = |rows: BoxStream<'static, Result<RecordBatch>>| {
            let address = Arc::clone(&self.address);
            rows.map(move |batch| batch.map_err(|error| named(&address, error))).boxed()
        };
        Ok(partitions.into_iter().map(named_rows).collect())
    }

    async fn get_worker_info(&mut self, request: GetWorkerInfoRequest) -> Result<GetWorkerInfoResponse> {
        self.inner.get_worker_info(request).await.map_err(|error| named(&self.address, error))
    }
}

/// The error, with the node's name when it means that the node is not there.
fn named(address: &str, error: DataFusionError) -> DataFusionError {
    let DataFusionError::External(cause) = &error else { return error };
    let Some(status) = cause.downcast_ref::<Status>() else { return error };
    let gone = matches!(
        status.code(),
        Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Unauthenticated | Code::DeadlineExceeded
    );
    // What came over the wire has no cause; what happened to the connection has one.
    if gone || status.source().is_some() {
        return QueryError::lost(address, status.message()).told();
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_that_is_not_there_is_lost() {
        let external = |status: Status| DataFusionError::External(Box::new(status));
        let lost = QueryError::from(named("10.0.0.1:9060", external(Status::unavailable("connection refused"))));
        assert_eq!(lost.lost.as_deref(), Some("10.0.0.1:9060"));
        assert!(lost.message.contains("connection refused"), "{lost}");
        for other in [external(Status::invalid_argument("odd")), DataFusionError::Execution("division by zero".into())]
        {
            assert_eq!(QueryError::from(named("10.0.0.1:9060", other)).lost, None);
        }
    }

    #[test]
    fn an_address_comes_back_from_its_url() {
        for address in ["127.0.0.1:9060", "cn-1.cn.svc:80", "[::1]:9060"] {
            assert_eq!(address_of(&url_of(address).unwrap()), address);
        }
        assert!(url_of("no address").is_err());
    }
}
