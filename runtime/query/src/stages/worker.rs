//! What a part of a plan needs on the node that runs it for another: the same functions, the stores of its volumes, this
//! node's memory and threads.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion_distributed::{
    DistributedExt, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse, WorkerQueryContext, WorkerSessionBuilder,
};
use tokio::runtime::Handle;
use tokio_util::sync::DropGuard;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::channels::{Connect, Connected};
use super::told::{Work, telling};
use super::{Errand, Tasks};
use crate::error::QueryError;
use crate::run::Engine;
use crate::session;

/// Makes the session that each part of a plan runs in.
pub(super) struct Sessions {
    engine: Arc<Engine>,
    connect: Connect,
    tasks: Arc<dyn Tasks>,
}

impl Sessions {
    pub fn new(engine: Arc<Engine>, connect: Connect, tasks: Arc<dyn Tasks>) -> Sessions {
        Sessions { engine, connect, tasks }
    }
}

/// Ends what a part of a plan does, once nobody has it any more.
struct Ends {
    _stop: DropGuard,
}

#[async_trait]
impl WorkerSessionBuilder for Sessions {
    async fn build_session_state(&self, cx: WorkerQueryContext) -> Result<SessionState> {
        let errand = Errand::from_headers(&cx.headers)?;
        let work = self.engine.at_work(&errand.volumes)?;
        let task = self.tasks.begin(&errand).await?;
        let running = Work::new(task, self.engine.begin());
        let mut builder = cx.builder;
        let config = builder.config().get_or_insert_default();
        config.set_extension(Arc::new(Ends { _stop: work.stop.drop_guard() }));
        config.set_distributed_channel_resolver(Connected::new(Arc::clone(&self.connect)));
        let (dressing, observed) = (work.dressing, errand.observed);
        config.set_distributed_worker_plan_rewrite_handler(move |event: WorkerPlanRewriteEvent<'_>| {
            let plan = telling(dressing.whole(event.plan)?, &running, observed)?;
            Ok(WorkerPlanRewriteEventResponse::new(plan))
        });
        Ok(session::running(builder, work.runtime, self.engine.parallelism()))
    }
}

/// A service whose calls are answered on the threads of plans: what they start stays there.
#[derive(Clone)]
pub(super) struct OnThreads<S> {
    inner: S,
    threads: Handle,
}

impl<S> OnThreads<S> {
    pub fn new(inner: S, threads: Handle) -> OnThreads<S> {
        OnThreads { inner, threads }
    }
}

impl<S: NamedService> NamedService for OnThreads<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for OnThreads<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.threads.spawn(self.inner.call(request));
        Box::pin(async move {
            match answer.await {
                Ok(answer) => answer,
                Err(_) => Ok(tonic::Status::internal(QueryError::internal("the call failed").message).into_http()),
            }
        })
    }
}
