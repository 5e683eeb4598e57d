//! The orderly stop: children in the reverse order of their start, one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::arena::NodeId;
use super::{Event, Inner};
use crate::gauge::lock;
use crate::host::Exit;

/// How long an actor that was cut off has to notice it.
const AFTER_CUT: Duration = Duration::from_millis(200);

impl Inner {
    /// Stops everything at and below the node; gives the paths of those that were cut off at the deadline. Goes on if the
    /// caller gives up.
    pub(crate) async fn stop(tree: &Arc<Self>, node: NodeId, deadline: Duration) -> Vec<String> {
        let runtime = tree.runtime.clone();
        let tree = tree.clone();
        runtime.spawn(async move { tree.stop_in_order(node, deadline).await }).await.unwrap_or_default()
    }

    async fn stop_in_order(&self, node: NodeId, deadline: Duration) -> Vec<String> {
        let until = tokio::time::Instant::now() + deadline;
        let (order, acts) = lock(&self.arena).stopping(node);
        self.perform(acts);
        let mut late = Vec::new();
        for id in order {
            let Some((actor, incarnation, ended)) = lock(&self.arena).wait_for(id) else { continue };
            actor.stop();
            if tokio::time::timeout_at(until, ended).await.is_ok() {
                continue;
            }
            let path = lock(&self.arena).path(id);
            tracing::warn!(actor = path, "did not stop in time, and is cut off");
            late.push(path);
            let again = lock(&self.arena).wait_for(id);
            actor.supersede(incarnation);
            if let Some((_, _, ended)) = again {
                // One that is stuck in its handler will not notice; it is not waited for.
                let _ = tokio::time::timeout(AFTER_CUT, ended).await;
            }
            self.take(Event::Exited { node: id, incarnation, exit: Exit::Superseded });
        }
        lock(&self.arena).stopped(node);
        late
    }
}
