//! The prepared statements of one connection: their texts, the types that were bound last, values sent in pieces, and the decoding of
//! COM_STMT_EXECUTE. What is kept is bounded by number and by bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::io::ParseBuf;
use mysql_common::value::{BinValue, Value, ValueDeserializer};

use crate::error::MySqlError;

/// The flag of a parameter's type: no sign.
const UNSIGNED: u8 = 0x80;
/// Statements' texts and values in pieces may together take this many times `max_allowed_packet`.
const PACKETS_OF_MEMORY: usize = 4;

#[derive(Debug)]
struct Statement {
    sql: Arc<str>,
    params: usize,
    types: Vec<(ColumnType, ColumnFlags)>,
    /// Values that came by COM_STMT_SEND_LONG_DATA, by parameter.
    pieces: BTreeMap<u16, Vec<u8>>,
    /// What went wrong with the pieces; told at the next execute, because pieces are not answered.
    failed: Option<MySqlError>,
}

/// All prepared statements of a connection.
#[derive(Debug)]
pub(crate) struct Statements {
    by_id: HashMap<u32, Statement>,
    last_id: u32,
    most: usize,
    largest: usize,
    /// Bytes of texts and of pieces.
    bytes: usize,
}

impl Statements {
    /// No statements yet; at most `most` of them, and no value in pieces larger than `largest` bytes.
    pub(crate) fn new(most: usize, largest: usize) -> Self {
        Self { by_id: HashMap::new(), last_id: 0, most, largest, bytes: 0 }
    }

    /// Keeps a statement and gives it a number.
    pub(crate) fn insert(&mut self, sql: &str, params: usize) -> Result<u32, MySqlError> {
        if params > usize::from(u16::MAX) {
            return Err(MySqlError::too_many_parameters());
        }
        if self.by_id.len() >= self.most || self.bytes + sql.len() > self.largest.saturating_mul(PACKETS_OF_MEMORY) {
            return Err(MySqlError::too_many_statements(self.most));
        }
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.by_id.contains_key(&self.last_id) {
                break;
            }
        }
        self.bytes += sql.len();
        let (types, pieces) = (Vec::new(), BTreeMap::new());
        self.by_id.insert(self.last_id, Statement { sql: sql.into(), params, types, pieces, failed: None });
        Ok(self.last_id)
    }

    /// Forgets a statement; an unknown one is forgotten already.
    pub(crate) fn close(&mut self, id: u32) {
        self.forget_pieces(id);
        if let Some(statement) = self.by_id.remove(&id) {
            self.bytes -= statement.sql.len();
        }
    }

    /// Forgets all statements.
    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
        self.bytes = 0;
    }

    /// Forgets the values that came in pieces.
    pub(crate) fn reset(&mut self, id: u32) -> Result<(), MySqlError> {
        if !self.by_id.contains_key(&id) {
            return Err(MySqlError::unknown_statement(id, "mysqld_stmt_reset"));
        }
        self.forget_pieces(id);
        Ok(())
    }

    fn forget_pieces(&mut self, id: u32) {
        if let Some(statement) = self.by_id.get_mut(&id) {
            self.bytes -= statement.bytes_in_pieces();
            statement.pieces.clear();
            statement.failed = None;
        }
    }

    /// Adds a piece to a parameter's value. Errors wait for the execute.
    pub(crate) fn add_piece(&mut self, id: u32, parameter: u16, data: &[u8]) {
        let Some(statement) = self.by_id.get_mut(&id) else {
            return;
        };
        if usize::from(parameter) >= statement.params {
            statement.failed.get_or_insert_with(|| MySqlError::wrong_arguments("mysqld_stmt_send_long_data"));
            return;
        }
        let held = statement.pieces.get(&parameter).map_or(0, Vec::len);
        let most = self.largest.saturating_mul(PACKETS_OF_MEMORY);
        if held + data.len() > self.largest || self.bytes + data.len() > most {
            statement.failed.get_or_insert_with(MySqlError::packet_too_large);
            return;
        }
        self.bytes += data.len();
        statement.pieces.entry(parameter).or_default().extend_from_slice(data);
    }

    /// Reads the body of COM_STMT_EXECUTE: the statement's text and its values.
    pub(crate) fn bind(&mut self, id: u32, body: &[u8]) -> Result<(Arc<str>, Vec<Value>), MySqlError> {
        let Some(statement) = self.by_id.get_mut(&id) else {
            return Err(MySqlError::unknown_statement(id, "mysqld_stmt_execute"));
        };
        self.bytes -= statement.bytes_in_pieces();
        let bound = match statement.failed.take() {
            Some(error) => Err(error),
            None => statement.read_values(body),
        };
        // Used or not, pieces serve one execute.
        statement.pieces.clear();
        Ok((Arc::clone(&statement.sql), bound?))
    }
}

impl Statement {
    fn bytes_in_pieces(&self) -> usize {
        self.pieces.values().map(Vec::len).sum()
    }

    fn read_values(&mut self, body: &[u8]) -> Result<Vec<Value>, MySqlError> {
        let mut rest = ParseBuf(body);
        // Cursor flags, which are a wish that may be ignored, and an iteration count, which is always one.
        whole(rest.checked_eat(5))?;
        if self.params == 0 {
            return Ok(Vec::new());
        }
        let nulls = whole(rest.checked_eat(self.params.div_ceil(8)))?;
        if whole(rest.checked_eat_u8())? == 1 {
            self.types = read_types(whole(rest.checked_eat(self.params * 2))?)?;
        }
        if self.types.len() != self.params {
            return Err(MySqlError::wrong_arguments("mysqld_stmt_execute"));
        }
        let mut values = Vec::with_capacity(self.params);
        for (index, column_type) in self.types.iter().enumerate() {
            let piece = u16::try_from(index).ok().and_then(|index| self.pieces.remove(&index));
            values.push(if let Some(bytes) = piece {
                Value::Bytes(bytes)
            } else if nulls[index / 8] & (1 << (index % 8)) != 0 {
                Value::NULL
            } else {
                let value: ValueDeserializer<BinValue> =
                    rest.parse(*column_type).map_err(|_| MySqlError::malformed_packet())?;
                value.0
            });
        }
        Ok(values)
    }
}

fn whole<T>(value: Option<T>) -> Result<T, MySqlError> {
    value.ok_or_else(MySqlError::malformed_packet)
}

fn read_types(bytes: &[u8]) -> Result<Vec<(ColumnType, ColumnFlags)>, MySqlError> {
    bytes
        .chunks_exact(2)
        .map(|pair| {
            let column_type = ColumnType::try_from(pair[0]).ok().filter(|known| is_parameter_type(*known));
            let flags = if pair[1] & UNSIGNED != 0 { ColumnFlags::UNSIGNED_FLAG } else { ColumnFlags::empty() };
            column_type.map(|known| (known, flags)).ok_or_else(|| MySqlError::wrong_arguments("mysqld_stmt_execute"))
        })
        .collect()
}

/// The types that a value can be sent in. The others are the server's own business, and the decoder does not know them.
fn is_parameter_type(column_type: ColumnType) -> bool {
    use ColumnType::*;
    !matches!(
        column_type,
        MYSQL_TYPE_TIMESTAMP2 | MYSQL_TYPE_DATETIME2 | MYSQL_TYPE_TIME2 | MYSQL_TYPE_TYPED_ARRAY | MYSQL_TYPE_UNKNOWN
    )
}

#[cfg(test)]
mod tests;
