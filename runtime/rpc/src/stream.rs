//! The bytes under a connection: TCP, TLS over it, or a pipe in memory; the protocol does not see the difference.

use std::io;
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

/// A connection to a listener at `address`; small frames are sent at once.
pub(crate) async fn connect(address: &str) -> io::Result<TcpStream> {
    not_to_itself(TcpStream::connect(address).await?)
}

/// Who connects to a port of this host where nobody listens may be given that very port for its own end: the kernel joins
/// such a stream to itself. Kept, it would hold the port that the peer needs when it comes back.
fn not_to_itself(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "nobody listens there"));
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Over TCP, with TLS if there is any.
pub(crate) fn tcp(tls: Option<Tls>) -> Connector {
    Arc::new(move |address| {
        let tls = tls.clone();
        async move {
            let stream = connect(&address).await?;
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

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::net::{TcpListener, TcpSocket};

    use super::{connect, not_to_itself};

    #[tokio::test]
    async fn a_stream_that_was_joined_to_itself_is_refused() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        let stream = socket.connect(own).await.unwrap();
        assert_eq!(stream.local_addr().unwrap(), own);
        assert_eq!(not_to_itself(stream).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = connect(&listener.local_addr().unwrap().to_string()).await.unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
