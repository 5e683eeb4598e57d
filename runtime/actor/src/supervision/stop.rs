//! The orderly stop: children in the reverse order of their start, one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::arena::NodeId;
use super::{Event, Inner};
use crate::gauge::lock;
use crate::host::Exit;

/// How long an actor that was cut off has to notice it.
const AFTER_CUT: Duration = Duration::from_millis(200);

/// What is kept back for each of those that have yet to stop.
const RESERVED: Duration = Duration::from_millis(250);

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
        let mut left = u32::try_from(order.len()).unwrap_or(u32::MAX);
        for id in order {
            left = left.saturating_sub(1);
            let Some((actor, incarnation, ended)) = lock(&self.arena).wait_for(id) else { continue };
            actor.stop();
            // One that does not end must not take the time in which the others could stop in order.
            let now = tokio::time::Instant::now();
            let remaining = until.saturating_duration_since(now);
            let limit = (remaining - (RESERVED * left).min(remaining / 2)).max(AFTER_CUT.min(deadline));
            if tokio::time::timeout(limit, ended).await.is_ok() {
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
