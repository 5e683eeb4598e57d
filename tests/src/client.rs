//! MySQL clients: the driver, and the `mysql` command line.

use std::fmt::Debug;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, OptsBuilder};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

/// A connection as root.
pub struct Client {
    /// The driver's connection.
    pub conn: Conn,
}

impl Client {
    /// Connects, and asks the server what it takes, as drivers do.
    pub async fn connect(port: u16) -> anyhow::Result<Client> {
        Client::connect_for(port, None).await
    }

    /// Connects as a client that sends packets of any size up to this.
    pub async fn connect_for(port: u16, largest_packet: Option<usize>) -> anyhow::Result<Client> {
        let options = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).user(Some("root"));
        let options = options.prefer_socket(false).stmt_cache_size(0).max_allowed_packet(largest_packet);
        let conn = Conn::new(options).await.with_context(|| format!("connect to 127.0.0.1:{port}"))?;
        Ok(Client { conn })
    }

    /// Connects as somebody else than root.
    pub async fn connect_as(port: u16, user: &str, password: &str) -> Result<Client, mysql_async::Error> {
        let options = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).user(Some(user));
        let options = options.pass(Some(password)).prefer_socket(false).stmt_cache_size(0);
        Ok(Client { conn: Conn::new(options).await? })
    }

    /// A statement whose rows do not matter.
    pub async fn run(&mut self, sql: &str) -> anyhow::Result<()> {
        self.conn.query_drop(sql).await.with_context(|| shortened(sql))
    }

    /// All rows.
    pub async fn rows<T>(&mut self, sql: &str) -> anyhow::Result<Vec<T>>
    where
        T: FromRow + Send + 'static,
    {
        self.conn.query(sql).await.with_context(|| shortened(sql))
    }

    /// The first row, which must be there.
    pub async fn one<T>(&mut self, sql: &str) -> anyhow::Result<T>
    where
        T: FromRow + Send + 'static,
    {
        let row = self.conn.query_first(sql).await.with_context(|| shortened(sql))?;
        row.with_context(|| format!("no row: {}", shortened(sql)))
    }

    /// The error that the statement must give: its code and its text.
    pub async fn error(&mut self, sql: &str) -> anyhow::Result<(u16, String)> {
        match self.conn.query_drop(sql).await {
            Err(mysql_async::Error::Server(error)) => Ok((error.code, error.message)),
            Err(other) => bail!("{}: {other}", shortened(sql)),
            Ok(()) => bail!("{}: was taken", shortened(sql)),
        }
    }

    /// The statement must fail with this code and say this.
    pub async fn refused(&mut self, sql: &str, code: u16, says: &str) -> anyhow::Result<()> {
        let (found, message) = self.error(sql).await?;
        ensure!(found == code, "{}: error {found}, not {code}: {message}", shortened(sql));
        ensure!(message.contains(says), "{}: {message:?} does not say {says:?}", shortened(sql));
        Ok(())
    }

    /// Says goodbye.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.conn.disconnect().await?)
    }
}

fn shortened(sql: &str) -> String {
    let line: String = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 160 { format!("{}…", line.chars().take(160).collect::<String>()) } else { line }
}

/// The server's error code, if the server gave one.
pub fn code_of(error: &anyhow::Error) -> Option<u16> {
    error.chain().find_map(|cause| match cause.downcast_ref::<mysql_async::Error>() {
        Some(mysql_async::Error::Server(error)) => Some(error.code),
        _ => None,
    })
}

/// What the mysql command line printed, and whether it was content.
#[derive(Clone, Debug)]
pub struct Printed {
    /// Exit status 0.
    pub ok: bool,
    /// Rows, tab separated.
    pub out: String,
    /// Errors.
    pub err: String,
}

/// Whether the `mysql` command line is there; says so if not.
pub fn has_mysql_command(suite: &str) -> bool {
    let there =
        std::process::Command::new("mysql").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    if !there {
        println!("SKIP {suite}: there is no mysql command (apt package default-mysql-client)");
    }
    there
}

/// Pipes a script into the `mysql` command line.
pub async fn mysql_command(port: u16, arguments: &[&str], script: &str) -> anyhow::Result<Printed> {
    let mut command = tokio::process::Command::new("mysql");
    // The last of two --user counts.
    command.args(["--no-defaults", "--host=127.0.0.1", "--user=root", "--connect-timeout=10"]);
    command.arg(format!("--port={port}")).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("start mysql")?;
    let mut input = child.stdin.take().context("mysql has no standard input")?;
    input.write_all(script.as_bytes()).await?;
    drop(input);
    let output = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output()).await??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Printed { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) })
}

/// Asks until the answer is the one that is waited for, or time is over.
pub async fn until<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Result<T, String>>>,
{
    let deadline = Instant::now() + limit;
    loop {
        let instead = match ask().await? {
            Ok(found) => return Ok(found),
            Err(instead) => instead,
        };
        ensure!(Instant::now() < deadline, "{what}: not within {} s; {instead}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Equal, or an error that says both.
pub fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> anyhow::Result<()> {
    ensure!(found == expected, "{what}: {found:?}, expected {expected:?}");
    Ok(())
}
