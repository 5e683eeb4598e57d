//! To the checkpointer.

use runtime_actor::Message;
use serde::{Deserialize, Serialize};
use storage_model::Revision;

/// The mailbox of the leader's checkpointer.
pub const CHECKPOINTER: &str = "checkpointer";

/// ALTER SYSTEM CREATE IMAGE: answered when the image is durable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreateImage;

impl Message for CreateImage {
    type Reply = Result<Revision, String>;
    const NAME: &'static str = "CreateImage";
}
