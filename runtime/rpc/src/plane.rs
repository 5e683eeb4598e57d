//! The ends of the data plane: record batches travel as Arrow Flight streams, never through mailboxes. Here is only what every
//! such service needs: the cluster's proof on every call, a server with the right limits, and channels that are kept; over
//! the same TLS as the mailboxes, if there is any.

mod secure;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::server::NamedService;
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Interceptor, RoutesBuilder};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Status};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::proof::{hmac, same};
use crate::tls::Tls;

/// The metadata key of the proof.
pub const PROOF_KEY: &str = "x-starkeep-proof";

/// The largest message either way.
pub const MESSAGE_LIMIT: usize = 512 << 20;

/// The most bytes of metadata that a call may have: what a part of a query needs to know of volumes goes there.
pub const METADATA_LIMIT: u32 = 1 << 20;

/// Gives the cluster's token, if the node has one; asked at every call, because a fresh node adopts it later.
pub type TokenSource = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What stands in the metadata for a token. Not the token itself, but as good as it for calls of the data plane.
fn proof_of(token: &str) -> String {
    hex::encode(hmac(token.as_bytes(), &[b"starkeep plane"]))
}

/// Puts the proof on every call.
#[derive(Clone)]
pub struct ShowProof(TokenSource);

impl ShowProof {
    /// Proofs from this token.
    pub fn new(token: TokenSource) -> Self {
        Self(token)
    }
}

impl Interceptor for ShowProof {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = (self.0)().filter(|token| !token.is_empty()) {
            let proof: MetadataValue<Ascii> =
                proof_of(&token).parse().map_err(|_| Status::internal("the proof is not ASCII"))?;
            request.metadata_mut().insert(PROOF_KEY, proof);
        }
        Ok(request)
    }
}

/// Lets only calls with the right proof through. A node without a token lets nobody in: it has no data to give.
#[derive(Clone)]
pub struct CheckProof(TokenSource);

impl CheckProof {
    /// Checks against this token.
    pub fn new(token: TokenSource) -> Self {
        Self(token)
    }
}

impl Interceptor for CheckProof {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if request.extensions().get::<secure::Known>().is_some_and(|known| known.lacks_tls) {
            return Err(Status::unauthenticated("TLS is off at the caller and on here"));
        }
        let Some(token) = (self.0)().filter(|token| !token.is_empty()) else {
            return Err(Status::unavailable("this node does not belong to a cluster yet"));
        };
        match request.metadata().get(PROOF_KEY) {
            Some(proof) if same(proof.as_bytes(), proof_of(&token).as_bytes()) => Ok(request),
            Some(_) => Err(Status::unauthenticated("the caller belongs to another cluster")),
            None => Err(Status::unauthenticated("the caller does not show that it belongs to this cluster")),
        }
    }
}

/// The data plane could not be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve the data plane on {address}: {cause}")]
pub struct PlaneError {
    address: String,
    cause: String,
}

/// What a data plane serves. Nobody is let in without the cluster's proof.
pub struct Services {
    check: CheckProof,
    routes: RoutesBuilder,
}

impl Services {
    /// Nothing yet.
    pub fn new(check: CheckProof) -> Services {
        Services { check, routes: RoutesBuilder::default() }
    }

    /// And Arrow Flight.
    #[must_use]
    pub fn flight<T: FlightService>(self, service: FlightServiceServer<T>) -> Services {
        self.and(service.max_decoding_message_size(MESSAGE_LIMIT).max_encoding_message_size(MESSAGE_LIMIT))
    }

    /// And another service, whose limits are its own.
    #[must_use]
    pub fn and<S>(mut self, service: S) -> Services
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.routes.add_service(InterceptedService::new(service, self.check.clone()));
        self
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// Serves the data plane until `shutdown` is cancelled, then lets running calls end; over TLS if there is any. Run it in a
/// task of its own.
///
/// # Errors
/// When it cannot be served.
pub async fn serve(
    tls: Option<Tls>,
    services: Services,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), PlaneError> {
    let address = listener.local_addr().map_or_else(|error| error.to_string(), |at: SocketAddr| at.to_string());
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(METADATA_LIMIT)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(16 << 20)
        .add_routes(services.routes.routes());
    let incoming = secure::incoming(listener, tls, shutdown.clone());
    let served = server.serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned()).await;
    served.map_err(|error| PlaneError { address, cause: causes(&error) })
}

/// An error with its causes.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// A Flight client that shows the cluster's proof.
pub type FlightClient = FlightServiceClient<InterceptedService<Channel, ShowProof>>;

/// A channel that puts the cluster's proof on every call.
pub type ProvenChannel = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, tonic::transport::Error>;

/// Channels to other nodes, one per address, made when first needed and kept.
#[derive(Clone)]
pub struct Channels {
    proof: ShowProof,
    tls: Option<Tls>,
    known: Arc<Mutex<HashMap<String, Channel>>>,
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(known.keys()).finish()
    }
}

impl Channels {
    /// No channel yet; all will show this proof.
    pub fn new(proof: ShowProof) -> Self {
        Self { proof, tls: None, known: Arc::default() }
    }

    /// Channels yet to be made go over TLS, if there is any.
    pub fn over(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// The channel to `host:port`. Connects at the first call, and again by itself when it broke. Must be called inside a tokio
    /// runtime.
    pub fn to(&self, address: &str) -> Result<Channel, PlaneError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = known.get(address) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| PlaneError { address: address.to_owned(), cause: causes(&error) })?
            .connect_timeout(Duration::from_secs(3))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(16 << 20);
        let channel = match self.tls.clone() {
            None => endpoint.connect_lazy(),
            Some(tls) => endpoint.connect_with_connector_lazy(secure::Connector::new(address, tls)),
        };
        known.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }

    /// A Flight client for `host:port`, with the proof and the limits.
    pub fn flight(&self, address: &str) -> Result<FlightClient, PlaneError> {
        let channel = self.to(address)?;
        Ok(FlightServiceClient::with_interceptor(channel, self.proof.clone())
            .max_decoding_message_size(MESSAGE_LIMIT)
            .max_encoding_message_size(MESSAGE_LIMIT))
    }

    /// The channel to `host:port` for calls of any service, with the proof.
    ///
    /// # Errors
    /// When there can be no such address.
    pub fn proven(&self, address: &str) -> Result<ProvenChannel, PlaneError> {
        let mut proof = self.proof.clone();
        let shown = move |mut call: http::Request<Body>| {
            // A node that has no token yet shows none and is told so by the other.
            if let Ok(asked) = proof.call(Request::new(())) {
                call.headers_mut().extend(asked.into_parts().0.into_headers());
            }
            call
        };
        Ok(BoxCloneSyncService::new(self.to(address)?.map_request(shown)))
    }

    /// Forgets the channel to a node that left.
    pub fn forget(&self, address: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }
}

#[cfg(test)]
mod tests;
