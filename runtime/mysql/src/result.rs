//! Writing results: OK packets and result sets, row by row, in text or in binary. What a client is slow to take is not piled up: `row`
//! waits for the socket once some 64 KiB are on their way.

use mysql_common::constants::{CapabilityFlags, ColumnType, StatusFlags};
use mysql_common::io::BufMutExt;

use crate::capture::Captured;
use crate::cell::Cell;
use crate::column::ColumnDef;
use crate::error::MySqlError;
use crate::handler::SessionStatus;
use crate::reply::{put_column, put_end, put_end_of_columns, put_ok, status_flags};
use crate::sink::PacketSink;

/// How values travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Answers to COM_QUERY.
    Text,
    /// Answers to COM_STMT_EXECUTE.
    Binary,
}

/// What a statement without rows has to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OkInfo {
    /// Rows inserted, changed or deleted.
    pub affected_rows: u64,
    /// The last AUTO_INCREMENT value.
    pub last_insert_id: u64,
    /// How many warnings SHOW WARNINGS would show.
    pub warnings: u16,
    /// A line for people, such as StarRocks' `{'label':'insert_…', 'status':'VISIBLE', 'txnId':'17'}`.
    pub info: String,
}

impl OkInfo {
    /// An OK for this many rows.
    pub fn affected(rows: u64) -> Self {
        Self { affected_rows: rows, ..Self::default() }
    }
}

/// Where the writer stands. The end of a result waits until it is known whether another one follows.
#[derive(Debug)]
enum State {
    /// Nothing written yet.
    Empty,
    /// Between `start` and `finish`.
    Rows,
    /// A result is complete but for its last packet.
    Ended(Ending),
}

#[derive(Debug)]
enum Ending {
    Ok(OkInfo),
    Rows { warnings: u16 },
}

/// Takes the results of one command. Errors of its methods are to be passed on with `?`: they mean that the client is gone, or that
/// the caller broke a rule named at the method.
pub struct ResultWriter<'a> {
    sink: &'a mut PacketSink,
    client: CapabilityFlags,
    encoding: Encoding,
    status: SessionStatus,
    state: State,
    types: Vec<ColumnType>,
    rows: u64,
    /// Takes the results instead of the sink.
    captured: Option<&'a mut Captured>,
}

impl<'a> ResultWriter<'a> {
    pub(crate) fn new(
        sink: &'a mut PacketSink,
        client: CapabilityFlags,
        encoding: Encoding,
        status: SessionStatus,
    ) -> Self {
        Self { sink, client, encoding, status, state: State::Empty, types: Vec::new(), rows: 0, captured: None }
    }

    /// A writer for a caller in this process; nothing comes to `sink`.
    pub(crate) fn capturing(sink: &'a mut PacketSink, captured: &'a mut Captured) -> Self {
        let writer = Self::new(sink, CapabilityFlags::empty(), Encoding::Text, SessionStatus::default());
        Self { captured: Some(captured), ..writer }
    }

    /// True when the client may send several statements in one text (it can change its mind by COM_SET_OPTION).
    pub fn multi_statements(&self) -> bool {
        self.client.contains(CapabilityFlags::CLIENT_MULTI_STATEMENTS)
    }

    /// How many rows of the current result set were written.
    pub fn rows_written(&self) -> u64 {
        self.rows
    }

    /// Changes the flags that results in the middle of a multi-statement carry. The last one takes them from `Handler::status`.
    pub fn set_status(&mut self, status: SessionStatus) {
        self.status = status;
    }

    /// One result without rows.
    pub async fn ok(&mut self, info: OkInfo) -> Result<(), MySqlError> {
        if let Some(captured) = &mut self.captured {
            captured.take_ok(info);
            return Ok(());
        }
        self.begin_result()?;
        self.state = State::Ended(Ending::Ok(info));
        self.flush_if_full().await
    }

    /// Opens a result set of these columns, at least one.
    pub async fn start(&mut self, columns: &[ColumnDef]) -> Result<(), MySqlError> {
        if columns.is_empty() {
            return Err(MySqlError::unknown_error("a result set needs at least one column"));
        }
        if let Some(captured) = &mut self.captured {
            captured.take_columns(columns);
            self.types = columns.iter().map(|column| column.column_type).collect();
            self.state = State::Rows;
            return Ok(());
        }
        self.begin_result()?;
        self.sink.begin().put_lenenc_int(columns.len() as u64);
        self.sink.end();
        for column in columns {
            put_column(self.sink, column);
        }
        put_end_of_columns(self.sink, self.client, status_flags(self.status));
        self.types.clear();
        self.types.extend(columns.iter().map(|column| column.column_type));
        self.state = State::Rows;
        self.flush_if_full().await
    }

    /// Writes one row: as many cells as there are columns, between `start` and `finish`.
    pub async fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), MySqlError> {
        if !matches!(self.state, State::Rows) || cells.len() != self.types.len() {
            return Err(MySqlError::unknown_error(format_args!(
                "a row of {} values in a result of {} columns",
                cells.len(),
                self.types.len()
            )));
        }
        if let Some(captured) = &mut self.captured {
            self.rows += 1;
            return captured.take_row(cells);
        }
        let out = self.sink.begin();
        let encoded = match self.encoding {
            Encoding::Text => {
                cells.iter().for_each(|cell| cell.encode_text(out));
                Ok(())
            }
            Encoding::Binary => encode_binary_row(cells, &self.types, out),
        };
        if let Err(unfit) = encoded {
            self.sink.abandon();
            return Err(MySqlError::unknown_error(unfit));
        }
        self.sink.end();
        self.rows += 1;
        self.flush_if_full().await
    }

    /// Closes the result set.
    pub async fn finish(&mut self) -> Result<(), MySqlError> {
        self.finish_with_warnings(0).await
    }

    /// Closes the result set of a statement that has warnings.
    pub async fn finish_with_warnings(&mut self, warnings: u16) -> Result<(), MySqlError> {
        if !matches!(self.state, State::Rows) {
            return Err(MySqlError::unknown_error("no result set is open"));
        }
        self.state = State::Ended(Ending::Rows { warnings });
        Ok(())
    }

    /// Ends the previous result, if any, saying that another one follows.
    fn begin_result(&mut self) -> Result<(), MySqlError> {
        match self.state {
            State::Empty => {}
            State::Rows => return Err(MySqlError::unknown_error("the previous result set is still open")),
            State::Ended(_) if !self.takes_several_results() => {
                return Err(MySqlError::unknown_error("the client takes one result per command only"));
            }
            State::Ended(_) => {
                let status = status_flags(self.status) | StatusFlags::SERVER_MORE_RESULTS_EXISTS;
                self.put_ending(status);
            }
        }
        self.rows = 0;
        Ok(())
    }

    fn takes_several_results(&self) -> bool {
        let several = CapabilityFlags::CLIENT_MULTI_STATEMENTS | CapabilityFlags::CLIENT_MULTI_RESULTS;
        self.client.intersects(several)
    }

    fn put_ending(&mut self, status: StatusFlags) {
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Empty => {}
            State::Ended(Ending::Ok(info)) => put_ok(self.sink, &info, status),
            State::Rows => put_end(self.sink, self.client, 0, status),
            State::Ended(Ending::Rows { warnings }) => put_end(self.sink, self.client, warnings, status),
        }
    }

    /// The last packet of the command, after the handler has agreed. A command that wrote nothing is OK; rows left open are closed.
    pub(crate) fn conclude(mut self, status: SessionStatus) {
        if matches!(self.state, State::Empty) {
            self.state = State::Ended(Ending::Ok(OkInfo::default()));
        }
        self.put_ending(status_flags(status));
    }

    /// Leaves the writer before an ERR packet: results that were complete stay complete, rows that were open are cut off by the error.
    /// For a client that takes one result only, the error takes the place of the last packet.
    pub(crate) fn conclude_before_error(mut self) {
        if matches!(self.state, State::Ended(_)) && self.takes_several_results() {
            let status = status_flags(self.status) | StatusFlags::SERVER_MORE_RESULTS_EXISTS;
            self.put_ending(status);
        }
    }

    async fn flush_if_full(&mut self) -> Result<(), MySqlError> {
        if self.sink.is_full() { self.sink.flush().await } else { Ok(()) }
    }
}

fn encode_binary_row(cells: &[Cell<'_>], types: &[ColumnType], out: &mut Vec<u8>) -> Result<(), crate::cell::Unfit> {
    out.push(0);
    // One bit per column, from the third bit on.
    let nulls = out.len();
    out.resize(nulls + (cells.len() + 9) / 8, 0);
    for (index, (cell, column_type)) in cells.iter().zip(types).enumerate() {
        if matches!(cell, Cell::Null) {
            out[nulls + (index + 2) / 8] |= 1 << ((index + 2) % 8);
        } else {
            cell.encode_binary(*column_type, out)?;
        }
    }
    Ok(())
}
