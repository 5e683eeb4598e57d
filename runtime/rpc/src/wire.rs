//! The bytes on a connection. First a preamble each way, then frames:
//!
//! ```text
//! preamble: "SKEEPRPC" version:u16
//! frame:    length:u32 (of what follows) head (bincode) payload (the rest)
//! ```
//!
//! All integers outside of the head are big-endian. TCP's checksums and the handshake's proofs are enough; frames carry none.

use bincode::config::{Configuration, Limit};
use bincode::{Decode, Encode};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use crate::error::Fault;
use crate::identity::Card;
use crate::proof::Nonce;

/// The first bytes each way.
const MAGIC: &[u8; 8] = b"SKEEPRPC";
/// The version of this protocol.
pub(crate) const VERSION: u16 = 1;
/// The length of a preamble.
pub(crate) const PREAMBLE: usize = MAGIC.len() + 2;
/// The largest frame of a handshake: strangers get no more memory than that.
pub(crate) const HANDSHAKE_LIMIT: usize = 16 << 10;
/// The largest head.
const HEAD_LIMIT: usize = 64 << 10;

/// What a frame is about. Variants are only appended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Head {
    /// Caller: who I am, and how large a frame I take.
    Hello { card: Card, nonce: Nonce, has_token: bool, frame_limit: u64 },
    /// Server: prove it, or (without a token here) hand yours over.
    Challenge { nonce: Nonce, has_token: bool },
    /// Caller: the proof.
    Proof { proof: [u8; 32] },
    /// Caller: the token to adopt; empty if it has none either.
    Adopt { token: String },
    /// Server: who I am, and my own proof.
    Welcome { card: Card, proof: [u8; 32], frame_limit: u64 },
    /// Either: no, and why. The connection is closed after it.
    Refused { reason: String },
    /// A message for a mailbox; the payload is its bytes.
    Ask { id: u64, mailbox: String, message: String, deadline_ms: u64, trace: u128, parent: u64 },
    /// The end of an ask; the payload is the reply's bytes if there is no fault.
    Answer { id: u64, fault: Option<Fault> },
    /// Are you there?
    Ping,
    /// I am.
    Pong,
    /// The answer to this ask is not wanted any more.
    Cancel { id: u64 },
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) head: Head,
    pub(crate) payload: Bytes,
}

/// The bytes are not ours, or the connection broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("not this protocol")]
    Magic,
    #[error("it speaks TLS, and this end does not")]
    Tls,
    #[error("protocol version {theirs}, ours is {VERSION}")]
    Version { theirs: u16 },
    #[error("a frame of {bytes} bytes is too large (limit {limit})")]
    TooLarge { bytes: usize, limit: usize },
    #[error("a frame that cannot be read: {0}")]
    Head(String),
    #[error("the connection ended inside a frame")]
    Cut,
    #[error("nothing came for too long")]
    Silent,
    #[error("a frame out of turn")]
    OutOfTurn,
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

fn config() -> Configuration<bincode::config::LittleEndian, bincode::config::Varint, Limit<HEAD_LIMIT>> {
    bincode::config::standard().with_limit::<HEAD_LIMIT>()
}

/// The preamble of this version.
pub(crate) fn preamble() -> [u8; PREAMBLE] {
    let mut bytes = [0; PREAMBLE];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[MAGIC.len()..].copy_from_slice(&VERSION.to_be_bytes());
    bytes
}

/// Whether these are the first bytes of a TLS record: a handshake or an alert, of any version.
pub(crate) fn looks_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
}

/// Checks the other end's preamble.
pub(crate) fn check_preamble(bytes: &[u8; PREAMBLE]) -> Result<(), WireError> {
    let (magic, version) = bytes.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(if looks_like_tls(magic) { WireError::Tls } else { WireError::Magic });
    }
    let theirs = u16::from_be_bytes([version[0], version[1]]);
    if theirs == VERSION { Ok(()) } else { Err(WireError::Version { theirs }) }
}

/// What the proofs cover of a caller's card.
pub(crate) fn card_bytes(card: &Card) -> Result<Vec<u8>, WireError> {
    bincode::encode_to_vec(card, config()).map_err(|error| WireError::Head(error.to_string()))
}

/// The bytes of a frame. Fails if it is over the limit.
pub(crate) fn encode(head: &Head, payload: &[u8], limit: usize) -> Result<Bytes, WireError> {
    let head = bincode::encode_to_vec(head, config()).map_err(|error| WireError::Head(error.to_string()))?;
    let bytes = head.len() + payload.len();
    if head.len() > HEAD_LIMIT || bytes > limit {
        return Err(WireError::TooLarge { bytes, limit });
    }
    let length = u32::try_from(bytes).map_err(|_| WireError::TooLarge { bytes, limit })?;
    let mut out = BytesMut::with_capacity(4 + bytes);
    out.put_u32(length);
    out.put_slice(&head);
    out.put_slice(payload);
    Ok(out.freeze())
}

/// Takes one frame off the front of what has arrived; nothing if it is not all there yet.
pub(crate) fn parse(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, WireError> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if bytes > limit {
        return Err(WireError::TooLarge { bytes, limit });
    }
    if buffer.len() < 4 + bytes {
        return Ok(None);
    }
    buffer.advance(4);
    let mut payload = buffer.split_to(bytes).freeze();
    let (head, used) = bincode::decode_from_slice::<Head, _>(&payload, config())
        .map_err(|error| WireError::Head(error.to_string()))?;
    payload.advance(used);
    Ok(Some(Frame { head, payload }))
}

/// Reads frames; what arrived of a frame is kept when a read is given up, so it may stand in a `select`.
pub(crate) struct FrameReader<R> {
    io: R,
    buffer: BytesMut,
    pub(crate) limit: usize,
    /// How long it may be before more bytes come.
    pub(crate) patience: Option<Duration>,
    /// When bytes came last.
    pub(crate) heard: Instant,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(io: R, limit: usize) -> Self {
        Self { io, buffer: BytesMut::new(), limit, patience: None, heard: Instant::now() }
    }

    /// What it reads from.
    pub(crate) fn into_inner(self) -> R {
        self.io
    }

    /// Reads and checks the preamble.
    pub(crate) async fn preamble(&mut self) -> Result<(), WireError> {
        let mut bytes = [0; PREAMBLE];
        match self.io.read_exact(&mut bytes).await {
            Ok(_) => check_preamble(&bytes),
            // An alert of TLS is shorter than a preamble.
            Err(_) if looks_like_tls(&bytes) => Err(WireError::Tls),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(WireError::Cut),
            Err(error) => Err(error.into()),
        }
    }

    /// The next frame; nothing when the other end has closed.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, WireError> {
        loop {
            if let Some(frame) = parse(&mut self.buffer, self.limit)? {
                return Ok(Some(frame));
            }
            // Grows with what arrives, not with what a length promises.
            self.buffer.reserve(8 << 10);
            let read = self.io.read_buf(&mut self.buffer);
            let read = match self.patience {
                Some(patience) => tokio::time::timeout(patience, read).await.map_err(|_| WireError::Silent)?,
                None => read.await,
            };
            if read? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(WireError::Cut) };
            }
            self.heard = Instant::now();
        }
    }

    /// The next frame, which must come.
    pub(crate) async fn must(&mut self) -> Result<Frame, WireError> {
        self.next().await?.ok_or(WireError::Cut)
    }
}

#[cfg(test)]
mod tests;
