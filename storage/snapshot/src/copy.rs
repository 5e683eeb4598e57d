//! Copying a snapshot with its whole closure to another place: the data files that are not there yet, then the sections,
//! then the manifest, byte for byte. What is there already is not copied again, so that a copy that was stopped goes on
//! where it was and the next snapshot costs what is new. Nothing of `owner/` is copied: nobody owns the copy.
//!
//! ```text
//!   source root ── hold ──▶ newest ── load ──▶ roots (volume by volume: from where to where)
//!                                                │
//!                             files (missing? stream, hash, look) ── sections ── all of it again ── manifest
//! ```

mod holds;
mod roots;
mod stream;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use storage_catalog::Catalog;
use storage_model::{FileEntry, Kind, Revision, ServiceId};
use storage_volume::{Layout, Volume};

use crate::check::{FileCheck, Problem, check_files, sizes_of};
use crate::error::SnapshotError;
use crate::find::{Skipped, at_cut, candidates, newest};
use crate::load::{download, load};
use crate::manifest::Manifest;
use crate::owner::OwnerFacts;
use crate::place::{Place, Source};
use crate::report::directory;
use crate::store::{self, PARALLEL};
use crate::upload::publish;
use holds::{Holds, Side};
use roots::{Root, Roots};
use stream::{Failure, Streams};

pub use roots::CopiedRoot;

/// Data files copied at a time when nobody says otherwise.
pub const FILES_AT_ONCE: usize = 8;
/// After a cancel the files in flight may take so long to be given up in order.
const GRACE: Duration = Duration::from_secs(5);

/// What to copy, from where to where.
pub struct Copy<'a> {
    /// The snapshot that a restore would take, or the one named. Its volumes are looked for where the image says, the
    /// snapshot's own one where the snapshot is, and those in `volumes` where these say.
    pub source: &'a Source,
    /// Where the snapshot and the data of its own volume go; in `volumes`, by name, where the data of the others goes.
    pub target: &'a Source,
    /// Read every byte of the copy, and copy again what is damaged there.
    pub with_data: bool,
    /// Only say what would be copied: nothing is written, no hold either.
    pub dry_run: bool,
    /// Copy into a root that a cluster has claimed.
    pub force: bool,
    /// Data files at a time.
    pub files_at_once: usize,
    /// Who copies, for the holds.
    pub facts: OwnerFacts,
    /// Told what a person should know.
    pub say: &'a (dyn Fn(&str) + Send + Sync),
    /// Told how far it is.
    pub progress: &'a (dyn Fn(CopyProgress) + Send + Sync),
}

/// How far a copy is: of what was missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyProgress {
    /// Data files copied.
    pub files_done: u64,
    /// Data files to copy.
    pub files: u64,
    /// Bytes copied.
    pub bytes_done: u64,
    /// Bytes to copy.
    pub bytes: u64,
}

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The snapshot.
    pub name: String,
    /// Its cut.
    pub cut: Revision,
    /// Its service root.
    pub service_id: ServiceId,
    /// Its directory in the source.
    pub source: String,
    /// Its directory in the target.
    pub target: String,
    /// The storage volume that it is in.
    pub storage_volume: String,
    /// The storage volumes with data, and where their data went.
    pub roots: Vec<CopiedRoot>,
    /// All data files of the snapshot.
    pub files: FileCheck,
    /// Those that were copied now (would be, of a dry run); the others were there.
    pub copied: FileCheck,
    /// All sections.
    pub sections: u64,
    /// Those that were copied now.
    pub sections_copied: u64,
    /// The manifest was there before: this snapshot had been copied whole.
    pub was_there: bool,
    /// Every byte of the copy was read.
    pub with_data: bool,
    /// Nothing was written.
    pub dry_run: bool,
    /// Data files that cannot be copied because the source is damaged. Unless it is empty there is no manifest.
    pub problems: Vec<Problem>,
    /// Newer snapshots that cannot be restored.
    pub skipped: Vec<Skipped>,
}

/// The target as it was found.
struct Found {
    volume: Option<Volume>,
    /// The manifest of this very cut is there, sound and with its sections.
    complete: bool,
}

/// A data file that is missing in the target.
struct Missing<'a> {
    root: &'a Root,
    file: &'a FileEntry,
    /// It is not missing but damaged, or may be: it is read first, and copied where it is not as it was written.
    look_first: bool,
}

/// Copies. `cancel` is heeded until the manifest is being written; the holds are let go of in any case.
pub async fn copy(copy: &Copy<'_>, cancel: impl Future<Output = ()>) -> Result<Copied, SnapshotError> {
    let place = copy.source.place().await?;
    let holds = Holds::new(&place.layout, copy);
    let work = Work { copy, place: &place, holds: &holds, stopped: AtomicBool::new(false) };
    let outcome = {
        let mut run = pin!(work.run());
        tokio::select! {
            biased;
            () = cancel => {
                work.stopped.store(true, Ordering::SeqCst);
                match tokio::time::timeout(GRACE, run.as_mut()).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(work.cancelled()),
                }
            }
            outcome = run.as_mut() => outcome,
            never = holds.renew() => match never {},
        }
    };
    holds.let_go().await;
    outcome
}

impl Copied {
    /// One more file was copied.
    fn count(&mut self, root: &Root, file: &FileEntry) {
        let own = self.roots.iter_mut().find(|r| r.volume == root.name);
        for counted in std::iter::once(&mut self.copied).chain(own.map(|r| &mut r.copied)) {
            counted.files += 1;
            counted.bytes += file.size;
        }
    }
}

struct Work<'a> {
    copy: &'a Copy<'a>,
    place: &'a Place,
    holds: &'a Holds<'a>,
    stopped: AtomicBool,
}

impl Work<'_> {
    async fn run(&self) -> Result<Copied, SnapshotError> {
        let (copy, Place { volume, layout, snapshot }) = (self.copy, self.place);
        self.holds.take(Side::Source, volume).await;
        let found = newest(volume, layout, snapshot.as_deref()).await?;
        for skipped in &found.skipped {
            (copy.say)(&format!("skipped: {skipped}"));
        }
        let manifest = &found.manifest;
        let catalog = load(volume, layout, manifest).await?;
        let roots = Roots::of(copy, volume, &catalog, manifest).await?;
        for root in &roots.all {
            self.holds.take(Side::Source, &root.source).await;
        }
        let target = self.look_at_target(&roots, manifest).await?;
        let (missing, present) = self.missing(&roots).await?;
        let mut copied = self.report(&roots, manifest, &target, found.skipped);
        let Some(to) = target.volume.filter(|_| !copy.dry_run) else {
            missing.iter().for_each(|m| copied.count(m.root, m.file));
            return Ok(copied);
        };
        self.copy_files(missing.into_iter().chain(present).collect(), &mut copied).await?;
        if !copied.problems.is_empty() {
            copied.problems.sort();
            return Ok(copied);
        }
        copied.sections_copied = self.copy_sections(&to, manifest).await?;
        self.publish(&to, &roots, &catalog, manifest, target.complete).await?;
        Ok(copied)
    }

    fn report(&self, roots: &Roots, manifest: &Manifest, target: &Found, skipped: Vec<Skipped>) -> Copied {
        let Place { volume, layout, .. } = self.place;
        let at = storage_volume::join_location(&roots.target, &layout.snapshot_dir(&manifest.name));
        Copied {
            name: manifest.name.clone(),
            cut: manifest.revision,
            service_id: layout.0.clone(),
            source: directory(volume, layout, &manifest.name),
            target: at,
            storage_volume: roots.own.clone(),
            roots: roots.all.iter().map(Root::report).collect(),
            files: sum(roots.all.iter().flat_map(|root| root.files.iter().map(|file| &**file))),
            copied: FileCheck::default(),
            sections: manifest.sections.len() as u64,
            sections_copied: 0,
            was_there: target.complete,
            with_data: self.copy.with_data,
            dry_run: self.copy.dry_run,
            problems: Vec::new(),
            skipped,
        }
    }

    /// Whether the copy may go there, and whether it is there.
    async fn look_at_target(&self, roots: &Roots, manifest: &Manifest) -> Result<Found, SnapshotError> {
        let (copy, layout) = (self.copy, &self.place.layout);
        for volume in roots.targets() {
            let owners = crate::owner::owners(volume, layout).await?;
            let Some(claim) = owners.greatest() else { continue };
            let what = format!(
                "incarnation {} of epoch {} has claimed {}/{}: a cluster that lives there may delete what it does not know",
                claim.incarnation,
                claim.epoch,
                volume.location().trim_end_matches('/'),
                layout.root()
            );
            if !copy.force {
                let what = format!("{what}; --force copies into it all the same");
                return Err(SnapshotError::new(Kind::Conflict, "copy snapshot", &manifest.name, what));
            }
            (copy.say)(&format!("{what}; it is held meanwhile"));
            self.holds.take(Side::Target, volume).await;
        }
        let Some(volume) = roots.target_volume.clone() else { return Ok(Found { volume: None, complete: false }) };
        let complete = is_complete(&volume, layout, manifest).await?;
        Ok(Found { volume: Some(volume), complete })
    }

    /// What is not in the target with its size; and, WITH DATA, what is and has to be read.
    async fn missing<'a>(&self, roots: &'a Roots) -> Result<(Vec<Missing<'a>>, Vec<Missing<'a>>), SnapshotError> {
        let layout = &self.place.layout;
        let (mut missing, mut present) = (Vec::new(), Vec::new());
        for root in &roots.all {
            let files: Vec<&FileEntry> = root.files.iter().map(|file| &**file).collect();
            let sizes = match &root.target {
                Some(volume) => {
                    let listed = sizes_of(volume, layout, &files).await;
                    listed.map_err(|e| store::failed("list data files in", volume.location(), e))?
                }
                None => BTreeMap::new(),
            };
            for file in files {
                if sizes.get(&layout.in_root(&file.object)) != Some(&file.size) {
                    missing.push(Missing { root, file, look_first: false });
                } else if self.copy.with_data {
                    present.push(Missing { root, file, look_first: true });
                }
            }
        }
        Ok((missing, present))
    }

    /// Copies the files. Damage in the source is noted and the rest goes on; a store that fails ends it.
    async fn copy_files(&self, missing: Vec<Missing<'_>>, copied: &mut Copied) -> Result<(), SnapshotError> {
        let FileCheck { files, bytes } = sum(missing.iter().filter(|m| !m.look_first).map(|m| m.file));
        let begin = CopyProgress { files, bytes, ..CopyProgress::default() };
        (self.copy.progress)(begin);
        let state = Mutex::new(begin);
        let report = |change: &dyn Fn(&mut CopyProgress)| {
            let mut now = state.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut now);
            (self.copy.progress)(*now);
        };
        let streams = Streams::new(&self.stopped, &report);
        let copies: Vec<_> = missing.iter().map(|missing| self.copy_one(missing, &streams)).collect();
        let mut results = futures::stream::iter(copies).buffer_unordered(self.copy.files_at_once.max(1));
        while let Some(result) = results.next().await {
            match result {
                Ok(Some(Missing { root, file, .. })) => copied.count(root, file),
                Ok(None) => {}
                Err(Failure::Damaged(problem)) => copied.problems.push(problem),
                Err(Failure::Store(error)) => return Err(error),
                Err(Failure::Stopped) => return Err(self.cancelled()),
            }
        }
        Ok(())
    }

    /// None: it was there, and sound.
    async fn copy_one<'m>(
        &self,
        missing: &'m Missing<'m>,
        streams: &Streams<'_>,
    ) -> Result<Option<&'m Missing<'m>>, Failure> {
        let Missing { root, file, look_first } = missing;
        let Some(target) = &root.target else { return Ok(None) };
        let path = self.place.layout.in_root(&file.object);
        if *look_first {
            let Some(damage) = streams.look(target, &path, file).await? else { return Ok(None) };
            (self.copy.say)(&format!("copied again: {damage}"));
            streams.add(file);
        }
        streams.copy(&root.source, target, &path, file).await?;
        if self.copy.with_data
            && let Some(damage) = streams.look(target, &path, file).await?
        {
            return Err(Failure::Store(SnapshotError::corrupt("read back", path, damage.what)));
        }
        Ok(Some(missing))
    }

    /// Copies the sections that are not there, or not as they were written. They are small.
    async fn copy_sections(&self, to: &Volume, manifest: &Manifest) -> Result<u64, SnapshotError> {
        let Place { volume, layout, .. } = self.place;
        let copies: Vec<_> = manifest
            .sections
            .iter()
            .map(|section| async move {
                self.may_go_on()?;
                if download(to, layout, section).await.is_ok() {
                    return Ok(0);
                }
                let bytes = download(volume, layout, section).await?;
                store::write(to, "write section", &layout.in_root(&section.path), bytes).await?;
                download(to, layout, section).await.map(|_| 1)
            })
            .collect();
        let mut results = futures::stream::iter(copies).buffer_unordered(PARALLEL);
        let mut copied = 0;
        while let Some(result) = results.next().await {
            copied += result?;
        }
        Ok(copied)
    }

    /// Looks at everything once more: a living owner may have deleted or retired something before it saw the hold, and
    /// somebody else may have been at the target. Then the manifest.
    async fn publish(
        &self,
        to: &Volume,
        roots: &Roots,
        catalog: &Catalog,
        manifest: &Manifest,
        complete: bool,
    ) -> Result<(), SnapshotError> {
        let Place { volume, layout, .. } = self.place;
        let checked = check_files(catalog, &roots.targets_by_name(), Volume::open).await;
        if let Err(problems) = checked {
            let first: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
            let what = format!("{} data files are not in the copy: {}", problems.len(), first.join("; "));
            return Err(SnapshotError::corrupt("verify the copy of", &manifest.name, what));
        }
        let again = at_cut(volume, layout, &manifest.name, manifest.revision).await?;
        if again.manifest.sha256 != manifest.sha256 {
            let what = "the source has changed while it was copied";
            return Err(SnapshotError::new(Kind::Conflict, "copy snapshot", &manifest.name, what));
        }
        let there = is_complete(to, layout, manifest).await?;
        if complete && there {
            return Ok(());
        }
        let bytes = self.manifest_bytes(manifest).await?;
        self.may_go_on()?;
        publish(to, layout, manifest, bytes).await.map(drop)
    }

    /// As they are in the source: a newer version may have written what this one does not know.
    async fn manifest_bytes(&self, manifest: &Manifest) -> Result<Bytes, SnapshotError> {
        let Place { volume, layout, .. } = self.place;
        let path = layout.manifest(&manifest.name, manifest.revision);
        let read = store::read(volume, "read manifest", &path).await?;
        let Some(bytes) = read else { return Err(SnapshotError::corrupt("read manifest", path, "it is missing")) };
        match Manifest::parse(&bytes, &path)?.sha256 == manifest.sha256 {
            true => Ok(bytes),
            false => Err(SnapshotError::new(Kind::Conflict, "read manifest", path, "it has changed")),
        }
    }

    fn may_go_on(&self) -> Result<(), SnapshotError> {
        if self.stopped.load(Ordering::SeqCst) { Err(self.cancelled()) } else { Ok(()) }
    }

    fn cancelled(&self) -> SnapshotError {
        let object = &self.copy.source.location;
        let what = "it was cancelled; what is copied stays, and the next copy goes on from there";
        SnapshotError::new(Kind::Conflict, "copy snapshot", object, what)
    }
}

/// Whether this very manifest is in the target, with its sections. Another one of the same cut, or a cut that is dead
/// there, cannot be copied over.
async fn is_complete(volume: &Volume, layout: &Layout, manifest: &Manifest) -> Result<bool, SnapshotError> {
    let found = candidates(volume, layout, Some(&manifest.name)).await?;
    let Some(same) = found.iter().find(|c| c.cut == Some(manifest.revision)) else { return Ok(false) };
    let conflict = |what: String| {
        let object = directory(volume, layout, &manifest.name);
        Err(SnapshotError::new(Kind::Conflict, "copy snapshot to", object, what))
    };
    if same.state == crate::CandidateState::Voided {
        return conflict(format!("the cut at revision {} is voided there", manifest.revision));
    }
    match &same.manifest {
        Some(there) if there.sha256 != manifest.sha256 => conflict(format!(
            "there is another manifest of revision {}, by incarnation {}",
            there.revision, there.incarnation
        )),
        _ => Ok(same.is_complete()),
    }
}

fn sum<'a>(files: impl Iterator<Item = &'a FileEntry>) -> FileCheck {
    files.fold(FileCheck::default(), |sum, file| FileCheck { files: sum.files + 1, bytes: sum.bytes + file.size })
}
