//! Where a frontend's metadata come from: a new cluster, or a snapshot of one.

use anyhow::Context;
use runtime_actor::{SharedClock, random};
use runtime_raft::{MetaDir, Node};
use storage_catalog::{Catalog, ClusterIdentity};
use storage_model::{ClusterId, Epoch, Frontend, FrontendRole, Incarnation, NodeId, ServiceId, UnixMillis};

use crate::cli::{FrontendArguments, VERSION};
use crate::config::{FrontendConfig, advertised_host, builtin_volume};
use crate::restore::{Restore, Restored};
use crate::{offline, restore_plan};

/// The first frontend of a cluster. Those to come are given their ids by the catalog, far above.
const FIRST_NODE: NodeId = NodeId(1);

/// What this frontend calls itself, as long as no catalog knows better.
pub(super) fn myself(config: &FrontendConfig, clock: &SharedClock) -> anyhow::Result<Frontend> {
    let host = advertised_host(&config.priority_networks)?.to_string();
    Ok(Frontend {
        id: FIRST_NODE,
        name: format!("{host}_{}_{}", config.edit_log_port, clock.now_unix_ms()),
        role: FrontendRole::Follower,
        host,
        edit_log_port: config.edit_log_port,
        http_port: config.http_port,
        query_port: config.query_port,
        rpc_port: config.rpc_port,
    })
}

/// `--list` and `--verify-only`: nothing is bound, nothing is changed.
pub(super) async fn dry(config: &FrontendConfig, arguments: &FrontendArguments, me: &Frontend) -> anyhow::Result<()> {
    let plan = restore_plan::load(&config.snapshot_plan(), &config.home)?;
    let meta_dir = MetaDir::new(&config.meta_dir);
    let say = |text: &str| println!("{text}");
    let restore = Restore {
        plan: &plan,
        builtin: builtin_volume(config),
        meta_dir: &meta_dir,
        me: me.clone(),
        force: arguments.force,
        takeover: arguments.takeover,
        verify_only: true,
        product_version: VERSION,
        say: &say,
    };
    if arguments.list {
        offline::print_list(&restore.list().await?);
        return Ok(());
    }
    if let Restored::Verified(name) = restore.run().await? {
        println!("{name} can be restored");
    }
    Ok(())
}

/// The first start of a cluster.
pub(super) fn found(dir: &MetaDir, me: &Frontend, clock: &SharedClock) -> anyhow::Result<()> {
    let identity = ClusterIdentity {
        // StarRocks draws it from a positive 31-bit range.
        cluster_id: ClusterId((random::id() as u64 >> 33).max(1)),
        token: random::hex_id(),
        service_id: ServiceId(uuid::Builder::from_random_bytes(random::bytes()).into_uuid().to_string()),
        incarnation: Incarnation(random::hex_id()),
        epoch: Epoch(1),
    };
    tracing::info!(cluster = %identity.cluster_id, service = %identity.service_id, "founding a new cluster");
    let catalog = Catalog::genesis(identity, UnixMillis(clock.now_unix_ms()));
    dir.create(&catalog, &Node { id: me.id, address: me.address() }, &me.name)?;
    Ok(())
}

/// What the plan of the restore says.
pub(super) async fn restore(
    config: &FrontendConfig,
    arguments: &FrontendArguments,
    dir: &MetaDir,
    me: &Frontend,
) -> anyhow::Result<()> {
    let plan = restore_plan::load(&config.snapshot_plan(), &config.home)?;
    let say = |text: &str| tracing::info!("restore: {text}");
    let restore = Restore {
        plan: &plan,
        builtin: builtin_volume(config),
        meta_dir: dir,
        me: me.clone(),
        force: arguments.force,
        takeover: arguments.takeover,
        verify_only: false,
        product_version: VERSION,
        say: &say,
    };
    match restore.run().await.context("the cluster was not restored, nothing has changed")? {
        Restored::Already => {
            tracing::info!("restore: this meta directory was restored by this plan before; starting it")
        }
        Restored::Verified(_) => {}
        Restored::Done { snapshot, revision, aside } => {
            let aside = aside.map(|path| path.display().to_string());
            tracing::info!(snapshot, revision, ?aside, "restore: the cluster is restored");
        }
    }
    Ok(())
}
