//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{compute, demo, frontend, offline, playground};

/// The version of the product.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Short commit of this build.
pub const COMMIT: &str = match option_env!("STARKEEP_COMMIT") {
    Some(commit) => commit,
    None => "dev",
};

/// `version-commit`: what SHOW FRONTENDS and SHOW COMPUTE NODES print.
pub fn full_version() -> String {
    format!("{VERSION}-{COMMIT}")
}

/// A StarRocks-compatible shared-data cluster that survives in object storage and comes back from it.
#[derive(Debug, Parser)]
#[command(name = "starkeep", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Run a frontend: metadata, SQL over the MySQL protocol, snapshots.
    Fe(FrontendArguments),
    /// Run a compute node: reads and writes data.
    Cn(ComputeArguments),
    /// Load, snapshot, lose and restore a whole cluster in a temporary directory, and check that nothing is missing.
    Demo(DemoArguments),
    /// Run an empty cluster on the standard ports until Ctrl-C.
    Playground(PlaygroundArguments),
    /// Look at cluster snapshots straight in their store; no server is needed.
    Snapshot {
        #[command(subcommand)]
        what: SnapshotCommand,
    },
    /// Look at a frontend's meta directory while the frontend is stopped, or adopt one that was copied back.
    Meta {
        #[command(subcommand)]
        what: MetaCommand,
    },
}

/// `starkeep fe`.
#[derive(Clone, Debug, Default, Args)]
pub struct FrontendArguments {
    /// fe.conf; without it the defaults and the environment (STARKEEP_QUERY_PORT=…) count.
    #[arg(long, value_name = "FILE")]
    pub conf: Option<PathBuf>,
    /// A frontend of the cluster to join, as host:edit_log_port.
    #[arg(long, value_name = "HOST:PORT")]
    pub helper: Option<String>,
    /// Restore the cluster that cluster_snapshot.yaml (beside fe.conf) names, then start. Also
    /// RESTORE_CLUSTER_SNAPSHOT=true.
    #[arg(long = "cluster_snapshot", alias = "cluster-snapshot", env = "RESTORE_CLUSTER_SNAPSHOT")]
    pub cluster_snapshot: bool,
    /// With --cluster_snapshot: print the snapshots that are there, and end.
    #[arg(long, requires = "cluster_snapshot")]
    pub list: bool,
    /// With --cluster_snapshot: check everything that a restore needs, change nothing, and end.
    #[arg(long = "verify-only", requires = "cluster_snapshot")]
    pub verify_only: bool,
    /// With --cluster_snapshot: set a meta directory aside that is as new as the snapshot or of another cluster.
    #[arg(long, requires = "cluster_snapshot")]
    pub force: bool,
    /// With --cluster_snapshot: take storage volumes whose owner is alive; that cluster turns read-only.
    #[arg(long, requires = "cluster_snapshot")]
    pub takeover: bool,
    /// Log to the console and not to sys_log_dir.
    #[arg(long)]
    pub logconsole: bool,
    /// IP or FQDN; addresses are always IPs, FQDN is accepted for StarRocks' scripts.
    #[arg(long = "host_type", value_name = "IP|FQDN", hide = true)]
    pub host_type: Option<String>,
}

/// `starkeep cn`.
#[derive(Clone, Debug, Default, Args)]
pub struct ComputeArguments {
    /// cn.conf; without it the defaults and the environment count.
    #[arg(long, value_name = "FILE")]
    pub conf: Option<PathBuf>,
    /// Log to the console and not to sys_log_dir.
    #[arg(long)]
    pub logconsole: bool,
}

/// `starkeep demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArguments {
    /// Generated wiki edits to load.
    #[arg(long, default_value_t = 1_000_000)]
    pub rows: u64,
    /// Leave the restored cluster running until Ctrl-C.
    #[arg(long)]
    pub keep: bool,
    /// Print the steps and times as JSON at the end.
    #[arg(long)]
    pub json: bool,
}

/// `starkeep playground`.
#[derive(Clone, Debug, Args)]
pub struct PlaygroundArguments {
    /// Keep everything in this directory, and find it there again; default: a temporary one.
    #[arg(long, value_name = "DIRECTORY")]
    pub dir: Option<PathBuf>,
    /// Compute nodes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub compute_nodes: u16,
}

/// `starkeep snapshot …`.
#[derive(Clone, Debug, Subcommand)]
pub enum SnapshotCommand {
    /// The snapshots of a location, the newest first, broken ones too.
    List(SnapshotArguments),
    /// What is in a snapshot: databases, tables, rows, bytes.
    Show(SnapshotArguments),
    /// Check every section, and that every data file is there with its size.
    Verify {
        /// Where to look.
        #[command(flatten)]
        place: SnapshotArguments,
        /// Read every byte of every data file and compare its hash.
        #[arg(long = "with-data")]
        with_data: bool,
        /// Where the data of another storage volume is, when it is not where the snapshot says: in a copy, it is not.
        #[arg(long = "volume", value_name = "NAME=LOCATION")]
        volumes: Vec<String>,
    },
    /// What is not the same in two snapshots: databases, tables, partitions, rows, bytes, data files.
    Diff(DiffArguments),
    /// Copy a snapshot with all its data files to another place, for a restore there: into a second region, say.
    ///
    /// Only what is missing in the target is copied: data files first, then the metadata, the manifest last, and every
    /// file is hashed on its way. A copy that was stopped goes on where it was when the same command is given again, and
    /// the copy of a later snapshot costs what is new. A file that is damaged in the source is named, and the target gets
    /// no manifest.
    ///
    /// While it runs, the copy holds the service root of every source volume: a living cluster deletes no files there
    /// meanwhile. A copy that is killed leaves its hold for a day, unless it is started again before. A source that cannot
    /// be written to is copied without a hold.
    ///
    /// The copy is of the same service and nobody owns it. To restore it, cluster_snapshot.yaml names the snapshot in the
    /// target, and under storage_volumes where each volume is now; the copy prints both at its end.
    #[command(verbatim_doc_comment)]
    Copy(CopyArguments),
}

/// `starkeep meta …`.
#[derive(Clone, Debug, Subcommand)]
pub enum MetaCommand {
    /// The newest image and the log as JSON, one fact a line.
    Dump {
        /// meta_dir of fe.conf.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Print keys, tokens and passwords too.
        #[arg(long)]
        secrets: bool,
    },
    /// Check every checksum of all images, that the log is readable from end to end and continues them, and who they are
    /// of: one line for each finding. Fails when there is a problem.
    Check {
        /// meta_dir of fe.conf.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Go on from a meta directory that was copied back (tar, volume rollback): in a new incarnation, with this frontend
    /// alone. What the cluster did after the copy is given up. The old directory is kept beside the new one.
    Adopt(AdoptArguments),
}

/// `starkeep meta adopt`.
#[derive(Clone, Debug, Args)]
pub struct AdoptArguments {
    /// meta_dir of fe.conf.
    #[arg(value_name = "DIR", required_unless_present = "conf", conflicts_with = "conf")]
    pub directory: Option<PathBuf>,
    /// fe.conf, which says where meta_dir is.
    #[arg(long, value_name = "FILE")]
    pub conf: Option<PathBuf>,
    /// Adopt though data files are missing, another cluster owns the data by now, or this frontend was dropped.
    #[arg(long)]
    pub force: bool,
    /// Check everything, say what would be done, and change nothing.
    #[arg(long = "dry-run")]
    pub dry_run: bool,
}

/// `starkeep snapshot diff`.
#[derive(Clone, Debug, Args)]
pub struct DiffArguments {
    /// The first snapshot (of a service root: its newest): s3://bucket/prefix, file:///directory or /directory.
    #[arg(value_name = "A")]
    pub a: String,
    /// The second one, likewise.
    #[arg(value_name = "B")]
    pub b: String,
    /// aws.s3.* properties of both stores; keys may also come from AWS_ACCESS_KEY_ID and its kin.
    #[arg(long = "property", value_name = "KEY=VALUE")]
    pub properties: Vec<String>,
    /// Properties that are others for the second one.
    #[arg(long = "b-property", value_name = "KEY=VALUE")]
    pub b_properties: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `starkeep snapshot copy`.
#[derive(Clone, Debug, Args)]
pub struct CopyArguments {
    /// The snapshot (of a service root: its newest): s3://bucket/prefix, file:///directory or /directory.
    #[arg(value_name = "SRC")]
    pub source: String,
    /// The location of the storage volume that the copy goes to; the service root is made below it.
    #[arg(value_name = "DST")]
    pub target: String,
    /// aws.s3.* properties of the source; keys may also come from AWS_ACCESS_KEY_ID and its kin. With VOLUME/ in front:
    /// of that volume alone, which --source-volume names.
    #[arg(long = "property", value_name = "[VOLUME/]KEY=VALUE")]
    pub properties: Vec<String>,
    /// The same of the target. With VOLUME/ in front: of that volume alone, which --volume names.
    #[arg(long = "target-property", value_name = "[VOLUME/]KEY=VALUE")]
    pub target_properties: Vec<String>,
    /// Where the data of another storage volume goes; needed for each that has data of the snapshot and is not the one
    /// that the snapshot is in. No two may go to one place.
    #[arg(long = "volume", value_name = "NAME=LOCATION")]
    pub volumes: Vec<String>,
    /// Where the data of another storage volume is, when it is not where the snapshot says: in a copy, it is not.
    #[arg(long = "source-volume", value_name = "NAME=LOCATION")]
    pub source_volumes: Vec<String>,
    /// Data files at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: u8,
    /// Read every byte of the copy, also what was there before; what is damaged there is copied again.
    #[arg(long = "with-data")]
    pub with_data: bool,
    /// Say what would be copied, and change nothing.
    #[arg(long = "dry-run")]
    pub dry_run: bool,
    /// Copy into a root that a cluster has claimed: back into the first region, say. It is held meanwhile.
    #[arg(long)]
    pub force: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Where to look.
#[derive(Clone, Debug, Args)]
pub struct SnapshotArguments {
    /// s3://bucket/prefix, file:///directory or /directory, down to a service root, …/meta/image or one snapshot.
    pub location: String,
    /// aws.s3.* properties of the store; keys may also come from AWS_ACCESS_KEY_ID and its kin.
    #[arg(long = "property", value_name = "KEY=VALUE")]
    pub properties: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Parses the command line and runs the role.
pub fn main() -> ExitCode {
    let arguments = with_role_of_link(std::env::args_os().collect());
    let cli = Cli::parse_from(arguments);
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(run(cli.role));
        // A query that will not end does not keep the process.
        runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        outcome
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("starkeep: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(8 << 20).build();
    built.map_err(|e| anyhow::anyhow!("the async runtime cannot start: {e}"))
}

async fn run(role: Role) -> anyhow::Result<ExitCode> {
    match role {
        Role::Fe(arguments) => frontend::run(arguments).await,
        Role::Cn(arguments) => compute::run(arguments).await,
        Role::Demo(arguments) => demo::run(arguments).await,
        Role::Playground(arguments) => playground::run(arguments).await,
        Role::Snapshot { what } => offline::run(what).await,
        Role::Meta { what } => offline::run_meta(what).await,
    }
}

/// Called through a link named `starkeep-fe` or `starkeep-cn`, the role is the link's.
fn with_role_of_link(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().map(Path::new).and_then(Path::file_name).and_then(|n| n.to_str());
    let role = match name {
        Some("starkeep-fe") => "fe",
        Some("starkeep-cn") => "cn",
        _ => return arguments,
    };
    arguments.insert(1, role.into());
    arguments
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_link_names_the_role() {
        let arguments = with_role_of_link(vec!["/opt/bin/starkeep-cn".into(), "--logconsole".into()]);
        let cli = Cli::try_parse_from(arguments).unwrap();
        assert!(matches!(cli.role, Role::Cn(ComputeArguments { logconsole: true, .. })));
        assert!(Cli::try_parse_from(with_role_of_link(vec!["starkeep".into()])).is_err());
    }
}
