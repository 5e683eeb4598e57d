//! Who is logged in: random ids, in memory, bounded in number and in time. Time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use runtime_actor::random;

/// A session that is not used for so long is over. An open live feed is use.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// No session lasts longer than this.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The most sessions; beyond, the one that was not used for the longest time ends.
const MOST: usize = 1_000;

/// One login.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) user: String,
    /// What a page must show to change something.
    pub(crate) csrf: String,
    began: Instant,
    used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= IDLE || now.saturating_duration_since(self.began) >= LONGEST
    }
}

/// All sessions of a node.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session: its id, for the cookie, and itself.
    pub(crate) fn begin(&self, user: &str, now: Instant) -> (String, Session) {
        let id = random::hex_id() + &random::hex_id();
        let session = Session { user: user.to_owned(), csrf: random::hex_id(), began: now, used: now };
        let mut sessions = self.lock();
        sessions.retain(|_, session| !session.is_over(now));
        if sessions.len() >= MOST
            && let Some(stale) = sessions.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| id.clone())
        {
            sessions.remove(&stale);
        }
        sessions.insert(id.clone(), session.clone());
        (id, session)
    }

    /// The session with this id, now used.
    pub(crate) fn find(&self, id: &str, now: Instant) -> Option<Session> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(id)?;
        if session.is_over(now) {
            sessions.remove(id);
            return None;
        }
        session.used = now;
        Some(session.clone())
    }

    /// Ends a session.
    pub(crate) fn end(&self, id: &str) {
        self.lock().remove(id);
    }
}

/// Failed logins, per address in a window of a minute.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<IpAddr, (Instant, u32)>>);

/// Failed logins that an address may have in a minute.
const FAILURES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// The most addresses that are remembered.
const ADDRESSES: usize = 10_000;

impl Failures {
    /// Counts an attempt before it is looked at, so that attempts at the same time count too. False: there were too many.
    pub(crate) fn attempt(&self, from: IpAddr, now: Instant) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: Instant| now.saturating_duration_since(since) >= WINDOW;
        if counts.len() >= ADDRESSES {
            counts.retain(|_, (since, _)| !is_over(*since));
        }
        if counts.len() >= ADDRESSES
            && let Some(oldest) = counts.iter().min_by_key(|(_, (since, _))| *since).map(|(from, _)| *from)
        {
            counts.remove(&oldest);
        }
        let (since, count) = counts.entry(network(from)).or_insert((now, 0));
        if is_over(*since) {
            (*since, *count) = (now, 0);
        }
        if *count >= FAILURES {
            return false;
        }
        *count += 1;
        true
    }

    /// The attempt was none: the password was right.
    pub(crate) fn was_right(&self, from: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = counts.get_mut(&network(from)) {
            *count = count.saturating_sub(1);
        }
    }
}

/// An IPv6 host has a whole /64 to itself.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_idleness_by_age_and_by_hand() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let (id, session) = sessions.begin("root", start);
        assert_eq!((id.len(), session.csrf.len()), (64, 32));
        let almost = IDLE - Duration::from_secs(1);
        assert!(sessions.find(&id, start + almost).is_some());
        assert!(sessions.find(&id, start + almost * 2).is_some(), "use prolongs it");
        assert!(sessions.find(&id, start + almost * 2 + IDLE).is_none());
        assert!(sessions.find(&id, start).is_none(), "it stays over");

        let (id, _) = sessions.begin("root", start);
        let mut now = start;
        while now < start + LONGEST - almost {
            now += almost;
            assert!(sessions.find(&id, now).is_some());
        }
        assert!(sessions.find(&id, now + almost).is_none(), "a day is the most");

        let (id, _) = sessions.begin("root", start);
        sessions.end(&id);
        assert!(sessions.find(&id, start).is_none() && sessions.find("", start).is_none());
    }

    #[test]
    fn the_session_that_was_used_least_makes_room() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let ids: Vec<_> =
            (0..MOST as u32).map(|n| sessions.begin("u", start + Duration::from_millis(n.into())).0).collect();
        let later = start + Duration::from_secs(10);
        assert!(sessions.find(&ids[0], later).is_some());
        let (newest, _) = sessions.begin("u", later);
        assert!(sessions.find(&ids[1], later).is_none());
        assert!([&ids[0], &ids[2], &newest].iter().all(|id| sessions.find(id, later).is_some()));
    }

    #[test]
    fn failures_are_counted_per_address_and_minute() {
        let (failures, start) = (Failures::default(), Instant::now());
        let (one, other): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for _ in 0..100 {
            assert!(failures.attempt(one, start));
            failures.was_right(one);
        }
        for _ in 0..FAILURES {
            assert!(failures.attempt(one, start));
        }
        assert!(!failures.attempt(one, start) && failures.attempt(other, start));
        assert!(failures.attempt(one, start + WINDOW));
        let (near, nearer): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        for _ in 0..FAILURES {
            assert!(failures.attempt(near, start));
        }
        assert!(!failures.attempt(nearer, start), "one network");
    }
}
