//! One end of a connection by hand: lets a test say what no honest node says.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};

use super::kit::me;
use crate::identity::Card;
use crate::proof::{Nonce, Side, prove};
use crate::wire::{FrameReader, Head, card_bytes, encode, preamble};

const LIMIT: usize = 16 << 20;

pub(crate) struct Hand<S> {
    pub(crate) reader: FrameReader<ReadHalf<S>>,
    pub(crate) writer: WriteHalf<S>,
}

impl<S: AsyncRead + AsyncWrite> Hand<S> {
    pub(crate) fn new(stream: S) -> Self {
        let (reader, writer) = split(stream);
        Self { reader: FrameReader::new(reader, LIMIT), writer }
    }

    pub(crate) async fn send(&mut self, head: &Head) {
        self.writer.write_all(&encode(head, &[], LIMIT).unwrap()).await.unwrap();
    }

    /// The frame of an ask of the worker.
    pub(crate) fn ask_frame(&self, id: u64, message: &str, payload: &[u8]) -> Bytes {
        let ask = Head::Ask {
            id,
            mailbox: "worker".to_owned(),
            message: message.to_owned(),
            deadline_ms: 60_000,
            trace: 1,
            parent: 2,
        };
        encode(&ask, payload, LIMIT).unwrap()
    }

    /// Says hello as a caller and gives the proof that the server's challenge asks for.
    pub(crate) async fn hello(&mut self, token: &str) -> Head {
        let (ours, card): (Nonce, Card) = ([5; 32], Card::of(&me("hand", token)));
        self.writer.write_all(&preamble()).await.unwrap();
        let covered = card_bytes(&card).unwrap();
        self.send(&Head::Hello { card, nonce: ours, has_token: true, frame_limit: LIMIT as u64 }).await;
        self.reader.preamble().await.unwrap();
        let Head::Challenge { nonce, .. } = self.reader.must().await.unwrap().head else { panic!() };
        Head::Proof { proof: prove(token, Side::Caller, &ours, &nonce, &covered) }
    }

    /// A caller that was let in.
    pub(crate) async fn of_caller(stream: S, token: &str) -> Self {
        let mut hand = Self::new(stream);
        let proof = hand.hello(token).await;
        hand.send(&proof).await;
        assert!(matches!(hand.reader.must().await.unwrap().head, Head::Welcome { .. }));
        hand
    }

    /// A server that has let its caller in.
    pub(crate) async fn of_server(stream: S) -> Self {
        Self::of_server_as(stream, me("server", "hush"), me("server", "hush")).await
    }

    /// A server that proves that it is one and says that it is another.
    pub(crate) async fn of_server_as(stream: S, proven: crate::Identity, said: crate::Identity) -> Self {
        let mut hand = Self::new(stream);
        hand.reader.preamble().await.unwrap();
        hand.writer.write_all(&preamble()).await.unwrap();
        let Head::Hello { card, nonce: theirs, .. } = hand.reader.must().await.unwrap().head else { panic!() };
        let ours: Nonce = [6; 32];
        hand.send(&Head::Challenge { nonce: ours, has_token: true }).await;
        assert!(matches!(hand.reader.must().await.unwrap().head, Head::Proof { .. }));
        let mut covered = card_bytes(&card).unwrap();
        covered.extend(card_bytes(&Card::of(&proven)).unwrap());
        let proof = prove("hush", Side::Server, &theirs, &ours, &covered);
        hand.send(&Head::Welcome { card: Card::of(&said), proof, frame_limit: LIMIT as u64 }).await;
        hand
    }
}
