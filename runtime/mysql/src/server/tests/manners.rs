//! Bad manners, limits, disconnects and goodbyes: what must never hurt the server, and what its clients are told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{SOON, assert_closed, assert_well};
use crate::ServerOptions;
use crate::fixture::{MODERN, OLD, RawClient, TestServer, error_of};

async fn until(counter: &AtomicUsize, wanted: usize) {
    let deadline = Instant::now() + SOON;
    while counter.load(Ordering::SeqCst) < wanted {
        assert!(Instant::now() < deadline, "waited for {wanted}, is {}", counter.load(Ordering::SeqCst));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
