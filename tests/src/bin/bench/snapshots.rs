//! Snapshots of a catalog with very many tablets, in this process: brought into a store and back, in a directory and on an S3
//! server. With the memory that each took.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use storage_catalog::{Catalog, ClusterIdentity, Command, Envelope, Outcome, VolumeDraft};
use storage_model::snapshot::JobEvent;
use storage_model::{ClusterId, Epoch, Incarnation, JobId, Now, ServiceId, SnapshotKind, UnixMillis};
use storage_snapshot::{Facts, load, newest, upload};
use storage_volume::{Layout, Volume};
use tests::Place;

use crate::image::{self, MIB};

const NAME: &str = "measured";
const VOLUME: &str = "lake";

/// What is measured of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Brought into the store.
    Upload,
    /// Found, read and checked.
    Restore,
}

pub(crate) async fn run(tablets: u64, what: What) -> anyhow::Result<Value> {
    let dir = tempfile::Builder::new().prefix("starkeep-bench-").tempdir()?;
    let mut runs = Vec::new();
    for (store, place) in places(dir.path()).await? {
        let (mut catalog, layout) = genesis(&place)?;
        image::grow(&mut catalog, tablets)?;
        let job = begin(&mut catalog)?;
        let volume = place.open()?;
        let mut measured = send(&catalog, job, &volume, &layout).await?;
        if what == What::Restore {
            drop(catalog);
            measured = restore(&volume, &layout, tablets).await?;
        }
        measured["store"] = json!(store);
        runs.push(measured);
    }
    Ok(json!({ "tablets": tablets, "files": tablets, "runs": runs }))
}

async fn places(dir: &Path) -> anyhow::Result<Vec<(&'static str, Place)>> {
    Ok(vec![("LOCAL", Place::Directory(dir.join("volume"))), ("S3", Place::s3(&dir.join("s3"), "lake/p").await?)])
}

/// An empty cluster whose default volume is the place.
fn genesis(place: &Place) -> anyhow::Result<(Catalog, Layout)> {
    let identity = ClusterIdentity {
        cluster_id: ClusterId(1),
        token: "token".to_owned(),
        service_id: ServiceId("svc".to_owned()),
        incarnation: Incarnation("ab".repeat(16)),
        epoch: Epoch(1),
    };
    let layout = Layout(identity.service_id.clone());
    let mut catalog = Catalog::genesis(identity, UnixMillis(1));
    let spec = place.volume(VOLUME);
    let draft = VolumeDraft {
        name: spec.name,
        volume_type: spec.volume_type,
        location: spec.location,
        comment: String::new(),
        enabled: true,
        properties: spec.properties,
    };
    apply(&mut catalog, Command::CreateVolume { draft, if_not_exists: false })?;
    apply(&mut catalog, Command::SetDefaultVolume { name: VOLUME.to_owned() })?;
    Ok((catalog, layout))
}

fn apply(catalog: &mut Catalog, command: Command) -> anyhow::Result<Outcome> {
    let proposed_at = Now { wall: catalog.header.clock, uptime: catalog.header.uptime };
    Ok(catalog.apply(&Envelope { proposed_at, command })?)
}

/// The catalog stands at the cut.
fn begin(catalog: &mut Catalog) -> anyhow::Result<JobId> {
    let volume = catalog.header.default_volume.context("there is no default volume")?;
    let (kind, name, comment) = (SnapshotKind::Manual, NAME.to_owned(), String::new());
    let begun = apply(catalog, Command::BeginSnapshot { kind, name, volume, comment, max_history: 100 })?;
    let Outcome::Job(job) = begun else { bail!("Begin was answered with {begun:?}") };
    apply(catalog, Command::SnapshotEvent { job, event: JobEvent::Cut, detail: String::new() })?;
    Ok(job)
}

async fn send(catalog: &Catalog, job: JobId, volume: &Volume, layout: &Layout) -> anyhow::Result<Value> {
    let facts = Facts::of_job(catalog, job, "bench", 1).context("the job is not in the catalog")?;
    let memory = Memory::begin()?;
    let since = Instant::now();
    let done = upload(volume, layout, catalog, &facts, |_| (), std::future::pending()).await?;
    let (seconds, mib) = (since.elapsed().as_secs_f64(), done.bytes as f64 / MIB);
    Ok(json!({
        "what": "upload", "seconds": seconds, "mib": mib, "mib_per_second": mib / seconds, "memory_mib": memory.taken()?,
    }))
}

async fn restore(volume: &Volume, layout: &Layout, tablets: u64) -> anyhow::Result<Value> {
    let memory = Memory::begin()?;
    let since = Instant::now();
    let found = newest(volume, layout, Some(NAME)).await?;
    let looked = since.elapsed().as_secs_f64();
    let catalog = load(volume, layout, &found.manifest).await?;
    let (seconds, mib) = (since.elapsed().as_secs_f64(), found.bytes as f64 / MIB);
    ensure!(catalog.file_count() as u64 == tablets, "{} files, {tablets} were made", catalog.file_count());
    Ok(json!({
        "what": "find, load and check", "find_seconds": looked, "seconds": seconds, "mib": mib,
        "mib_per_second": mib / seconds, "memory_mib": memory.taken()?,
    }))
}

/// The memory of this process, counted from a moment on. Servers in this process count too.
pub(crate) struct Memory {
    before: f64,
}

impl Memory {
    fn begin() -> anyhow::Result<Memory> {
        std::fs::write("/proc/self/clear_refs", "5")?;
        Ok(Memory { before: Memory::read("VmRSS:")? })
    }

    /// What the peak since then was above the beginning, MiB.
    fn taken(&self) -> anyhow::Result<f64> {
        Ok((Memory::read("VmHWM:")? - self.before).max(0.0))
    }

    /// A line of what the kernel says of this process, MiB.
    pub(crate) fn read(key: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
        let kib: f64 = line.split_whitespace().next().context("no number")?.parse()?;
        Ok(kib * 1024.0 / MIB)
    }
}
