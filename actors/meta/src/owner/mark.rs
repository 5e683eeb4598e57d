//! How far the metadata are, told in every root; and whether somebody told more of them than there is.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use storage_catalog::Catalog;
use storage_model::{Incarnation, Revision, StorageVolume, UnixMillis, VolumeId};
use storage_snapshot::Mark;
use storage_snapshot::mark;
use storage_snapshot::owner::OwnerFacts;
use storage_volume::Volume;
use storage_volume::layout::Layout;

use super::{LOOK_LIMIT, used_volumes};

/// Between two marks.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// What has not changed is told again after so long: a root whose owner has told nothing for minutes has none.
const REPEAT_EVERY: Duration = Duration::from_secs(60);

/// Whose hold, and when it was written or renewed.
pub(super) type HoldSeen = (Incarnation, UnixMillis);

/// What this leader has told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Volumes whose mark is not ahead of the metadata: nothing is told in others.
    pub(super) checked: HashSet<VolumeId>,
    /// What was told, and when.
    revisions: HashMap<VolumeId, (Revision, Instant)>,
    /// The last hold that was answered.
    answered: HashMap<VolumeId, HoldSeen>,
    last: Option<Instant>,
    pub(super) failures: Vec<String>,
}

impl Told {
    /// The volumes with a hold that was not answered yet.
    pub(super) fn asked(&self, mut held: Vec<(VolumeId, HoldSeen)>) -> Vec<(VolumeId, HoldSeen)> {
        held.retain(|(volume, hold)| self.answered.get(volume) != Some(hold));
        held
    }

    /// Where to tell how far the metadata are: at once where somebody has `asked`; elsewhere when that is not known or was told
    /// long ago, and not shortly after something else was.
    pub(super) fn due(
        &mut self,
        catalog: &Catalog,
        readable: &[VolumeId],
        asked: &[(VolumeId, HoldSeen)],
        now: Instant,
    ) -> Vec<StorageVolume> {
        let is_early = self.last.is_some_and(|last| now.saturating_duration_since(last) < TELL_EVERY);
        let is_news = |id: &VolumeId| {
            self.revisions.get(id).is_none_or(|(told, at)| {
                *told < catalog.revision() || now.saturating_duration_since(*at) >= REPEAT_EVERY
            })
        };
        let is_asked = |id: &VolumeId| asked.iter().any(|(volume, _)| volume == id);
        let is_due = |id: &VolumeId| is_asked(id) || !is_early && is_news(id);
        let mut due = used_volumes(catalog);
        due.retain(|v| readable.contains(&v.id) && self.checked.contains(&v.id) && is_due(&v.id));
        if !due.is_empty() {
            self.last = Some(now);
        }
        due
    }

    pub(super) fn take(&mut self, written: Written, now: Instant) {
        for failure in written.failures.iter().filter(|f| !self.failures.contains(f)) {
            tracing::warn!(failure, "how far the metadata are could not be told in this volume");
        }
        self.failures = written.failures;
        // A hold is answered when the mark that answers it is there.
        self.answered.extend(written.asked.into_iter().filter(|(volume, _)| written.volumes.contains(volume)));
        self.revisions.extend(written.volumes.into_iter().map(|id| (id, (written.revision, now))));
    }

    /// The greatest revision told.
    pub(super) fn greatest(&self) -> Revision {
        self.revisions.values().map(|(revision, _)| *revision).max().unwrap_or_default()
    }
}

/// What was told where.
#[derive(Debug)]
pub(super) struct Written {
    revision: Revision,
    volumes: Vec<VolumeId>,
    /// The holds that the mark was written for.
    pub(super) asked: Vec<(VolumeId, HoldSeen)>,
    failures: Vec<String>,
}

/// Writes the mark into these volumes, side by side and not for long.
pub(super) async fn tell(catalog: &Catalog, volumes: &[StorageVolume], facts: &OwnerFacts) -> Written {
    let (identity, revision) = (catalog.identity(), catalog.revision());
    let layout = Layout(identity.service_id.clone());
    let mark = Mark::new(identity.epoch, &identity.incarnation, revision, facts);
    let writes = volumes.iter().map(|spec| async {
        let written = tokio::time::timeout(LOOK_LIMIT, async {
            let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
            mark::write(&volume, &layout, &mark).await.map_err(|e| e.chain())
        });
        written.await.unwrap_or_else(|_| Err(format!("no answer within {} s", LOOK_LIMIT.as_secs())))
    });
    let mut told = Written { revision, volumes: Vec::new(), asked: Vec::new(), failures: Vec::new() };
    for (spec, written) in volumes.iter().zip(futures::future::join_all(writes).await) {
        match written {
            Ok(()) => told.volumes.push(spec.id),
            Err(cause) => told.failures.push(format!("{}: {cause}", spec.name)),
        }
    }
    told
}

/// Whether the leader of this very incarnation has told more in this root than these metadata are at; in words.
pub(super) async fn ahead(
    volume: &Volume,
    layout: &Layout,
    catalog: &Catalog,
    at: Revision,
) -> Result<Option<String>, String> {
    let identity = catalog.identity();
    let mark = mark::read(volume, layout, identity.epoch, &identity.incarnation).await.map_err(|e| e.chain())?;
    Ok(mark.filter(|mark| mark.revision > at).map(|mark| describe(at, &mark)))
}

fn describe(at: Revision, mark: &Mark) -> String {
    format!(
        "the metadata is at revision {at}, behind revision {} that this cluster's leader published on {} UTC: the meta \
         directory was copied back; to go on from it all the same, stop every frontend and run `starkeep meta adopt`, which \
         draws a new incarnation",
        mark.revision, mark.at.text
    )
}

/// Whether these metadata, all that was ever committed of them applied, were copied back; in words. A store that does not
/// answer says nothing.
pub async fn copied_back(catalog: &Catalog) -> Option<String> {
    let layout = Layout(catalog.identity().service_id.clone());
    let volumes = used_volumes(catalog);
    let looks = volumes.iter().map(|spec| async {
        let seen = tokio::time::timeout(LOOK_LIMIT, async {
            let volume = Volume::open(spec).map_err(|e| storage_volume::error_chain(&e))?;
            ahead(&volume, &layout, catalog, catalog.revision()).await
        });
        let seen = seen.await.unwrap_or_else(|_| Err(format!("no answer within {} s", LOOK_LIMIT.as_secs())));
        seen.unwrap_or_else(|cause| {
            tracing::warn!(
                volume = spec.name,
                cause,
                "whether the metadata were copied back is not known of this volume"
            );
            None
        })
    });
    futures::future::join_all(looks).await.into_iter().flatten().next()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use storage_catalog::{ClusterIdentity, Command, Envelope, VolumeDraft};
    use storage_model::{ClusterId, Epoch, Incarnation, Now, ServiceId, UnixMillis, VolumeType};

    use super::*;

    fn catalog(dir: &std::path::Path, more: u64) -> Catalog {
        let identity = ClusterIdentity {
            cluster_id: ClusterId(1),
            token: "t".to_owned(),
            service_id: ServiceId("svc".to_owned()),
            incarnation: Incarnation("ab".repeat(16)),
            epoch: Epoch(1),
        };
        let mut catalog = Catalog::genesis(identity, UnixMillis(1));
        let draft = VolumeDraft {
            name: "v".to_owned(),
            volume_type: VolumeType::Local,
            location: format!("file://{}", dir.display()),
            comment: String::new(),
            enabled: true,
            properties: BTreeMap::new(),
        };
        let create = Command::CreateVolume { draft, if_not_exists: false };
        catalog.apply(&Envelope { proposed_at: Now::at(2), command: create }).unwrap();
        for _ in 0..more {
            catalog.apply(&Envelope { proposed_at: Now::at(3), command: Command::KeepTime }).unwrap();
        }
        catalog
    }

    #[tokio::test]
    async fn metadata_behind_their_mark_were_copied_back() {
        let dir = tempfile::tempdir().unwrap();
        let (then, now) = (catalog(dir.path(), 3), catalog(dir.path(), 9));
        assert_eq!(copied_back(&then).await, None, "nothing was told yet");
        let facts = OwnerFacts::new("h", UnixMillis(1_739_857_978_000), "0.1.0");
        let written = tell(&now, &used_volumes(&now), &facts).await;
        assert!(written.volumes.len() == 1 && written.failures.is_empty(), "{written:?}");
        assert_eq!(copied_back(&now).await, None);
        let text = copied_back(&then).await.unwrap();
        for says in ["at revision 4,", "behind revision 10", "2025-02-18 05:52:58 UTC", "`starkeep meta adopt`"] {
            assert!(text.contains(says), "{text}");
        }
        // A new incarnation has a mark of its own.
        let mut adopted = then.clone();
        adopted.header.identity.incarnation = Incarnation("cd".repeat(16));
        assert_eq!(copied_back(&adopted).await, None);
        // A store that cannot be asked says nothing.
        std::fs::remove_dir_all(dir.path()).unwrap();
        std::fs::write(dir.path(), b"no directory").unwrap();
        assert_eq!(copied_back(&then).await, None);
        let failed = tell(&now, &used_volumes(&now), &facts).await;
        assert!(failed.volumes.is_empty() && failed.failures.len() == 1, "{failed:?}");
    }

    #[test]
    fn it_is_told_when_it_moved_and_not_too_often() {
        let dir = tempfile::tempdir().unwrap();
        let (then, now) = (catalog(dir.path(), 3), catalog(dir.path(), 9));
        let id = then.volumes().next().unwrap().id;
        let (mut told, start) = (Told::default(), Instant::now());
        assert!(told.due(&then, &[id], &[], start).is_empty(), "its mark was not read yet");
        told.checked.insert(id);
        assert!(told.due(&then, &[], &[], start).is_empty(), "it does not answer");
        assert_eq!(told.due(&then, &[id], &[], start).len(), 1);
        let none = Written { revision: then.revision(), volumes: Vec::new(), asked: Vec::new(), failures: Vec::new() };
        told.take(Written { failures: vec!["v: no".to_owned()], ..none }, start);
        assert!(told.due(&then, &[id], &[], start + TELL_EVERY / 2).is_empty(), "too early");
        assert_eq!(told.due(&then, &[id], &[], start + TELL_EVERY).len(), 1, "it failed, and is told again");
        let written = Written { revision: then.revision(), volumes: vec![id], asked: Vec::new(), failures: Vec::new() };
        told.take(written, start + TELL_EVERY);
        assert!(told.failures.is_empty() && told.greatest() == then.revision());
        assert!(told.due(&then, &[id], &[], start + TELL_EVERY * 2).is_empty(), "it has not moved");
        assert_eq!(told.due(&now, &[id], &[], start + TELL_EVERY * 2).len(), 1);
        assert_eq!(told.due(&then, &[id], &[], start + TELL_EVERY + REPEAT_EVERY).len(), 1, "it was long ago");
    }

    #[test]
    fn who_holds_a_root_is_answered_at_once_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = catalog(dir.path(), 3);
        let id = catalog.volumes().next().unwrap().id;
        let (mut told, start) = (Told::default(), Instant::now());
        told.checked.insert(id);
        assert_eq!(told.due(&catalog, &[id], &[], start).len(), 1);
        let hold = |at| vec![(id, (Incarnation("cd".repeat(16)), UnixMillis(at)))];
        let asked = told.asked(hold(1));
        assert_eq!(told.due(&catalog, &[id], &asked, start).len(), 1, "early, and no news: but somebody asks");
        let lost = Written { revision: Revision(1), volumes: Vec::new(), asked, failures: vec!["v: no".to_owned()] };
        told.take(lost, start);
        let asked = told.asked(hold(1));
        assert_eq!(told.due(&catalog, &[id], &asked, start).len(), 1, "the answer has not come into the root");
        told.take(Written { revision: Revision(1), volumes: vec![id], asked, failures: Vec::new() }, start);
        assert!(told.asked(hold(1)).is_empty());
        assert_eq!(told.asked(hold(2)), hold(2), "it was renewed");
    }
}
