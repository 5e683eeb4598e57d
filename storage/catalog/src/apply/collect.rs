//! Garbage: condemned, deleted by the coordinator, forgotten; and the recycle bin.

use std::sync::Arc;

use storage_model::{FileId, Revision};

use crate::catalog::{Catalog, object_hash};
use crate::command::{Outcome, Rejection, Reply};

impl Catalog {
    /// The coordinator's candidates are checked again here, where nothing can come in between.
    pub(super) fn condemn(&mut self, candidates: &[FileId], oldest_read: Revision, grace_millis: u64) -> Reply {
        if self.is_careful() {
            return Err(Rejection::Careful);
        }
        let pins = self.pins();
        let (revision, now) = (self.header.revision, self.header.uptime);
        let mut condemned = Vec::new();
        for id in candidates {
            let Some(file) = self.files.get(id) else { continue };
            if file.condemned_at().is_some() || self.kept(file, &pins, oldest_read, now, grace_millis).is_some() {
                continue;
            }
            let mut file = file.as_ref().clone();
            let Some(end) = &mut file.end else { continue };
            end.condemned_at = Some(revision);
            self.files.insert(*id, Arc::new(file));
            condemned.push(*id);
        }
        Ok(Outcome::Condemned(condemned))
    }

    pub(super) fn forget(&mut self, files: &[FileId]) -> Reply {
        let mut forgotten = 0;
        for id in files {
            let Some(file) = self.files.get(id).cloned() else { continue };
            let (Some(_), Some((removed, _))) = (file.condemned_at(), file.removed_at()) else { continue };
            self.removed.remove(&(removed, *id));
            self.objects.remove(&(object_hash(file.volume, &file.object.to_string()), *id));
            self.files.remove(id);
            forgotten += 1;
        }
        Ok(Outcome::Erased(forgotten))
    }

    pub(super) fn erase_trash(&mut self, older_than_millis: u64) -> Reply {
        if self.is_careful() {
            return Err(Rejection::Careful);
        }
        let now = self.header.uptime;
        let is_old = |t: &&Arc<crate::catalog::Trash>| now.since(t.dropped_uptime) >= older_than_millis;
        let old: Vec<_> = self.trash.values().filter(is_old).cloned().collect();
        for trash in &old {
            self.erase_partitions(trash.all_partitions());
            self.trash.remove(&trash.id);
        }
        Ok(Outcome::Erased(old.len() as u64))
    }
}
