//! A TCP proxy between two nodes, or between the nodes and the store, that can be told to misbehave.
//!
//! Connections of a caller that it knows by name can be treated apart: nodes introduce themselves in their first bytes.
//! With [`Faults`] it reads the request lines of HTTP/1.1 that pass, and obeys their rules: fails, throttles, loses
//! answers, cuts answers short. Without, it knows nothing of what it carries.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storage_volume::testing::{Effect, Faults, Operation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How it treats connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Bytes pass.
    Open,
    /// Connections that exist are reset, new ones closed at once.
    Cut,
    /// Bytes are taken and not passed on, in both directions.
    Silent,
    /// Every piece of bytes comes this much later.
    Slow(Duration),
    /// What a client sends goes to the server twice, over two connections; the answers of the second are thrown away.
    Doubled,
}

/// A caller introduces itself within this, or is one of those without a name.
const INTRODUCTION: Duration = Duration::from_millis(100);

/// What is shared by all connections.
struct Shared {
    target: SocketAddr,
    line: watch::Receiver<Line>,
    /// The lines of callers that are known by name.
    callers: Mutex<BTreeMap<String, watch::Sender<Line>>>,
    faults: Option<Faults>,
    connections: AtomicU64,
}

/// A running proxy. It ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens at `listen` (port 0: a free one) and passes on to `target`.
    pub async fn start(listen: &str, target: SocketAddr, faults: Option<Faults>) -> std::io::Result<Proxy> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        let wanted = listen.parse().map_err(|e| std::io::Error::other(format!("{listen}: {e}")))?;
        socket.bind(wanted)?;
        let listener = socket.listen(256)?;
        let address = listener.local_addr()?;
        let (line, seen) = watch::channel(Line::Open);
        let (callers, connections) = (Mutex::default(), AtomicU64::new(0));
        let shared = Arc::new(Shared { target, line: seen, callers, faults, connections });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Proxy { address, line, shared, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it behaves so, to everybody.
    pub fn set(&self, line: Line) {
        for own in self.shared.callers().values() {
            own.send_replace(line.clone());
        }
        self.line.send_replace(line);
    }

    /// From now on the connections of this caller are told from others.
    pub fn know(&self, caller: &str) {
        self.shared.callers().entry(caller.to_owned()).or_insert_with(|| watch::Sender::new(Line::Open));
    }

    /// From now on it behaves so to a caller that it knows.
    pub fn set_from(&self, caller: &str, line: &Line) {
        if let Some(own) = self.shared.callers().get(caller) {
            own.send_replace(line.clone());
        }
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn callers(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<Line>>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of whoever this is.
    async fn line_of(&self, client: &TcpStream) -> watch::Receiver<Line> {
        if self.callers().is_empty() {
            return self.line.clone();
        }
        let own = tokio::time::timeout(INTRODUCTION, async {
            let mut bytes = [0; 2048];
            while let Ok(n @ 1..) = client.peek(&mut bytes).await {
                let said = &bytes[..n];
                let is_in = |name: &str| said.windows(name.len()).any(|part| part == name.as_bytes());
                let found = self.callers().iter().find(|(name, _)| is_in(name)).map(|(_, own)| own.subscribe());
                if found.is_some() || n == bytes.len() {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            None
        });
        own.await.ok().flatten().unwrap_or_else(|| self.line.clone())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the set, and so with the proxy.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        if *shared.line.borrow() == Line::Cut {
            continue;
        }
        shared.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(carry(client, shared.clone()));
    }
}

/// What the requests that pass have coming to them.
type Verdict = Arc<Mutex<Option<Effect>>>;

async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let line = shared.line_of(&client).await;
    let Ok(server) = TcpStream::connect(shared.target).await else { return };
    for stream in [&client, &server] {
        // Slower without, and no less right.
        let _ = stream.set_nodelay(true);
    }
    let doubled = *line.borrow() == Line::Doubled;
    let second = if doubled { TcpStream::connect(shared.target).await.ok() } else { None };
    let verdict = Verdict::default();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (mut cut, faults) = (line.clone(), shared.faults.clone());
    let cut = async move {
        let _ = cut.wait_for(|line| *line == Line::Cut).await;
    };
    tokio::select! {
        () = cut => {}
        () = requests(from_client, to_server, second, &line, faults, verdict.clone()) => {}
        () = answers(from_server, to_client, &line, verdict) => {}
    }
}

/// Waits as the line demands.
async fn pass(line: &watch::Receiver<Line>) {
    let mut line = line.clone();
    // The proxy is gone when its line is.
    let _ = line.wait_for(|line| *line != Line::Silent).await;
    let slow = match &*line.borrow() {
        Line::Slow(time) => Some(*time),
        _ => None,
    };
    if let Some(time) = slow {
        tokio::time::sleep(time).await;
    }
}

async fn requests(
    mut client: tokio::net::tcp::OwnedReadHalf,
    mut server: tokio::net::tcp::OwnedWriteHalf,
    second: Option<TcpStream>,
    line: &watch::Receiver<Line>,
    faults: Option<Faults>,
    verdict: Verdict,
) {
    let mut second = second.map(|stream| {
        let (mut answers, requests) = stream.into_split();
        let drain = tokio::spawn(async move {
            let mut unread = [0; 4096];
            while answers.read(&mut unread).await.is_ok_and(|n| n > 0) {}
        });
        (requests, drain)
    });
    let mut bytes = vec![0; 64 << 10];
    while let Ok(n @ 1..) = client.read(&mut bytes).await {
        if let (Some(faults), Some((operation, path))) = (&faults, request_line(&bytes[..n])) {
            let effect = faults.decide(operation, &path);
            if let Some(Effect::Delay(time)) = &effect {
                tokio::time::sleep(*time).await;
            }
            *verdict.lock().unwrap_or_else(PoisonError::into_inner) = effect.clone();
            // Not done at all: the connection ends before the request has left.
            if matches!(effect, Some(Effect::Fail(_))) {
                break;
            }
        }
        pass(line).await;
        if server.write_all(&bytes[..n]).await.is_err() {
            break;
        }
        if let Some((requests, _)) = second.as_mut() {
            // The second end may have hung up: it was not expected.
            let _ = requests.write_all(&bytes[..n]).await;
        }
    }
    if let Some((_, drain)) = second {
        drain.abort();
    }
}

async fn answers(
    mut server: tokio::net::tcp::OwnedReadHalf,
    mut client: tokio::net::tcp::OwnedWriteHalf,
    line: &watch::Receiver<Line>,
    verdict: Verdict,
) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let Ok(n @ 1..) = server.read(&mut bytes).await else { return };
        let effect = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
        match effect {
            // It was done, and nobody hears of it.
            Some(Effect::LoseAnswer(_)) => return,
            Some(Effect::Throttle) => {
                let slow = "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = client.write_all(slow.as_bytes()).await;
                return;
            }
            Some(Effect::Truncate) => {
                // The head and a little more; then nothing.
                let head = bytes[..n].windows(4).position(|w| w == b"\r\n\r\n").map_or(n, |at| at + 4);
                let some = (head + (n - head) / 2).min(n);
                let _ = client.write_all(&bytes[..some]).await;
                return;
            }
            _ => {}
        }
        pass(line).await;
        if client.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

/// What a request asks of the store, if these bytes begin one.
fn request_line(bytes: &[u8]) -> Option<(Operation, String)> {
    let line = bytes.split(|b| *b == b'\r').next()?;
    let line = std::str::from_utf8(line.get(..line.len().min(2048))?).ok()?;
    let mut words = line.split(' ');
    let (verb, target) = (words.next()?, words.next()?);
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    let operation = match verb {
        "PUT" => Operation::Put,
        "POST" if target.contains("delete") => Operation::Delete,
        "POST" => Operation::Put,
        "DELETE" => Operation::Delete,
        "GET" if target.contains("list-type") => Operation::List,
        "GET" | "HEAD" => Operation::Get,
        _ => return None,
    };
    Some((operation, target.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says back what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        address
    }

    async fn say(proxy: &Proxy) -> Option<Vec<u8>> {
        let exchange = async {
            let mut stream = TcpStream::connect(proxy.address()).await.ok()?;
            stream.write_all(b"hello").await.ok()?;
            let mut answer = vec![0; 5];
            stream.read_exact(&mut answer).await.ok()?;
            Some(answer)
        };
        tokio::time::timeout(Duration::from_millis(500), exchange).await.ok().flatten()
    }

    #[tokio::test]
    async fn a_line_carries_or_does_not() {
        let proxy = Proxy::start("127.0.0.1:0", echo().await, None).await.unwrap();
        let hello = Some(b"hello".to_vec());
        assert_eq!(say(&proxy).await, hello);
        for line in [Line::Cut, Line::Silent] {
            proxy.set(line);
            assert_eq!(say(&proxy).await, None);
        }
        for line in [Line::Slow(Duration::from_millis(5)), Line::Doubled, Line::Open] {
            proxy.set(line);
            assert_eq!(say(&proxy).await, hello);
        }
    }

    #[tokio::test]
    async fn a_caller_is_known_by_what_it_says() {
        let proxy = Proxy::start("127.0.0.1:0", echo().await, None).await.unwrap();
        proxy.know("hell");
        proxy.set_from("hell", &Line::Cut);
        assert_eq!(say(&proxy).await, None);
        proxy.set_from("hell", &Line::Open);
        proxy.know("nobody");
        proxy.set_from("nobody", &Line::Cut);
        assert_eq!(say(&proxy).await, Some(b"hello".to_vec()));
    }

    #[test]
    fn requests_are_told_apart() {
        let asked = |text: &str| request_line(text.as_bytes()).map(|(operation, _)| operation);
        assert_eq!(asked("PUT /b/k HTTP/1.1\r\nhost: x"), Some(Operation::Put));
        assert_eq!(asked("GET /b?list-type=2&prefix=k HTTP/1.1\r\n"), Some(Operation::List));
        assert_eq!(asked("HEAD /b/k HTTP/1.1\r\n"), Some(Operation::Get));
        assert_eq!(asked("POST /b?delete HTTP/1.1\r\n"), Some(Operation::Delete));
        assert_eq!(asked("half a body"), None);
    }
}
