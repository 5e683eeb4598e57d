//! Frontends beside the first: they join and leave, one of all leads, and every pair has lines that can be broken.
//!
//! A frontend is told to others as `127.0.0.1:edit_log_port`, where a proxy listens; it listens at an address of its own
//! (`FAILPOINTS_EDIT_LOG_HOST`: builds with failpoints). An executable without them is reached directly, and its lines hold.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use deploy_local::Node;
use tokio::time::{Instant, sleep, timeout};

use super::control;
use super::proxy::{Line, Proxy};
use super::stage::{START, Stage, plan_frontend};
use crate::client::Client;
use crate::house::{FrontendRow, frontends};

/// What is acknowledged by one frontend is seen at once through any other.
pub const FRESH: &str = "SET enable_linearizable_read = true";
/// Among some frontends somebody leads within this, on a machine that has much to do.
const ELECTED: Duration = Duration::from_secs(60);
/// All frontends agree within this when nothing is broken any more.
const AGREED: Duration = Duration::from_secs(90);
/// A frontend that is stopped answers nobody.
const GLANCE: Duration = Duration::from_secs(2);

/// A frontend that joined.
pub struct Fellow {
    /// The process.
    pub node: Node,
    /// FOLLOWER or OBSERVER.
    pub role: &'static str,
    /// Its MySQL port.
    pub query_port: u16,
    /// Its `host:edit_log_port`, as other nodes are told.
    pub address: String,
    /// The way of the other frontends to it.
    pub line: Option<Proxy>,
}

/// Where the frontend of this number listens to others.
pub fn host(number: usize) -> String {
    format!("127.0.0.{}", 101 + number % 150)
}

async fn proxy(address: &str, number: usize) -> anyhow::Result<Proxy> {
    let port = address.rsplit(':').next().unwrap_or_default();
    let target: SocketAddr = format!("{}:{port}", host(number)).parse()?;
    Proxy::start(address, target, None).await.with_context(|| format!("a proxy at {address}"))
}

impl Stage {
    /// How many frontends there are. Number 0 is the first one, the others are the fellows.
    pub fn frontends(&self) -> usize {
        1 + self.fellows.len()
    }

    /// The frontend of this number.
    pub fn fe(&mut self, n: usize) -> &mut Node {
        if n == 0 { &mut self.frontend } else { &mut self.fellows[n - 1].node }
    }

    /// Its `host:edit_log_port`.
    pub fn fe_address(&self, n: usize) -> &str {
        if n == 0 { &self.address } else { &self.fellows[n - 1].address }
    }

    fn fe_line(&self, n: usize) -> Option<&Proxy> {
        if n == 0 { self.line.as_ref() } else { self.fellows[n - 1].line.as_ref() }
    }

    /// What is sent over the line from one frontend to another is treated so; the answers on it too.
    pub fn set_line(&self, from: usize, to: usize, line: &Line) {
        if let Some(proxy) = self.fe_line(to) {
            proxy.set_from(self.fe_address(from), line);
        }
    }

    /// All lines between frontends are whole.
    pub fn open_lines(&self) {
        for n in 0..self.frontends() {
            if let Some(proxy) = self.fe_line(n) {
                proxy.set(Line::Open);
            }
        }
    }

    /// The MySQL ports of all frontends, the first one first.
    pub fn query_ports(&self) -> Vec<u16> {
        std::iter::once(self.query_port).chain(self.fellows.iter().map(|fellow| fellow.query_port)).collect()
    }

    /// Every line knows every frontend by name.
    fn introduce(&self) {
        for to in 0..self.frontends() {
            for from in (0..self.frontends()).filter(|from| *from != to) {
                if let Some(proxy) = self.fe_line(to) {
                    proxy.know(self.fe_address(from));
                }
            }
        }
    }

    /// Adds a frontend and waits until all agree that it is a member. Its number.
    pub async fn join(&mut self, role: &'static str) -> anyhow::Result<usize> {
        let number = self.begin_to_join(role).await?;
        self.end_of_join(number).await?;
        Ok(number)
    }

    /// Starts a frontend and adds it. Its number.
    pub async fn begin_to_join(&mut self, role: &'static str) -> anyhow::Result<usize> {
        let has_failpoints = control::has_failpoints(self.frontend.http_port).await;
        if has_failpoints && self.line.is_none() {
            self.line = Some(proxy(&self.address, 0).await?);
        }
        self.numbers += 1;
        let name = format!("fe{}", self.numbers + 1);
        let (mut node, query_port, edit_log) = plan_frontend(&self.spec, &self.store, &name)?;
        for (key, value) in &self.spec.environment {
            node.set_environment(key, value);
        }
        node.set_environment("FAILPOINTS_EDIT_LOG_HOST", &host(self.numbers));
        let address = format!("127.0.0.1:{edit_log}");
        let line = if has_failpoints { Some(proxy(&address, self.numbers).await?) } else { None };
        node.start(&["--helper", &self.address])?;
        self.fellows.push(Fellow { node, role, query_port, address: address.clone(), line });
        self.introduce();
        self.say(&format!("ALTER SYSTEM ADD {role} \"{address}\""), "already exists").await?;
        Ok(self.frontends() - 1)
    }

    /// Waits until all agree that it is a member.
    pub async fn end_of_join(&mut self, number: usize) -> anyhow::Result<()> {
        self.fe(number).ready(START).await?;
        self.agree().await
    }

    /// Drops a frontend; its process must end by itself.
    pub async fn leave(&mut self, number: usize) -> anyhow::Result<()> {
        ensure!(number > 0, "the first frontend is the helper of the others, and stays");
        let mut gone = self.fellows.remove(number - 1);
        let sql = format!("ALTER SYSTEM DROP {} \"{}\"", gone.role, gone.address);
        if let Err(error) = self.say(&sql, "does not exist").await {
            // It is a member as before.
            self.fellows.insert(number - 1, gone);
            return Err(error);
        }
        let ended = timeout(AGREED, gone.node.wait()).await;
        let status = ended
            .with_context(|| format!("{} was dropped and goes on\n{}", gone.node.name, gone.node.log_tail(20)))??;
        ensure!(!status.success(), "{} was dropped and ended with {status}", gone.node.name);
        let tail = gone.node.log_tail(10);
        ensure!(tail.contains("was dropped from the cluster"), "{} does not say why it ends\n{tail}", gone.node.name);
        self.agree().await
    }

    /// A statement through any frontend, until it is taken; `done` says that it was taken before.
    async fn say(&self, sql: &str, done: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + ELECTED;
        let ports = self.query_ports();
        for port in ports.iter().cycle() {
            let asked = async {
                let mut client = Client::connect(*port).await?;
                client.run(sql).await
            };
            match timeout(Duration::from_secs(40), asked).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if format!("{error:#}").contains(done) => return Ok(()),
                Ok(Err(error)) if Instant::now() > deadline => return Err(error),
                Err(_) if Instant::now() > deadline => bail!("{sql}: no answer"),
                _ => sleep(Duration::from_millis(200)).await,
            }
        }
        Ok(())
    }

    /// Who leads, as the frontends see it that `asked` allows to be asked.
    async fn seen_leading(&self, asked: impl Fn(usize) -> bool) -> Option<usize> {
        for (_, port) in self.query_ports().into_iter().enumerate().filter(|(n, _)| asked(*n)) {
            let Ok(Ok(rows)) = timeout(GLANCE, rows_at(port)).await else { continue };
            let led =
                rows.iter().find(|row| row.role == "LEADER").map(|row| format!("127.0.0.1:{}", row.edit_log_port));
            if let Some(number) = led.and_then(|led| (0..self.frontends()).find(|n| self.fe_address(*n) == led)) {
                return Some(number);
            }
        }
        None
    }

    /// Who leads.
    pub async fn leader(&self) -> anyhow::Result<usize> {
        self.leader_beside(None).await
    }

    /// Who leads now that this one does not: it is not asked, nor believed in.
    pub async fn leader_beside(&self, gone: Option<usize>) -> anyhow::Result<usize> {
        let deadline = Instant::now() + ELECTED;
        loop {
            if let Some(found) = self.seen_leading(|n| Some(n) != gone).await.filter(|n| Some(*n) != gone) {
                return Ok(found);
            }
            ensure!(Instant::now() < deadline, "nobody leads after {} s", ELECTED.as_secs());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every frontend knows the same leader, and the leader that all of them are members and alive.
    pub async fn agree(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + AGREED;
        loop {
            let why = match self.disagreement().await {
                None => return Ok(()),
                Some(why) => why,
            };
            ensure!(Instant::now() < deadline, "the frontends do not agree after {} s: {why}", AGREED.as_secs());
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn disagreement(&self) -> Option<String> {
        let mut leader = None;
        for port in self.query_ports() {
            let rows = match timeout(GLANCE, rows_at(port)).await {
                Ok(Ok(rows)) => rows,
                Ok(Err(error)) => return Some(format!("{port}: {error:#}")),
                Err(_) => return Some(format!("{port} does not answer")),
            };
            let led = rows.iter().find(|row| row.role == "LEADER").map(|row| row.query_port);
            let is_whole = rows.len() == self.frontends() && rows.iter().all(|row| row.joined && row.alive);
            if led.is_none() || !is_whole || *leader.get_or_insert(led) != led {
                return Some(format!("{port} shows {rows:?}"));
            }
        }
        None
    }

    /// Starts a frontend anew, with failpoints armed, and waits until it is ready.
    pub async fn restart_fe(&mut self, n: usize, failpoints: &str) -> anyhow::Result<()> {
        let node = self.fe(n);
        node.kill().await?;
        node.set_environment("FAILPOINTS", failpoints);
        node.start(&[])?;
        let started = node.ready(START).await;
        node.set_environment("FAILPOINTS", "");
        Ok(started?)
    }
}

async fn rows_at(port: u16) -> anyhow::Result<Vec<FrontendRow>> {
    let mut client = Client::connect(port).await?;
    frontends(&mut client).await
}
