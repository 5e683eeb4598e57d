//! How the actors of a process are kept: one place, so that a build with failpoints can be less patient.

use std::time::Duration;

use runtime_actor::ActorSpec;

/// For an actor whose effects end within seconds, by deadlines of their own; a minute shows that one of those did not hold.
pub(crate) const BRIEF_EFFECTS: Duration = Duration::from_secs(60);
/// For one whose effects delete, or copy to the store with a sign of life at each step: longer than any single step with all
/// its retries.
pub(crate) const LONG_EFFECTS: Duration = Duration::from_secs(600);

/// The kit's defaults.
pub(crate) fn spec(name: &str) -> ActorSpec {
    let spec = ActorSpec::new(name);
    #[cfg(feature = "failpoints")]
    let spec = crate::failpoints::impatient(spec);
    spec
}

/// Like [`spec`], for an actor with effects: one that gives no sign of life for so long is a stall.
pub(crate) fn with_effects(name: &str, silent: Duration) -> ActorSpec {
    let spec = ActorSpec::new(name).stall_after(silent);
    #[cfg(feature = "failpoints")]
    let spec = crate::failpoints::impatient(spec);
    spec
}
