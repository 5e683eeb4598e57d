//! Packets out: a buffer in which packets are built, numbered and, when larger than 16 MiB, split; and the socket behind it.
//! Nothing is sent before `flush`, so a small response is one system call; large ones flush as they go.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::error::MySqlError;
use crate::secure::Writer;

/// The most bytes that one frame carries; a packet of this size or more continues in the next frame.
pub(crate) const LARGEST_FRAME: usize = 0xFF_FFFF;
/// Rows are sent once this many bytes wait.
const FLUSH_AT: usize = 64 * 1024;
/// How long a client may refuse to take the end of the stream.
const GOODBYE: Duration = Duration::from_secs(2);
/// A buffer larger than this is given back after it was sent.
const KEEP_AT_MOST: usize = 256 * 1024;

/// The outgoing half of a connection.
pub(crate) struct PacketSink {
    writer: Writer,
    write_timeout: Duration,
    out: Vec<u8>,
    /// How much of `out` the socket has taken: a flush that is dropped half-way can be taken up again.
    written: usize,
    /// Where the packet being built begins (its header).
    start: usize,
    /// The number of the next frame.
    sequence: u8,
    /// Why the socket takes no more, once it does not.
    broken: Option<io::ErrorKind>,
}

impl PacketSink {
    pub(crate) fn new(writer: Writer, write_timeout: Duration) -> Self {
        let out = Vec::with_capacity(4096);
        Self { writer, write_timeout, out, written: 0, start: 0, sequence: 0, broken: None }
    }

    /// Takes the stream away to make another of it; everything was sent.
    pub(crate) fn take_stream(&mut self) -> Writer {
        std::mem::replace(&mut self.writer, Box::new(tokio::io::sink()))
    }

    /// Goes on with this stream.
    pub(crate) fn set_stream(&mut self, writer: Writer) {
        self.writer = writer;
    }

    /// The next packet carries this number: a response counts on from its request.
    pub(crate) fn continue_from(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// The number of the next frame.
    pub(crate) fn next_sequence(&self) -> u8 {
        self.sequence
    }

    /// True once the socket has failed; nothing can be said to this client any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Opens a packet; its payload is what is pushed to the returned buffer before `end`.
    pub(crate) fn begin(&mut self) -> &mut Vec<u8> {
        self.start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        &mut self.out
    }

    /// Throws away the packet that is being built.
    pub(crate) fn abandon(&mut self) {
        self.out.truncate(self.start);
    }

    /// Closes the packet: writes its length and number, splitting it when it is too large for one frame.
    pub(crate) fn end(&mut self) {
        let length = self.out.len() - self.start - 4;
        if length >= LARGEST_FRAME {
            return self.split(length);
        }
        let header = frame_header(length, self.sequence);
        self.out[self.start..self.start + 4].copy_from_slice(&header);
        self.sequence = self.sequence.wrapping_add(1);
        self.start = self.out.len();
    }

    /// Makes room for a header before every 16 MiB of the payload, moving the last part first.
    fn split(&mut self, length: usize) {
        let further = length / LARGEST_FRAME;
        let payload = self.start + 4;
        self.out.resize(self.out.len() + 4 * further, 0);
        for frame in (0..=further).rev() {
            let from = payload + frame * LARGEST_FRAME;
            let size = LARGEST_FRAME.min(length - frame * LARGEST_FRAME);
            let to = from + 4 * frame;
            self.out.copy_within(from..from + size, to);
            let header = frame_header(size, self.sequence.wrapping_add(frame as u8));
            self.out[to - 4..to].copy_from_slice(&header);
        }
        self.sequence = self.sequence.wrapping_add(further as u8).wrapping_add(1);
        self.start = self.out.len();
    }

    /// True when enough bytes wait that they should be sent now.
    pub(crate) fn is_full(&self) -> bool {
        self.out.len() >= FLUSH_AT
    }

    /// Sends everything that waits. Dropping the future loses nothing: the next flush goes on where this one stopped.
    pub(crate) async fn flush(&mut self) -> Result<(), MySqlError> {
        if self.broken.is_some() {
            return Err(MySqlError::write_failed());
        }
        while self.written < self.out.len() {
            let sent = tokio::time::timeout(self.write_timeout, self.writer.write(&self.out[self.written..])).await;
            match sent {
                Ok(Ok(0)) => return Err(self.fail(io::ErrorKind::WriteZero)),
                Ok(Ok(count)) => self.written += count,
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(self.fail(error.kind())),
                Err(_) => return Err(self.fail(io::ErrorKind::TimedOut)),
            }
        }
        // TLS may still hold what it has taken.
        match tokio::time::timeout(self.write_timeout, self.writer.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.fail(error.kind())),
            Err(_) => return Err(self.fail(io::ErrorKind::TimedOut)),
        }
        self.out.clear();
        self.out.shrink_to(KEEP_AT_MOST);
        self.written = 0;
        self.start = 0;
        Ok(())
    }

    fn fail(&mut self, kind: io::ErrorKind) -> MySqlError {
        self.broken = Some(kind);
        self.out = Vec::new();
        self.written = 0;
        self.start = 0;
        MySqlError::write_failed()
    }

    /// Sends the end of the stream: the client reads what was flushed and then the end.
    pub(crate) async fn shutdown(&mut self) {
        if self.broken.is_none() {
            // The client may be gone already, or read nothing any more; there is nobody to tell.
            let _ = tokio::time::timeout(GOODBYE, self.writer.shutdown()).await;
        }
    }
}

/// The four bytes before a frame's payload: three of length, one of number.
fn frame_header(length: usize, sequence: u8) -> [u8; 4] {
    let [low, middle, high, ..] = (length as u32).to_le_bytes();
    [low, middle, high, sequence]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};
    use tokio::io::AsyncWrite;

    /// A socket that takes at most `chunk` bytes at a time and counts the calls.
    #[derive(Clone, Default)]
    struct Taken(Arc<Mutex<(Vec<u8>, usize)>>, usize);

    impl AsyncWrite for Taken {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let mut taken = self.0.lock().unwrap();
            let count = bytes.len().min(self.1);
            taken.0.extend_from_slice(&bytes[..count]);
            taken.1 += 1;
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn frames(mut bytes: &[u8]) -> Vec<(usize, u8)> {
        let mut found = Vec::new();
        while let [a, b, c, sequence, rest @ ..] = bytes {
            let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            found.push((length, *sequence));
            bytes = &rest[length..];
        }
        assert!(bytes.is_empty());
        found
    }

    /// A writer that keeps what it takes until it is flushed, as TLS does.
    #[derive(Clone, Default)]
    struct Keeping(Arc<Mutex<(Vec<u8>, Vec<u8>)>>);

    impl AsyncWrite for Keeping {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().0.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            let mut both = self.0.lock().unwrap();
            let kept = std::mem::take(&mut both.0);
            both.1.extend_from_slice(&kept);
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn nothing_is_left_in_the_writer() {
        let keeping = Keeping::default();
        let mut sink = PacketSink::new(Box::new(keeping.clone()), Duration::from_secs(1));
        sink.begin().extend_from_slice(b"the end of a result");
        sink.end();
        sink.flush().await.unwrap();
        let both = keeping.0.lock().unwrap();
        assert_eq!((both.0.len(), both.1.len()), (0, 4 + b"the end of a result".len()));
    }

    #[tokio::test]
    async fn several_packets_leave_in_one_write() {
        let taken = Taken(Arc::default(), usize::MAX);
        let mut sink = PacketSink::new(Box::new(taken.clone()), Duration::from_secs(1));
        sink.continue_from(255);
        for payload in [&b"one"[..], b"", b"three"] {
            sink.begin().extend_from_slice(payload);
            sink.end();
        }
        sink.begin().extend_from_slice(b"half a packet");
        sink.abandon();
        sink.flush().await.unwrap();
        let taken = taken.0.lock().unwrap();
        assert_eq!(taken.1, 1);
        assert_eq!(frames(&taken.0), [(3, 255), (0, 0), (5, 1)]);
    }

    #[tokio::test]
    async fn packets_split_at_the_limit_and_arrive_whole() {
        for (length, expected) in [
            (LARGEST_FRAME - 1, vec![(LARGEST_FRAME - 1, 7)]),
            (LARGEST_FRAME, vec![(LARGEST_FRAME, 7), (0, 8)]),
            (2 * LARGEST_FRAME + 5, vec![(LARGEST_FRAME, 7), (LARGEST_FRAME, 8), (5, 9)]),
        ] {
            let taken = Taken(Arc::default(), 1_000_003);
            let mut sink = PacketSink::new(Box::new(taken.clone()), Duration::from_secs(1));
            sink.continue_from(7);
            let payload: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            sink.begin().extend_from_slice(&payload);
            sink.end();
            sink.begin().push(1);
            sink.end();
            sink.flush().await.unwrap();
            assert!(sink.out.capacity() <= KEEP_AT_MOST);
            let taken = taken.0.lock().unwrap();
            let found = frames(&taken.0);
            assert_eq!(found[..found.len() - 1], expected[..]);
            let mut joined = Vec::new();
            let mut at = 0;
            for (size, _) in &expected {
                joined.extend_from_slice(&taken.0[at + 4..at + 4 + size]);
                at += 4 + size;
            }
            assert!(joined == payload, "the payload of {length} bytes changed");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (_client, server) = tokio::io::duplex(16);
        let mut sink = PacketSink::new(Box::new(server), Duration::from_secs(5));
        sink.begin().extend_from_slice(&[7; 100]);
        sink.end();
        assert_eq!(sink.flush().await, Err(MySqlError::write_failed()));
        assert!(sink.is_broken());
    }
}
