//! Tests of the login packets against a client's encoder, against bytes of old clients, and against any bytes.

use super::*;
use mysql_common::packets::{AuthPlugin, ComChangeUser, ComChangeUserMoreData, HandshakeResponse};
use proptest::prelude::*;
use std::collections::HashMap;

fn response(plugin: AuthPlugin<'static>, database: Option<&'static str>, wishes: CapabilityFlags) -> Vec<u8> {
    let attributes = HashMap::from([("_client_name".to_owned(), "libmysql".to_owned())]);
    let mut bytes = Vec::new();
    HandshakeResponse::new(
        Some(&b"twenty bytes of salt"[..]),
        (8, 0, 33),
        Some(&b"root"[..]),
        database.map(str::as_bytes),
        Some(plugin),
        wishes,
        Some(attributes),
        1 << 24,
    )
    .serialize(&mut bytes);
    bytes
}

#[test]
fn a_client_reads_the_greeting() {
    let salt = new_salt();
    let mut bytes = Vec::new();
    put_greeting(
        &mut bytes,
        ("8.0.33 Starkeep", SERVER_CAPABILITIES),
        77,
        &salt,
        StatusFlags::SERVER_STATUS_AUTOCOMMIT,
    );
    let read: HandshakePacket<'_> = ParseBuf(&bytes).parse(()).unwrap();
    assert_eq!(read.protocol_version(), 10);
    assert_eq!(read.server_version_parsed(), Some((8, 0, 33)));
    assert_eq!(read.connection_id(), 77);
    assert_eq!(read.nonce(), salt);
    assert_eq!(read.auth_plugin_name_ref(), Some(NATIVE_PASSWORD.as_bytes()));
    assert_eq!(read.status_flags(), StatusFlags::SERVER_STATUS_AUTOCOMMIT);
    assert_eq!(read.capabilities(), SERVER_CAPABILITIES);
    let never = CapabilityFlags::CLIENT_SSL
        | CapabilityFlags::CLIENT_COMPRESS
        | CapabilityFlags::CLIENT_QUERY_ATTRIBUTES
        | CapabilityFlags::CLIENT_LOCAL_FILES
        | CapabilityFlags::CLIENT_SESSION_TRACK;
    assert!(!read.capabilities().intersects(never));
}

#[test]
fn salts_differ_and_hold_no_zero() {
    let salts: Vec<_> = (0..100).map(|_| new_salt()).collect();
    assert!(salts.iter().flatten().all(|byte| *byte != 0 && *byte < 128));
    assert!(salts.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_modern_login() {
    let wishes = SERVER_CAPABILITIES | CapabilityFlags::CLIENT_QUERY_ATTRIBUTES | CapabilityFlags::CLIENT_SESSION_TRACK;
    let bytes = response(AuthPlugin::CachingSha2Password, Some("default_catalog.quickstart"), wishes);
    let (client, credentials) = read_handshake_response(&bytes).unwrap();
    assert!(SERVER_CAPABILITIES.contains(client), "only what was offered counts");
    assert_eq!(credentials.user, "root");
    assert_eq!(credentials.auth_response, b"twenty bytes of salt");
    assert_eq!(credentials.database.as_deref(), Some("default_catalog.quickstart"));
    assert_eq!(credentials.auth_plugin, "caching_sha2_password");
    assert!(!credentials.is_native());
    assert_eq!(credentials.connect_attributes["_client_name"], "libmysql");
}

#[test]
fn a_login_of_4_1_without_plugins() {
    // node mysql 2.18: capabilities 0x0006f3cf, an empty response, an empty database.
    let mut bytes = 0x0006_f3cf_u32.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 1, 33]);
    bytes.extend_from_slice(&[0; 23]);
    bytes.extend_from_slice(b"root\0\0\0");
    let (client, credentials) = read_handshake_response(&bytes).unwrap();
    assert!(!client.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH));
    assert_eq!(credentials, Credentials { user: "root".to_owned(), collation: 33, ..Credentials::default() });
    assert!(credentials.is_native());
}

#[test]
fn parts_that_are_announced_and_left_out_are_forgiven() {
    let wishes = SERVER_CAPABILITIES.bits();
    let mut bytes = wishes.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 1, 255]);
    bytes.extend_from_slice(&[0; 23]);
    bytes.extend_from_slice(b"root\0\0");
    let (_, credentials) = read_handshake_response(&bytes).unwrap();
    assert_eq!(credentials, Credentials { user: "root".to_owned(), collation: 255, ..Credentials::default() });
}

#[test]
fn no_login() {
    let old = [0x85, 0xa2, 0, 0, 0, b'r', b'o', b'o', b't', 0];
    for bytes in [&[][..], &old, &[0xff; 31], b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"] {
        assert_eq!(read_handshake_response(bytes), Err(MySqlError::bad_handshake()));
    }
}

#[test]
fn change_user() {
    let attributes = HashMap::from([("a".to_owned(), "b".to_owned())]);
    let more = ComChangeUserMoreData::new(224)
        .with_auth_plugin(Some(AuthPlugin::MysqlNativePassword))
        .with_connect_attributes(Some(attributes));
    let mut bytes = Vec::new();
    ComChangeUser::new()
        .with_user(Some(&b"ann"[..]))
        .with_database(Some(&b"db"[..]))
        .with_auth_plugin_data(Some(&b"12345678901234567890"[..]))
        .with_more_data(Some(more))
        .serialize(&mut bytes);
    let credentials = read_change_user(&bytes[1..], SERVER_CAPABILITIES).unwrap();
    assert_eq!(credentials.user, "ann");
    assert_eq!(credentials.database.as_deref(), Some("db"));
    assert_eq!(credentials.auth_response, b"12345678901234567890");
    assert_eq!(credentials.collation, 224);
    assert!(credentials.is_native());
    assert_eq!(credentials.connect_attributes["a"], "b");
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), wishes: u32) {
        let _ = read_handshake_response(&bytes);
        let client = CapabilityFlags::from_bits_truncate(wishes);
        let _ = read_change_user(&bytes, client);
        let mut login = (wishes | CapabilityFlags::CLIENT_PROTOCOL_41.bits()).to_le_bytes().to_vec();
        login.extend_from_slice(&bytes);
        let _ = read_handshake_response(&login);
    }

    #[test]
    fn a_login_cut_off_anywhere_is_no_panic(cut in 0usize..200) {
        let whole = response(AuthPlugin::MysqlNativePassword, Some("db"), SERVER_CAPABILITIES);
        let _ = read_handshake_response(&whole[..cut.min(whole.len())]);
    }
}
