//! For the tests: a server in this process whose sessions obey a tiny language, and a client that speaks raw packets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::password::native_password_hash;
use crate::*;

/// What the sessions of a test server have in common.
#[derive(Default)]
pub(crate) struct Shared {
    /// Queries that were dropped before their end.
    pub(crate) dropped: AtomicUsize,
    /// Queries that began to wait.
    pub(crate) waiting: AtomicUsize,
    /// Rows that `flood` has written.
    pub(crate) flooded: AtomicUsize,
    /// The tokens that end connections.
    pub(crate) kills: std::sync::Mutex<Vec<CancellationToken>>,
    /// The last login.
    pub(crate) login: std::sync::Mutex<Option<Login>>,
}

/// A session. Users: `root` without a password, `ann` with `sésame`. Statements, separated by `;`: `select N`, `rows N`, `blob N`,
/// `types`, `nulls`, `affect N`, `fail`, `fail after N`, `wait`, `nap`, `flood`, `panic`, `transaction`, `length of …`, `columns 0`.
struct Session {
    shared: Arc<Shared>,
    user: String,
    database: String,
    in_transaction: bool,
}

struct CountDrop<'a>(&'a AtomicUsize);

impl Drop for CountDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn every_type() -> Vec<ColumnDef> {
    use ColumnType::*;
    vec![
        ColumnDef::new("tiny", MYSQL_TYPE_TINY),
        ColumnDef::bigint("big").unsigned(),
        ColumnDef::new("float", MYSQL_TYPE_FLOAT),
        ColumnDef::new("double", MYSQL_TYPE_DOUBLE),
        ColumnDef::new("decimal", MYSQL_TYPE_NEWDECIMAL).with_decimals(2),
        ColumnDef::new("date", MYSQL_TYPE_DATE),
        ColumnDef::new("datetime", MYSQL_TYPE_DATETIME).with_decimals(6),
        ColumnDef::new("time", MYSQL_TYPE_TIME),
        ColumnDef::text("text"),
        ColumnDef::new("blob", MYSQL_TYPE_BLOB),
        ColumnDef::text("null"),
    ]
}

pub(crate) fn every_value() -> Vec<Cell<'static>> {
    vec![
        Cell::Int(-7),
        Cell::UInt(u64::MAX),
        Cell::Float(1.5),
        Cell::Double(-2.25),
        Cell::Decimal { unscaled: -12_345, scale: 2 },
        Cell::Date { year: 2024, month: 2, day: 29 },
        Cell::DateTime { year: 2024, month: 2, day: 29, hour: 23, minute: 59, second: 1, micros: 20 },
        Cell::Time { negative: true, hours: 30, minutes: 1, seconds: 2, micros: 0 },
        Cell::from("größe"),
        Cell::from(&[0u8, 255, 10][..]),
        Cell::Null,
    ]
}

impl Session {
    async fn run(&mut self, statement: &str, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
        let (verb, argument) = statement.split_once(' ').unwrap_or((statement, ""));
        let number = argument.rsplit(' ').next().and_then(|word| word.parse::<i64>().ok()).unwrap_or(0);
        match verb {
            "select" => one_cell(out, ColumnDef::bigint(argument), Cell::Int(number)).await,
            "database" => one_cell(out, ColumnDef::text("database()"), Cell::from(self.database.as_str())).await,
            "user" => one_cell(out, ColumnDef::text("user()"), Cell::from(self.user.as_str())).await,
            "length" => one_cell(out, ColumnDef::bigint("length"), Cell::Int(statement.len() as i64)).await,
            "blob" => {
                let bytes: Vec<u8> = (0..number).map(|index| (index % 251) as u8).collect();
                one_cell(out, ColumnDef::new("blob", ColumnType::MYSQL_TYPE_BLOB), Cell::from(&bytes[..])).await
            }
            "rows" => rows(out, number).await?.finish().await,
            "types" => {
                out.start(&every_type()).await?;
                out.row(&every_value()).await?;
                out.finish_with_warnings(3).await
            }
            "nulls" => {
                out.start(&every_type()).await?;
                out.row(&vec![Cell::Null; every_type().len()]).await?;
                out.finish().await
            }
            "affect" => {
                let info = "{'label':'insert_1'}".to_owned();
                out.ok(OkInfo { affected_rows: number as u64, info, ..OkInfo::default() }).await
            }
            "fail" if argument.is_empty() => Err(MySqlError::syntax(1, 2, "no viable alternative")),
            "fail" => {
                rows(out, number).await?;
                Err(MySqlError::query_interrupted())
            }
            "wait" | "nap" | "flood" => self.linger(verb, out).await,
            "panic" => panic!("on purpose"),
            "transaction" => {
                self.in_transaction = true;
                out.ok(OkInfo::default()).await
            }
            "columns" => out.start(&[]).await,
            "narrow" => {
                out.start(&[ColumnDef::bigint("a"), ColumnDef::bigint("b")]).await?;
                out.row(&[Cell::Int(1)]).await
            }
            "nothing" => Ok(()),
            _ => Err(MySqlError::analyzing(format_args!("Unknown verb '{verb}'"))),
        }
    }

    async fn linger(&self, verb: &str, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
        let guard = CountDrop(&self.shared.dropped);
        self.shared.waiting.fetch_add(1, Ordering::SeqCst);
        match verb {
            "wait" => std::future::pending::<()>().await,
            "nap" => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
            _ => {
                out.start(&[ColumnDef::text("x")]).await?;
                let long = "x".repeat(10_000);
                loop {
                    out.row(&[Cell::from(long.as_str())]).await?;
                    self.shared.flooded.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        std::mem::forget(guard);
        out.ok(OkInfo::default()).await
    }
}

async fn one_cell(out: &mut ResultWriter<'_>, column: ColumnDef, cell: Cell<'_>) -> Result<(), MySqlError> {
    out.start(&[column]).await?;
    out.row(&[cell]).await?;
    out.finish().await
}

async fn rows<'a, 'b>(out: &'a mut ResultWriter<'b>, number: i64) -> Result<&'a mut ResultWriter<'b>, MySqlError> {
    out.start(&[ColumnDef::bigint("id").of_table("db", "t").not_null(), ColumnDef::text("name")]).await?;
    for id in 0..number {
        out.row(&[Cell::Int(id), Cell::from(format!("row {id}"))]).await?;
    }
    Ok(out)
}

#[async_trait]
impl Handler for Session {
    async fn authenticate(&mut self, login: &Login) -> Result<(), MySqlError> {
        *self.shared.login.lock().unwrap() = Some(login.clone());
        let stored = match login.user.as_str() {
            "root" => None,
            "ann" => native_password_hash("sésame"),
            _ => return Err(login.denied()),
        };
        if !login.password_matches(stored) {
            return Err(login.denied());
        }
        self.user.clone_from(&login.user);
        Ok(())
    }

    async fn init_db(&mut self, name: &str) -> Result<(), MySqlError> {
        if name == "nowhere" {
            return Err(MySqlError::unknown_database(name));
        }
        name.clone_into(&mut self.database);
        Ok(())
    }

    async fn query(&mut self, sql: &str, out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
        if sql.starts_with("length") {
            return self.run(sql, out).await;
        }
        for statement in sql.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            if let Some(id) = statement.strip_prefix("KILL ") {
                let id: usize = id.parse().map_err(|_| MySqlError::unknown_thread(0))?;
                let kills = self.shared.kills.lock().unwrap();
                kills.get(id.wrapping_sub(1)).ok_or_else(|| MySqlError::unknown_thread(id as u64))?.cancel();
                continue;
            }
            self.run(statement, out).await?;
        }
        Ok(())
    }

    async fn prepare(&mut self, sql: &str) -> Result<Prepared, MySqlError> {
        if sql.starts_with("fail") {
            return Err(MySqlError::not_preparable());
        }
        let params = sql.matches('?').count();
        Ok(Prepared { params, columns: if params == 0 { Vec::new() } else { vec![ColumnDef::text("a")] } })
    }

    async fn execute(&mut self, sql: &str, params: &[Value], out: &mut ResultWriter<'_>) -> Result<(), MySqlError> {
        if !sql.starts_with("echo") {
            return self.query(sql, out).await;
        }
        let columns: Vec<ColumnDef> = params.iter().map(column_of).collect();
        let texts: Vec<Vec<u8>> = params.iter().map(bytes_of).collect();
        out.start(&columns).await?;
        let cells: Vec<Cell<'_>> = params
            .iter()
            .zip(&texts)
            .map(|(value, text)| if *value == Value::NULL { Cell::Null } else { Cell::from(&text[..]) })
            .collect();
        out.row(&cells).await?;
        out.finish().await
    }

    async fn field_list(&mut self, table: &str, wildcard: &str) -> Result<Vec<ColumnDef>, MySqlError> {
        if table != "t" {
            return Err(MySqlError::unknown_table(table));
        }
        Ok(["id", "name"]
            .into_iter()
            .filter(|name| name.contains(wildcard))
            .map(|name| ColumnDef::text(name).of_table("db", "t"))
            .collect())
    }

    async fn reset(&mut self) -> Result<(), MySqlError> {
        self.in_transaction = false;
        self.database.clear();
        Ok(())
    }

    fn statistics(&self) -> String {
        "Uptime: 1  Threads: 1".to_owned()
    }

    fn status(&self) -> SessionStatus {
        SessionStatus { autocommit: true, in_transaction: self.in_transaction }
    }
}

fn column_of(value: &Value) -> ColumnDef {
    use ColumnType::*;
    let column_type = match value {
        Value::Int(_) | Value::UInt(_) => MYSQL_TYPE_LONGLONG,
        Value::Float(_) => MYSQL_TYPE_FLOAT,
        Value::Double(_) => MYSQL_TYPE_DOUBLE,
        Value::Date(..) => MYSQL_TYPE_DATETIME,
        Value::Time(..) => MYSQL_TYPE_TIME,
        Value::NULL => MYSQL_TYPE_NULL,
        Value::Bytes(_) => MYSQL_TYPE_BLOB,
    };
    let column = ColumnDef::new("?", column_type);
    if matches!(value, Value::UInt(_)) { column.unsigned() } else { column }
}

fn bytes_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.clone(),
        other => other.as_sql(true).trim_matches('\'').as_bytes().to_vec(),
    }
}

/// A server in this process; it stops when this is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: Option<JoinHandle<()>>,
    _stop: DropGuard,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(ServerOptions::default()).await
    }

    pub(crate) async fn start_with(options: ServerOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let sessions = Arc::clone(&shared);
        let factory: server::HandlerFactory = Arc::new(move |info: ConnectionInfo| {
            sessions.kills.lock().unwrap().push(info.kill);
            let shared = Arc::clone(&sessions);
            Box::new(Session { shared, user: String::new(), database: String::new(), in_transaction: false })
        });
        let shutdown = CancellationToken::new();
        let task = Some(tokio::spawn(serve(listener, factory, options, shutdown.clone())));
        let _stop = shutdown.clone().drop_guard();
        Self { address, shared, shutdown, task, _stop }
    }

    /// A client that has not said anything yet; the greeting is read.
    pub(crate) async fn connect(&self) -> RawClient {
        let mut client = RawClient { stream: TcpStream::connect(self.address).await.unwrap(), sequence: 0 };
        let greeting = client.read().await.expect("a greeting");
        assert_eq!(greeting[0], 10);
        client
    }

    /// A client logged in as root with these capabilities.
    pub(crate) async fn log_in(&self, capabilities: u32) -> RawClient {
        let mut client = self.connect().await;
        client.send_login(capabilities, "root", &[]).await;
        let ok = client.read().await.expect("an answer");
        assert_eq!(ok[0], 0, "{ok:?}");
        client
    }
}

/// The capabilities of an old client (node mysql): 4.1, no plugins, old EOF.
pub(crate) const OLD: u32 = 0x0006_f3cf;
/// The same with CLIENT_DEPRECATE_EOF and multi-statements.
pub(crate) const MODERN: u32 = OLD | 0x0101_0000;

/// A client that speaks raw packets.
pub(crate) struct RawClient {
    pub(crate) stream: TcpStream,
    pub(crate) sequence: u8,
}

impl RawClient {
    /// The next packet, or nothing when the server has closed.
    pub(crate) async fn read(&mut self) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        loop {
            let mut header = [0; 4];
            self.stream.read_exact(&mut header).await.ok()?;
            let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
            assert_eq!(header[3], self.sequence, "the packet's number");
            self.sequence = self.sequence.wrapping_add(1);
            let start = whole.len();
            whole.resize(start + length, 0);
            self.stream.read_exact(&mut whole[start..]).await.ok()?;
            if length < 0xFF_FFFF {
                return Some(whole);
            }
        }
    }

    /// One packet, numbered on from the last.
    pub(crate) async fn send(&mut self, payload: &[u8]) {
        let mut length = (payload.len() as u32).to_le_bytes();
        length[3] = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&[&length[..], payload].concat()).await.unwrap();
    }

    /// One command: the numbers begin anew.
    pub(crate) async fn command(&mut self, payload: &[u8]) {
        self.sequence = 0;
        self.send(payload).await;
    }

    pub(crate) async fn send_login(&mut self, capabilities: u32, user: &str, response: &[u8]) {
        let mut bytes = capabilities.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[0, 0, 0, 1, 255]);
        bytes.extend_from_slice(&[0; 23]);
        bytes.extend_from_slice(user.as_bytes());
        bytes.extend_from_slice(&[0, response.len() as u8]);
        bytes.extend_from_slice(response);
        bytes.push(0);
        self.send(&bytes).await;
    }
}

/// The code and text of an ERR packet.
pub(crate) fn error_of(packet: &[u8]) -> (u16, String) {
    assert_eq!(packet[0], 0xff, "{packet:?}");
    let text = if packet[3] == b'#' { &packet[9..] } else { &packet[3..] };
    (u16::from_le_bytes([packet[1], packet[2]]), String::from_utf8(text.to_vec()).unwrap())
}
