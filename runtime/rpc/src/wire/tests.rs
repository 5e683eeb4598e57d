//! Frames come back as they went; anything else is refused without a panic and without memory.

use super::*;

fn frames() -> Vec<Frame> {
    let card = Card {
        cluster_id: 1,
        incarnation: "i".to_owned(),
        epoch: 2,
        node: "fe1".to_owned(),
        product_version: "0".to_owned(),
    };
    let heads = vec![
        Head::Hello { card: card.clone(), nonce: [7; 32], has_token: true, frame_limit: 9 },
        Head::Challenge { nonce: [8; 32], has_token: false },
        Head::Proof { proof: [9; 32] },
        Head::Adopt { token: "t".to_owned() },
        Head::Welcome { card, proof: [1; 32], frame_limit: 1 },
        Head::Refused { reason: "no".to_owned() },
        Head::Ask {
            id: 1,
            mailbox: "m".to_owned(),
            message: "M".to_owned(),
            deadline_ms: 5,
            trace: u128::MAX,
            parent: u64::MAX,
        },
        Head::Answer { id: 1, fault: None },
        Head::Answer { id: 2, fault: Some(Fault::TooLarge { bytes: 1, limit: 2 }) },
        Head::Ping,
        Head::Pong,
        Head::Cancel { id: u64::MAX },
    ];
    let payloads = [Bytes::new(), Bytes::from_static(b"payload")];
    heads.into_iter().flat_map(|head| payloads.clone().map(|payload| Frame { head: head.clone(), payload })).collect()
}

#[tokio::test]
async fn frames_come_back_however_they_are_cut() {
    let mut bytes = Vec::new();
    for frame in frames() {
        bytes.extend_from_slice(&encode(&frame.head, &frame.payload, 1 << 20).unwrap());
    }
    for step in [1, 3, 7, 100, bytes.len()] {
        let mut buffer = BytesMut::new();
        let mut seen = Vec::new();
        for piece in bytes.chunks(step) {
            buffer.extend_from_slice(piece);
            while let Some(frame) = parse(&mut buffer, 1 << 20).unwrap() {
                seen.push(frame);
            }
        }
        assert_eq!(seen, frames());
    }
    let mut reader = FrameReader::new(&bytes[..], 1 << 20);
    for frame in frames() {
        assert_eq!(reader.must().await.unwrap(), frame);
    }
    assert!(reader.next().await.unwrap().is_none());
    let mut cut = FrameReader::new(&bytes[..bytes.len() - 1], 1 << 20);
    let error = loop {
        match cut.next().await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(error, Err(WireError::Cut)), "{error:?}");
}

#[test]
fn the_limit_holds_both_ways() {
    let payload = vec![0; 100];
    assert!(matches!(encode(&Head::Ping, &payload, 100), Err(WireError::TooLarge { bytes: 101, limit: 100 })));
    let mut long = BytesMut::from(&encode(&Head::Ping, &payload, 101).unwrap()[..]);
    assert!(matches!(parse(&mut long, 100), Err(WireError::TooLarge { .. })));
    let name = "x".repeat(HEAD_LIMIT);
    let ask = Head::Ask { id: 1, mailbox: name, message: String::new(), deadline_ms: 0, trace: 0, parent: 0 };
    assert!(encode(&ask, &[], 1 << 20).is_err());
}

#[test]
fn random_bytes_and_flipped_bits_never_panic() {
    use runtime_actor::random::{Ids, SeededIds};
    let ids = SeededIds::new(20);
    let next = || ids.next();
    for _ in 0..20_000 {
        let length = usize::try_from(next() % 300).unwrap();
        let mut bytes: Vec<u8> = (0..=length / 16).flat_map(|_| next().to_le_bytes()).collect();
        bytes.truncate(length);
        if length > 4 && next() % 2 == 0 {
            // A true length, so that the head itself is reached.
            let rest = u32::try_from(length - 4).unwrap();
            bytes[..4].copy_from_slice(&rest.to_be_bytes());
        }
        let mut buffer = BytesMut::from(&bytes[..]);
        let _ = parse(&mut buffer, 1 << 16);
    }
    for frame in frames() {
        let whole = encode(&frame.head, &frame.payload, 1 << 16).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = BytesMut::from(&whole[..]);
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = parse(&mut flipped, 1 << 16);
        }
    }
}

#[test]
fn preambles_are_told_apart() {
    assert!(check_preamble(&preamble()).is_ok());
    let mut newer = preamble();
    newer[9] = 2;
    assert!(matches!(check_preamble(&newer), Err(WireError::Version { theirs: 2 })));
    assert!(matches!(check_preamble(b"GET / HTTP"), Err(WireError::Magic)));
}

/// The bytes of version 1, as they are on the wire for ever.
#[test]
fn version_one_is_frozen() {
    let (mailbox, message) = ("cn".to_owned(), "Go".to_owned());
    let ask = Head::Ask { id: 300, mailbox, message, deadline_ms: 7, trace: 1, parent: 2 };
    let bytes = encode(&ask, b"xy", 1 << 16).unwrap();
    assert_eq!(hex::encode(&bytes), "0000000f06fb2c0102636e02476f0701027879");
    assert_eq!(hex::encode(preamble()), "534b4545505250430001");
    let full = encode(&Head::Answer { id: 1, fault: Some(Fault::Full) }, &[], 1 << 16).unwrap();
    assert_eq!(hex::encode(&full), "0000000407010101");
}
