//! The streams of the data plane: over our own TLS, with the same certificates and the same checks as the mailboxes have, and
//! no more of them, and no longer silent ones, than this node can bear.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::poll_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::codegen::Service;
use tonic::transport::Uri;
use tonic::transport::server::Connected;

use crate::stream::{halves, part};
use crate::tls::{Purpose, Tls, TlsFault};

/// How many callers may be in their TLS handshakes at once.
const GREETINGS: usize = 256;
/// How long a TLS handshake may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many callers may be connected.
const CALLERS: usize = 1024;
/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What its server says first: a frame of no settings.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A caller's stream, and its place among all.
pub(super) struct Caller {
    stream: Stream,
    known: Known,
    _place: OwnedSemaphorePermit,
}

enum Stream {
    Secure(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

/// What is known of a call's connection.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// TLS is on here and off at the caller. It is heard, and each of its calls refused: so it learns why.
    pub(super) lacks_tls: bool,
}

impl Connected for Caller {
    type ConnectInfo = Known;

    fn connect_info(&self) -> Known {
        self.known
    }
}

impl AsyncRead for Caller {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Secure(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Caller {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Secure(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Secure(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The callers that have shown a good certificate, if TLS is on, and speak HTTP/2. Handshakes run side by side: a slow one
/// holds up nobody.
pub(super) fn incoming(
    listener: TcpListener,
    tls: Option<Tls>,
    shutdown: CancellationToken,
) -> impl futures::Stream<Item = io::Result<Caller>> {
    let (callers, mut greeted) = mpsc::channel(16);
    tokio::spawn(accept(listener, tls, callers, shutdown));
    poll_fn(move |cx| greeted.poll_recv(cx))
}

async fn accept(
    listener: TcpListener,
    tls: Option<Tls>,
    callers: mpsc::Sender<io::Result<Caller>>,
    shutdown: CancellationToken,
) {
    let (greetings, places) = (Arc::new(Semaphore::new(GREETINGS)), Arc::new(Semaphore::new(CALLERS)));
    loop {
        let Ok(greeting) = greetings.clone().acquire_owned().await else { return };
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
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!(%from, most = CALLERS, "too many callers of the data plane; one is turned away");
            continue;
        };
        let (tls, callers) = (tls.clone(), callers.clone());
        tokio::spawn(async move {
            let greeted = tokio::time::timeout(PATIENCE, greet(stream, tls.as_ref())).await;
            drop(greeting);
            match greeted {
                Ok(Ok((stream, known))) => {
                    // The server is gone when nobody takes it.
                    drop(callers.send(Ok(Caller { stream, known, _place: place })).await);
                }
                Ok(Err(fault)) => tracing::warn!(%from, %fault, "a caller of the data plane is refused"),
                Err(_) => tracing::debug!(%from, "a caller of the data plane did not say in time who it is"),
            }
        });
    }
}

async fn greet(stream: TcpStream, tls: Option<&Tls>) -> Result<(Stream, Known), TlsFault> {
    stream.set_nodelay(true)?;
    let mut first = [0; 1];
    // HTTP/2 begins with PRI, a TLS record with its type.
    let is_plain = stream.peek(&mut first).await? == 1 && first[0] == PREFACE[0];
    match tls {
        Some(tls) if !is_plain => {
            let stream = Box::new(tls.accept(stream, Purpose::Plane).await?);
            Ok((Stream::Secure(stream), Known { lacks_tls: false }))
        }
        _ => match preface(&stream).await {
            Ok(()) => Ok((Stream::Plain(stream), Known { lacks_tls: tls.is_some() })),
            Err(fault) => {
                // One that speaks TLS sees by this that none is spoken here.
                let (reading, mut writing) = halves(stream);
                let _ = writing.write_all(SETTINGS).await;
                part(reading, writing).await;
                Err(fault)
            }
        },
    }
}

/// Waits until the caller has said that it speaks HTTP/2; what it said is still to be read.
async fn preface(stream: &TcpStream) -> Result<(), TlsFault> {
    let mut seen = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut seen).await?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if !PREFACE.starts_with(&seen[..read]) {
            return Err(TlsFault::Refused("it does not speak HTTP/2".to_owned()));
        }
        if read == PREFACE.len() {
            return Ok(());
        }
        // What is there already keeps the stream readable.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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
