//! The data plane over our own TLS streams: the same certificates and the same checks as the mailboxes have.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{Stream, poll_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::codegen::Service;
use tonic::transport::Uri;
use tonic::transport::server::Connected;

use crate::tls::{Purpose, Tls, TlsFault};

/// How many callers may be in their TLS handshakes at once.
const GREETINGS: usize = 256;
/// How long a TLS handshake may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A caller's stream. One without TLS is heard too, and each of its calls refused: so it learns why.
pub(super) enum Caller {
    Secure(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

/// What is known of a call's connection.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) is_secure: bool,
}

impl Connected for Caller {
    type ConnectInfo = Known;

    fn connect_info(&self) -> Known {
        Known { is_secure: matches!(self, Self::Secure(_)) }
    }
}

impl AsyncRead for Caller {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Secure(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Caller {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Secure(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Secure(stream) => Pin::new(stream).poll_flush(cx),
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The callers that have shown a good certificate. Handshakes run side by side: a slow one holds up nobody.
pub(super) fn incoming(
    listener: TcpListener,
    tls: Tls,
    shutdown: CancellationToken,
) -> impl Stream<Item = io::Result<Caller>> {
    let (callers, mut greeted) = mpsc::channel(16);
    tokio::spawn(accept(listener, tls, callers, shutdown));
    poll_fn(move |cx| greeted.poll_recv(cx))
}

async fn accept(
    listener: TcpListener,
    tls: Tls,
    callers: mpsc::Sender<io::Result<Caller>>,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(GREETINGS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            () = callers.closed() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (tls, callers) = (tls.clone(), callers.clone());
        tokio::spawn(async move {
            let greeted = tokio::time::timeout(PATIENCE, greet(stream, &tls)).await;
            drop(place);
            match greeted {
                // The server is gone when nobody takes it.
                Ok(Ok(caller)) => drop(callers.send(Ok(caller)).await),
                Ok(Err(fault)) => tracing::warn!(%from, %fault, "a caller of the data plane is refused"),
                Err(_) => tracing::debug!(%from, "a caller of the data plane did not say in time who it is"),
            }
        });
    }
}

async fn greet(stream: TcpStream, tls: &Tls) -> Result<Caller, TlsFault> {
    stream.set_nodelay(true)?;
    let mut first = [0; 1];
    // HTTP/2 begins with PRI, a TLS record with its type.
    if stream.peek(&mut first).await? == 1 && first[0] == b'P' {
        return Ok(Caller::Plain(stream));
    }
    Ok(Caller::Secure(Box::new(tls.accept(stream, Purpose::Plane).await?)))
}

/// Makes streams to one node for a channel.
#[derive(Clone)]
pub(super) struct Connector {
    address: Arc<str>,
    tls: Tls,
}

impl Connector {
    pub(super) fn new(address: &str, tls: Tls) -> Self {
        Self { address: address.into(), tls }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<ClientStream<TcpStream>>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { address, tls } = self.clone();
        async move {
            let stream = crate::stream::connect(&address).await?;
            let stream = tls.connect(stream, Purpose::Plane).await?;
            Ok(TokioIo::new(stream))
        }
        .boxed()
    }
}
