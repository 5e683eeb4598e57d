//! The checkpointer: images of the catalog in the node's own meta directory, on request. (By count of log entries the
//! log makes them itself.)

use actors_messages::checkpointer::CreateImage;
use runtime_actor::{Actor, Answer, Context, Handle};
use runtime_raft::Meta;
use serde::Serialize;
use storage_model::Revision;

/// The role.
pub struct Checkpointer {
    meta: Meta,
    requested: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct CheckpointerState {
    requested: u64,
    image_revision: Option<u64>,
    commands_since_image: u64,
}

impl Checkpointer {
    /// A checkpointer of this node's metadata.
    pub fn new(meta: Meta) -> Checkpointer {
        Checkpointer { meta, requested: 0 }
    }
}

impl Actor for Checkpointer {
    const ROLE: &'static str = "checkpointer";
    type State = CheckpointerState;

    fn observe(&self) -> CheckpointerState {
        let status = self.meta.status();
        CheckpointerState {
            requested: self.requested,
            image_revision: status.image_revision.map(|r| r.0),
            commands_since_image: status.commands_since_image,
        }
    }
}

impl Handle<CreateImage> for Checkpointer {
    fn handle(&mut self, _message: CreateImage, _cx: &mut Context<Self>) -> Answer<Result<Revision, String>> {
        self.requested += 1;
        tracing::info!("triggering a new checkpoint manually");
        let meta = self.meta.clone();
        Answer::later(async move {
            let made = meta.create_image().await.map_err(|e| e.to_string());
            match &made {
                Ok(revision) => tracing::info!(%revision, "finished save image"),
                Err(error) => tracing::error!(%error, "an image could not be made"),
            }
            made
        })
    }
}
