//! Slows down who guesses passwords: after some failures of one name from one network, attempts come one after the other.
//! Bounded in memory; time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures that cost nothing.
const FREE: u32 = 5;
/// Between attempts after that.
const PAUSE: Duration = Duration::from_millis(200);
/// An attempt whose turn is later than this is refused without a look.
const LONGEST: Duration = Duration::from_secs(5);
/// Failures are forgotten after this time without another.
const WINDOW: Duration = Duration::from_secs(60);
/// Of so many names and networks is remembered; beyond, what failed longest ago is forgotten.
const MOST: usize = 10_000;
/// As much of a name as is remembered.
const NAME: usize = 64;

/// Failed logins.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<HashMap<(IpAddr, String), Failed>>);

#[derive(Debug)]
struct Failed {
    count: u32,
    last: Instant,
    /// When the next attempt may be looked at.
    next: Instant,
}

impl Logins {
    /// When an attempt may be looked at. None: too many wait already.
    pub(crate) fn turn(&self, from: IpAddr, name: &str, now: Instant) -> Option<Instant> {
        let mut all = self.lock();
        let Some(failed) = all.get_mut(&key(from, name)) else { return Some(now) };
        if now.saturating_duration_since(failed.last) >= WINDOW || failed.count < FREE {
            return Some(now);
        }
        let turn = failed.next.max(now);
        if turn.saturating_duration_since(now) > LONGEST {
            return None;
        }
        failed.next = turn + PAUSE;
        Some(turn)
    }

    /// An attempt has failed.
    pub(crate) fn failed(&self, from: IpAddr, name: &str, now: Instant) {
        let mut all = self.lock();
        let key = key(from, name);
        if all.len() >= MOST && !all.contains_key(&key) {
            all.retain(|_, failed| now.saturating_duration_since(failed.last) < WINDOW);
            if all.len() >= MOST
                && let Some(oldest) = all.iter().min_by_key(|(_, failed)| failed.last).map(|(key, _)| key.clone())
            {
                all.remove(&oldest);
            }
        }
        let failed = all.entry(key).or_insert(Failed { count: 0, last: now, next: now });
        if now.saturating_duration_since(failed.last) >= WINDOW {
            failed.count = 0;
        }
        (failed.count, failed.last) = (failed.count.saturating_add(1), now);
    }

    /// An attempt was right.
    pub(crate) fn succeeded(&self, from: IpAddr, name: &str) {
        self.lock().remove(&key(from, name));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(IpAddr, String), Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An IPv6 host has a whole /64 to itself.
fn key(from: IpAddr, name: &str) -> (IpAddr, String) {
    let network = match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    };
    (network, name.chars().take(NAME).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_often_waits_and_nobody_else_does() {
        let (logins, start) = (Logins::default(), Instant::now());
        let (here, there): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for _ in 0..FREE {
            assert_eq!(logins.turn(here, "u", start), Some(start));
            logins.failed(here, "u", start);
        }
        // Attempts at the same time come one after the other, too.
        let turns: Vec<_> = (0..3).map(|_| logins.turn(here, "u", start).unwrap() - start).collect();
        assert_eq!(turns, [Duration::ZERO, PAUSE, PAUSE * 2]);
        let others = std::iter::from_fn(|| logins.turn(here, "u", start)).count();
        assert!(others < 30 && logins.turn(here, "u", start).is_none());
        assert_eq!((logins.turn(here, "v", start), logins.turn(there, "u", start)), (Some(start), Some(start)));
        assert_eq!(logins.turn(here, "u", start + WINDOW), Some(start + WINDOW));
        logins.succeeded(here, "u");
        assert_eq!(logins.turn(here, "u", start), Some(start));
    }

    #[test]
    fn failures_are_forgotten_with_time_and_in_number() {
        let (logins, start) = (Logins::default(), Instant::now());
        let here: IpAddr = "2001:db8::1".parse().unwrap();
        (0..FREE).for_each(|_| logins.failed(here, "u", start));
        logins.failed(here, "u", start + WINDOW);
        assert_eq!(logins.turn(here, "u", start + WINDOW), Some(start + WINDOW), "it began anew");
        (0..2 * MOST as u64).for_each(|n| logins.failed(here, &n.to_string(), start + Duration::from_micros(n)));
        assert_eq!(logins.lock().len(), MOST);
        (0..FREE).for_each(|_| logins.failed(here, &"x".repeat(1000), start));
        let other: IpAddr = "2001:db8::2".parse().unwrap();
        assert_eq!(logins.turn(other, &"x".repeat(99), start), Some(start), "the first one waits for nothing");
        assert_eq!(logins.turn(other, &"x".repeat(99), start), Some(start + PAUSE), "one network");
    }
}
