//! The commands that a client may send, read from the first byte of a packet.

use mysql_common::constants::Command as Code;
use mysql_common::io::ParseBuf;

use crate::error::MySqlError;

/// One command with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Quit,
    InitDb(&'a str),
    Query(&'a str),
    FieldList {
        table: &'a str,
        wildcard: &'a str,
    },
    Statistics,
    ProcessKill(u32),
    Ping,
    /// The rest of the packet; what is in it depends on the connection's capabilities.
    ChangeUser(&'a [u8]),
    Prepare(&'a str),
    Execute {
        statement: u32,
        body: &'a [u8],
    },
    SendLongData {
        statement: u32,
        parameter: u16,
        data: &'a [u8],
    },
    CloseStatement(u32),
    ResetStatement(u32),
    /// Multi-statements on or off.
    SetMultiStatements(bool),
    ResetConnection,
}

const QUIT: u8 = Code::COM_QUIT as u8;
const INIT_DB: u8 = Code::COM_INIT_DB as u8;
const QUERY: u8 = Code::COM_QUERY as u8;
const FIELD_LIST: u8 = Code::COM_FIELD_LIST as u8;
const STATISTICS: u8 = Code::COM_STATISTICS as u8;
const PROCESS_KILL: u8 = Code::COM_PROCESS_KILL as u8;
const PING: u8 = Code::COM_PING as u8;
const CHANGE_USER: u8 = Code::COM_CHANGE_USER as u8;
const PREPARE: u8 = Code::COM_STMT_PREPARE as u8;
const EXECUTE: u8 = Code::COM_STMT_EXECUTE as u8;
const SEND_LONG_DATA: u8 = Code::COM_STMT_SEND_LONG_DATA as u8;
const CLOSE: u8 = Code::COM_STMT_CLOSE as u8;
const RESET: u8 = Code::COM_STMT_RESET as u8;
const SET_OPTION: u8 = Code::COM_SET_OPTION as u8;
const RESET_CONNECTION: u8 = Code::COM_RESET_CONNECTION as u8;

impl<'a> Command<'a> {
    /// Reads a packet. The error is for the client; the connection can go on.
    pub(crate) fn read(packet: &'a [u8]) -> Result<Self, MySqlError> {
        let Some((code, arguments)) = packet.split_first() else {
            return Err(MySqlError::malformed_packet());
        };
        let mut rest = ParseBuf(arguments);
        Ok(match *code {
            QUIT => Self::Quit,
            INIT_DB => Self::InitDb(text(arguments)?),
            QUERY => Self::Query(text(arguments)?),
            FIELD_LIST => Self::FieldList { table: text(rest.eat_null_str())?, wildcard: text(rest.eat_null_str())? },
            STATISTICS => Self::Statistics,
            PROCESS_KILL => Self::ProcessKill(whole(rest.checked_eat_u32_le())?),
            PING => Self::Ping,
            CHANGE_USER => Self::ChangeUser(arguments),
            PREPARE => Self::Prepare(text(arguments)?),
            EXECUTE => Self::Execute { statement: whole(rest.checked_eat_u32_le())?, body: rest.0 },
            SEND_LONG_DATA => Self::SendLongData {
                statement: whole(rest.checked_eat_u32_le())?,
                parameter: whole(rest.checked_eat_u16_le())?,
                data: rest.0,
            },
            CLOSE => Self::CloseStatement(whole(rest.checked_eat_u32_le())?),
            RESET => Self::ResetStatement(whole(rest.checked_eat_u32_le())?),
            SET_OPTION => match whole(rest.checked_eat_u16_le())? {
                0 => Self::SetMultiStatements(true),
                1 => Self::SetMultiStatements(false),
                _ => return Err(MySqlError::unknown_command()),
            },
            RESET_CONNECTION => Self::ResetConnection,
            _ => return Err(MySqlError::unknown_command()),
        })
    }

    /// True for the commands that the protocol answers with nothing, not even with an error.
    pub(crate) fn is_silent(code: u8) -> bool {
        matches!(code, CLOSE | SEND_LONG_DATA | QUIT)
    }
}

fn whole<T>(value: Option<T>) -> Result<T, MySqlError> {
    value.ok_or_else(MySqlError::malformed_packet)
}

/// Texts must be UTF-8: a statement that was silently changed would be worse than one refused.
fn text(bytes: &[u8]) -> Result<&str, MySqlError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let bad = &bytes[error.valid_up_to()..];
        MySqlError::invalid_utf8(bad[..bad.len().min(6)].escape_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_served_command() {
        for (packet, expected) in [
            (&b"\x01"[..], Command::Quit),
            (b"\x02default_catalog.db", Command::InitDb("default_catalog.db")),
            (b"\x03select 1", Command::Query("select 1")),
            (b"\x04t\0%", Command::FieldList { table: "t", wildcard: "%" }),
            (b"\x04t\0", Command::FieldList { table: "t", wildcard: "" }),
            (b"\x09", Command::Statistics),
            (b"\x0c\x05\0\0\0", Command::ProcessKill(5)),
            (b"\x0e", Command::Ping),
            (b"\x11root\0", Command::ChangeUser(b"root\0")),
            (b"\x16select ?", Command::Prepare("select ?")),
            (b"\x17\x01\0\0\0body", Command::Execute { statement: 1, body: b"body" }),
            (b"\x18\x01\0\0\0\x02\0data", Command::SendLongData { statement: 1, parameter: 2, data: b"data" }),
            (b"\x19\x01\0\0\0", Command::CloseStatement(1)),
            (b"\x1a\x01\0\0\0", Command::ResetStatement(1)),
            (b"\x1b\0\0", Command::SetMultiStatements(true)),
            (b"\x1b\x01\0", Command::SetMultiStatements(false)),
            (b"\x1f", Command::ResetConnection),
        ] {
            assert_eq!(Command::read(packet), Ok(expected));
        }
    }

    #[test]
    fn everything_else_is_unknown() {
        let served = [1, 2, 3, 4, 9, 12, 14, 17, 22, 23, 24, 25, 26, 27, 31];
        for code in (0..=255).filter(|code| !served.contains(code)) {
            assert_eq!(Command::read(&[code, 0, 0, 0, 0]), Err(MySqlError::unknown_command()), "{code}");
        }
        assert_eq!(Command::read(b"\x1b\x02\0"), Err(MySqlError::unknown_command()));
    }

    #[test]
    fn cut_off_and_not_utf8() {
        for packet in [&b""[..], b"\x17\x01\0\0", b"\x18\x01\0\0\0\x02", b"\x19", b"\x1b\0", b"\x0c"] {
            assert_eq!(Command::read(packet), Err(MySqlError::malformed_packet()));
        }
        let error = Command::read(b"\x03select '\xff\xfe'").unwrap_err();
        assert_eq!(error.to_string(), "ERROR 1300 (HY000): Invalid utf8mb4 character string: '\\xff\\xfe\\''");
    }

    proptest! {
        #[test]
        fn any_bytes(packet in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Command::read(&packet);
        }
    }
}
