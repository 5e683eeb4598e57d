//! Restore: from a manifest in an object store to a meta directory that an ordinary start opens. Everything is checked
//! before anything is changed; the last rename is the moment at which the restored cluster exists.
//!
//! 1. plan and volumes  2. hold on the snapshot's root  3. newest complete manifest  4. every section hash, hold on every root
//! 5. every data file  6. rebase; no owner lives  7. claim with a new epoch on every root; manifests and files once more
//! 8. old meta directory aside  9. new one into place
//!
//! The manifests in all roots that the restored catalog does not know become FOREIGN snapshots. Roots that the plan only borrows
//! are leased and not claimed: their owner lives on, and keeps the snapshot.

mod roots;
mod takeover;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runtime_actor::{Clock, SystemClock, random};
use runtime_raft::{MetaDir, Node};
use sha2::{Digest, Sha256};
use storage_catalog::{Catalog, Rebase, VolumeDraft, invariant, rebase};
use storage_model::restore::RestorePlan;
use storage_model::volume::BUILTIN_STORAGE_VOLUME;
use storage_model::{Epoch, Frontend, Incarnation, JobState, Loan, StorageVolume, UnixMillis, VolumeId};
use storage_snapshot::owner::OwnerFacts;
use storage_snapshot::report::{self, Listed};
use storage_snapshot::{FileCheck, Found, check_files, find, load};
use storage_volume::layout::{Layout, SnapshotPlace, split_snapshot_path};
use storage_volume::{Volume, error_chain};
use thiserror::Error;

use self::roots::{Roots, is_same_place};
use self::takeover::Asked;

/// Why a restore did not happen. Nothing of the cluster has changed then.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The plan does not fit together.
    #[error("cluster_snapshot.yaml: {0}")]
    Plan(String),
    /// A volume cannot be used.
    #[error("storage volume '{volume}': {cause}")]
    Volume {
        /// Its name.
        volume: String,
        /// The cause chain.
        cause: String,
    },
    /// The store holds no snapshot that can be restored, or something in it is not as it was written.
    #[error("{0}")]
    Snapshot(String),
    /// Data files are missing or damaged.
    #[error("the snapshot {name} cannot be restored, {count} of its data files are not as they should be: {first}")]
    Files {
        /// The snapshot.
        name: String,
        /// How many.
        count: usize,
        /// The first problems.
        first: String,
    },
    /// A root has an owner that lives.
    #[error("{0}")]
    OwnerLives(String),
    /// A meta directory is in the way.
    #[error("{0}")]
    MetaDir(String),
}

/// What to restore from where to where.
pub struct Restore<'a> {
    /// From cluster_snapshot.yaml.
    pub plan: &'a RestorePlan,
    /// The volume that fe.conf describes.
    pub builtin: Option<VolumeDraft>,
    /// Where the new metadata goes.
    pub meta_dir: &'a MetaDir,
    /// This frontend.
    pub me: Frontend,
    /// Replace a meta directory that is as new as the snapshot.
    pub force: bool,
    /// Take roots whose owner lives.
    pub takeover: bool,
    /// Do everything but change something.
    pub verify_only: bool,
    /// Written into claims and manifests.
    pub product_version: &'a str,
    /// Told of each step.
    pub say: &'a (dyn Fn(&str) + Send + Sync),
}

/// What a restore has done.
#[derive(Debug)]
pub enum Restored {
    /// The meta directory was restored by this very plan before; it was left alone.
    Already,
    /// Everything was found good, nothing was changed.
    Verified(String),
    /// The cluster is restored.
    Done {
        /// The snapshot.
        snapshot: String,
        /// Its revision.
        revision: u64,
        /// Where the old meta directory is.
        aside: Option<PathBuf>,
    },
}

/// The place of the snapshot and an open volume on it.
struct Source {
    place: SnapshotPlace,
    volume: Volume,
    layout: Layout,
}

impl Restore<'_> {
    /// Every candidate in the place that the plan names, for `--list`.
    pub async fn list(&self) -> Result<Vec<Listed>, RestoreError> {
        let source = self.source()?;
        let name = source.place.snapshot.as_deref();
        report::list_root(&source.volume, &source.layout, name).await.map_err(|e| RestoreError::Snapshot(e.chain()))
    }

    /// Restores.
    pub async fn run(&self) -> Result<Restored, RestoreError> {
        if !self.verify_only && self.is_already_done() {
            return Ok(Restored::Already);
        }
        let source = self.source()?;
        let incarnation = Incarnation(random::hex_id());
        let facts = OwnerFacts::new(&self.me.host, now(), self.product_version);
        let asked = Asked::new(&source.layout, &incarnation, &facts);
        if !self.verify_only {
            (self.say)(&format!("holding {}: a living owner deletes nothing now", source.place.path()));
            asked.hold(&source.volume).await?;
        }
        let outcome = self.restore_from(&source, &incarnation, &facts, &asked).await;
        asked.let_go().await;
        outcome
    }

    async fn restore_from(
        &self,
        source: &Source,
        incarnation: &Incarnation,
        facts: &OwnerFacts,
        asked: &Asked<'_>,
    ) -> Result<Restored, RestoreError> {
        let found =
            find::newest(&source.volume, &source.layout, source.place.snapshot.as_deref()).await.map_err(chain)?;
        for skipped in &found.skipped {
            tracing::warn!(%skipped, "a newer snapshot cannot be restored");
            (self.say)(&format!("skipped: {skipped}"));
        }
        let manifest = &found.manifest;
        let name = manifest.name.clone();
        (self.say)(&format!(
            "restoring {name}, revision {}: {} sections, {} tables, {} data files, {} rows",
            manifest.revision,
            manifest.sections.len(),
            manifest.counts.tables,
            manifest.counts.files,
            manifest.counts.rows
        ));
        let image = load(&source.volume, &source.layout, manifest).await.map_err(chain)?;
        (self.say)("every section is whole");
        let mut volumes = self.volumes(&image);
        let successors = self.borrow(&image, &found, &mut volumes)?;
        let mut plan = self.rebase_plan(&found, &image, incarnation, volumes.clone(), successors);
        let roots = Roots::open(&rebased(&image, &plan)?, self.builtin.as_ref(), &source.layout, incarnation, facts)?;
        if !self.verify_only {
            asked.hold_all(roots.all()).await?;
        }
        let checked = all_files(&name, &image, &volumes).await?;
        (self.say)(&format!("{} data files are there, {} bytes", checked.files, checked.bytes));
        plan.epoch = roots.next_epoch(&image).await?;
        let aside = self.check_meta_dir(&image, plan.epoch)?;
        if self.verify_only {
            return Ok(Restored::Verified(name));
        }
        plan.present = find::present(&roots.owned, &source.layout).await.map_err(chain)?;
        rebased(&image, &plan)?;
        if !self.takeover {
            asked.refuse_living(self.say).await?;
        }
        let epoch = plan.epoch;
        let placed = async {
            roots.take(epoch, self.say).await?;
            asked.wait_for_lenders(self.say).await;
            // A living owner may have deleted something before it saw the hold, or finished another snapshot: what is there
            // now stays.
            self.check_again(source, &found, &image, &volumes).await?;
            plan.present = find::present(&roots.owned, &source.layout).await.map_err(chain)?;
            let restored = rebased(&image, &plan)?;
            self.say_foreign(&restored);
            self.put_in_place(restored, aside)
        };
        match placed.await {
            Ok(aside) => Ok(Restored::Done { snapshot: name, revision: manifest.revision.0, aside }),
            Err(error) => {
                // Unless the new meta directory stands.
                if !self.stands(incarnation) {
                    roots.give_back(epoch).await;
                }
                Err(error)
            }
        }
    }

    /// Whether the meta directory is that of the new cluster.
    fn stands(&self, incarnation: &Incarnation) -> bool {
        let here = self.meta_dir.exists().then(|| self.meta_dir.newest_image().ok()).flatten();
        here.is_some_and(|catalog| catalog.identity().incarnation == *incarnation)
    }

    async fn check_again(
        &self,
        source: &Source,
        found: &Found,
        image: &Catalog,
        volumes: &BTreeMap<String, StorageVolume>,
    ) -> Result<(), RestoreError> {
        let (name, cut) = (&found.manifest.name, found.manifest.revision);
        let again = find::at_cut(&source.volume, &source.layout, name, cut).await.map_err(chain)?;
        if again.manifest.sha256 != found.manifest.sha256 {
            return Err(RestoreError::Snapshot(format!("the snapshot {name} has changed while it was restored")));
        }
        all_files(name, image, volumes).await.map(drop)
    }

    /// The volume in which the snapshot lies: named in the plan, or the one of fe.conf.
    fn source(&self) -> Result<Source, RestoreError> {
        let name = &self.plan.storage_volume_name;
        let listed = self.plan.storage_volumes.iter().flatten().find(|v| v.name == *name).cloned();
        let from_conf = self.builtin.as_ref().filter(|b| b.name == *name).map(as_volume);
        let Some(mut spec) = listed.or(from_conf) else {
            return Err(RestoreError::Plan(format!(
                "cluster_snapshot.storage_volume_name is '{name}', which is defined neither under storage_volumes nor by fe.conf"
            )));
        };
        let place = split_snapshot_path(&self.plan.snapshot_path, [spec.location.as_str()])
            .map_err(|e| RestoreError::Plan(format!("cluster_snapshot.cluster_snapshot_path: {e}")))?;
        // What it is borrowed for is known once the snapshot is.
        spec.borrowed = self.plan.borrowed.contains_key(name).then(Loan::default);
        let volume = open(&spec)?;
        let layout = Layout(place.service_id.clone());
        Ok(Source { place, volume, layout })
    }

    /// The volumes that replace those of the image, by name. fe.conf gives the secrets of the builtin volume, where the
    /// plan does not.
    fn volumes(&self, image: &Catalog) -> BTreeMap<String, StorageVolume> {
        let mut volumes: BTreeMap<String, StorageVolume> = BTreeMap::new();
        if let (Some(draft), Some(known)) = (&self.builtin, image.volume_by_name(BUILTIN_STORAGE_VOLUME)) {
            let same_place = draft.volume_type == known.volume_type && draft.location == known.location;
            if same_place {
                volumes.insert(draft.name.clone(), as_volume(draft));
            }
        }
        for volume in self.plan.storage_volumes.iter().flatten() {
            volumes.insert(volume.name.clone(), volume.clone());
        }
        for (name, volume) in &mut volumes {
            volume.id = image.volume_by_name(name).map_or(VolumeId(0), |known| known.id);
        }
        volumes
    }

    /// Marks the volumes that are borrowed. Those that were already stay so, unless their data has moved. The volumes that take
    /// what is written instead, by the names of those that do not any more.
    fn borrow(
        &self,
        image: &Catalog,
        found: &Found,
        volumes: &mut BTreeMap<String, StorageVolume>,
    ) -> Result<BTreeMap<String, StorageVolume>, RestoreError> {
        let wrong = |name: &str, why: String| RestoreError::Plan(format!("storage_volumes: {name}: {why}"));
        let loan = Loan { snapshot: found.manifest.name.clone(), cut: found.manifest.revision };
        for known in image.volumes() {
            let Some(new) = volumes.get_mut(&known.name) else { continue };
            let kept = known.borrowed.clone().filter(|_| is_same_place(known, new));
            new.borrowed = kept.or_else(|| self.plan.borrowed.contains_key(&known.name).then(|| loan.clone()));
            new.enabled &= new.borrowed.is_none();
        }
        let listed = |name: &str| self.plan.storage_volumes.iter().flatten().find(|volume| volume.name == *name);
        let mut successors = BTreeMap::new();
        for (name, by) in &self.plan.borrowed {
            if image.volume_by_name(name).is_none() {
                return Err(wrong(
                    name,
                    "the snapshot knows no such storage volume, and needs nothing of it".to_owned(),
                ));
            }
            let own = listed(by).filter(|_| !self.plan.borrowed.contains_key(by)).cloned();
            let from_conf = || self.builtin.as_ref().filter(|draft| draft.name == *by).map(as_volume);
            let Some(own) = own.or_else(from_conf) else {
                return Err(wrong(
                    name,
                    format!("borrowed_by: '{by}' is neither under storage_volumes nor described by fe.conf"),
                ));
            };
            successors.insert(name.clone(), own);
        }
        Ok(successors)
    }

    /// Whether an old meta directory has to go aside, and to which name.
    fn check_meta_dir(&self, image: &Catalog, epoch: Epoch) -> Result<Option<String>, RestoreError> {
        if !self.meta_dir.exists() {
            return Ok(None);
        }
        let path = self.meta_dir.path().display();
        let current = match self.meta_dir.newest_image() {
            Ok(current) => current,
            // Damaged metadata is a reason to restore.
            Err(error) if self.force => {
                tracing::warn!(%error, "the old meta directory cannot be read; it is set aside");
                return Ok(Some(format!("before-epoch-{epoch}")));
            }
            Err(error) => {
                let text = format!(
                    "the meta directory {path} cannot be read: {error}; remove it, or give --force to set it aside"
                );
                return Err(RestoreError::MetaDir(text));
            }
        };
        let (here, there) = (current.identity(), image.identity());
        let is_newer = here.service_id == there.service_id && here.epoch >= there.epoch;
        let is_other = here.service_id != there.service_id;
        if (is_newer || is_other) && !self.force {
            let what = if is_other { "belongs to another cluster" } else { "is newer than the snapshot" };
            return Err(RestoreError::MetaDir(format!(
                "the meta directory {path} {what} (service {}, epoch {}): remove it, or give --force to set it aside",
                here.service_id, here.epoch
            )));
        }
        Ok(Some(format!("before-epoch-{epoch}")))
    }

    fn rebase_plan(
        &self,
        found: &Found,
        image: &Catalog,
        incarnation: &Incarnation,
        volumes: BTreeMap<String, StorageVolume>,
        successors: BTreeMap<String, StorageVolume>,
    ) -> Rebase {
        let nodes = self.plan.compute_nodes.as_ref();
        let frontends = self.plan.frontends.iter().flatten();
        Rebase {
            incarnation: incarnation.clone(),
            // Those in the roots are looked at later.
            epoch: Epoch(image.identity().epoch.0 + 1),
            now: now(),
            frontend: self.me.clone(),
            expected: frontends.map(|node| (node.host.clone(), node.edit_log_port, node.role)).collect(),
            cut: found.manifest.revision,
            snapshot_name: found.manifest.name.clone(),
            manifest: (found.manifest.sha256.clone(), found.bytes),
            present: BTreeMap::new(),
            compute_nodes: nodes.map(|n| n.iter().map(|n| (n.host.clone(), n.heartbeat_service_port)).collect()),
            volumes,
            successors,
        }
    }

    fn say_foreign(&self, restored: &Catalog) {
        for job in restored.jobs().filter(|job| job.is_foreign() && job.state == JobState::Finished) {
            let (name, cut) = (&job.name, job.cut.map_or(0, |cut| cut.0));
            (self.say)(&format!("{name}, revision {cut}, is FOREIGN: it is kept until DROP CLUSTER SNAPSHOT {name}"));
        }
    }

    fn put_in_place(&self, catalog: Catalog, aside: Option<String>) -> Result<Option<PathBuf>, RestoreError> {
        let failed = |e: &dyn std::fmt::Display| RestoreError::MetaDir(e.to_string());
        let marker = marker_path(self.meta_dir);
        let text = format!("{}\n{}\n", self.fingerprint(), catalog.identity().incarnation);
        write_marker(&marker, &text).map_err(|e| failed(&format!("{}: {e}", marker.display())))?;
        let aside = aside.map(|suffix| self.meta_dir.set_aside(&suffix)).transpose().map_err(|e| failed(&e))?;
        let me = Node { id: self.me.id, address: self.me.address() };
        self.meta_dir.create(&catalog, &me, &self.me.name).map_err(|e| failed(&e))?;
        Ok(aside)
    }

    /// What the plan asks for, without its secrets' values in readable form.
    fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(format!("{:?}", self.plan)))
    }

    /// A restart with the flag still given does not restore twice.
    fn is_already_done(&self) -> bool {
        let Ok(text) = std::fs::read_to_string(marker_path(self.meta_dir)) else { return false };
        let mut lines = text.lines();
        let same_plan = lines.next() == Some(&self.fingerprint());
        let incarnation = lines.next().unwrap_or_default();
        let here = self.meta_dir.exists().then(|| self.meta_dir.newest_image().ok()).flatten();
        same_plan && !self.force && here.is_some_and(|c| c.identity().incarnation.as_str() == incarnation)
    }
}

/// The catalog of the new cluster, with every rule kept.
fn rebased(image: &Catalog, plan: &Rebase) -> Result<Catalog, RestoreError> {
    let failed = |why: String| RestoreError::Snapshot(format!("snapshot {}: {why}", plan.snapshot_name));
    let restored = rebase(image, plan).map_err(|e| failed(e.to_string()))?;
    invariant::check(&restored).map_err(|e| failed(e.to_string()))?;
    Ok(restored)
}

fn now() -> UnixMillis {
    UnixMillis(SystemClock.now_unix_ms())
}

fn chain(error: storage_snapshot::SnapshotError) -> RestoreError {
    RestoreError::Snapshot(error.chain())
}

fn open(spec: &StorageVolume) -> Result<Volume, RestoreError> {
    Volume::open(spec).map_err(|e| RestoreError::Volume { volume: spec.name.clone(), cause: error_chain(&e) })
}

fn as_volume(draft: &VolumeDraft) -> StorageVolume {
    StorageVolume {
        id: VolumeId(0),
        name: draft.name.clone(),
        volume_type: draft.volume_type,
        location: draft.location.clone(),
        comment: draft.comment.clone(),
        enabled: draft.enabled,
        borrowed: None,
        properties: draft.properties.clone(),
    }
}

/// Every data file must be there with its size.
async fn all_files(
    name: &str,
    image: &Catalog,
    volumes: &BTreeMap<String, StorageVolume>,
) -> Result<FileCheck, RestoreError> {
    check_files(image, volumes, Volume::open).await.map_err(|problems| {
        let first: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
        RestoreError::Files { name: name.to_owned(), count: problems.len(), first: first.join("; ") }
    })
}

/// Beside the meta directory, so that setting that aside does not move it.
fn marker_path(meta_dir: &MetaDir) -> PathBuf {
    let mut path = meta_dir.path().as_os_str().to_owned();
    path.push(".restored");
    PathBuf::from(path)
}

fn write_marker(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    let temporary = path.with_extension("restored.tmp");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(parent)?.sync_all()
}
