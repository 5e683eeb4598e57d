//! A client of raw packets: exact bytes, limits, bad manners, disconnects, shutdown.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ServerOptions;
use crate::fixture::{MODERN, OLD, RawClient, TestServer, error_of};

const SOON: Duration = Duration::from_secs(10);

async fn until(counter: &AtomicUsize, wanted: usize) {
    let deadline = Instant::now() + SOON;
    while counter.load(Ordering::SeqCst) < wanted {
        assert!(Instant::now() < deadline, "waited for {wanted}, is {}", counter.load(Ordering::SeqCst));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn assert_closed(client: &mut RawClient) {
    let mut rest = Vec::new();
    timeout(SOON, client.stream.read_to_end(&mut rest)).await.expect("closed soon").ok();
    assert!(rest.is_empty(), "{rest:?}");
}

/// A server that answers `select 1`: it lives and is in step.
async fn assert_well(client: &mut RawClient) {
    client.command(b"\x0e").await;
    assert_eq!(client.read().await.unwrap()[0], 0);
}

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

#[tokio::test]
async fn what_is_no_login_is_told_so_and_closed() {
    let server = TestServer::start().await;
    // Too short, too old, too large, out of order, and another protocol altogether.
    for (bytes, code) in [
        (&b"\x03\0\0\x01abc"[..], 1043),
        (b"\x09\0\0\x01\x05\0\0\0\0root", 1043),
        (b"\xff\xff\xff\x01", 1043),
        (b"\x00\0\0\x02", 1156),
        (b"GET / HTTP/1.1\r\n\r\n", 1156),
    ] {
        let mut client = server.connect().await;
        client.stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        timeout(SOON, client.stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert_eq!(error_of(&answer[4..]).0, code, "{bytes:?}");
    }
    assert_well(&mut server.log_in(OLD).await).await;
}

#[tokio::test]
async fn whoever_says_nothing_is_not_waited_for() {
    let options = ServerOptions {
        login_timeout: Duration::from_millis(100),
        read_timeout: Duration::from_millis(100),
        ..ServerOptions::default()
    };
    let server = TestServer::start_with(options).await;
    let mut silent = server.connect().await;
    assert_eq!(error_of(&silent.read().await.unwrap()).0, 1159);
    assert_closed(&mut silent).await;
    let mut half = server.log_in(OLD).await;
    half.stream.write_all(b"\x05\0\0\0\x03se").await.unwrap();
    half.sequence = 1;
    assert_eq!(error_of(&half.read().await.unwrap()).0, 1159);
    assert_closed(&mut half).await;
}

#[tokio::test]
async fn a_request_over_the_limit_gets_one_clear_error() {
    let options = ServerOptions { max_allowed_packet: 1 << 20, ..ServerOptions::default() };
    let server = TestServer::start_with(options).await;
    for length in [(1 << 20) + 1, 40 << 20] {
        let mut client = server.log_in(OLD).await;
        // A real client sends all of it before it reads.
        for (sequence, part) in vec![b'x'; length].chunks(0xFF_FFFF).enumerate() {
            client.sequence = sequence as u8;
            client.send(part).await;
        }
        let error = error_of(&client.read().await.unwrap());
        assert_eq!(error, (1153, "Got a packet bigger than 'max_allowed_packet' bytes".to_owned()));
        assert_closed(&mut client).await;
    }
    let mut client = server.log_in(OLD).await;
    let mut fits = b"\x03length ".to_vec();
    fits.resize(1 << 20, b'x');
    client.command(&fits).await;
    client.read().await.unwrap();
}

#[tokio::test]
async fn commands_sent_ahead_are_answered_in_order() {
    let server = TestServer::start().await;
    let mut client = server.log_in(MODERN).await;
    client.stream.write_all(b"\x04\0\0\0\x03nap\x09\0\0\0\x03select 7\x01\0\0\0\x0e").await.unwrap();
    client.sequence = 1;
    assert_eq!(client.read().await.unwrap()[0], 0);
    client.sequence = 1;
    assert_eq!(client.read().await.unwrap(), [1]);
    client.read().await.unwrap();
    assert_eq!(client.read().await.unwrap(), b"\x017");
    client.read().await.unwrap();
    client.sequence = 1;
    assert_eq!(client.read().await.unwrap()[0], 0);
}

#[tokio::test]
async fn a_query_stops_when_its_client_vanishes() {
    let server = TestServer::start().await;
    let mut waiting = server.log_in(OLD).await;
    waiting.command(b"\x03wait").await;
    until(&server.shared.waiting, 1).await;
    assert_eq!(server.shared.dropped.load(Ordering::SeqCst), 0);
    drop(waiting);
    until(&server.shared.dropped, 1).await;
    // One that sends rows to a client that does not read them.
    let mut flooded = server.log_in(OLD).await;
    flooded.command(b"\x03flood").await;
    until(&server.shared.waiting, 2).await;
    drop(flooded);
    until(&server.shared.dropped, 2).await;
}

#[tokio::test]
async fn rows_are_not_piled_up_for_a_slow_client() {
    let server = TestServer::start().await;
    let mut client = server.log_in(OLD).await;
    client.command(b"\x03flood").await;
    until(&server.shared.flooded, 1).await;
    // The sockets' buffers fill, and then nothing more is written: 100 MB would be 10,000 rows.
    let mut seen = 0;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = server.shared.flooded.load(Ordering::SeqCst);
        if now == seen {
            break;
        }
        seen = now;
    }
    assert!(seen < 10_000, "{seen} rows of 10 kB for a client that reads nothing");
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let options = ServerOptions { write_timeout: Duration::from_millis(200), ..ServerOptions::default() };
    let server = TestServer::start_with(options).await;
    let mut client = server.log_in(OLD).await;
    client.command(b"\x03flood").await;
    until(&server.shared.dropped, 1).await;
}

#[tokio::test]
async fn a_killed_connection_is_told() {
    let server = TestServer::start().await;
    let mut client = server.log_in(OLD).await;
    client.command(b"\x03wait").await;
    until(&server.shared.waiting, 1).await;
    let mut other = server.log_in(OLD).await;
    other.command(b"\x0c\x01\0\0\0").await;
    assert_eq!(other.read().await.unwrap()[0], 0);
    assert_eq!(error_of(&client.read().await.unwrap()).0, 1317);
    assert_closed(&mut client).await;
    until(&server.shared.dropped, 1).await;
}

#[tokio::test]
async fn the_connection_limit() {
    let options = ServerOptions { max_connections: 1, ..ServerOptions::default() };
    let server = TestServer::start_with(options).await;
    let first = server.log_in(OLD).await;
    let mut second = RawClient { stream: TcpStream::connect(server.address).await.unwrap(), sequence: 0 };
    assert_eq!(error_of(&second.read().await.unwrap()), (1040, "Too many connections".to_owned()));
    assert_closed(&mut second).await;
    drop(first);
    let deadline = Instant::now() + SOON;
    loop {
        let mut third = RawClient { stream: TcpStream::connect(server.address).await.unwrap(), sequence: 0 };
        if third.read().await.unwrap()[0] == 10 {
            break;
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn shutting_down_lets_running_queries_finish() {
    let mut server = TestServer::start().await;
    let mut idle = server.log_in(OLD).await;
    let mut busy = server.log_in(OLD).await;
    busy.command(b"\x03nap").await;
    until(&server.shared.waiting, 1).await;
    server.shutdown.cancel();
    idle.sequence = 1;
    assert_eq!(error_of(&idle.read().await.unwrap()), (1053, "Server shutdown in progress".to_owned()));
    assert_eq!(busy.read().await.unwrap()[0], 0);
    busy.sequence = 1;
    assert_eq!(error_of(&busy.read().await.unwrap()).0, 1053);
    drop((idle, busy));
    timeout(SOON, server.task.take().unwrap()).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn shutting_down_cuts_off_what_does_not_finish() {
    let options = ServerOptions { drain_timeout: Duration::from_millis(100), ..ServerOptions::default() };
    let mut server = TestServer::start_with(options).await;
    let mut stuck = server.log_in(OLD).await;
    stuck.command(b"\x03wait").await;
    until(&server.shared.waiting, 1).await;
    server.shutdown.cancel();
    assert_eq!(error_of(&stuck.read().await.unwrap()).0, 1317);
    drop(stuck);
    timeout(SOON, server.task.take().unwrap()).await.unwrap().unwrap();
    assert_eq!(server.shared.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn random_bytes_never_hurt_the_server() {
    let options = ServerOptions {
        login_timeout: Duration::from_millis(300),
        read_timeout: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(50),
        max_allowed_packet: 1 << 16,
        ..ServerOptions::default()
    };
    let server = TestServer::start_with(options).await;
    let mut random = rand::rngs::StdRng::seed_from_u64(0x5eed);
    for round in 0..200 {
        let mut bytes = vec![0; random.random_range(1..400)];
        random.fill(&mut bytes[..]);
        let mut client = if round % 2 == 0 { server.connect().await } else { server.log_in(MODERN).await };
        if round % 4 == 3 {
            // A well-formed packet of random content, but never one of `wait` or the like.
            bytes.truncate(200);
            let header = [bytes.len() as u8, 0, 0, 0];
            bytes.splice(0..0, header);
        }
        let _ = client.stream.write_all(&bytes).await;
        let _ = client.stream.shutdown().await;
        let mut answer = Vec::new();
        timeout(SOON, client.stream.read_to_end(&mut answer)).await.expect("an end").ok();
    }
    assert_well(&mut server.log_in(OLD).await).await;
}
