//! Taking a snapshot away: the void marker first, so that nobody restores what is half gone; then the manifest, then the
//! sections, then whatever else lies there. The marker stays until a later manifest lists the cut: a leader that wakes up
//! late may write the manifest again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use storage_model::{Kind, Revision, UnixMillis};
use storage_volume::layout::{Layout, SnapshotObject, parse_snapshot_object};
use storage_volume::{ObjectInfo, Volume};

use crate::error::SnapshotError;
use crate::manifest::{Manifest, Stamp};
use crate::store;

/// What a void marker says to a person. Only its presence counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {
    /// The snapshot.
    pub name: String,
    /// The dead cut.
    pub cut: Revision,
    /// Why it is dead.
    pub why: String,
    /// Since when.
    pub at: Stamp,
}

/// What was taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Objects deleted.
    pub objects: u64,
    /// Bytes deleted.
    pub bytes: u64,
    /// Objects left because something that lives may need them, and what.
    pub kept: Vec<(String, String)>,
    /// Why it is not known what lives needs: something of what was left may be garbage.
    pub undecided: Option<String>,
}

/// Writes the void marker of a cut; writing it again does no harm.
pub async fn void(
    volume: &Volume,
    layout: &Layout,
    name: &str,
    cut: Revision,
    why: &str,
    at: UnixMillis,
) -> Result<(), SnapshotError> {
    let path = layout.void(name, cut);
    let marker = Void { name: name.to_owned(), cut, why: why.to_owned(), at: at.into() };
    let text = serde_json::to_vec_pretty(&marker)
        .map_err(|e| SnapshotError::internal("write void marker", &path, e.to_string()))?;
    fail::fail_point!("job.void.before");
    store::write(volume, "write void marker", &path, Bytes::from(text)).await?;
    fail::fail_point!("job.void.after");
    Ok(())
}

/// Deletes cuts of a snapshot: marker, manifest, sections of the snapshot's own directory, leftovers. What a manifest
/// that is not deleted names stays. Repeatable; the markers are left.
pub async fn delete(
    volume: &Volume,
    layout: &Layout,
    name: &str,
    cuts: &[Revision],
    why: &str,
    at: UnixMillis,
) -> Result<Removed, SnapshotError> {
    for cut in cuts {
        void(volume, layout, name, *cut, why, at).await?;
    }
    let objects = store::list(volume, "list snapshot directory", &layout.snapshot_dir(name)).await?;
    let voids: BTreeSet<Revision> = objects.iter().filter_map(void_of).collect();
    let dead = |object: &ObjectInfo| match parse_snapshot_object(&object.path) {
        Some(SnapshotObject::Manifest(cut)) => voids.contains(&cut),
        _ => false,
    };
    let (manifests, rest): (Vec<_>, Vec<_>) = objects.into_iter().partition(dead);
    let mut removed = Removed::default();
    fail::fail_point!("job.delete_manifest.before");
    remove(volume, "delete manifest", &manifests, &mut removed).await?;
    fail::fail_point!("job.delete_manifest.after");
    let needed = needed_by_living(volume, layout, name, &rest).await?;
    let (mut sections, mut leftovers) = (Vec::new(), Vec::new());
    for object in rest {
        match (parse_snapshot_object(&object.path), &needed) {
            (Some(SnapshotObject::Void(_) | SnapshotObject::Manifest(_)), _) => {}
            (_, Needed::Unknown(why)) => {
                removed.undecided = Some(why.clone());
                removed.kept.push((object.path, why.clone()));
            }
            (_, Needed::Paths(paths)) if paths.contains_key(&object.path) => {
                let by = paths.get(&object.path).cloned().unwrap_or_default();
                removed.kept.push((object.path, by));
            }
            (Some(SnapshotObject::Section(_)), _) => sections.push(object),
            (None, _) => leftovers.push(object),
        }
    }
    remove(volume, "delete section", &sections, &mut removed).await?;
    fail::fail_point!("job.delete_sections.after");
    remove(volume, "delete leftover", &leftovers, &mut removed).await?;
    Ok(removed)
}

/// Takes away the void markers that `manifest` lists, and what has come back beside them. The manifest must be in the
/// store as given: what it lists is dead from then on without the marker.
pub async fn sweep_voids(volume: &Volume, layout: &Layout, manifest: &Manifest) -> Result<Removed, SnapshotError> {
    let path = layout.manifest(&manifest.name, manifest.revision);
    let stored = store::read(volume, "read manifest", &path).await?;
    let stored = stored.map(|bytes| Manifest::parse(&bytes, &path)).transpose()?;
    let own_void = store::head(volume, "look for void marker", &layout.void(&manifest.name, manifest.revision)).await?;
    if own_void.is_some() || stored.is_none_or(|stored| stored.sha256 != manifest.sha256) {
        let what = "the manifest that lists them is not in the store";
        return Err(SnapshotError::new(Kind::Conflict, "sweep void markers listed by", path, what));
    }
    let mut listed: BTreeMap<&str, BTreeSet<Revision>> = BTreeMap::new();
    for void in manifest.voided_cuts.iter().filter(|void| **void != manifest.cut_name()) {
        listed.entry(&void.name).or_default().insert(void.cut);
    }
    let directories = store::list_dirs(volume, "list snapshots in", &layout.image_root()).await?;
    let mut removed = Removed::default();
    for (name, cuts) in listed {
        if directories.contains(&layout.snapshot_dir(name)) {
            sweep_directory(volume, layout, name, &cuts, manifest, &mut removed).await?;
        }
    }
    Ok(removed)
}

async fn sweep_directory(
    volume: &Volume,
    layout: &Layout,
    name: &str,
    cuts: &BTreeSet<Revision>,
    by: &Manifest,
    removed: &mut Removed,
) -> Result<(), SnapshotError> {
    let directory = layout.snapshot_dir(name);
    let look = || store::list(volume, "list snapshot directory", &directory);
    let mut objects = look().await?;
    let has_come_back = |object: &ObjectInfo| match parse_snapshot_object(&object.path) {
        Some(SnapshotObject::Manifest(cut)) => cuts.contains(&cut),
        Some(SnapshotObject::Void(_)) => false,
        Some(SnapshotObject::Section(_)) | None => name != by.name,
    };
    if objects.iter().any(has_come_back) {
        let back: Vec<Revision> = cuts.iter().copied().collect();
        let again = delete(volume, layout, name, &back, "it is listed as void", by.cut_at.millis).await?;
        removed.objects += again.objects;
        removed.bytes += again.bytes;
        removed.kept.extend(again.kept);
        removed.undecided = removed.undecided.take().or(again.undecided);
        objects = look().await?;
    }
    objects.retain(|object| void_of(object).is_some_and(|cut| cuts.contains(&cut)));
    remove(volume, "delete void marker", &objects, removed).await
}

fn void_of(object: &ObjectInfo) -> Option<Revision> {
    match parse_snapshot_object(&object.path) {
        Some(SnapshotObject::Void(cut)) => Some(cut),
        _ => None,
    }
}

async fn remove(
    volume: &Volume,
    operation: &'static str,
    objects: &[ObjectInfo],
    removed: &mut Removed,
) -> Result<(), SnapshotError> {
    let paths: Vec<String> = objects.iter().map(|o| o.path.clone()).collect();
    store::delete_all(volume, operation, &paths).await?;
    removed.objects += objects.len() as u64;
    removed.bytes += objects.iter().map(|o| o.size).sum::<u64>();
    Ok(())
}

enum Needed {
    /// Path from the volume's location, and what needs it.
    Paths(BTreeMap<String, String>),
    /// A manifest that lives cannot be read: what is not known is not deleted.
    Unknown(String),
}

/// What the manifests that are left in the directory name.
async fn needed_by_living(
    volume: &Volume,
    layout: &Layout,
    name: &str,
    rest: &[ObjectInfo],
) -> Result<Needed, SnapshotError> {
    let mut paths = BTreeMap::new();
    for object in rest {
        let Some(SnapshotObject::Manifest(cut)) = parse_snapshot_object(&object.path) else { continue };
        let Some(bytes) = store::read(volume, "read manifest", &object.path).await? else { continue };
        match Manifest::parse(&bytes, &object.path) {
            Ok(manifest) => {
                let by = format!("the manifest of {name} at revision {cut} names it");
                paths.extend(manifest.sections.iter().map(|s| (layout.in_root(&s.path), by.clone())));
            }
            Err(e) => return Ok(Needed::Unknown(e.chain())),
        }
    }
    Ok(Needed::Paths(paths))
}
