//! A text run by a session for a caller in this process: its last result as texts, without a wire between.

use std::time::Duration;

use crate::cell::Cell;
use crate::column::ColumnDef;
use crate::error::MySqlError;
use crate::handler::Handler;
use crate::result::{OkInfo, ResultWriter};
use crate::sink::PacketSink;

/// The most rows that are taken; a longer result is an error, as it would be silently cut otherwise.
const MOST_ROWS: usize = 10_000;

/// The last result of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// Names of the columns; none for a statement without rows.
    pub columns: Vec<String>,
    /// Values as a client prints them; None is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// What a statement without rows has told.
    pub info: OkInfo,
}

impl Captured {
    pub(crate) fn take_ok(&mut self, info: OkInfo) {
        *self = Captured { info, ..Captured::default() };
    }

    pub(crate) fn take_columns(&mut self, columns: &[ColumnDef]) {
        *self = Captured::default();
        self.columns = columns.iter().map(|column| column.name.clone()).collect();
    }

    pub(crate) fn take_row(&mut self, cells: &[Cell<'_>]) -> Result<(), MySqlError> {
        if self.rows.len() >= MOST_ROWS {
            return Err(MySqlError::unknown_error(format_args!("the result has more than {MOST_ROWS} rows")));
        }
        self.rows.push(cells.iter().map(text_of).collect());
        Ok(())
    }
}

fn text_of(cell: &Cell<'_>) -> Option<String> {
    if matches!(cell, Cell::Null) {
        return None;
    }
    let mut bytes = Vec::new();
    cell.encode_text(&mut bytes);
    // The length stands before the value, in 1, 3, 4 or 9 bytes.
    let skip = match bytes.first() {
        Some(0xFC) => 3,
        Some(0xFD) => 4,
        Some(0xFE) => 9,
        _ => 1,
    };
    Some(String::from_utf8_lossy(bytes.get(skip..).unwrap_or_default()).into_owned())
}

/// Runs a text in a session whose client is the caller. Whether the user may log in was asked before.
pub async fn capture(session: &mut dyn Handler, sql: &str) -> Result<Captured, MySqlError> {
    let mut captured = Captured::default();
    let mut nowhere = PacketSink::new(Box::new(tokio::io::sink()), Duration::from_secs(1));
    let mut out = ResultWriter::capturing(&mut nowhere, &mut captured);
    session.query(sql, &mut out).await?;
    drop(out);
    Ok(captured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_length_come_as_texts() {
        for length in [0, 1, 250, 251, 65_535, 65_536, 1 << 24] {
            let text = "x".repeat(length);
            assert_eq!(text_of(&Cell::Bytes(text.as_bytes().into())).as_deref(), Some(text.as_str()), "{length}");
        }
        assert_eq!(text_of(&Cell::Null), None);
        assert_eq!(text_of(&Cell::Int(-7)).as_deref(), Some("-7"));
        assert_eq!(text_of(&Cell::Date { year: 2026, month: 11, day: 20 }).as_deref(), Some("2026-11-20"));
    }

    #[test]
    fn the_last_result_counts_and_too_many_rows_are_an_error() {
        let mut captured = Captured::default();
        captured.take_columns(&[ColumnDef::text("a")]);
        for _ in 0..MOST_ROWS {
            captured.take_row(&[Cell::Int(1)]).unwrap();
        }
        assert!(captured.take_row(&[Cell::Int(1)]).is_err());
        captured.take_ok(OkInfo::affected(3));
        assert_eq!(captured, Captured { info: OkInfo::affected(3), ..Captured::default() });
    }
}
