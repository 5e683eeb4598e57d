//! Uploading a snapshot: sections by content hash, in any order, as often as one likes; the manifest last; then all of
//! it is looked at again. Whoever goes on after a crash calls the same function. A catalog of any size takes the same memory:
//! sections are packed as they are uploaded, and wait for room.

mod sections;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use storage_catalog::Catalog;
use storage_model::{Kind, Revision};
use storage_volume::layout::{Layout, SnapshotObject, parse_snapshot_object};
use storage_volume::{Volume, join_location};

use crate::error::SnapshotError;
use crate::find::missing_section;
use crate::manifest::{Facts, Manifest};
use crate::{owner, store};

/// How far an upload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Sections in the store.
    pub sections_done: u64,
    /// All sections.
    pub sections: u64,
    /// Bytes in the store.
    pub bytes_done: u64,
    /// Bytes of all sections.
    pub bytes: u64,
}

impl Progress {
    /// As DETAIL_INFO says it: `uploading 3/12 sections, 14 of 40 MiB`.
    pub fn detail(&self) -> String {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let (done, all) = (mib(self.bytes_done).min(mib(self.bytes)), mib(self.bytes));
        format!("uploading {}/{} sections, {done} of {all} MiB", self.sections_done, self.sections)
    }
}

/// A snapshot whose manifest is in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploaded {
    /// The cut of the manifest.
    pub cut: Revision,
    /// What the manifest says its hash is.
    pub manifest_sha256: String,
    /// Of manifest and sections.
    pub bytes: u64,
    /// The snapshot's directory, as users see it.
    pub path: String,
}

/// Uploads the catalog frozen at a cut. `cancel` is heeded until the manifest is being written: from then on it is too
/// late. An error of kind Unavailable after that point leaves the outcome unknown: ask [`published`]. A cut that is
/// voided is a Conflict, and so are a manifest of the same cut by another incarnation and a greater claim to the root; a sound manifest of this cut that is
/// there already is the answer.
pub async fn upload(
    volume: &Volume,
    layout: &Layout,
    catalog: &Catalog,
    facts: &Facts,
    progress: impl Fn(Progress),
    cancel: impl Future<Output = ()>,
) -> Result<Uploaded, SnapshotError> {
    check_service(layout, catalog, facts)?;
    let mut cancel = pin!(cancel);
    let upload = async {
        let present = Present::look(volume, layout, &facts.name).await?;
        if let Some(done) = present.already(volume, layout, catalog, facts).await? {
            return Ok(Err(done));
        }
        let entries = sections::outline(catalog, &facts.name, &progress).await?;
        let job = sections::Job { volume, layout, name: &facts.name, present: &present.sizes };
        job.upload(catalog, &entries, &progress).await?;
        Ok(Ok(entries))
    };
    let sections = tokio::select! {
        biased;
        () = cancel.as_mut() => return Err(cancelled(&facts.name)),
        done = upload => match done? {
            Ok(sections) => sections,
            Err(already) => return Ok(already),
        },
    };
    let manifest = Manifest::describe(catalog, facts, sections);
    let last_look = async {
        Present::look(volume, layout, &facts.name).await?.refuse_void(layout, &manifest)?;
        refuse_greater_claim(volume, layout, catalog).await
    };
    tokio::select! {
        biased;
        () = cancel.as_mut() => return Err(cancelled(&facts.name)),
        looked = last_look => looked?,
    }
    let bytes = Bytes::from(manifest.to_bytes()?);
    publish(volume, layout, &manifest, bytes).await
}

/// The manifest of one of `cuts` (the greatest) if it is in the store, sound, not voided, and with all its sections:
/// what the next leader asks for a job whose upload it has not seen end.
pub async fn published(
    volume: &Volume,
    layout: &Layout,
    name: &str,
    cuts: &[Revision],
) -> Result<Option<Uploaded>, SnapshotError> {
    let found = crate::find::candidates(volume, layout, Some(name)).await?;
    let complete = found.into_iter().filter(|c| c.is_complete() && c.cut.is_some_and(|cut| cuts.contains(&cut)));
    let newest = complete.max_by_key(|c| (c.epoch, c.cut));
    Ok(newest.and_then(|c| Some(uploaded(volume, layout, c.manifest.as_ref()?, c.bytes))))
}

/// An upload takes its time: the root may be another's by its end.
async fn refuse_greater_claim(volume: &Volume, layout: &Layout, catalog: &Catalog) -> Result<(), SnapshotError> {
    let identity = catalog.identity();
    let owners = owner::owner_names(volume, layout).await?;
    let is_greater = |c: &&owner::Claim| (c.epoch, &c.incarnation) > (identity.epoch, &identity.incarnation);
    let Some(other) = owners.claims.iter().find(is_greater) else { return Ok(()) };
    let what = format!("incarnation {} of epoch {} owns {}", other.incarnation, other.epoch, volume.location());
    Err(SnapshotError::new(Kind::Conflict, "write manifest", volume.location(), what))
}

fn cancelled(name: &str) -> SnapshotError {
    SnapshotError::new(Kind::Conflict, "upload snapshot", name, "it was cancelled")
}

fn check_service(layout: &Layout, catalog: &Catalog, facts: &Facts) -> Result<(), SnapshotError> {
    let (own, given) = (&catalog.identity().service_id, &layout.0);
    if own == given {
        return Ok(());
    }
    let what = format!("the catalog is of service {own}, the layout of {given}");
    Err(SnapshotError::internal("upload snapshot", &facts.name, what))
}

fn uploaded(volume: &Volume, layout: &Layout, manifest: &Manifest, bytes: u64) -> Uploaded {
    Uploaded {
        cut: manifest.revision,
        manifest_sha256: manifest.sha256.clone(),
        bytes,
        path: join_location(volume.location(), &layout.snapshot_dir(&manifest.name)),
    }
}

/// What is in the snapshot's directory already.
struct Present {
    sizes: BTreeMap<String, u64>,
    voids: BTreeSet<Revision>,
}

impl Present {
    async fn look(volume: &Volume, layout: &Layout, name: &str) -> Result<Present, SnapshotError> {
        let mut present = Present { sizes: BTreeMap::new(), voids: BTreeSet::new() };
        for object in store::list(volume, "list snapshot directory", &layout.snapshot_dir(name)).await? {
            if let Some(SnapshotObject::Void(cut)) = parse_snapshot_object(&object.path) {
                present.voids.insert(cut);
            }
            present.sizes.insert(object.path, object.size);
        }
        Ok(present)
    }

    fn refuse_void(&self, layout: &Layout, manifest: &Manifest) -> Result<(), SnapshotError> {
        self.refuse_void_of(layout, &manifest.name, manifest.revision)
    }

    fn refuse_void_of(&self, layout: &Layout, name: &str, cut: Revision) -> Result<(), SnapshotError> {
        if !self.voids.contains(&cut) {
            return Ok(());
        }
        let what = format!("somebody has voided the cut at revision {cut}");
        Err(SnapshotError::new(Kind::Conflict, "write manifest", layout.manifest(name, cut), what))
    }

    /// The snapshot, if it is there. A damaged manifest is none: it will be written again.
    async fn already(
        &self,
        volume: &Volume,
        layout: &Layout,
        catalog: &Catalog,
        facts: &Facts,
    ) -> Result<Option<Uploaded>, SnapshotError> {
        let cut = catalog.revision();
        self.refuse_void_of(layout, &facts.name, cut)?;
        let path = layout.manifest(&facts.name, cut);
        if !self.sizes.contains_key(&path) {
            return Ok(None);
        }
        let Some(bytes) = store::read(volume, "read manifest", &path).await? else { return Ok(None) };
        let manifest = match Manifest::parse(&bytes, &path) {
            Ok(manifest) => manifest,
            Err(e) if e.kind() == Kind::Corrupt => {
                tracing::warn!(path, error = %e.chain(), "a damaged manifest is written again");
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        let (theirs, ours) = (&manifest.incarnation, &catalog.identity().incarnation);
        if theirs != ours {
            let what = format!("there is one by incarnation {theirs}, and this is {ours}");
            return Err(SnapshotError::new(Kind::Conflict, "write manifest", path, what));
        }
        if missing_section(volume, layout, &manifest, &self.sizes).await?.is_some() {
            return Ok(None);
        }
        let total = manifest.section_bytes() + bytes.len() as u64;
        Ok(Some(uploaded(volume, layout, &manifest, total)))
    }
}

/// Writes the manifest, whose bytes these are, and looks at all of it again.
pub(crate) async fn publish(
    volume: &Volume,
    layout: &Layout,
    manifest: &Manifest,
    bytes: Bytes,
) -> Result<Uploaded, SnapshotError> {
    let path = layout.manifest(&manifest.name, manifest.revision);
    fail::fail_point!("job.manifest.before");
    store::write(volume, "write manifest", &path, bytes.clone()).await?;
    fail::fail_point!("job.manifest.after");
    let corrupt = |what: &str| SnapshotError::corrupt("verify manifest", &path, what);
    match store::read(volume, "verify manifest", &path).await? {
        Some(read) if read == bytes => {}
        Some(_) => return Err(corrupt("the store gave other bytes than were written")),
        None => return Err(corrupt("the store does not have it after it was written")),
    }
    let present = Present::look(volume, layout, &manifest.name).await?;
    if let Some(why) = missing_section(volume, layout, manifest, &present.sizes).await? {
        return Err(corrupt(&why));
    }
    present.refuse_void(layout, manifest)?;
    Ok(uploaded(volume, layout, manifest, manifest.section_bytes() + bytes.len() as u64))
}
