//! `starkeep meta adopt`: a meta directory that was copied back becomes that of a new incarnation. What the cluster did after
//! the copy is given up; what it was at the time of the copy lives again, and nothing that the lost time wrote is in its way.
//! Everything is checked before anything is changed; that the directories change places is the moment at which it is adopted.
//!
//! 1. image and log  2. claims, marks and snapshots in every root  3. every data file  4. the catalog of the new incarnation
//! 5. claim every root, and look at files and snapshots once more  6. the new directory in the place of the old one
//!
//! Snapshots that were taken after the copy become FOREIGN ones.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use runtime_actor::{Clock, SystemClock, random};
use runtime_raft::inspect::{Inspection, Latest};
use runtime_raft::{MetaDir, Node};
use storage_catalog::{Adopt, Catalog, adopt, invariant};
use storage_model::{Epoch, Incarnation, UnixMillis, VolumeId};
use storage_snapshot::owner::OwnerFacts;
use storage_snapshot::{check_files, mark, owner, present};
use storage_volume::layout::Layout;
use storage_volume::{Volume, error_chain};

use crate::cli::{AdoptArguments, VERSION};
use crate::config::FrontendConfig;

/// The roots of the cluster, and what is in them.
struct Roots {
    layout: Layout,
    volumes: BTreeMap<VolumeId, Volume>,
    /// Of all claims.
    greatest: Epoch,
}

/// Runs the command.
pub(super) async fn run(arguments: AdoptArguments) -> anyhow::Result<ExitCode> {
    let dir = match (&arguments.directory, &arguments.conf) {
        (Some(directory), _) => MetaDir::new(directory),
        (None, conf) => {
            let (config, warnings) = FrontendConfig::load(conf.as_deref())?;
            warnings.iter().for_each(|warning| say(&warning.to_string()));
            MetaDir::new(&config.meta_dir)
        }
    };
    take_over(&dir, &arguments).await.context("the meta directory was not adopted, nothing has changed")?;
    Ok(ExitCode::SUCCESS)
}

fn say(text: &str) {
    println!("{text}");
}

async fn take_over(dir: &MetaDir, arguments: &AdoptArguments) -> anyhow::Result<()> {
    // Keeps every frontend out until the directories change places.
    let (inspection, latest) = {
        let dir = dir.clone();
        let read = move || {
            let inspection = Inspection::open(&dir)?;
            let latest = inspection.latest()?;
            Ok::<_, runtime_raft::RaftError>((inspection, latest))
        };
        tokio::task::spawn_blocking(read).await??
    };
    let who = inspection.identity()?;
    ensure!(
        !dir.is_dropped() || arguments.force,
        "frontend {} was dropped from its cluster; --force adopts what it knew then",
        who.node
    );
    say_latest(dir, &latest);
    let catalog = latest.catalog;
    let roots = survey(&catalog, arguments.force).await?;
    check(&catalog, arguments.force).await?;
    let now = UnixMillis(SystemClock.now_unix_ms());
    let mut plan = Adopt {
        incarnation: Incarnation(random::hex_id()),
        epoch: Epoch(roots.greatest.0 + 1),
        now,
        frontend: who.node.id,
        present: present(&roots.volumes, &roots.layout).await.map_err(chain)?,
    };
    let adopted = adopted_by(&catalog, &plan)?;
    say_plan(&catalog, &adopted);
    let suffix = format!("before_adopt.{}", now.0);
    if arguments.dry_run {
        say(&format!("nothing was changed; the old directory would be kept as {}.{suffix}", dir.path().display()));
        return Ok(());
    }
    let frontend = adopted.frontend(who.node.id).context("the catalog has no frontend")?;
    let facts = OwnerFacts::new(&frontend.host, now, VERSION);
    let placed = async {
        claim(&roots, &plan, &facts).await?;
        // Who owned the roots may have deleted something before it saw the claims: what is there now stays.
        check(&catalog, arguments.force).await?;
        plan.present = present(&roots.volumes, &roots.layout).await.map_err(chain)?;
        let adopted = adopted_by(&catalog, &plan)?;
        drop(inspection);
        let (dir, catalog, who) = (dir.clone(), adopted, who.clone());
        let me = Node { id: who.node.id, address: frontend.address() };
        let replace = move || dir.replace(&catalog, &me, &who.name, &suffix);
        Ok::<_, anyhow::Error>(tokio::task::spawn_blocking(replace).await??)
    };
    match placed.await {
        Ok(aside) => {
            say(&format!("adopted; the old directory is kept as {}", aside.display()));
            say("start the frontend; other frontends of the group start with --helper and join it again");
            Ok(())
        }
        Err(error) => {
            take_claims_back(dir, &roots, &plan).await;
            Err(error)
        }
    }
}

fn say_latest(dir: &MetaDir, latest: &Latest) {
    for damaged in &latest.skipped {
        say(&format!("skipped: {damaged}"));
    }
    let (path, image, committed) = (dir.path().display(), latest.image, latest.committed);
    say(&format!("{path}: image of revision {image}, and {committed} committed commands behind it"));
    if latest.alone > 0 {
        let count = latest.alone;
        say(&format!("{count} commands behind the last known commit are taken too: this frontend votes alone"));
    }
    if latest.unknown > 0 {
        let count = latest.unknown;
        say(&format!("{count} commands behind these are left out: nothing here says that a majority had them"));
    }
    let identity = latest.catalog.identity();
    let (incarnation, epoch, revision) = (&identity.incarnation, identity.epoch, latest.catalog.revision());
    say(&format!("the metadata is at revision {revision}, incarnation {incarnation}, epoch {epoch}"));
}

fn say_plan(old: &Catalog, new: &Catalog) {
    let (identity, revision) = (new.identity(), new.revision());
    say(&format!("new incarnation {}, epoch {}, revision {revision}", identity.incarnation, identity.epoch));
    for frontend in old.frontends().filter(|f| new.frontend(f.id).is_none()) {
        say(&format!("frontend {} is no member any more", frontend.address()));
    }
    for job in new.jobs().filter(|job| old.job(job.id).is_some_and(|before| before.state != job.state)) {
        say(&format!("snapshot {} becomes {}", job.name, job.state));
    }
    for job in new.jobs().filter(|job| old.job(job.id).is_none()) {
        say(&format!("snapshot {} was taken later: it is FOREIGN, and is kept until it is dropped", job.name));
    }
}

/// The catalog of the new incarnation, with every rule kept.
fn adopted_by(catalog: &Catalog, plan: &Adopt) -> anyhow::Result<Catalog> {
    let adopted = adopt(catalog, plan)?;
    invariant::check(&adopted)?;
    Ok(adopted)
}

/// Looks at every root. All must answer: one that cannot be claimed would have two owners.
async fn survey(catalog: &Catalog, force: bool) -> anyhow::Result<Roots> {
    let identity = catalog.identity();
    let layout = Layout(identity.service_id.clone());
    let mut roots = Roots { layout, volumes: BTreeMap::new(), greatest: identity.epoch };
    let mut ahead: Option<mark::Mark> = None;
    for spec in catalog.volumes() {
        let at = || format!("storage volume '{}'", spec.name);
        let volume = Volume::open(spec).map_err(|e| anyhow::anyhow!(error_chain(&e))).with_context(at)?;
        let claim = owner::greatest(&volume, &roots.layout).await.map_err(chain).with_context(at)?;
        if let Some(claim) = claim.filter(|c| (c.epoch, &c.incarnation) > (identity.epoch, &identity.incarnation)) {
            let text = format!("incarnation {} of epoch {} owns {}", claim.incarnation, claim.epoch, spec.location);
            ensure!(force, "{text}: a cluster that lives there would turn read-only; --force takes it from that one");
            say(&format!("{text}; it is taken from that one"));
            roots.greatest = roots.greatest.max(claim.epoch);
        }
        // One that cannot be read says no less than none at all: it decides nothing here.
        match mark::read(&volume, &roots.layout, identity.epoch, &identity.incarnation).await {
            Ok(found) => ahead = ahead.into_iter().chain(found).max_by_key(|mark| mark.revision),
            Err(error) => say(&format!("{}: {}", at(), error.chain())),
        }
        roots.volumes.insert(spec.id, volume);
    }
    match ahead.filter(|mark| mark.revision > catalog.revision()) {
        Some(mark) => say(&format!(
            "its leader was at revision {} on {} UTC: what was done behind revision {} is given up",
            mark.revision,
            mark.at.text,
            catalog.revision()
        )),
        None => say("no root says that the metadata were further than this"),
    }
    Ok(roots)
}

/// Every data file must be there with its size.
async fn check(catalog: &Catalog, force: bool) -> anyhow::Result<()> {
    let problems = match check_files(catalog, &BTreeMap::new(), Volume::open).await {
        Ok(checked) => {
            say(&format!("{} data files are there, {} bytes", checked.files, checked.bytes));
            return Ok(());
        }
        Err(problems) => problems,
    };
    let (count, first) = (problems.len(), problems.first().map(ToString::to_string).unwrap_or_default());
    if !force {
        bail!("{count} data files are not as they should be, the first: {first}; --force adopts without them");
    }
    say(&format!("{count} data files are not as they should be, the first: {first}; queries that need them will fail"));
    Ok(())
}

async fn claim(roots: &Roots, plan: &Adopt, facts: &OwnerFacts) -> anyhow::Result<()> {
    for volume in roots.volumes.values() {
        let claimed = owner::claim(volume, &roots.layout, plan.epoch, &plan.incarnation, facts).await;
        claimed.map_err(chain).with_context(|| format!("storage volume '{}'", volume.name()))?;
    }
    say(&format!("claimed {} volumes as epoch {}", roots.volumes.len(), plan.epoch));
    Ok(())
}

/// Unless the new directory stands, nobody is behind the claims.
async fn take_claims_back(dir: &MetaDir, roots: &Roots, plan: &Adopt) {
    if dir.newest_image().is_ok_and(|catalog| catalog.identity().incarnation == plan.incarnation) {
        return;
    }
    for volume in roots.volumes.values() {
        if let Err(error) = owner::release(volume, &roots.layout, plan.epoch, &plan.incarnation).await {
            let (name, why) = (volume.name(), error.chain());
            eprintln!("starkeep: storage volume '{name}': the claim could not be taken back: {why}");
        }
    }
}

fn chain(error: storage_snapshot::SnapshotError) -> anyhow::Error {
    anyhow::anyhow!(error.chain())
}
