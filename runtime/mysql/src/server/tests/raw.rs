//! A client of raw packets: the exact bytes of every answer.

use super::{assert_closed, assert_well};
use crate::fixture::{MODERN, OLD, TestServer, error_of};

#[tokio::test]
async fn a_result_set_with_old_eof() {
    let server = TestServer::start().await;
    let mut client = server.log_in(OLD).await;
    client.command(b"\x03select 1").await;
    assert_eq!(client.read().await.unwrap(), [1]);
    let column = client.read().await.unwrap();
    assert_eq!(&column[..4], b"\x03def");
    assert_eq!(client.read().await.unwrap(), [0xfe, 0, 0, 2, 0]);
    assert_eq!(client.read().await.unwrap(), b"\x011");
    assert_eq!(client.read().await.unwrap(), [0xfe, 0, 0, 2, 0]);
    assert_well(&mut client).await;
}

#[tokio::test]
async fn a_result_set_without_eof() {
    let server = TestServer::start().await;
    let mut client = server.log_in(MODERN).await;
    client.command(b"\x03types").await;
    assert_eq!(client.read().await.unwrap(), [11]);
    for _ in 0..11 {
        assert_eq!(&client.read().await.unwrap()[..4], b"\x03def");
    }
    let row = client.read().await.unwrap();
    assert_eq!(&row[..3], b"\x02-7");
    // OK in the place of EOF: no rows affected, autocommit, three warnings.
    assert_eq!(client.read().await.unwrap(), [0xfe, 0, 0, 2, 0, 3, 0]);
}

#[tokio::test]
async fn results_of_several_statements_say_that_more_follow() {
    let server = TestServer::start().await;
    let mut client = server.log_in(MODERN).await;
    client.command(b"\x03affect 3; transaction; select 2; fail").await;
    let ok = client.read().await.unwrap();
    assert_eq!(&ok[..7], [0, 3, 0, 0x0a, 0, 0, 0]);
    assert_eq!(&ok[8..], b"{'label':'insert_1'}");
    assert_eq!(client.read().await.unwrap(), [0, 0, 0, 0x0a, 0, 0, 0]);
    assert_eq!(client.read().await.unwrap(), [1]);
    client.read().await.unwrap();
    assert_eq!(client.read().await.unwrap(), b"\x012");
    assert_eq!(client.read().await.unwrap(), [0xfe, 0, 0, 0x0a, 0, 0, 0]);
    assert_eq!(error_of(&client.read().await.unwrap()).0, 1064);
    // The last result tells the session's state; nothing follows it.
    client.command(b"\x03nothing").await;
    assert_eq!(client.read().await.unwrap(), [0, 0, 0, 3, 0, 0, 0]);
}

#[tokio::test]
async fn a_client_that_takes_one_result_gets_an_error_instead_of_a_second() {
    let server = TestServer::start().await;
    let mut client = server.log_in(OLD & !0x0003_0000).await;
    client.command(b"\x03affect 1; affect 2").await;
    assert_eq!(error_of(&client.read().await.unwrap()).0, 1105);
    assert_well(&mut client).await;
}

#[tokio::test]
async fn an_error_after_rows_ends_the_result() {
    let server = TestServer::start().await;
    let mut client = server.log_in(MODERN).await;
    client.command(b"\x03fail after 3").await;
    let mut packets = Vec::new();
    for _ in 0..7 {
        packets.push(client.read().await.unwrap());
    }
    assert_eq!(packets[5], b"\x012\x05row 2");
    assert_eq!(error_of(&packets[6]), (1317, "Query execution was interrupted".to_owned()));
    assert_well(&mut client).await;
}

#[tokio::test]
async fn mistakes_of_a_session_are_errors_for_its_client() {
    let server = TestServer::start().await;
    let mut client = server.log_in(MODERN).await;
    client.command(b"\x03columns 0").await;
    assert_eq!(error_of(&client.read().await.unwrap()).0, 1105);
    client.command(b"\x03narrow").await;
    for _ in 0..3 {
        client.read().await.unwrap();
    }
    assert_eq!(error_of(&client.read().await.unwrap()).1, "a row of 1 values in a result of 2 columns");
    client.command(b"\x03panic").await;
    assert_eq!(error_of(&client.read().await.unwrap()).0, 1105);
    assert_closed(&mut client).await;
    assert_well(&mut server.log_in(OLD).await).await;
}

#[tokio::test]
async fn commands_that_are_not_served() {
    let server = TestServer::start().await;
    let mut client = server.log_in(OLD).await;
    for code in [0u8, 5, 6, 7, 8, 10, 11, 13, 15, 16, 18, 19, 20, 21, 28, 29, 30, 32, 0xfa, 0xff] {
        client.command(&[code, 1, 2, 3]).await;
        assert_eq!(error_of(&client.read().await.unwrap()), (1047, "Unknown command".to_owned()), "{code}");
    }
    client.command(b"").await;
    assert_eq!(error_of(&client.read().await.unwrap()).0, 1835);
    client.command(b"\x03select '\xff'").await;
    assert_eq!(error_of(&client.read().await.unwrap()).0, 1300);
    // Silent commands stay silent, also when they are cut off.
    client.command(b"\x19\x01").await;
    client.command(b"\x18\x01\0\0\0\0\0data").await;
    assert_well(&mut client).await;
}

#[tokio::test]
async fn small_commands() {
    let server = TestServer::start().await;
    let mut client = server.log_in(OLD).await;
    client.command(b"\x02default_catalog.db").await;
    assert_eq!(client.read().await.unwrap()[0], 0);
    client.command(b"\x02nowhere").await;
    assert_eq!(error_of(&client.read().await.unwrap()).0, 5501);
    client.command(b"\x09").await;
    assert_eq!(client.read().await.unwrap(), b"Uptime: 1  Threads: 1");
    client.command(b"\x04t\0na").await;
    let field = client.read().await.unwrap();
    assert_eq!(field.last(), Some(&0xfb));
    assert_eq!(client.read().await.unwrap(), [0xfe, 0, 0, 2, 0]);
    client.command(b"\x04u\0").await;
    assert_eq!(error_of(&client.read().await.unwrap()).0, 5502);
    client.command(b"\x1b\0\0").await;
    assert_eq!(client.read().await.unwrap(), [0xfe, 0, 0, 2, 0]);
    client.command(b"\x0c\x63\0\0\0").await;
    assert_eq!(error_of(&client.read().await.unwrap()), (1094, "Unknown thread id: 99".to_owned()));
    client.command(b"\x01").await;
    assert_closed(&mut client).await;
}

#[tokio::test]
async fn logins_that_fail() {
    let server = TestServer::start().await;
    for (user, response, expected) in [
        ("ann", &[][..], "Access denied for user 'ann'@'127.0.0.1' (using password: NO)"),
        ("ann", &[7; 20][..], "Access denied for user 'ann'@'127.0.0.1' (using password: YES)"),
        ("root", &[7; 20][..], "Access denied for user 'root'@'127.0.0.1' (using password: YES)"),
        ("", &[][..], "Access denied for user ''@'127.0.0.1' (using password: NO)"),
    ] {
        let mut client = server.connect().await;
        client.send_login(OLD, user, response).await;
        assert_eq!(error_of(&client.read().await.unwrap()), (1045, expected.to_owned()));
        assert_closed(&mut client).await;
    }
}

#[tokio::test]
async fn other_plugins_are_asked_to_switch() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    let mut login = (OLD | 0x0008_0000u32).to_le_bytes().to_vec();
    login.extend_from_slice(&[0; 28]);
    login.extend_from_slice(b"root\0\x03xyz\0caching_sha2_password\0");
    client.send(&login).await;
    let switch = client.read().await.unwrap();
    assert_eq!(&switch[..23], b"\xfemysql_native_password\0");
    assert_eq!(switch.len(), 23 + 21);
    client.send(b"").await;
    assert_eq!(client.read().await.unwrap()[0], 0);
    assert_well(&mut client).await;
    assert_eq!(server.shared.login.lock().unwrap().as_ref().unwrap().auth_plugin, "mysql_native_password");
}
