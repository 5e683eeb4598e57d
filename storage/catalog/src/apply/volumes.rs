//! Storage volumes.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage_model::volume::BUILTIN_STORAGE_VOLUME;
use storage_model::{StorageVolume, VolumeId};

use crate::catalog::Catalog;
use crate::command::{Outcome, Rejection, Reply, VolumeDraft};

impl Catalog {
    pub(super) fn create_volume(&mut self, draft: &VolumeDraft, if_not_exists: bool) -> Reply {
        if self.volume_by_name(&draft.name).is_some() {
            let exists = Err(Rejection::VolumeExists(draft.name.clone()));
            return if if_not_exists { Ok(Outcome::Nothing) } else { exists };
        }
        self.check_not_borrowed(draft)?;
        Ok(Outcome::Volume(self.insert_volume(draft)))
    }

    /// A second volume at a place that is borrowed would claim it, and so take it from its owner.
    fn check_not_borrowed(&self, draft: &VolumeDraft) -> Result<(), Rejection> {
        // Two servers may have a bucket of the same name.
        let place = |location: &str, properties: &BTreeMap<String, String>| {
            (location.trim_end_matches('/').to_owned(), properties.get("aws.s3.endpoint").cloned())
        };
        let wanted = place(&draft.location, &draft.properties);
        let mut borrowed = self.volumes.values().filter(|volume| volume.borrowed.is_some());
        match borrowed.find(|volume| place(&volume.location, &volume.properties) == wanted) {
            Some(volume) => Err(Rejection::VolumeRule(format!(
                "Storage volume '{}' can not be at {}: storage volume '{}' borrows that place from another cluster",
                draft.name, draft.location, volume.name
            ))),
            None => Ok(()),
        }
    }

    fn insert_volume(&mut self, draft: &VolumeDraft) -> VolumeId {
        let id = VolumeId(self.draw_id());
        let volume = StorageVolume {
            id,
            name: draft.name.clone(),
            volume_type: draft.volume_type,
            location: draft.location.clone(),
            comment: draft.comment.clone(),
            enabled: draft.enabled,
            borrowed: None,
            properties: draft.properties.clone(),
        };
        self.volumes.insert(id, Arc::new(volume));
        id
    }

    pub(super) fn alter_volume(
        &mut self,
        name: &str,
        comment: Option<&str>,
        enabled: Option<bool>,
        properties: &BTreeMap<String, String>,
    ) -> Reply {
        let found = self.volume_by_name(name).ok_or_else(|| Rejection::NoSuchVolume(name.to_owned()))?;
        let mut volume = found.as_ref().clone();
        if enabled == Some(true) && volume.borrowed.is_some() {
            return Err(Rejection::VolumeRule(format!(
                "Storage volume '{name}' is borrowed from another cluster and can not be enabled"
            )));
        }
        if enabled == Some(false) && self.header.default_volume == Some(volume.id) {
            return Err(Rejection::VolumeRule("Default volume can not be disabled".to_owned()));
        }
        volume.comment = comment.map_or(volume.comment, str::to_owned);
        volume.enabled = enabled.unwrap_or(volume.enabled);
        volume.properties.extend(properties.clone());
        self.volumes.insert(volume.id, Arc::new(volume));
        Ok(Outcome::Done)
    }

    pub(super) fn drop_volume(&mut self, name: &str, if_exists: bool) -> Reply {
        let Some((volume, borrowed)) = self.volume_by_name(name).map(|v| (v.id, v.borrowed.is_some())) else {
            let missing = Err(Rejection::NoSuchVolume(name.to_owned()));
            return if if_exists { Ok(Outcome::Nothing) } else { missing };
        };
        let rule = |text: String| Err(Rejection::VolumeRule(text));
        if self.header.default_volume == Some(volume) {
            return rule("default storage volume can not be removed".to_owned());
        }
        if name == BUILTIN_STORAGE_VOLUME {
            return rule(format!("{BUILTIN_STORAGE_VOLUME} is described by fe.conf and can not be removed"));
        }
        let by_policy = self.header.snapshot_policy.as_ref().is_some_and(|p| p.volume == volume);
        let by_job = self.jobs.values().any(|job| job.volume == volume && !job.state.is_final());
        if by_policy || by_job {
            return rule(format!("Snapshot enabled on storage volume '{name}', drop volume failed."));
        }
        let dbs: Vec<_> =
            self.databases.values().filter(|d| d.volume == Some(volume)).map(|d| d.name.as_str()).collect();
        let tables: Vec<_> = self.tables.values().filter(|t| t.volume == volume).map(|t| t.name.as_str()).collect();
        if !dbs.is_empty() || !tables.is_empty() {
            let (dbs, tables) = (dbs.join(", "), tables.join(", "));
            return rule(format!(
                "Storage volume '{name}' is referenced by dbs or tables, dbs: [{dbs}], tables: [{tables}]"
            ));
        }
        if self.files.values().any(|f| f.volume == volume)
            || self.trash.values().any(|t| t.tables.iter().any(|t| t.volume == volume))
        {
            let why = match borrowed {
                true => "is borrowed, and files there are still needed",
                false => "still holds files of dropped tables; they are deleted in the background",
            };
            return rule(format!("Storage volume '{name}' {why}"));
        }
        self.volumes.remove(&volume);
        Ok(Outcome::Done)
    }

    pub(super) fn set_default_volume(&mut self, name: &str) -> Reply {
        let volume = self.volume_by_name(name).ok_or_else(|| Rejection::NoSuchVolume(name.to_owned()))?;
        if !volume.enabled {
            return Err(Rejection::VolumeDisabled(name.to_owned()));
        }
        self.header.default_volume = Some(volume.id);
        Ok(Outcome::Done)
    }

    pub(super) fn ensure_builtin_volume(&mut self, draft: &VolumeDraft) -> Reply {
        let Some(found) = self.volume_by_name(BUILTIN_STORAGE_VOLUME) else {
            self.check_not_borrowed(draft)?;
            let id = self.insert_volume(draft);
            self.header.default_volume.get_or_insert(id);
            return Ok(Outcome::Volume(id));
        };
        let mut volume = found.as_ref().clone();
        if volume.volume_type != draft.volume_type || volume.location != draft.location {
            let text = format!(
                "fe.conf puts {BUILTIN_STORAGE_VOLUME} at {} but its data is at {}: the location of a volume can not \
                 be changed",
                draft.location, volume.location
            );
            return Err(Rejection::VolumeRule(text));
        }
        if volume.properties == draft.properties {
            return Ok(Outcome::Nothing);
        }
        volume.properties = draft.properties.clone();
        self.volumes.insert(volume.id, Arc::new(volume));
        Ok(Outcome::Done)
    }
}
