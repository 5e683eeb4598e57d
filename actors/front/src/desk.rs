//! A frontend's sessions as the rest of the node uses them: serve MySQL clients, check a login, run a statement for a user
//! who came over HTTP, tell what runs and how it went.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use runtime_mysql::{Captured, ConnectionInfo, Handler, MySqlError, ServerOptions};
use runtime_sql::Statement;
use serde::Serialize;
use storage_model::{GrantObject, Privilege};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::front::{ClientTls, Front, Shared};
use crate::privileges::{self, Account, Asker};
use crate::session::Session;
use crate::tally::StatementCounts;

/// The sessions of one frontend. Cloning shares them.
#[derive(Clone)]
pub struct Desk {
    shared: Arc<Shared>,
    /// Connection ids of those who do not come over the MySQL port: from the other end of the numbers.
    next_id: Arc<AtomicU32>,
}

/// A session, as `/api/v2/queries` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct QueryView {
    /// `CONNECTION_ID()`.
    pub connection_id: u32,
    /// Of the running statement, or of the last one.
    pub query_id: String,
    /// Who.
    pub user: String,
    /// From where.
    pub host: String,
    /// The current database.
    pub database: Option<String>,
    /// `Query` or `Sleep`.
    pub command: &'static str,
    /// `running` or empty.
    pub state: &'static str,
    /// How long the command lasts.
    pub seconds: u64,
    /// The running statement without its secrets.
    pub statement: Option<String>,
    /// The trace of the running statement, or of the last one.
    pub trace: Option<String>,
}

impl Desk {
    /// Sessions that work with `front`.
    pub fn new(front: Arc<Front>) -> Desk {
        Desk { shared: Shared::new(front), next_id: Arc::new(AtomicU32::new(u32::MAX)) }
    }

    /// What the sessions work with.
    pub fn front(&self) -> &Front {
        &self.shared.front
    }

    /// Serves MySQL clients until `shutdown` is cancelled; returns when the last connection is closed.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        let max_connections = self.front().settings.max_connections();
        let ClientTls { server: tls, is_forced: requires_tls } = self.front().client_tls.clone();
        let options = ServerOptions { max_connections, tls, requires_tls, ..ServerOptions::default() };
        let shared = Arc::clone(&self.shared);
        let factory = Arc::new(move |info| Box::new(Session::new(Arc::clone(&shared), info)) as Box<dyn Handler>);
        runtime_mysql::serve(listener, factory, options, shutdown).await;
    }

    /// Whether this is the user's password, as at a MySQL login. Takes as long for an unknown user.
    pub fn authenticates(&self, user: &str, password: &str, from: IpAddr) -> bool {
        privileges::password_is_right(&self.front().view.now(), user, password, from).is_some()
    }

    /// Whether a user who comes from this address may OPERATE; Err says what is missing.
    pub fn may_operate(&self, user: &str, from: IpAddr) -> Result<(), MySqlError> {
        let catalog = self.front().view.now();
        let found =
            privileges::find(&catalog, user, from).ok_or_else(|| MySqlError::access_denied(user, from, true))?;
        let asker = Asker::new(&Account::of(found), Arc::clone(&catalog), None);
        let asker = asker.ok_or_else(|| MySqlError::access_denied(user, from, true))?;
        asker.needs(Privilege::Operate, GrantObject::System)
    }

    /// Whether this server has a statement, by one that is written out.
    pub fn supports(&self, sql: &str) -> bool {
        let is_known = |statement: &Statement| !matches!(statement, Statement::Unsupported { .. });
        runtime_sql::parse(sql).is_ok_and(|all| !all.is_empty() && all.iter().all(|one| is_known(&one.statement)))
    }

    /// Runs a text for a user whose login was checked, in a session of its own that SHOW PROCESSLIST lists.
    pub async fn run(&self, user: &str, from: IpAddr, sql: &str) -> Result<Captured, MySqlError> {
        let connection_id = self.next_id.fetch_sub(1, Ordering::Relaxed);
        let kill = CancellationToken::new();
        let info = ConnectionInfo { connection_id, client_address: SocketAddr::new(from, 0), kill: kill.clone() };
        let mut session = Session::new(Arc::clone(&self.shared), info);
        let catalog = self.front().view.now();
        let found =
            privileges::find(&catalog, user, from).ok_or_else(|| MySqlError::access_denied(user, from, true))?;
        session.become_user(found);
        tokio::select! {
            biased;
            () = kill.cancelled() => Err(MySqlError::query_interrupted()),
            captured = runtime_mysql::capture(&mut session, sql) => captured,
        }
    }

    /// All sessions, in order of their ids.
    pub fn queries(&self) -> Vec<QueryView> {
        let now = self.front().now_ms();
        let view = |entry: &Arc<crate::processlist::Entry>| {
            let activity = entry.activity();
            let runs = activity.statement.is_some();
            QueryView {
                connection_id: entry.id,
                query_id: activity.query_id,
                user: activity.user,
                host: entry.host.clone(),
                database: activity.database,
                command: if runs { "Query" } else { "Sleep" },
                state: if runs { "running" } else { "" },
                seconds: now.saturating_sub(activity.changed_ms) / 1000,
                statement: activity.statement.as_deref().map(str::to_owned),
                trace: activity.trace.map(|trace| trace.to_string()),
            }
        };
        self.shared.sessions.all().iter().map(view).collect()
    }

    /// How many sessions there are now.
    pub fn connections(&self) -> usize {
        self.shared.sessions.all().len()
    }

    /// What became of the statements so far.
    pub fn statements(&self) -> StatementCounts {
        self.shared.sessions.tally.counts()
    }
}
