//! The packets that every answer is made of: OK, ERR, EOF, column definitions.

use mysql_common::constants::{CapabilityFlags, StatusFlags};
use mysql_common::io::BufMutExt;

use crate::column::ColumnDef;
use crate::error::MySqlError;
use crate::handler::SessionStatus;
use crate::result::OkInfo;
use crate::sink::PacketSink;

const OK: u8 = 0x00;
const EOF: u8 = 0xfe;
const ERR: u8 = 0xff;

/// What this server can do; a client's wishes beyond this are ignored. TLS is offered beside it where there is a certificate; compression and query
/// attributes are not among it.
pub(crate) const SERVER_CAPABILITIES: CapabilityFlags = CapabilityFlags::CLIENT_LONG_PASSWORD
    .union(CapabilityFlags::CLIENT_FOUND_ROWS)
    .union(CapabilityFlags::CLIENT_LONG_FLAG)
    .union(CapabilityFlags::CLIENT_CONNECT_WITH_DB)
    .union(CapabilityFlags::CLIENT_NO_SCHEMA)
    .union(CapabilityFlags::CLIENT_ODBC)
    .union(CapabilityFlags::CLIENT_IGNORE_SPACE)
    .union(CapabilityFlags::CLIENT_PROTOCOL_41)
    .union(CapabilityFlags::CLIENT_INTERACTIVE)
    .union(CapabilityFlags::CLIENT_IGNORE_SIGPIPE)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_RESERVED)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_MULTI_STATEMENTS)
    .union(CapabilityFlags::CLIENT_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PS_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_CONNECT_ATTRS)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
    .union(CapabilityFlags::CLIENT_DEPRECATE_EOF);

/// The flags of a session as the protocol spells them.
pub(crate) fn status_flags(status: SessionStatus) -> StatusFlags {
    let mut flags = StatusFlags::empty();
    flags.set(StatusFlags::SERVER_STATUS_AUTOCOMMIT, status.autocommit);
    flags.set(StatusFlags::SERVER_STATUS_IN_TRANS, status.in_transaction);
    flags
}

/// One whole OK packet.
pub(crate) fn put_ok(sink: &mut PacketSink, info: &OkInfo, status: StatusFlags) {
    ok_packet(sink, OK, info, status);
}

fn ok_packet(sink: &mut PacketSink, header: u8, info: &OkInfo, status: StatusFlags) {
    let out = sink.begin();
    out.push(header);
    out.put_lenenc_int(info.affected_rows);
    out.put_lenenc_int(info.last_insert_id);
    out.extend_from_slice(&status.bits().to_le_bytes());
    out.extend_from_slice(&info.warnings.to_le_bytes());
    if !info.info.is_empty() {
        out.put_lenenc_str(info.info.as_bytes());
    }
    sink.end();
}

/// The end of rows, or of a list of columns that nothing follows: EOF, or OK in its place where the client asked for that.
pub(crate) fn put_end(sink: &mut PacketSink, client: CapabilityFlags, warnings: u16, status: StatusFlags) {
    if client.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
        ok_packet(sink, EOF, &OkInfo { warnings, ..OkInfo::default() }, status);
    } else {
        eof_packet(sink, warnings, status);
    }
}

/// The end of a list of columns that rows or more columns follow; clients that asked so do without.
pub(crate) fn put_end_of_columns(sink: &mut PacketSink, client: CapabilityFlags, status: StatusFlags) {
    if !client.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
        eof_packet(sink, 0, status);
    }
}

fn eof_packet(sink: &mut PacketSink, warnings: u16, status: StatusFlags) {
    let out = sink.begin();
    out.push(EOF);
    out.extend_from_slice(&warnings.to_le_bytes());
    out.extend_from_slice(&status.bits().to_le_bytes());
    sink.end();
}

/// One whole ERR packet. A client that has not logged in yet has not said whether it knows sqlstates, so it gets none.
pub(crate) fn put_error(sink: &mut PacketSink, client: CapabilityFlags, error: &MySqlError) {
    let out = sink.begin();
    out.push(ERR);
    out.extend_from_slice(&error.code.to_le_bytes());
    if client.contains(CapabilityFlags::CLIENT_PROTOCOL_41) {
        out.push(b'#');
        out.extend_from_slice(&error.sqlstate);
    }
    out.extend_from_slice(error.message.as_bytes());
    sink.end();
}

/// One column definition packet.
pub(crate) fn put_column(sink: &mut PacketSink, column: &ColumnDef) {
    column.encode(sink.begin());
    sink.end();
}
