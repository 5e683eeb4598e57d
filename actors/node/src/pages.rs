//! What each role serves over HTTP: facts as JSON below `/api`, metrics, and the dashboard that shows them.
//!
//! | module | what it is for |
//! |---|---|
//! | [`frontend`], [`compute`] | the routes of each role |
//! | `cluster`, `snapshots`, `watching`, `actions` | one subject each: nodes; jobs, pins and garbage; actors and traces; statements behind buttons |
//! | `guards` | who may look: a frontend asks its own users, a compute node asks its frontend |
//! | `numbers`, `numbers_of_snapshots` | `/metrics` |

mod actions;
mod cluster;
mod compute;
mod frontend;
mod guards;
mod numbers;
mod numbers_of_cache;
mod numbers_of_snapshots;
mod snapshots;
mod watching;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use actors_front::Desk;
use actors_messages::frontends::FrontendStatuses;
use actors_meta::SettingsReader;
use runtime_http::{PageError, RestoreState};
use runtime_raft::Meta;

use crate::observer::Observers;

pub use self::compute::{ComputePages, of_compute};
pub use self::frontend::{FrontendPages, of_frontend};

/// What the pages of a frontend read, once it is open.
pub struct Opened {
    /// The metadata.
    pub meta: Meta,
    /// The sessions.
    pub desk: Desk,
    /// Actors, here and on compute nodes.
    pub observers: Observers,
    /// The configuration of the leader's roles.
    pub settings: SettingsReader,
    /// The frontends, as the leader sees them.
    pub frontends: FrontendStatuses,
}

/// How far the start of a frontend has come, and what its pages read then. Cloning shares it.
#[derive(Clone, Default)]
pub struct Progress {
    stage: Arc<AtomicU8>,
    restored_in_ms: Arc<AtomicU64>,
    opened: Arc<OnceLock<Opened>>,
}

const RESTORING: u8 = 1;
const READY: u8 = 2;

impl Progress {
    /// A restore has begun.
    pub fn restoring(&self) {
        self.stage.store(RESTORING, Ordering::Release);
    }

    /// It is over.
    pub fn restored(&self, millis: u64) {
        self.restored_in_ms.store(millis, Ordering::Release);
    }

    /// SQL is served.
    pub fn ready(&self, opened: Opened) {
        // A frontend opens once.
        let _ = self.opened.set(opened);
        self.stage.store(READY, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.stage.load(Ordering::Acquire) == READY
    }

    fn restore_state(&self) -> RestoreState {
        if self.stage.load(Ordering::Acquire) == RESTORING { RestoreState::Restoring } else { RestoreState::Finished }
    }

    fn opened(&self) -> Result<&Opened, PageError> {
        self.opened.get().ok_or_else(|| PageError::NotReady("the frontend is not ready".to_owned()))
    }
}
