//! An S3 server over a directory, speaking HTTP on a port of its own, that can be told to misbehave.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

const ACCESS_KEY: &str = "STARKEEPTESTKEY";
const SECRET_KEY: &str = "starkeep-test-secret";

/// How the server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Well.
    Normal = 0,
    /// Reads and lists, refuses everything that changes (403 AccessDenied).
    RefuseWrites = 1,
    /// Refuses everything (403 AccessDenied).
    RefuseAll = 2,
    /// 503 SlowDown to everything.
    Unavailable = 3,
    /// Takes requests and never answers.
    Hang = 4,
}

/// A running server; it ends when this is dropped, its directory stays.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    root: PathBuf,
    mode: Arc<AtomicU8>,
    requests: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl S3Server {
    /// Serves the directory `root`, whose sub-directories are the buckets, on a free port of 127.0.0.1.
    pub async fn start(root: &Path) -> io::Result<S3Server> {
        S3Server::start_at(root, "127.0.0.1:0").await
    }

    /// The same on a given address, for a server that comes back.
    pub async fn start_at(root: &Path, address: &str) -> io::Result<S3Server> {
        std::fs::create_dir_all(root)?;
        let files = s3s_fs::FileSystem::new(root).map_err(|e| io::Error::other(format!("{e:?}")))?;
        let (mode, requests) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicUsize::new(0)));
        let writes = Arc::new(AtomicUsize::new(usize::MAX));
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        builder.set_access(Door {
            mode: Arc::clone(&mode),
            requests: Arc::clone(&requests),
            writes: Arc::clone(&writes),
        });
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, builder.build()));
        Ok(S3Server { address, root: root.to_owned(), mode, requests, writes, task })
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, bucket: &str) -> io::Result<()> {
        std::fs::create_dir_all(self.root.join(bucket))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The one access key.
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The one secret key.
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// The properties of a storage volume on it.
    pub fn properties(&self) -> BTreeMap<String, String> {
        [
            ("aws.s3.endpoint", self.endpoint()),
            ("aws.s3.access_key", ACCESS_KEY.to_owned()),
            ("aws.s3.secret_key", SECRET_KEY.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// From now on it behaves so.
    pub fn set_mode(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// Refuse what changes, or no longer.
    pub fn refuse_writes(&self, refuse: bool) {
        self.set_mode(if refuse { Mode::RefuseWrites } else { Mode::Normal });
    }

    /// It takes so many more requests that change something, and never answers the next one; then it behaves again.
    pub fn hang_after(&self, writes: usize) {
        self.writes.store(writes, Ordering::SeqCst);
    }

    /// Whether the request that [`S3Server::hang_after`] waits for has come.
    pub fn hangs(&self) -> bool {
        self.writes.load(Ordering::SeqCst) == usize::MAX
    }

    /// Requests seen so far.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    // Connections end with the set, and so with the server.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        connections.spawn(async move {
            let http = Builder::new(TokioExecutor::new());
            if let Err(e) = http.serve_connection(TokioIo::new(socket), service).await {
                tracing::debug!(error = %e, "a connection to the test S3 server ended");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

struct Door {
    mode: Arc<AtomicU8>,
    requests: Arc<AtomicUsize>,
    /// How many more writes are answered; the greatest number: all.
    writes: Arc<AtomicUsize>,
}

impl Door {
    /// Whether this write is the one that gets no answer.
    fn hangs(&self) -> bool {
        let fewer = |left: usize| (left != usize::MAX).then(|| left.checked_sub(1).unwrap_or(usize::MAX));
        self.writes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer) == Ok(0)
    }
}

#[async_trait::async_trait]
impl S3Access for Door {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mode = self.mode.load(Ordering::SeqCst);
        let reads = matches!(cx.method().as_str(), "GET" | "HEAD");
        match mode {
            mode if mode == Mode::RefuseWrites as u8 && !reads => Err(s3_error!(AccessDenied, "writes are refused")),
            mode if mode == Mode::RefuseAll as u8 => Err(s3_error!(AccessDenied, "everything is refused")),
            mode if mode == Mode::Unavailable as u8 => Err(s3_error!(SlowDown, "the store is busy")),
            mode if mode == Mode::Hang as u8 => std::future::pending().await,
            _ if cx.credentials().is_none() => Err(s3_error!(AccessDenied, "a signature is required")),
            _ if !reads && self.hangs() => std::future::pending().await,
            _ => Ok(()),
        }
    }
}
