//! The bytes under a connection: TCP, TLS over it, or a pipe in memory; the protocol does not see the difference.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::tls::{Purpose, Tls, TlsFault};

/// What comes in.
pub(crate) type Reading = Box<dyn AsyncRead + Send + Unpin>;
/// What goes out.
pub(crate) type Writing = Box<dyn AsyncWrite + Send + Unpin>;

/// Makes a stream to `host:port`.
pub(crate) type Connector =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<(Reading, Writing), TlsFault>> + Send + Sync>;

/// A stream in its two directions.
pub(crate) fn halves(stream: TcpStream) -> (Reading, Writing) {
    let (reading, writing) = stream.into_split();
    (Box::new(reading), Box::new(writing))
}

/// The same for streams that cannot be taken apart.
pub(crate) fn split(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> (Reading, Writing) {
    let (reading, writing) = tokio::io::split(stream);
    (Box::new(reading), Box::new(writing))
}

/// Over TCP, with TLS if there is any.
pub(crate) fn tcp(tls: Option<Tls>) -> Connector {
    Arc::new(move |address| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            match tls {
                None => Ok(halves(stream)),
                Some(tls) => Ok(split(tls.connect(stream, Purpose::Mailboxes).await?)),
            }
        }
        .boxed()
    })
}

/// Ends a connection so that the last words arrive: what the other end still sends is read and thrown away for a moment,
/// because a connection closed over unread bytes is reset, and a reset overtakes the words.
pub(crate) async fn part(mut reading: Reading, mut writing: Writing) {
    let parting = async {
        // Gone already: then nobody listens.
        let _ = writing.shutdown().await;
        let _ =
            tokio::io::copy(&mut tokio::io::AsyncReadExt::take(&mut reading, 64 << 10), &mut tokio::io::sink()).await;
    };
    let _ = tokio::time::timeout(std::time::Duration::from_millis(500), parting).await;
}
