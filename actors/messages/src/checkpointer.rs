//! To the checkpointer.

use runtime_actor::Message;
use storage_model::Revision;

/// ALTER SYSTEM CREATE IMAGE: answered when the image is durable.
#[derive(Clone, Debug)]
pub struct CreateImage;

impl Message for CreateImage {
    type Reply = Result<Revision, String>;
    const NAME: &'static str = "CreateImage";
}
