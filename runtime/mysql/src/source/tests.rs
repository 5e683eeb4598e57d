//! Tests of reading packets: joining, limits, order, early bytes, and any bytes at all.

use super::*;
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, DuplexStream};

fn patience(limit: usize) -> Patience {
    Patience { limit, first: Duration::from_secs(5), further: Duration::from_secs(5) }
}

fn pair(room: usize) -> (DuplexStream, PacketSource) {
    let (client, server) = tokio::io::duplex(room);
    (client, PacketSource::new(Box::new(server)))
}

fn frame(payload: &[u8], sequence: u8) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes()[..3].to_vec();
    bytes.push(sequence);
    bytes.extend_from_slice(payload);
    bytes
}

#[tokio::test]
async fn packets_that_arrive_together_are_read_one_by_one() {
    let (mut client, mut source) = pair(1 << 16);
    client.write_all(&[frame(b"one", 0), frame(b"", 0), frame(b"three", 0)].concat()).await.unwrap();
    drop(client);
    for expected in [&b"one"[..], b"", b"three"] {
        assert_eq!(source.next(0, patience(100)).await.unwrap(), expected);
    }
    assert_eq!(source.next(0, patience(100)).await, Err(ReadError::Closed));
}

#[tokio::test]
async fn frames_of_a_large_packet_are_joined() {
    let (mut client, mut source) = pair(1 << 20);
    let whole: Vec<u8> = (0..LARGEST_FRAME * 2 + 9).map(|index| (index % 249) as u8).collect();
    let sent = whole.clone();
    let writing = tokio::spawn(async move {
        for (sequence, part) in sent.chunks(LARGEST_FRAME).enumerate() {
            client.write_all(&frame(part, sequence as u8)).await.unwrap();
        }
        client.write_all(&frame(b"next", 0)).await.unwrap();
        client
    });
    assert!(source.next(0, patience(usize::MAX)).await.unwrap() == whole);
    assert_eq!(source.sequence(), 2);
    assert_eq!(source.next(0, patience(10)).await.unwrap(), &b"next"[..]);
    assert!(source.buffer.capacity() <= LARGE_BUFFER);
    writing.await.unwrap();
}

#[tokio::test]
async fn a_packet_over_the_limit_is_skipped_without_being_kept() {
    let (mut client, mut source) = pair(1 << 16);
    let writing = tokio::spawn(async move {
        client.write_all(&frame(&vec![1; LARGEST_FRAME], 0)).await.unwrap();
        client.write_all(&frame(&[2; 1000], 1)).await.unwrap();
        client.write_all(&frame(b"next", 0)).await.unwrap();
        client
    });
    assert_eq!(source.next(0, patience(1 << 20)).await, Err(ReadError::TooLarge));
    assert!(source.skip_rest(Instant::now() + Duration::from_secs(20)).await);
    assert!(source.buffer.capacity() <= LARGE_BUFFER);
    assert_eq!(source.sequence(), 1);
    assert_eq!(source.next(0, patience(1 << 20)).await.unwrap(), &b"next"[..]);
    writing.await.unwrap();
}

#[tokio::test]
async fn the_limit_counts_all_frames_of_a_packet() {
    let (mut client, mut source) = pair(1 << 16);
    let writing = tokio::spawn(async move {
        client.write_all(&frame(&vec![1; LARGEST_FRAME], 0)).await.unwrap();
        client.write_all(&frame(&[2; 1000], 1)).await.unwrap();
    });
    assert_eq!(source.next(0, patience(LARGEST_FRAME + 999)).await, Err(ReadError::TooLarge));
    assert!(source.skip_rest(Instant::now() + Duration::from_secs(20)).await);
    writing.await.unwrap();
}

#[tokio::test]
async fn a_wrong_number_is_noticed_before_the_length_is_believed() {
    let (mut client, mut source) = pair(1 << 16);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(source.next(1, patience(usize::MAX)).await, Err(ReadError::OutOfOrder));
}

#[tokio::test(start_paused = true)]
async fn silence_ends() {
    let (mut client, mut source) = pair(1 << 16);
    assert_eq!(source.next(0, patience(100)).await, Err(ReadError::TimedOut));
    client.write_all(&[9, 0, 0, 0, 1, 2]).await.unwrap();
    assert_eq!(source.next(0, patience(100)).await, Err(ReadError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn watching_keeps_early_bytes_and_ends_with_the_client() {
    let (mut client, mut source) = pair(1 << 16);
    client.write_all(&frame(b"early", 0)).await.unwrap();
    assert!(timeout(Duration::from_secs(1), source.watch()).await.is_err());
    assert_eq!(source.next(0, patience(100)).await.unwrap(), &b"early"[..]);
    drop(client);
    timeout(Duration::from_secs(1), source.watch()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn watching_does_not_swallow_a_flood() {
    let (mut client, mut source) = pair(1 << 10);
    let flood = tokio::spawn(async move { client.write_all(&vec![0; 10 << 20]).await });
    assert!(timeout(Duration::from_secs(60), source.watch()).await.is_err());
    assert!(source.buffer.len() < 2 * EARLY_AT_MOST);
    flood.abort();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any bytes in any pieces: packets or an error, in bounded memory, and never a panic.
    #[test]
    fn any_bytes(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12), limit in 0usize..400) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let (mut client, mut source) = pair(64);
            let writing = tokio::spawn(async move {
                for piece in pieces {
                    if client.write_all(&piece).await.is_err() {
                        return;
                    }
                }
            });
            loop {
                match source.next(0, patience(limit)).await {
                    Ok(packet) => assert!(packet.len() <= limit),
                    Err(ReadError::TooLarge) => {
                        if !source.skip_rest(Instant::now() + Duration::from_secs(1)).await {
                            break;
                        }
                    }
                    Err(_) => break,
                }
                assert!(source.buffer.capacity() <= 4 * SMALL_BUFFER);
            }
            drop(source);
            writing.await.unwrap();
        });
    }

    /// Whatever is framed comes back, however it is cut.
    #[test]
    fn framed_packets_come_back(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8), cut in 1usize..50) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let (mut client, mut source) = pair(128);
            let bytes: Vec<u8> = packets.iter().flat_map(|packet| frame(packet, 0)).collect();
            tokio::spawn(async move {
                for piece in bytes.chunks(cut) {
                    client.write_all(piece).await.unwrap();
                }
            });
            for packet in packets {
                assert_eq!(source.next(0, patience(300)).await.unwrap(), packet);
            }
        });
    }
}
