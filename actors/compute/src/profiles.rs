//! What fragments have done, for as long as it takes the frontend to ask: it asks when the statement is over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors_messages::compute::FragmentProfile;

/// Of that many fragments. Nobody asks for those of statements that were too short to be kept, or whose frontend died.
const KEPT: usize = 4096;
/// Bytes of all of them.
const KEPT_BYTES: usize = 16 << 20;
/// Bytes of what the operators of one have done.
const LONGEST: usize = 64 << 10;

/// What is remembered. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profiles(Arc<Mutex<VecDeque<(String, FragmentProfile)>>>);

impl Profiles {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, FragmentProfile)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a fragment of a query, in the place of what was known of it.
    pub(crate) fn keep(&self, query: &str, mut profile: FragmentProfile) {
        if profile.operators.len() > LONGEST {
            let end = profile.operators.floor_char_boundary(LONGEST);
            profile.operators.truncate(end);
            profile.operators.push_str("...\n");
        }
        let mut kept = self.lock();
        kept.retain(|(_, known)| known.fragment != profile.fragment);
        kept.push_back((query.to_owned(), profile));
        let mut bytes: usize = kept.iter().map(|(_, known)| known.operators.len()).sum();
        while kept.len() > KEPT || bytes > KEPT_BYTES {
            let Some((_, oldest)) = kept.pop_front() else { return };
            bytes -= oldest.operators.len();
        }
    }

    /// A fragment has come further since its operators were done.
    pub(crate) fn update(&self, fragment: u64, rows: u64, millis: u64) {
        if let Some((_, known)) = self.lock().iter_mut().rev().find(|(_, known)| known.fragment == fragment) {
            (known.rows, known.millis) = (rows, millis);
        }
    }

    /// What is known of a query, which is forgotten.
    pub(crate) fn take(&self, query: &str) -> Vec<FragmentProfile> {
        let mut kept = self.lock();
        let (taken, others): (VecDeque<_>, VecDeque<_>) = kept.drain(..).partition(|(of, _)| of == query);
        *kept = others;
        taken.into_iter().map(|(_, profile)| profile).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(fragment: u64, operators: &str) -> FragmentProfile {
        FragmentProfile { fragment, what: "read".into(), rows: 1, millis: 1, operators: operators.into() }
    }

    #[test]
    fn later_words_replace_earlier_ones_and_are_taken_once() {
        let profiles = Profiles::default();
        profiles.keep("a", profile(1, "half"));
        profiles.keep("b", profile(2, "other"));
        profiles.keep("a", profile(1, "all"));
        profiles.update(1, 5, 6);
        profiles.update(3, 7, 8);
        assert_eq!(profiles.take("a"), [FragmentProfile { rows: 5, millis: 6, ..profile(1, "all") }]);
        assert_eq!(profiles.take("a"), []);
        assert_eq!(profiles.take("b"), [profile(2, "other")]);
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_and_long_words_are_cut() {
        let profiles = Profiles::default();
        for fragment in 0..=KEPT as u64 {
            profiles.keep(&format!("q{fragment}"), profile(fragment, ""));
        }
        assert_eq!((profiles.take("q0").len(), profiles.take("q1").len()), (0, 1));
        for fragment in 10_000..10_000 + (KEPT_BYTES / LONGEST) as u64 + 1 {
            profiles.keep("many", profile(fragment, &"x".repeat(LONGEST)));
        }
        assert_eq!(profiles.take("many").len(), KEPT_BYTES / LONGEST, "no more bytes than may be");
        profiles.keep("long", profile(9999, &"ä".repeat(LONGEST)));
        let taken = profiles.take("long").remove(0);
        assert!(taken.operators.len() <= LONGEST + 4 && taken.operators.ends_with("...\n"));
    }
}
