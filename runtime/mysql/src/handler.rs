//! What a session must answer: one [`Handler`] per connection, called by one command at a time.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use async_trait::async_trait;
use mysql_common::value::Value;
use tokio_util::sync::CancellationToken;

use crate::column::ColumnDef;
use crate::error::MySqlError;
use crate::password::native_password_matches;
use crate::result::ResultWriter;

/// What is known about a connection before the client has said anything.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// The number that the client was greeted with; `CONNECTION_ID()`, `KILL`.
    pub connection_id: u32,
    /// Where the client comes from.
    pub client_address: SocketAddr,
    /// Cancel it to end the connection, whatever it is doing: `KILL CONNECTION`.
    pub kill: CancellationToken,
}

/// Who wants in, and how it proves it.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name; may be empty.
    pub user: String,
    /// The plugin that made `auth_response`: `mysql_native_password`.
    pub auth_plugin: String,
    /// The random bytes that the response is made with.
    pub salt: [u8; 20],
    /// The proof; empty for an empty password.
    pub auth_response: Vec<u8>,
    /// The database to start in. `init_db` is called with it after `authenticate` has agreed.
    pub database: Option<String>,
    /// Where the client comes from.
    pub client_address: SocketAddr,
    /// What the client tells about itself: `_client_name`, `program_name`, …
    pub connect_attributes: BTreeMap<String, String>,
    /// The client's collation id; unknown ones are fine.
    pub collation: u16,
    /// True when the connection is encrypted.
    pub tls: bool,
}

impl Login {
    /// True when the client proved the password whose `SHA1(SHA1(password))` is `stored` (`None`: the empty password).
    pub fn password_matches(&self, stored: Option<[u8; 20]>) -> bool {
        native_password_matches(stored, &self.salt, &self.auth_response)
    }

    /// True when the client sent any password: for the text of error 1045.
    pub fn uses_password(&self) -> bool {
        !self.auth_response.is_empty()
    }

    /// Error 1045 for this login.
    pub fn denied(&self) -> MySqlError {
        MySqlError::access_denied(&self.user, self.client_address.ip(), self.uses_password())
    }
}

/// What a prepared statement looks like before it is executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// How many question marks it has.
    pub params: usize,
    /// The columns of its result, empty when it has none or they are not known yet. The result may differ.
    pub columns: Vec<ColumnDef>,
}

/// The flags of a session that every answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionStatus {
    /// Every statement is its own transaction.
    pub autocommit: bool,
    /// A transaction is open.
    pub in_transaction: bool,
}

impl Default for SessionStatus {
    fn default() -> Self {
        Self { autocommit: true, in_transaction: false }
    }
}

/// One session. Its methods run one after the other; a future is dropped half-way when the client disconnects, the connection is killed
/// or the server stops, so whatever it drives must stop when it is dropped.
#[async_trait]
pub trait Handler: Send {
    /// Lets the client in or not. Called once at login, and again by `change_user`.
    async fn authenticate(&mut self, login: &Login) -> Result<(), MySqlError>;

    /// Changes the database (`catalog.database` is possible). At login too, when the client named one.
    async fn init_db(&mut self, name: &str) -> Result<(), MySqlError>;

    /// Runs a text, which may hold several statements: each answers with its own result. Nothing written means OK.
    async fn query(&mut self, sql: &str, out: &mut ResultWriter<'_>) -> Result<(), MySqlError>;

    /// Looks at a statement without running it.
    async fn prepare(&mut self, sql: &str) -> Result<Prepared, MySqlError>;

    /// Runs a statement that `prepare` has accepted, with one value for each question mark.
    async fn execute(&mut self, sql: &str, params: &[Value], out: &mut ResultWriter<'_>) -> Result<(), MySqlError>;

    /// The columns of a table of the current database, for the name completion of command-line clients. `wildcard` is a LIKE pattern,
    /// empty for all.
    async fn field_list(&mut self, table: &str, wildcard: &str) -> Result<Vec<ColumnDef>, MySqlError>;

    /// Forgets everything of the session but who it is: variables, temporary things, open transactions.
    async fn reset(&mut self) -> Result<(), MySqlError>;

    /// Becomes another user's fresh session. `init_db` follows when the login names a database; an error ends the connection.
    async fn change_user(&mut self, login: &Login) -> Result<(), MySqlError> {
        self.reset().await?;
        self.authenticate(login).await
    }

    /// One line about the server, for `mysqladmin status`.
    fn statistics(&self) -> String;

    /// The session's flags as they are now.
    fn status(&self) -> SessionStatus {
        SessionStatus::default()
    }
}
