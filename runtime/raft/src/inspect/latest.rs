//! What a directory comes to: the newest whole image, and the log behind it applied.

use storage_catalog::Catalog;
use storage_model::Revision;

use super::{Content, Group, InspectedImage, Inspection};
use crate::error::RaftError;
use crate::log_store::scan;

/// The catalog as a frontend would have it that starts from this directory.
#[derive(Debug)]
pub struct Latest {
    /// The image and what was applied.
    pub catalog: Catalog,
    /// Of the image.
    pub image: Revision,
    /// The group as it was in the end.
    pub group: Group,
    /// Commands applied that are known to be committed.
    pub committed: u64,
    /// Commands behind these that were applied: who votes alone commits whatever it writes.
    pub alone: u64,
    /// Commands behind these that were left out: whether a majority ever had them is not known.
    pub unknown: u64,
    /// Newer images that are damaged.
    pub skipped: Vec<RaftError>,
}

impl Inspection {
    /// Reads everything. An error when something is missing or damaged that a start would need.
    pub fn latest(&self) -> Result<Latest, RaftError> {
        let (image, skipped) = self.newest_image()?;
        let dir = self.log_dir()?;
        let scan = scan::scan(&dir)?;
        let incarnation = &image.catalog.identity().incarnation.0;
        match &scan.owner {
            Some(owner) if owner == incarnation => {}
            Some(owner) => {
                let cause = format!("it is of incarnation {owner}, the image of incarnation {incarnation}");
                return Err(RaftError::Foreign { path: dir, cause });
            }
            None => return Err(RaftError::Damaged { path: dir, cause: "the log is lost".to_owned() }),
        }
        let purged = scan.purged.map(|id| id.index);
        if purged > image.index {
            let (purged, path) = (purged.unwrap_or_default(), image.path.display());
            let cause = format!("it begins behind entry {purged}, and {path} ends before that: entries are missing");
            return Err(RaftError::Damaged { path: dir, cause });
        }
        let mut group = image.group;
        self.read_entries(&dir, &scan, &mut |entry| {
            if let Content::Group(found) = entry.content
                && Some(entry.index) > image.index
            {
                group = found;
            }
            Ok(())
        })?;
        let me = self.identity()?.node.id;
        let is_alone = matches!(group.voters.as_slice(), [only] if only.as_slice() == [me]);
        let known = scan.committed.map(|id| id.index);
        let (catalog, image_revision) = (image.catalog, image.revision);
        let mut latest = Latest { catalog, image: image_revision, group, committed: 0, alone: 0, unknown: 0, skipped };
        self.read_entries(&dir, &scan, &mut |entry| {
            let Content::Commands(commands) = entry.content else { return Ok(()) };
            if Some(entry.index) <= image.index {
                return Ok(());
            }
            let is_known = Some(entry.index) <= known;
            let count = match (is_known, is_alone) {
                (true, _) => &mut latest.committed,
                (false, true) => &mut latest.alone,
                (false, false) => &mut latest.unknown,
            };
            *count += commands.len() as u64;
            if is_known || is_alone {
                for command in &commands {
                    // Whether it was rejected was told to whoever proposed it.
                    let _ = latest.catalog.apply(command);
                }
            }
            Ok(())
        })?;
        Ok(latest)
    }

    fn newest_image(&self) -> Result<(InspectedImage, Vec<RaftError>), RaftError> {
        let mut skipped = Vec::new();
        for path in self.images()?.into_iter().rev() {
            match self.image(&path) {
                // A frontend that has joined and heard nothing yet.
                Ok(image) if image.index.is_none() => {
                    return Err(RaftError::Damaged { path, cause: "nothing of the cluster is in it yet".to_owned() });
                }
                Ok(image) => return Ok((image, skipped)),
                Err(error) => skipped.push(error),
            }
        }
        let none = RaftError::Damaged { path: self.dir.image_dir(), cause: "there is no image in it".to_owned() };
        Err(skipped.into_iter().next().unwrap_or(none))
    }
}
