//! What fragments have done, for as long as it takes the frontend to ask: it asks when the statement is over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors_messages::compute::FragmentProfile;

/// Of that many fragments. Frontends that died ask for nothing.
const KEPT: usize = 256;
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
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((query.to_owned(), profile));
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
        assert_eq!(profiles.take("a"), [profile(1, "all")]);
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
        profiles.keep("long", profile(9999, &"ä".repeat(LONGEST)));
        let taken = profiles.take("long").remove(0);
        assert!(taken.operators.len() <= LONGEST + 4 && taken.operators.ends_with("...\n"));
    }
}
