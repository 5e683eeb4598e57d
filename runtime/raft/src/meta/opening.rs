//! From a directory to a running member of its group.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::error::{Fatal, RaftError as CoreError};
use openraft::{Config, ServerState, SnapshotPolicy};
use runtime_rpc::Peers;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tracing::info;

use storage_catalog::Catalog;

use super::standing::Watcher;
use super::{Clock, Inner, Meta, Open, Options, proposer, roll, stopped};
use crate::error::{ProposeError, RaftError};
use crate::image_store::{Image, ImageStore};
use crate::log_store::{self, LogStore};
use crate::meta_dir::{DirLock, MetaDir};
use crate::network::{Acknowledged, Lines};
use crate::room::Room;
use crate::shared::Shared;
use crate::state_machine::StateMachine;
use crate::stored::Owner;
use crate::types::{Batch, Node, Types};

/// A member that lags by more entries than this is sent an image, if there is one that helps.
const LAG: u64 = 50_000;
/// How long a piece of an image (3 MiB) may take to be taken in; the last one includes reading the whole.
const IMAGE_PIECE_MILLIS: u64 = 60_000;

/// What the directory holds.
struct Found {
    log: LogStore,
    images: Arc<ImageStore>,
    image: Image,
    catalog: Catalog,
    lock: Arc<DirLock>,
    room: Arc<Room>,
}

pub(super) async fn open(
    dir: &MetaDir,
    me: &Node,
    clock: Clock,
    options: Options,
    peers: Peers,
) -> Result<Meta, RaftError> {
    let (dir, who) = (dir.clone(), me.clone());
    let found = tokio::task::spawn_blocking(move || read(&dir, &who));
    let Found { log, images, image, catalog, lock, room } =
        found.await.map_err(|e| RaftError::Failed(format!("reading the meta directory: {e}")))??;

    let shared = Arc::new(Shared::new(&catalog, image.meta.last_log_id));
    let state_machine = StateMachine::new(catalog, image.meta, shared.clone(), images.clone(), lock.clone());
    let config = Arc::new(raft_config(&options)?);
    let acknowledged = Acknowledged::default();
    let lines = Lines { me: me.id.0, peers: peers.clone(), acknowledged: acknowledged.clone() };
    let raft = openraft::Raft::<Types>::new(me.id.0, config, lines, log.clone(), state_machine);
    let raft = raft.await.map_err(stopped)?;
    let mut confirmed = None;
    if is_only_voter(&raft, me).await? {
        if let Err(error) = lead(&raft, options.lead_within).await {
            // The error that matters is the first.
            let _ = raft.shutdown().await;
            return Err(error);
        }
        confirmed = Some((raft.metrics().borrow().current_term, Instant::now()));
    }
    let isolated_after = options.election.end * 2;
    let watcher = Watcher { me: me.clone(), raft: raft.clone(), acknowledged, isolated_after, confirmed };
    let (standing, watching) = watcher.start().await;

    let (proposals, queue) = mpsc::channel(proposer::QUEUE);
    let (stop, stopping) = watch::channel(false);
    let proposer = tokio::spawn(proposer::run(raft.clone(), queue, stopping, standing.clone(), room.clone()));
    let revisions = shared.watch();
    let meta = Arc::new_cyclic(|weak| {
        let roller = tokio::spawn(roll(weak.clone(), revisions, options.image_every.max(1)));
        let open = Mutex::new(Some(Open { log, lock, proposer, roller, standing: watching }));
        let counted = Mutex::new((shared.view().header.uptime, clock().1));
        Inner {
            me: me.clone(),
            raft,
            peers,
            shared,
            images,
            room,
            clock,
            counted,
            proposals,
            stop,
            standing,
            imaging: tokio::sync::Mutex::default(),
            open,
        }
    });
    let meta = Meta(meta);
    let status = meta.status();
    info!(node = %me, revision = %status.revision, term = status.term, role = ?status.role, "metadata open");
    Ok(meta)
}

/// Nobody else has to be asked. (The metrics do not know yet what Raft has just read.)
async fn is_only_voter(raft: &openraft::Raft<Types>, me: &Node) -> Result<bool, RaftError> {
    let me = me.id.0;
    let only = raft.with_raft_state(move |state| state.membership_state.effective().membership().voter_ids().eq([me]));
    only.await.map_err(stopped)
}

/// Everything that blocks: the lock, the log, the newest whole image.
fn read(dir: &MetaDir, me: &Node) -> Result<Found, RaftError> {
    if !dir.exists() {
        return Err(RaftError::Missing { dir: dir.path().to_owned() });
    }
    let lock = Arc::new(dir.lock()?);
    let remembered = dir.identity()?.node;
    if remembered.id != me.id {
        return Err(RaftError::NotMember { me: me.clone(), cause: format!("this directory is of node {remembered}") });
    }
    let log_dir = dir.log_dir();
    if !log_dir.exists() {
        return Err(RaftError::Damaged { path: log_dir, cause: "it is missing".to_owned() });
    }
    let mut log = log_store::open_log(&log_dir)?;
    let purged = log.log_state().purged().map(|point| point.0.index);
    let (images, image, catalog) = ImageStore::open(&dir.image_dir(), purged)?;
    dir.check_version(catalog.identity())?;

    let incarnation = &catalog.identity().incarnation.0;
    match &log.log_state().user_data {
        Some(Owner(owner)) if owner == incarnation => {}
        Some(Owner(owner)) => {
            let cause = format!("it is of incarnation {owner}, the image of incarnation {incarnation}");
            return Err(RaftError::Foreign { path: log_dir, cause });
        }
        None => return Err(RaftError::Damaged { path: log_dir, cause: "the log is lost".to_owned() }),
    }
    if let Some(last) = image.meta.last_log_id {
        // The process ended between an image that it received and the log behind it.
        log_store::begin_behind(&mut log, last).map_err(RaftError::io("write log", &log_dir))?;
    }
    let room = Arc::new(Room::new(&log_dir));
    let images = Arc::new(images.in_room(room.clone()));
    let log = LogStore::new(log, images.clone(), lock.clone());
    Ok(Found { log, images, image, catalog, lock, room })
}

fn raft_config(options: &Options) -> Result<Config, RaftError> {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = Config {
        cluster_name: "starkeep".to_owned(),
        heartbeat_interval: millis(options.heartbeat),
        election_timeout_min: millis(options.election.start),
        election_timeout_max: millis(options.election.end),
        // Images are asked for by `roll`, by the number of commands; a failed one must not be asked for at every entry.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        replication_lag_threshold: LAG,
        install_snapshot_timeout: IMAGE_PIECE_MILLIS,
        ..Config::default()
    };
    config.validate().map_err(|e| RaftError::Failed(format!("bad options: {e}")))
}

/// Elects this node at once and waits until everything in the log is committed and applied: an entry of this very term
/// is behind all of it.
async fn lead(raft: &openraft::Raft<Types>, limit: Duration) -> Result<(), RaftError> {
    let elected = async {
        raft.trigger().elect().await.map_err(stopped)?;
        // When Raft stops instead, the entry below says why.
        let _ = raft.server_metrics().wait_for(|m| m.state == ServerState::Leader).await;
        match raft.client_write(Batch::default()).await {
            Ok(_) => Ok(()),
            Err(CoreError::Fatal(Fatal::Stopped)) => Err(RaftError::Stopped),
            Err(error) => match proposer::explain(error) {
                ProposeError::Unavailable(cause) => Err(RaftError::Failed(cause)),
                other => Err(RaftError::Failed(other.to_string())),
            },
        }
    };
    timeout(limit, elected).await.map_err(|_| RaftError::Timeout { what: "becoming the leader", limit })?
}
