//! Room on the disk of the log. A log that cannot be written is lost until the next start, so the metadata becomes
//! read-only while there is still room for what Raft itself must write (votes, the entry of a new term): commands are
//! refused before they enter the log, and images before they are begun. With room again everything goes on by itself.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio::time::Instant;
use tracing::{debug, error, info};

/// So much stays free.
const RESERVE_BYTES: u64 = 64 << 20;
/// Of a small file system this part stays free instead.
const RESERVE_PART: u64 = 4;
/// What was measured is believed for so long.
const FRESH: Duration = Duration::from_millis(200);

/// A file system.
#[derive(Clone, Copy, Debug)]
struct Space {
    free: u64,
    total: u64,
}

impl Space {
    fn reserve(self) -> u64 {
        RESERVE_BYTES.min(self.total / RESERVE_PART)
    }
}

type Measure = Box<dyn Fn(&Path) -> io::Result<Space> + Send + Sync>;

#[derive(Default)]
struct State {
    measured: Option<Instant>,
    /// Why nothing may be written, when nothing may.
    shortage: Option<String>,
}

/// Watches the file system of a directory. Asking is cheap: it is measured a few times a second at most.
pub(crate) struct Room {
    dir: PathBuf,
    measure: Measure,
    state: Mutex<State>,
}

impl Room {
    /// Of the file system that holds this directory.
    pub(crate) fn new(dir: &Path) -> Room {
        Room::measured_by(dir, Box::new(measure))
    }

    fn measured_by(dir: &Path, measure: Measure) -> Room {
        Room { dir: dir.to_owned(), measure, state: Mutex::default() }
    }

    /// Whether anything but Raft's own may be written; if not, why. A follower without room takes no entries.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut state = self.state();
        if state.measured.is_none_or(|at| at.elapsed() >= FRESH) {
            state.measured = Some(Instant::now());
            self.look(&mut state);
        }
        state.shortage.clone().map_or(Ok(()), Err)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each turn is reported once.
    fn look(&self, state: &mut State) {
        let space = match (self.measure)(&self.dir) {
            Ok(space) => space,
            Err(error) => {
                // Nobody is kept from writing because of a question that was not answered.
                debug!(dir = %self.dir.display(), %error, "the room on the disk cannot be measured");
                return;
            }
        };
        if space.free >= space.reserve() {
            if state.shortage.take().is_some() {
                info!(dir = %self.dir.display(), free_bytes = space.free, "there is room again: the metadata can be written");
            }
            return;
        }
        let why = format!(
            "only {} MiB are left on the disk of {} ({} MiB are needed)",
            space.free >> 20,
            self.dir.display(),
            space.reserve().div_ceil(1 << 20)
        );
        if state.shortage.is_none() {
            error!(dir = %self.dir.display(), free_bytes = space.free, "the metadata is read-only until there is room: {why}");
        }
        state.shortage = Some(why);
    }
}

/// What a process without privileges may use, and the size of the file system.
fn measure(dir: &Path) -> io::Result<Space> {
    let found = statvfs(dir)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
    Ok(Space { free: bytes(found.blocks_available()), total: bytes(found.blocks()) })
}

#[cfg(test)]
impl Room {
    /// As if no room were left, until [`Room::measure_again`].
    pub(crate) fn take_away(&self) {
        let mut state = self.state();
        state.measured = Some(Instant::now() + Duration::from_secs(1 << 20));
        state.shortage = Some("only 0 MiB are left".to_owned());
    }

    /// Whoever asks panics.
    pub(crate) fn broken() -> Room {
        Room::measured_by(Path::new("/path/meta"), Box::new(|dir| panic!("{} is broken", dir.display())))
    }

    pub(crate) fn measure_again(&self) {
        self.state().measured = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn there_is_room_until_the_reserve_is_touched_and_again_behind_it() {
        let free = Arc::new(AtomicU64::new(1 << 30));
        let shown = free.clone();
        let measure = move |_: &Path| Ok(Space { free: shown.load(Ordering::Relaxed), total: 1 << 30 });
        let room = Room::measured_by(Path::new("/path/meta"), Box::new(measure));
        assert!(room.check().is_ok());
        free.store(12 << 20, Ordering::Relaxed);
        room.measure_again();
        let why = room.check().unwrap_err();
        assert_eq!(why, "only 12 MiB are left on the disk of /path/meta (64 MiB are needed)");
        assert!(room.check().is_err());
        free.store(RESERVE_BYTES, Ordering::Relaxed);
        room.measure_again();
        assert!(room.check().is_ok());
    }

    #[test]
    fn a_small_disk_needs_less() {
        assert_eq!(Space { free: 0, total: 96 << 20 }.reserve(), 24 << 20);
        assert_eq!(Space { free: 0, total: 1 << 40 }.reserve(), 64 << 20);
    }

    #[test]
    fn a_real_disk_is_measured_and_a_missing_one_refuses_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let space = measure(dir.path()).unwrap();
        assert!(space.total > 0 && space.free <= space.total, "{space:?}");
        assert!(measure(&dir.path().join("no-such")).is_err());
        assert!(Room::new(&dir.path().join("no-such")).check().is_ok());
    }
}
