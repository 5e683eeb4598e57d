//! Writing that gives way: an image is built beside commits, and is in no hurry.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// After so much work at least the writer looks whether others are at work.
const STRETCH: Duration = Duration::from_millis(10);
/// One rest is not longer than this.
const LONGEST_REST: Duration = Duration::from_millis(250);

/// Passes on what is written; while `busy` says that others are at work, it rests as long as it has worked.
pub(super) struct Paced<W, F> {
    out: W,
    busy: F,
    since: Instant,
}

impl<W: Write, F: FnMut() -> bool> Paced<W, F> {
    pub(super) fn new(out: W, busy: F) -> Paced<W, F> {
        Paced { out, busy, since: Instant::now() }
    }
}

impl<W: Write, F: FnMut() -> bool> Write for Paced<W, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        let worked = self.since.elapsed();
        if worked >= STRETCH {
            if (self.busy)() {
                thread::sleep(worked.min(LONGEST_REST));
            }
            self.since = Instant::now();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_passed_on_and_others_are_looked_for_after_work_alone() {
        let (mut out, mut looks) = (Vec::new(), 0);
        {
            let mut paced = Paced::new(&mut out, || {
                looks += 1;
                looks == 1
            });
            for part in [b"one", b"two"] {
                thread::sleep(STRETCH);
                paced.write_all(part).unwrap();
            }
            paced.flush().unwrap();
        }
        assert_eq!((out.as_slice(), looks), (b"onetwo".as_slice(), 2));
    }
}
