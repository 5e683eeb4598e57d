//! Entry points for fuzzers and for the bounded run of their corpora: whatever bytes come, nothing panics, nothing grows
//! without bound, and what was understood is written back as it was read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use runtime_actor::Message;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::identity::{Card, FixedGate};
use crate::peer::dial_over;
use crate::server::{Shared, attend};
use crate::wire::{Head, encode, parse, preamble};
use crate::{Identity, Registry, RpcOptions, codec};

const LIMIT: usize = 1 << 16;

/// The frame parser: the bytes arrive in pieces whose sizes the first of them choose.
pub fn frames(bytes: &[u8]) {
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let step = 1 + usize::from(*first) * 4;
    let mut buffer = BytesMut::new();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(step.min(rest.len()));
        buffer.extend_from_slice(piece);
        rest = behind;
        loop {
            match parse(&mut buffer, LIMIT) {
                Ok(Some(frame)) => {
                    let again = encode(&frame.head, &frame.payload, LIMIT * 2).expect("what was read can be written");
                    let read = parse(&mut BytesMut::from(&again[..]), LIMIT * 2);
                    assert_eq!(read.expect("it can be read").as_ref(), Some(&frame));
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// The serving end, from the preamble on: a stranger that says these bytes and then hangs up. The first byte chooses whether the
/// server has a token. After an adoption the rest are frames of an admitted caller.
pub fn server(bytes: &[u8]) {
    let Some((first, said)) = bytes.split_first() else { return };
    let token = (first % 2 == 1).then(|| "hush".to_owned());
    let gate = FixedGate::new(token, |caller: &Identity| Ok(Identity { token: "hush".to_owned(), ..caller.clone() }));
    let registry = Registry::new();
    registry.expose_with("worker", |_, Echo(value), _| async move { Ok(value) });
    let shared = Arc::new(Shared {
        gate: Arc::new(gate),
        registry,
        options: RpcOptions { frame_limit: LIMIT, ..RpcOptions::default() },
        shutdown: CancellationToken::new(),
    });
    let from = SocketAddr::from(([127, 0, 0, 1], 1));
    now(attend(Box::new(Said(said.to_vec().into())), Box::new(Ignored), from, &shared));
}

/// The calling end: a server that says these bytes, whatever it hears.
pub fn caller(bytes: &[u8]) {
    let identity = Identity { cluster_id: 1, token: "hush".to_owned(), ..Identity::default() };
    let options = RpcOptions { frame_limit: LIMIT, ..RpcOptions::default() };
    let said = Said(bytes.to_vec().into());
    let dialed = now(dial_over(Box::new(said), Box::new(Ignored), identity, &options));
    assert!(dialed.is_err(), "nobody can prove a token by chance");
}

/// The codec, for any type: what can be read comes back the same.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(value) = codec::decode::<T>(bytes) {
        let once = codec::encode(&value).expect("what was read can be written");
        let again: T = codec::decode(&once).expect("what was written can be read");
        assert_eq!(codec::encode(&again).expect("it can be written"), once);
    }
}

/// Bytes for a first corpus of [`frames`].
pub fn some_frames() -> Vec<Vec<u8>> {
    let ask =
        Head::Ask { id: 7, mailbox: "worker".into(), message: "Echo".into(), deadline_ms: 9, trace: 1, parent: 2 };
    let heads = [hello(), ask, Head::Answer { id: 7, fault: None }, Head::Ping, Head::Cancel { id: 7 }];
    let mut all = vec![3];
    for head in &heads {
        all.extend_from_slice(&encode(head, b"payload", LIMIT).expect("small"));
    }
    let faults = [crate::Fault::Full, crate::Fault::Other("no".into()), crate::Fault::TooLarge { bytes: 1, limit: 2 }];
    let faults = faults.map(|fault| encode(&Head::Answer { id: 1, fault: Some(fault) }, &[], LIMIT).expect("small"));
    vec![all, [&[255][..], &faults.concat()].concat()]
}

/// Bytes for a first corpus of [`server`].
pub fn some_callers() -> Vec<Vec<u8>> {
    let frame = |head: &Head, payload: &[u8]| encode(head, payload, LIMIT).expect("small").to_vec();
    let ask =
        Head::Ask { id: 1, mailbox: "worker".into(), message: "Echo".into(), deadline_ms: 9, trace: 1, parent: 2 };
    let echo = codec::encode(&Echo(Nested::default())).expect("small");
    let adopt = frame(&Head::Adopt { token: "hush".into() }, &[]);
    let rest = [frame(&ask, &echo), frame(&Head::Ping, &[]), frame(&Head::Cancel { id: 1 }, &[])].concat();
    let opened = [preamble().to_vec(), frame(&hello(), &[])].concat();
    let proof = frame(&Head::Proof { proof: [1; 32] }, &[]);
    vec![[&[0][..], &opened, &adopt, &rest].concat(), [&[1][..], &opened, &proof, &rest].concat()]
}

/// Bytes for a first corpus of [`caller`].
pub fn some_servers() -> Vec<Vec<u8>> {
    let frame = |head: &Head| encode(head, &[], LIMIT).expect("small").to_vec();
    let Head::Hello { card, nonce, frame_limit, .. } = hello() else { return Vec::new() };
    let challenge = frame(&Head::Challenge { nonce, has_token: true });
    let welcome = frame(&Head::Welcome { card, proof: [1; 32], frame_limit });
    let refused = frame(&Head::Refused { reason: "no".into() });
    let begun = [preamble().to_vec(), challenge].concat();
    vec![[&begun[..], &welcome].concat(), [&begun[..], &refused].concat()]
}

/// Bytes of a value of many shapes, for a first corpus of [`decode`] with [`Nested`].
pub fn some_values() -> Vec<Vec<u8>> {
    let inner = Nested { name: "inner".into(), ..Nested::default() };
    let value = Nested { choice: Choice::Deep(Box::new(inner)), list: vec![None, Some(-1)], ..Nested::default() };
    vec![codec::encode(&value).expect("small"), codec::encode(&Nested::default()).expect("small")]
}

fn hello() -> Head {
    let card = Card::of(&Identity {
        cluster_id: 1,
        incarnation: "i".into(),
        epoch: 1,
        node: "n".into(),
        ..Identity::default()
    });
    Head::Hello { card, nonce: [5; 32], has_token: true, frame_limit: LIMIT as u64 }
}

/// A value of many shapes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Nested {
    name: String,
    list: Vec<Option<i64>>,
    map: std::collections::BTreeMap<u8, (u128, char)>,
    bytes: Vec<u8>,
    choice: Choice,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
enum Choice {
    #[default]
    Nothing,
    Deep(Box<Nested>),
    Pair {
        a: f64,
        b: bool,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Echo(Nested);

impl Message for Echo {
    type Reply = Nested;
    const NAME: &'static str = "Echo";
}

/// Runs to its end on this thread; nothing in it waits for long.
fn now<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(future)
}

struct Said(Bytes);

impl AsyncRead for Said {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let most = self.0.len().min(buffer.remaining());
        let piece = self.0.split_to(most);
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

struct Ignored;

impl AsyncWrite for Ignored {
    fn poll_write(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_corpora_are_understood() {
        some_frames().iter().for_each(|bytes| frames(bytes));
        some_callers().iter().for_each(|bytes| server(bytes));
        some_servers().iter().for_each(|bytes| caller(bytes));
        for bytes in some_values() {
            decode::<Nested>(&bytes);
            assert!(codec::decode::<Nested>(&bytes).is_ok());
        }
    }
}
