//! What each command answers.

use mysql_common::constants::CapabilityFlags;

use super::{Attended, Connection, Leave, attend};
use crate::column::ColumnDef;
use crate::command::Command;
use crate::error::MySqlError;
use crate::handler::Prepared;
use crate::login::read_change_user;
use crate::reply::{put_column, put_end, put_end_of_columns, status_flags};
use crate::result::{Encoding, ResultWriter};

/// A NULL default value at the end of a column of COM_FIELD_LIST.
const NO_DEFAULT: u8 = 0xfb;

impl Connection {
    /// Answers one command, completely: what it wrote has been sent when this returns.
    pub(super) async fn answer(&mut self, packet: &[u8]) -> Result<(), Leave> {
        self.sink.continue_from(self.source.sequence().wrapping_add(1));
        match Command::read(packet) {
            Ok(command) => self.obey(command).await?,
            Err(_) if packet.first().is_some_and(|code| Command::is_silent(*code)) => {}
            Err(error) => self.put_error(&error),
        }
        self.flush().await
    }

    async fn obey(&mut self, command: Command<'_>) -> Result<(), Leave> {
        match command {
            Command::Quit => return Err(Leave::Quit),
            Command::Ping => self.put_ok(),
            Command::Query(sql) => self.query(sql).await?,
            Command::ProcessKill(id) => self.query(&format!("KILL {id}")).await?,
            Command::Prepare(sql) => self.prepare(sql).await?,
            Command::Execute { statement, body } => self.execute(statement, body).await?,
            Command::SendLongData { statement, parameter, data } => {
                self.statements.add_piece(statement, parameter, data);
            }
            Command::CloseStatement(statement) => self.statements.close(statement),
            Command::ResetStatement(statement) => {
                let reset = self.statements.reset(statement);
                self.put_outcome(reset);
            }
            Command::InitDb(name) => {
                let asked = attend(&mut self.source, self.handler.init_db(name)).await;
                let outcome = self.settle(asked)?;
                self.put_outcome(outcome);
            }
            Command::FieldList { table, wildcard } => {
                let asked = attend(&mut self.source, self.handler.field_list(table, wildcard)).await;
                match self.settle(asked)? {
                    Ok(columns) => self.put_fields(&columns),
                    Err(error) => self.put_error(&error),
                }
            }
            Command::Statistics => {
                let line = self.handler.statistics();
                self.sink.begin().extend_from_slice(line.as_bytes());
                self.sink.end();
            }
            Command::SetMultiStatements(wanted) => {
                self.client.set(CapabilityFlags::CLIENT_MULTI_STATEMENTS, wanted);
                put_end(&mut self.sink, self.client, 0, status_flags(self.handler.status()));
            }
            Command::ResetConnection => {
                self.statements.clear();
                let asked = attend(&mut self.source, self.handler.reset()).await;
                let outcome = self.settle(asked)?;
                self.put_outcome(outcome);
            }
            Command::ChangeUser(payload) => self.change_user(payload).await?,
        }
        Ok(())
    }

    async fn query(&mut self, sql: &str) -> Result<(), Leave> {
        let mut writer = ResultWriter::new(&mut self.sink, self.client, Encoding::Text, self.handler.status());
        let asked = attend(&mut self.source, self.handler.query(sql, &mut writer)).await;
        conclude(writer, &asked, self.handler.status());
        self.put_error_of(asked)
    }

    async fn execute(&mut self, statement: u32, body: &[u8]) -> Result<(), Leave> {
        let (sql, values) = match self.statements.bind(statement, body) {
            Ok(bound) => bound,
            Err(error) => {
                self.put_error(&error);
                return Ok(());
            }
        };
        let mut writer = ResultWriter::new(&mut self.sink, self.client, Encoding::Binary, self.handler.status());
        let asked = attend(&mut self.source, self.handler.execute(&sql, &values, &mut writer)).await;
        conclude(writer, &asked, self.handler.status());
        self.put_error_of(asked)
    }

    async fn prepare(&mut self, sql: &str) -> Result<(), Leave> {
        let asked = attend(&mut self.source, self.handler.prepare(sql)).await;
        let prepared =
            self.settle(asked)?.and_then(|prepared| Ok((self.statements.insert(sql, prepared.params)?, prepared)));
        match prepared {
            Ok((id, prepared)) => self.put_prepared(id, &prepared),
            Err(error) => self.put_error(&error),
        }
        Ok(())
    }

    fn put_prepared(&mut self, id: u32, prepared: &Prepared) {
        let status = status_flags(self.handler.status());
        let out = self.sink.begin();
        out.push(0);
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&(prepared.columns.len() as u16).to_le_bytes());
        out.extend_from_slice(&(prepared.params as u16).to_le_bytes());
        // A filler and no warnings.
        out.extend_from_slice(&[0, 0, 0]);
        self.sink.end();
        let question_mark = ColumnDef::text("?");
        for _ in 0..prepared.params {
            put_column(&mut self.sink, &question_mark);
        }
        if prepared.params > 0 {
            put_end_of_columns(&mut self.sink, self.client, status);
        }
        for column in &prepared.columns {
            put_column(&mut self.sink, column);
        }
        if !prepared.columns.is_empty() {
            put_end_of_columns(&mut self.sink, self.client, status);
        }
    }

    fn put_fields(&mut self, columns: &[ColumnDef]) {
        for column in columns {
            let out = self.sink.begin();
            column.encode(out);
            out.push(NO_DEFAULT);
            self.sink.end();
        }
        put_end(&mut self.sink, self.client, 0, status_flags(self.handler.status()));
    }

    async fn change_user(&mut self, payload: &[u8]) -> Result<(), Leave> {
        let Some(credentials) = read_change_user(payload, self.client) else {
            return Err(Leave::After(MySqlError::malformed_packet()));
        };
        let login = match tokio::time::timeout(self.options.login_timeout, self.prove(credentials)).await {
            Ok(login) => login?,
            Err(_) => return Err(Leave::After(MySqlError::read_timeout())),
        };
        self.statements.clear();
        let asked = attend(&mut self.source, self.handler.change_user(&login)).await;
        self.settle(asked)?.map_err(Leave::After)?;
        self.enter_database(&login).await?;
        self.put_ok();
        Ok(())
    }

    fn put_outcome(&mut self, outcome: Result<(), MySqlError>) {
        match outcome {
            Ok(()) => self.put_ok(),
            Err(error) => self.put_error(&error),
        }
    }

    fn put_error_of(&mut self, asked: Attended<()>) -> Result<(), Leave> {
        if let Err(error) = self.settle(asked)? {
            self.put_error(&error);
        }
        Ok(())
    }
}

/// Writes the last packet of a command's results, unless an error takes its place.
fn conclude(writer: ResultWriter<'_>, asked: &Attended<()>, status: crate::handler::SessionStatus) {
    if matches!(asked, Attended::Done(Ok(()))) {
        writer.conclude(status);
    } else {
        writer.conclude_before_error();
    }
}
