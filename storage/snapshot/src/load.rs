//! From a manifest back to a catalog: every section downloaded, every hash checked before a byte is decoded.

use futures::{StreamExt, TryStreamExt};
use storage_catalog::{Catalog, image};
use storage_model::Kind;
use storage_volume::{Layout, Volume};

use crate::check::Problem;
use crate::error::SnapshotError;
use crate::manifest::{Manifest, SectionEntry};
use crate::store::{self, PARALLEL};

/// The catalog of a snapshot, as it was at the cut. Damage is Corrupt and names the section.
pub async fn load(volume: &Volume, layout: &Layout, manifest: &Manifest) -> Result<Catalog, SnapshotError> {
    let reads: Vec<_> = manifest.sections.iter().map(|section| download(volume, layout, section)).collect();
    let sections: Vec<bytes::Bytes> = futures::stream::iter(reads).buffered(PARALLEL).try_collect().await?;
    let corrupt = |what: String| SnapshotError::corrupt("decode the catalog of snapshot", &manifest.name, what);
    // Decompression and decoding take a while: not on a thread that others wait for.
    let decoded = tokio::task::spawn_blocking(move || image::decode(&sections)).await;
    let catalog = decoded
        .map_err(|e| SnapshotError::internal("decode the catalog of snapshot", &manifest.name, e.to_string()))?
        .map_err(|e| corrupt(e.to_string()))?;
    match difference(&catalog, manifest) {
        Some(what) => Err(corrupt(what)),
        None => Ok(catalog),
    }
}

/// Downloads every section and says what is wrong with each: of all, not only of the first.
pub async fn check_sections(volume: &Volume, layout: &Layout, manifest: &Manifest) -> Vec<Problem> {
    let reads: Vec<_> = manifest.sections.iter().map(|section| download(volume, layout, section)).collect();
    let results: Vec<_> = futures::stream::iter(reads).buffered(PARALLEL).collect().await;
    let problem = |e: SnapshotError| Problem {
        volume: volume.name().to_owned(),
        unreachable: e.kind() == Kind::Unavailable,
        what: if e.detail.is_empty() { e.chain() } else { e.detail.clone() },
        object: e.object,
    };
    results.into_iter().filter_map(Result::err).map(problem).collect()
}

pub(crate) async fn download(
    volume: &Volume,
    layout: &Layout,
    section: &SectionEntry,
) -> Result<bytes::Bytes, SnapshotError> {
    let path = layout.in_root(&section.path);
    let corrupt = |what: String| SnapshotError::corrupt("read section", &path, what);
    let Some(bytes) = store::read(volume, "read section", &path).await? else {
        return Err(corrupt("it is missing".to_owned()));
    };
    if bytes.len() as u64 != section.size {
        return Err(corrupt(format!("it has {} bytes, {} were written", bytes.len(), section.size)));
    }
    let found = store::sha256_hex(&bytes);
    if found != section.sha256 {
        return Err(corrupt(format!("its sha256 is {found}, {} was written", section.sha256)));
    }
    Ok(bytes)
}

/// Where the image does not say what the manifest says.
fn difference(catalog: &Catalog, manifest: &Manifest) -> Option<String> {
    let identity = catalog.identity();
    let pairs = [
        ("revision", catalog.revision().to_string(), manifest.revision.to_string()),
        ("service id", identity.service_id.to_string(), manifest.service_id.to_string()),
        ("cluster id", identity.cluster_id.to_string(), manifest.cluster_id.to_string()),
        ("epoch", identity.epoch.to_string(), manifest.epoch.to_string()),
        ("incarnation", identity.incarnation.to_string(), manifest.incarnation.to_string()),
        ("starmgr id", catalog.header.starmgr_id.to_string(), manifest.starmgr_id.to_string()),
    ];
    let wrong = pairs.into_iter().find(|(_, image, manifest)| image != manifest);
    wrong.map(|(what, image, manifest)| format!("its {what} is {image}, but {manifest} in the manifest"))
}
