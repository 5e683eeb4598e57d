//! Entry points for fuzzers and for the bounded run of their corpora: whatever bytes a client sends, nothing panics and nothing
//! grows without bound.

use std::time::Duration;

use mysql_common::constants::CapabilityFlags;

use crate::command::Command;
use crate::login::{read_change_user, read_handshake_response};
use crate::source::{PacketSource, Patience};
use crate::statement::Statements;

const LIMIT: usize = 1 << 20;

/// The bytes of a connection: frames joined to packets, and each packet read as everything that it may be.
pub fn packets(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let said = std::io::Cursor::new(bytes.to_vec());
    runtime.block_on(async {
        let mut source = PacketSource::new(Box::new(said));
        let patience = Patience { limit: LIMIT, first: Duration::from_secs(1), further: Duration::from_secs(1) };
        let mut expected = bytes.get(3).copied().unwrap_or(0);
        while let Ok(payload) = source.next(expected, patience).await {
            packet(&payload);
            expected = source.sequence().wrapping_add(1);
        }
    });
}

/// One packet's payload as a login, a change of user, a command, and the parameters of a statement.
pub fn packet(payload: &[u8]) {
    let _ = read_handshake_response(payload);
    let _ = Command::read(payload);
    for client in [CapabilityFlags::all(), CapabilityFlags::CLIENT_PROTOCOL_41, CapabilityFlags::empty()] {
        let _ = read_change_user(payload, client);
    }
    let Some((params, body)) = payload.split_first() else { return };
    let mut statements = Statements::new(4, LIMIT);
    if let Ok(id) = statements.insert("SELECT ?", usize::from(*params)) {
        statements.add_piece(id, 0, &body[..body.len().min(16)]);
        // Types are remembered: a second execution may leave them out.
        let _ = (statements.bind(id, body), statements.bind(id, body));
    }
}

/// Bytes for a first corpus of [`packets`].
pub fn some_packets() -> Vec<Vec<u8>> {
    let frame = |sequence: u8, payload: &[u8]| {
        let mut bytes = (payload.len() as u32).to_le_bytes()[..3].to_vec();
        bytes.push(sequence);
        bytes.extend_from_slice(payload);
        bytes
    };
    // HandshakeResponse41 of a client with a password, a database and a plugin.
    let mut login = vec![0x8d, 0xa6, 0x0f, 0, 0, 0, 0, 1, 45];
    login.extend_from_slice(&[0; 23]);
    login.extend_from_slice(b"root\0\x14aaaaaaaaaaaaaaaaaaaadb\0mysql_native_password\0");
    let query = [b"\x03SELECT 1".to_vec(), b"\x16SELECT ?".to_vec(), b"\x02db".to_vec()];
    let mut execute = vec![0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 8, 0];
    execute.extend_from_slice(&7_u64.to_le_bytes());
    let mut bound = vec![2, 0, 1, 8, 0, 253, 0];
    bound.extend_from_slice(&7_u64.to_le_bytes());
    bound.extend_from_slice(b"\x03abc");
    vec![frame(1, &login), query.iter().flat_map(|q| frame(0, q)).collect(), frame(0, &execute), frame(0, &bound)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_corpus_is_understood() {
        some_packets().iter().for_each(|bytes| packets(bytes));
        let login = &some_packets()[0];
        assert!(read_handshake_response(&login[4..]).is_ok());
    }
}
