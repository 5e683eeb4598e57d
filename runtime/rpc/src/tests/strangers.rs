//! Random bytes, silence and crowds on the port.

use std::time::Duration;

use runtime_actor::random::{Ids, SeededIds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::kit::*;
use crate::wire::preamble;
use crate::*;

/// Sends bytes; true if the server closed the connection.
async fn closed_after(address: &str, bytes: &[u8], within: Duration) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    tokio::time::timeout(within, stream.read_to_end(&mut answer)).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_close_the_connection_and_nothing_else() {
    let node = Node::open().await;
    let ids = SeededIds::new(9);
    for round in 0..200_u128 {
        let mut bytes: Vec<u8> = (0..round).flat_map(|_| ids.next().to_le_bytes()).collect();
        match round % 4 {
            0 => bytes.splice(0..0, *b"GET / HTTP/1.1\r\n\r\n").for_each(drop),
            1 => bytes.splice(0..0, preamble()).for_each(drop),
            2 => bytes.splice(0..0, preamble().into_iter().chain([0, 0, 0, 16])).for_each(drop),
            _ => {}
        }
        if bytes.len() > 40 {
            assert!(closed_after(&node.address, &bytes, PATIENCE).await, "round {round}");
        }
    }
    // A frame that promises four gigabytes.
    let huge: Vec<u8> = preamble().into_iter().chain([0xff; 4]).collect();
    assert!(closed_after(&node.address, &huge, PATIENCE).await);
    assert_eq!(node.peer().ask("worker", Double(1), PATIENCE).await, Ok(2));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_closed_in_time() {
    let mut hasty = options();
    hasty.handshake_timeout = Duration::from_millis(200);
    let node = Node::start("127.0.0.1:0", open_gate(), hasty).await;
    let before = std::time::Instant::now();
    assert!(closed_after(&node.address, &preamble(), PATIENCE).await);
    assert!(before.elapsed() >= Duration::from_millis(150));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_turned_away_and_room_comes_back() {
    let mut small = options();
    small.max_connections = 2;
    let node = Node::start("127.0.0.1:0", open_gate(), small).await;
    let (first, second, third) = (node.peer(), node.peer(), node.peer());
    assert_eq!(first.ask("worker", Double(1), PATIENCE).await, Ok(2));
    assert_eq!(second.ask("worker", Double(1), PATIENCE).await, Ok(2));
    let crowded = third.ask("worker", Double(1), PATIENCE).await.unwrap_err();
    assert!(matches!(crowded, RpcError::Unreachable { .. }), "{crowded}");
    drop(first);
    tokio::time::timeout(PATIENCE, async {
        while third.ask("worker", Double(1), PATIENCE).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_noticed() {
    // Lets the caller in by hand, and never says a word again.
    use crate::wire::{FrameReader, Head, encode};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (hold, held) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (reader, mut writer) = stream.into_split();
        let mut reader = FrameReader::new(reader, 1 << 20);
        reader.preamble().await.unwrap();
        let Head::Hello { card, nonce, .. } = reader.must().await.unwrap().head else { panic!() };
        let covered = crate::wire::card_bytes(&card).unwrap().repeat(2);
        let proof = crate::proof::prove("hush", crate::proof::Side::Server, &nonce, &[0; 32], &covered);
        let challenge = encode(&Head::Challenge { nonce: [0; 32], has_token: true }, &[], 1 << 20).unwrap();
        let welcome = encode(&Head::Welcome { card, proof, frame_limit: 1 << 20 }, &[], 1 << 20).unwrap();
        for bytes in [&preamble()[..], &challenge, &welcome] {
            writer.write_all(bytes).await.unwrap();
        }
        let _ = hold.send((reader, writer));
    });
    let mut nervous = options();
    nervous.ping_every = Duration::from_millis(50);
    nervous.dead_after = Duration::from_millis(200);
    let peer = Peer::with(address, std::sync::Arc::new(|| me("caller", "hush")), nervous);
    let before = std::time::Instant::now();
    let lost = peer.ask("worker", Double(1), PATIENCE).await.unwrap_err();
    assert!(matches!(&lost, RpcError::Lost { cause, .. } if cause.contains("no sign of life")), "{lost}");
    assert!(before.elapsed() < Duration::from_secs(5));
    drop(held.await);
}
