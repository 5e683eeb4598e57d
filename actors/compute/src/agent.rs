//! The snapshot agent: it looks at the files that a snapshot names before the snapshot may be FINISHED, and reads them
//! when a snapshot is verified with its data.

use std::collections::HashMap;

use actors_messages::compute::{AttestFiles, Attestation, FoundWrong, VerifyFiles};
use futures::StreamExt;
use runtime_actor::{Actor, Answer, Context, Handle};
use serde::Serialize;
use storage_volume::layout::Layout;
use storage_volume::{Volume, error_chain};

use crate::volumes::Volumes;

/// From this many files on a listing is cheaper than asking for each.
const LIST_FROM: usize = 64;
/// Files read at a time.
const READS_AT_ONCE: usize = 4;
/// Objects asked for at a time.
const PARALLEL: usize = 16;

/// The role.
pub struct SnapshotAgent {
    volumes: Volumes,
    requests: u64,
    files: u64,
}

/// What the dashboard shows of it.
#[derive(Debug, Serialize)]
pub struct SnapshotAgentState {
    requests: u64,
    files: u64,
}

impl SnapshotAgent {
    /// An agent that looks through these volumes.
    pub fn new(volumes: Volumes) -> SnapshotAgent {
        SnapshotAgent { volumes, requests: 0, files: 0 }
    }
}

impl Actor for SnapshotAgent {
    const ROLE: &'static str = "snapshot_agent";
    type State = SnapshotAgentState;

    fn observe(&self) -> SnapshotAgentState {
        SnapshotAgentState { requests: self.requests, files: self.files }
    }
}

impl Handle<AttestFiles> for SnapshotAgent {
    fn handle(&mut self, message: AttestFiles, _: &mut Context<Self>) -> Answer<Result<Attestation, String>> {
        fail::fail_point!("handler.snapshot_agent");
        self.requests += 1;
        self.files += message.files.len() as u64;
        let volumes = self.volumes.clone();
        Answer::later(async move {
            let volume = volumes.open(&message.volume).map_err(|e| error_chain(&e))?;
            attest(&volume, &Layout(message.service), message.files).await
        })
    }
}

impl Handle<VerifyFiles> for SnapshotAgent {
    fn handle(&mut self, message: VerifyFiles, _: &mut Context<Self>) -> Answer<Result<Vec<FoundWrong>, String>> {
        self.requests += 1;
        self.files += message.files.len() as u64;
        let volumes = self.volumes.clone();
        Answer::while_wanted(async move {
            let volume = volumes.open(&message.volume).map_err(|e| error_chain(&e))?;
            Ok(verify(&volume, &Layout(message.service), &message.files).await)
        })
    }
}

/// Reads every byte.
async fn verify(volume: &Volume, layout: &Layout, files: &[(String, u64, String)]) -> Vec<FoundWrong> {
    let reads: Vec<_> = files
        .iter()
        .map(|(object, size, sha256)| async move {
            let path = layout.in_root(object);
            let problem = storage_snapshot::read_and_compare(volume, &path, *size, sha256).await?;
            Some(FoundWrong { object: problem.object, what: problem.what })
        })
        .collect();
    let read = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
    read.filter_map(std::future::ready).collect().await
}

async fn attest(volume: &Volume, layout: &Layout, files: Vec<(String, u64)>) -> Result<Attestation, String> {
    let found = if files.len() < LIST_FROM {
        head_each(volume, layout, &files).await?
    } else {
        list_each_directory(volume, layout, &files).await?
    };
    let mut attestation = Attestation::default();
    for (object, size) in files {
        match found.get(&object) {
            Some(there) if *there == size => attestation.seen += 1,
            Some(there) => attestation.problems.push(format!("{object} has {there} bytes and not {size}")),
            None => attestation.problems.push(format!("{object} is missing")),
        }
    }
    Ok(attestation)
}

async fn head_each(volume: &Volume, layout: &Layout, files: &[(String, u64)]) -> Result<HashMap<String, u64>, String> {
    let heads = files.iter().map(|(object, _)| async move {
        let info = volume.head(&layout.in_root(object)).await.map_err(|e| error_chain(&e))?;
        Ok::<_, String>(info.map(|info| (object.clone(), info.size)))
    });
    let heads: Vec<_> = heads.collect();
    let found: Vec<_> = futures::stream::iter(heads).buffer_unordered(PARALLEL).collect().await;
    found.into_iter().filter_map(Result::transpose).collect()
}

async fn list_each_directory(
    volume: &Volume,
    layout: &Layout,
    files: &[(String, u64)],
) -> Result<HashMap<String, u64>, String> {
    let mut directories: Vec<&str> = files.iter().filter_map(|(o, _)| o.rsplit_once('/')).map(|(d, _)| d).collect();
    directories.sort_unstable();
    directories.dedup();
    let lists = directories
        .into_iter()
        .map(|directory| async move { volume.list(&layout.in_root(directory)).await.map_err(|e| error_chain(&e)) });
    let lists: Vec<_> = lists.collect();
    let mut found = HashMap::new();
    let mut listed = futures::stream::iter(lists).buffer_unordered(PARALLEL);
    while let Some(list) = listed.next().await {
        for info in list? {
            if let Some(object) = layout.strip_root(&info.path) {
                found.insert(object.to_owned(), info.size);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use storage_model::{ServiceId, StorageVolume, VolumeId, VolumeType};

    use super::*;

    fn volume_in(directory: &std::path::Path) -> Volume {
        let spec = StorageVolume {
            id: VolumeId(1),
            name: "v".into(),
            volume_type: VolumeType::Local,
            location: format!("file://{}", directory.display()),
            comment: String::new(),
            enabled: true,
            borrowed: None,
            properties: Default::default(),
        };
        Volume::open(&spec).unwrap()
    }

    async fn check(count: usize) {
        let dir = tempfile::tempdir().unwrap();
        let volume = volume_in(dir.path());
        let layout = Layout(ServiceId("service".into()));
        let mut files = Vec::new();
        for n in 0..count {
            let object = format!("db1/2/{}/data/f{n}.parquet", n % 3);
            volume.put(&layout.in_root(&object), Bytes::from(vec![7; n + 1])).await.unwrap();
            files.push((object, n as u64 + 1));
        }
        let whole = attest(&volume, &layout, files.clone()).await.unwrap();
        assert_eq!((whole.seen, whole.problems.len()), (count as u64, 0));
        volume.delete(&layout.in_root(&files[0].0)).await.unwrap();
        files[1].1 += 1;
        let broken = attest(&volume, &layout, files.clone()).await.unwrap();
        assert_eq!(broken.seen, count as u64 - 2);
        assert!(broken.problems[0].contains("is missing") && broken.problems[1].contains("bytes and not"));
    }

    #[tokio::test]
    async fn every_byte_counts() {
        let dir = tempfile::tempdir().unwrap();
        let volume = volume_in(dir.path());
        let layout = Layout(ServiceId("service".into()));
        // Of b"abc".
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        for (object, bytes) in [("good", "abc"), ("flipped", "abd"), ("short", "ab")] {
            volume.put(&layout.in_root(object), Bytes::from(bytes)).await.unwrap();
        }
        let files = ["good", "flipped", "short", "missing"].map(|name| (name.to_owned(), 3, sha256.clone()));
        let mut wrong = verify(&volume, &layout, &files).await;
        wrong.sort_by(|a, b| a.object.cmp(&b.object));
        let told: Vec<_> = wrong.iter().map(|w| (w.object.as_str(), w.what.as_str())).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].0.ends_with("flipped") && told[0].1.contains("its sha256 is"), "{told:?}");
        assert!(told[1].0.ends_with("missing") && told[1].1.contains("missing"), "{told:?}");
        assert!(told[2].0.ends_with("short"), "{told:?}");
    }

    #[tokio::test]
    async fn missing_and_short_files_are_named() {
        check(5).await;
        check(LIST_FROM + 3).await;
    }
}
