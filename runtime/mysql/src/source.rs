//! Packets in: reads frames from the socket, joins those of a large packet, and holds every limit on what a client may make the server
//! keep in memory. While a query runs it also watches the socket, keeping what arrives early and noticing when the client has gone.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::secure::Reader;
use crate::sink::LARGEST_FRAME;

/// The read buffer of a quiet connection.
const SMALL_BUFFER: usize = 4 * 1024;
/// A buffer that grew beyond this is replaced once its packet was taken out.
const LARGE_BUFFER: usize = 256 * 1024;
/// How much may arrive early, while a query runs, before the socket is left alone.
const EARLY_AT_MOST: usize = 128 * 1024;

/// Why no packet came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The client has gone.
    Closed,
    /// The packet is over the limit; `skip_rest` reads past it.
    TooLarge,
    /// The frame's number is not the next one: this is not a client, or it is confused.
    OutOfOrder,
    /// Nothing came for too long.
    TimedOut,
}

/// How much and how long to wait for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The most bytes of one packet.
    pub(crate) limit: usize,
    /// How long to wait for the first byte.
    pub(crate) first: Duration,
    /// How long to wait for each further piece.
    pub(crate) further: Duration,
}

/// The rest of a packet that is not wanted.
struct Unwanted {
    left_in_frame: usize,
    last_frame: bool,
}

/// The incoming half of a connection.
pub(crate) struct PacketSource {
    reader: Reader,
    buffer: BytesMut,
    /// The number of the last frame read.
    sequence: u8,
    closed: bool,
    unwanted: Option<Unwanted>,
}

impl PacketSource {
    pub(crate) fn new(reader: Reader) -> Self {
        let buffer = BytesMut::with_capacity(SMALL_BUFFER);
        Self { reader, buffer, sequence: 0, closed: false, unwanted: None }
    }

    /// Takes the stream away to make another of it, with what was read of it and not used.
    pub(crate) fn take_stream(&mut self) -> (Bytes, Reader) {
        (self.buffer.split().freeze(), std::mem::replace(&mut self.reader, Box::new(tokio::io::empty())))
    }

    /// Goes on with this stream.
    pub(crate) fn set_stream(&mut self, reader: Reader) {
        self.reader = reader;
    }

    /// The number of the last frame read; the response counts on from it.
    pub(crate) fn sequence(&self) -> u8 {
        self.sequence
    }

    /// The next packet's payload. `expected` is the number that its first frame must carry.
    pub(crate) async fn next(&mut self, expected: u8, patience: Patience) -> Result<Bytes, ReadError> {
        let mut joined: Option<BytesMut> = None;
        let mut expected = expected;
        loop {
            let first = joined.is_none() && self.buffer.is_empty();
            self.fill(4, if first { patience.first } else { patience.further }, patience.further).await?;
            let length = u32::from_le_bytes([self.buffer[0], self.buffer[1], self.buffer[2], 0]) as usize;
            self.sequence = self.buffer[3];
            if self.sequence != expected {
                return Err(ReadError::OutOfOrder);
            }
            expected = expected.wrapping_add(1);
            let last_frame = length < LARGEST_FRAME;
            if joined.as_ref().map_or(0, BytesMut::len) + length > patience.limit {
                let _ = self.buffer.split_to(4);
                self.unwanted = Some(Unwanted { left_in_frame: length, last_frame });
                return Err(ReadError::TooLarge);
            }
            self.fill(4 + length, patience.further, patience.further).await?;
            let mut frame = self.take(4 + length);
            let _ = frame.split_to(4);
            match (&mut joined, last_frame) {
                (None, true) => return Ok(frame.freeze()),
                (None, false) => joined = Some(frame),
                (Some(whole), _) => whole.extend_from_slice(&frame),
            }
            if let (Some(whole), true) = (&mut joined, last_frame) {
                return Ok(std::mem::take(whole).freeze());
            }
        }
    }

    /// Takes `length` bytes off the buffer; after a large packet the buffer starts small again.
    fn take(&mut self, length: usize) -> BytesMut {
        let taken = self.buffer.split_to(length);
        if length > LARGE_BUFFER {
            let mut small = BytesMut::with_capacity(SMALL_BUFFER.max(self.buffer.len()));
            small.extend_from_slice(&self.buffer);
            self.buffer = small;
        }
        taken
    }

    /// Reads until the buffer holds `wanted` bytes. The buffer grows with what has arrived, not with what was announced.
    async fn fill(&mut self, wanted: usize, first: Duration, further: Duration) -> Result<(), ReadError> {
        let mut patience = first;
        while self.buffer.len() < wanted {
            match timeout(patience, self.read()).await {
                Ok(true) => patience = further,
                Ok(false) => return Err(ReadError::Closed),
                Err(_) => return Err(ReadError::TimedOut),
            }
        }
        Ok(())
    }

    /// One read into the buffer; false when the client has gone. Safe to drop: what was read is in the buffer.
    async fn read(&mut self) -> bool {
        if self.closed {
            return false;
        }
        if self.buffer.capacity() - self.buffer.len() < SMALL_BUFFER / 4 {
            // While a large packet arrives the buffer doubles; otherwise this reclaims the space of packets already handled.
            self.buffer.reserve(SMALL_BUFFER.max(self.buffer.len()));
        }
        // Every error of a socket means the same here: this client cannot be heard any more.
        let count = self.reader.read_buf(&mut self.buffer).await.unwrap_or(0);
        self.closed = count == 0;
        !self.closed
    }

    /// Ends when the client has gone. What arrives meanwhile is kept for `next`; beyond some amount it is left in the socket.
    pub(crate) async fn watch(&mut self) {
        loop {
            if self.buffer.len() >= EARLY_AT_MOST {
                return std::future::pending().await;
            }
            if !self.read().await {
                return;
            }
        }
    }

    /// Reads past a packet that was `TooLarge` without keeping it, so that the client, which must first finish sending, can read the
    /// error. False when it does not end by `deadline`.
    pub(crate) async fn skip_rest(&mut self, deadline: Instant) -> bool {
        while let Some(unwanted) = &mut self.unwanted {
            let here = unwanted.left_in_frame.min(self.buffer.len());
            unwanted.left_in_frame -= here;
            let _ = self.buffer.split_to(here);
            let (left, last) = (unwanted.left_in_frame, unwanted.last_frame);
            if left == 0 && last {
                self.unwanted = None;
            } else if left == 0 && self.buffer.len() >= 4 {
                let length = u32::from_le_bytes([self.buffer[0], self.buffer[1], self.buffer[2], 0]) as usize;
                self.sequence = self.buffer[3];
                let _ = self.buffer.split_to(4);
                self.unwanted = Some(Unwanted { left_in_frame: length, last_frame: length < LARGEST_FRAME });
            } else if !matches!(timeout_at(deadline, self.read()).await, Ok(true)) {
                return false;
            }
        }
        true
    }

    /// Reads and drops whatever still comes, until the client closes or `deadline`: closing a socket with unread bytes would destroy
    /// the error that was just sent.
    pub(crate) async fn linger(&mut self, deadline: Instant) {
        loop {
            self.buffer.clear();
            if !matches!(timeout_at(deadline, self.read()).await, Ok(true)) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
