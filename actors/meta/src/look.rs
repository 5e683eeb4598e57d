//! What an actor tells itself when it is time to look whether there is something to do.

use runtime_actor::Message;

/// It is time.
#[derive(Debug)]
pub(crate) struct Look;

impl Message for Look {
    type Reply = ();
    const NAME: &'static str = "Look";
}
