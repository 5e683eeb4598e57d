//! To the GC coordinator.

use runtime_actor::Message;

/// Look for garbage now.
#[derive(Clone, Debug)]
pub struct Collect;

impl Message for Collect {
    type Reply = ();
    const NAME: &'static str = "Collect";
}
