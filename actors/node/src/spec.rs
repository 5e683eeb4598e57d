//! How the actors of a process are kept: one place, so that a build with failpoints can be less patient.

use runtime_actor::ActorSpec;

/// The kit's defaults.
pub(crate) fn spec(name: &str) -> ActorSpec {
    let spec = ActorSpec::new(name);
    #[cfg(feature = "failpoints")]
    let spec = crate::failpoints::impatient(spec);
    spec
}
