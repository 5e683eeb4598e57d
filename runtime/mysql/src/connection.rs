//! One client, from greeting to goodbye: the login, the loop over commands, and the ways in which it ends. What each command answers is
//! in `commands`.

use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use mysql_common::constants::CapabilityFlags;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::error::{LIBMARIADB, MySqlError};
use crate::handler::{ConnectionInfo, Handler, Login};
use crate::login::{Credentials, new_salt, put_auth_switch, put_greeting, read_handshake_response};
use crate::options::ServerOptions;
use crate::password::NATIVE_PASSWORD;
use crate::reply::{SERVER_CAPABILITIES, put_error, put_ok, status_flags};
use crate::result::OkInfo;
use crate::secure;
use crate::sink::PacketSink;
use crate::source::{PacketSource, Patience, ReadError};
use crate::statement::Statements;

mod commands;

/// How long the last error may take to be sent.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the client may take to hang up after the last error.
const LINGER: Duration = Duration::from_secs(1);

/// Why a connection ends.
#[derive(Debug)]
enum Leave {
    /// The client said goodbye.
    Quit,
    /// The client is gone, without a word.
    Gone,
    /// The client is told this, and then the connection is closed.
    After(MySqlError),
}

/// One connection. It owns its handler; nothing else does.
pub(crate) struct Connection {
    info: ConnectionInfo,
    options: Arc<ServerOptions>,
    handler: Box<dyn Handler>,
    source: PacketSource,
    sink: PacketSink,
    /// Ends once the server wants no further commands.
    draining: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whether the client is MariaDB's library.
    is_libmariadb: bool,
    /// Whether it goes on inside TLS.
    is_secure: bool,
    /// What both sides can do; nothing before the login.
    client: CapabilityFlags,
    salt: [u8; 20],
    statements: Statements,
}

impl Connection {
    pub(crate) fn new(
        info: ConnectionInfo,
        options: Arc<ServerOptions>,
        handler: Box<dyn Handler>,
        source: PacketSource,
        sink: PacketSink,
        drain: CancellationToken,
    ) -> Self {
        let statements = Statements::new(options.max_prepared_statements, options.max_allowed_packet);
        Self {
            info,
            options,
            handler,
            source,
            sink,
            draining: Box::pin(drain.cancelled_owned()),
            is_libmariadb: false,
            is_secure: false,
            client: CapabilityFlags::empty(),
            salt: new_salt(),
            statements,
        }
    }

    /// Serves the client until it leaves or is made to.
    pub(crate) async fn run(mut self) {
        let kill = self.info.kill.clone();
        let leave = tokio::select! {
            biased;
            leave = self.serve() => leave,
            // Dropping `serve` is safe at any point: packets are built without a pause, and a flush can be taken up again.
            () = kill.cancelled() => Leave::After(MySqlError::connection_ended()),
        };
        tracing::debug!(connection = self.info.connection_id, ?leave, "connection ends");
        self.say_goodbye(leave).await;
    }

    async fn serve(&mut self) -> Leave {
        if let Err(leave) = self.let_in().await {
            return leave;
        }
        loop {
            let packet = match self.next_command().await {
                Ok(packet) => packet,
                Err(leave) => return leave,
            };
            if let Err(leave) = self.answer(&packet).await {
                return leave;
            }
        }
    }

    /// Greets the client and checks who it is.
    async fn let_in(&mut self) -> Result<(), Leave> {
        let login = match timeout(self.options.login_timeout, self.read_login()).await {
            Ok(login) => login?,
            Err(_) => return Err(Leave::After(MySqlError::read_timeout())),
        };
        let asked = attend(&mut self.source, self.handler.authenticate(&login)).await;
        self.settle(asked)?.map_err(Leave::After)?;
        self.enter_database(&login).await?;
        self.put_ok();
        self.flush().await
    }

    async fn read_login(&mut self) -> Result<Login, Leave> {
        let status = status_flags(self.handler.status());
        let connection_id = self.info.connection_id;
        let mut offers = SERVER_CAPABILITIES;
        offers.set(CapabilityFlags::CLIENT_SSL, self.options.tls.is_some());
        put_greeting(self.sink.begin(), (&self.options.server_version, offers), connection_id, &self.salt, status);
        self.sink.end();
        self.flush().await?;
        let mut packet = self.read_login_packet().await?;
        self.sink.continue_from(self.source.sequence().wrapping_add(1));
        if secure::is_request(&packet) {
            self.secure().await?;
            packet = self.read_login_packet().await?;
            self.sink.continue_from(self.source.sequence().wrapping_add(1));
        } else if self.options.requires_tls {
            return Err(Leave::After(MySqlError::insecure_transport()));
        }
        let (client, credentials) = read_handshake_response(&packet).map_err(Leave::After)?;
        self.client = client;
        self.prove(credentials).await
    }

    /// Goes on inside TLS.
    async fn secure(&mut self) -> Result<(), Leave> {
        let Some(tls) = self.options.tls.clone() else { return Err(Leave::After(MySqlError::bad_handshake())) };
        let ((early, reader), writer) = (self.source.take_stream(), self.sink.take_stream());
        match tls.accept(early, reader, writer).await {
            Ok((reader, writer)) => {
                self.source.set_stream(reader);
                self.sink.set_stream(writer);
                self.is_secure = true;
                Ok(())
            }
            Err(error) => {
                tracing::debug!(connection = self.info.connection_id, %error, "TLS with a client failed");
                Err(Leave::Gone)
            }
        }
    }

    /// Makes a login of credentials, asking the client again when it used a plugin that is not ours. The salt stays the same, so that
    /// there is no doubt which one a later COM_CHANGE_USER is made with.
    async fn prove(&mut self, credentials: Credentials) -> Result<Login, Leave> {
        self.is_libmariadb = credentials.connect_attributes.get("_client_name").is_some_and(|name| name == LIBMARIADB);
        let mut auth_response = credentials.auth_response.clone();
        if !credentials.is_native() {
            put_auth_switch(self.sink.begin(), &self.salt);
            self.sink.end();
            self.flush().await?;
            auth_response = self.read_login_packet().await?.to_vec();
            self.sink.continue_from(self.source.sequence().wrapping_add(1));
        }
        if auth_response == [0] {
            // How some clients spell the empty password.
            auth_response.clear();
        }
        Ok(Login {
            user: credentials.user,
            auth_plugin: NATIVE_PASSWORD.to_owned(),
            salt: self.salt,
            auth_response,
            database: credentials.database,
            client_address: self.info.client_address,
            connect_attributes: credentials.connect_attributes,
            collation: credentials.collation,
            tls: self.is_secure,
        })
    }

    async fn read_login_packet(&mut self) -> Result<Bytes, Leave> {
        let wait = self.options.login_timeout;
        let patience = Patience { limit: self.options.max_login_packet, first: wait, further: wait };
        let expected = self.sink.next_sequence();
        match self.source.next(expected, patience).await {
            Ok(packet) => Ok(packet),
            Err(ReadError::TooLarge) => Err(Leave::After(MySqlError::bad_handshake())),
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// Enters the database that a login names.
    async fn enter_database(&mut self, login: &Login) -> Result<(), Leave> {
        if let Some(name) = &login.database {
            let asked = attend(&mut self.source, self.handler.init_db(name)).await;
            self.settle(asked)?.map_err(Leave::After)?;
        }
        Ok(())
    }

    /// The next command's packet.
    async fn next_command(&mut self) -> Result<Bytes, Leave> {
        let options = &self.options;
        let patience =
            Patience { limit: options.max_allowed_packet, first: options.idle_timeout, further: options.read_timeout };
        let read = tokio::select! {
            biased;
            () = &mut self.draining => {
                // The number that the answer to the client's next command would have.
                self.sink.continue_from(1);
                return Err(Leave::After(MySqlError::shutdown_in_progress()));
            }
            read = self.source.next(0, patience) => read,
        };
        match read {
            Ok(packet) => Ok(packet),
            Err(ReadError::TooLarge) => {
                let skipped = self.source.skip_rest(Instant::now() + self.options.read_timeout).await;
                self.sink.continue_from(self.source.sequence().wrapping_add(1));
                Err(if skipped { Leave::After(MySqlError::packet_too_large()) } else { Leave::Gone })
            }
            Err(error) => {
                self.sink.continue_from(1);
                Err(self.give_up(error))
            }
        }
    }

    fn give_up(&mut self, error: ReadError) -> Leave {
        match error {
            ReadError::Closed => Leave::Gone,
            ReadError::TooLarge => Leave::After(MySqlError::packet_too_large()),
            ReadError::OutOfOrder => Leave::After(MySqlError::packets_out_of_order()),
            ReadError::TimedOut => Leave::After(MySqlError::read_timeout()),
        }
    }

    /// What a handler's answer means for the connection: its own result, or the end.
    fn settle<T>(&mut self, asked: Attended<T>) -> Result<Result<T, MySqlError>, Leave> {
        match asked {
            Attended::Done(_) if self.sink.is_broken() => Err(Leave::Gone),
            Attended::Done(result) => Ok(result),
            Attended::ClientGone => Err(Leave::Gone),
            Attended::Panicked => {
                tracing::error!(connection = self.info.connection_id, "a session panicked; its connection is closed");
                Err(Leave::After(MySqlError::unknown_error("internal error: the session failed")))
            }
        }
    }

    fn put_ok(&mut self) {
        put_ok(&mut self.sink, &OkInfo::default(), status_flags(self.handler.status()));
    }

    fn put_error(&mut self, error: &MySqlError) {
        let told = if self.is_libmariadb { error.for_libmariadb() } else { Cow::Borrowed(error) };
        put_error(&mut self.sink, self.client, &told);
    }

    async fn flush(&mut self) -> Result<(), Leave> {
        self.sink.flush().await.map_err(|_| Leave::Gone)
    }

    async fn say_goodbye(&mut self, leave: Leave) {
        if let Leave::After(error) = leave {
            self.put_error(&error);
            if matches!(timeout(LAST_WORDS, self.sink.flush()).await, Ok(Ok(()))) {
                self.sink.shutdown().await;
                self.source.linger(Instant::now() + LINGER).await;
            }
        } else {
            self.sink.shutdown().await;
        }
    }
}

/// How a handler's future ended.
enum Attended<T> {
    Done(Result<T, MySqlError>),
    Panicked,
    ClientGone,
}

/// Drives a handler's future, and drops it when the client goes away meanwhile.
async fn attend<T>(source: &mut PacketSource, work: impl Future<Output = Result<T, MySqlError>> + Send) -> Attended<T> {
    // The handler is not used again after a panic: its connection ends.
    let work = AssertUnwindSafe(work).catch_unwind();
    tokio::select! {
        biased;
        done = work => done.map_or(Attended::Panicked, Attended::Done),
        () = source.watch() => Attended::ClientGone,
    }
}
