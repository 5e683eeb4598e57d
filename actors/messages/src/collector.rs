//! To the GC coordinator.

use runtime_actor::Message;
use serde::{Deserialize, Serialize};

/// The mailbox of the GC coordinator.
pub const GC_COORDINATOR: &str = "gc_coordinator";

/// Look for garbage now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Collect;

impl Message for Collect {
    type Reply = ();
    const NAME: &'static str = "Collect";
}
