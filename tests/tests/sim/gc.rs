//! Garbage: condemned by whoever thinks so (apply knows better), deleted for real, forgotten later or after a crash.

use std::collections::BTreeSet;

use rand::Rng;
use rand::seq::IteratorRandom;
use storage_catalog::{Command, Outcome};
use storage_model::FileId;

use super::world::World;

impl World {
    pub fn condemn(&mut self) -> &'static str {
        if !self.delayed.is_empty() && self.chance(1, 2) {
            let command = self.delayed.remove(0);
            return self.condemn_now(command);
        }
        let (oldest_read, grace_millis) = (self.oldest_read(), self.rng.random_range(0..12) * 1000);
        let files: Vec<FileId> = if self.chance(2, 3) {
            self.catalog.condemnable(oldest_read, self.catalog.header.uptime, grace_millis, 20, |_| true)
        } else {
            // A coordinator that has lost its mind.
            self.catalog.files().map(|f| f.id).choose_multiple(&mut self.rng, 10)
        };
        let command = Command::Condemn { files, oldest_read, grace_millis };
        if self.chance(1, 4) {
            self.delayed.push(command);
            return "condemn later";
        }
        self.condemn_now(command)
    }

    fn condemn_now(&mut self, command: Command) -> &'static str {
        let Command::Condemn { files, oldest_read, grace_millis } = &command else { return "nothing" };
        let objects: Vec<(FileId, String)> =
            files.iter().filter_map(|id| self.catalog.file(*id)).map(|f| (f.id, f.object.to_string())).collect();
        let (oldest_read, grace) = (oldest_read.0, *grace_millis);
        let reply = self.apply(command);
        if self.model.is_careful() {
            self.tally.count("careful refused");
            self.expect(&reply, false);
            return "condemn, careful";
        }
        let mut expected = BTreeSet::new();
        for (id, object) in objects {
            let file = &self.model.files[&object];
            if self.model.is_garbage(file, oldest_read, grace) {
                expected.insert(id);
                self.model.files.get_mut(&object).unwrap().condemned = true;
                self.tally.count("condemned");
            } else if self.model.is_garbage(file, u64::MAX, 0) {
                self.tally.count("read file left");
            } else if self.model.is_only_foreign(file) {
                self.tally.count("foreign file left");
            } else if file.removed.is_some() && !file.condemned {
                self.tally.count("pinned file left");
            }
        }
        match reply {
            Ok(Outcome::Condemned(found)) if found.iter().copied().collect::<BTreeSet<_>>() == expected => {}
            other => self.problem = Some(format!("the model condemns {expected:?}, the catalog says {other:?}")),
        }
        "condemn"
    }

    pub fn delete_and_forget(&mut self) -> &'static str {
        let condemned: Vec<(FileId, String)> =
            self.catalog.condemned(8, |_| true).into_iter().map(|f| (f.id, f.object.to_string())).collect();
        for (_, object) in &condemned {
            self.store.objects.remove(object);
        }
        if self.chance(1, 4) {
            return "delete, and die";
        }
        let mut files: Vec<FileId> = condemned.iter().map(|(id, _)| *id).collect();
        // Nor does a mad coordinator make the catalog forget what it did not condemn.
        let others: Vec<FileId> = self.catalog.files().filter(|f| f.condemned_at().is_none()).map(|f| f.id).collect();
        files.extend(others.into_iter().choose(&mut self.rng));
        let reply = self.apply(Command::Forget { files });
        if !matches!(reply, Ok(Outcome::Erased(n)) if n == condemned.len() as u64) {
            self.problem = Some(format!("{} files were condemned and deleted, Forget says {reply:?}", condemned.len()));
        }
        for (_, object) in condemned {
            self.model.files.remove(&object);
            self.forgotten.insert(object);
            self.tally.count("forgotten");
        }
        "delete and forget"
    }

    pub fn erase_trash(&mut self) -> &'static str {
        let older_than_millis = self.rng.random_range(0..20) * 1000;
        let reply = self.apply(Command::EraseTrash { older_than_millis });
        if self.model.is_careful() {
            self.tally.count("careful refused");
            self.expect(&reply, false);
            return "erase, careful";
        }
        let clock = self.model.clock;
        let (old, young): (Vec<_>, Vec<_>) =
            self.model.trash.drain(..).partition(|t| clock - t.dropped_at >= older_than_millis);
        self.model.trash = young;
        if reply != Ok(Outcome::Erased(old.len() as u64)) {
            self.problem = Some(format!("{} things in the bin are old, EraseTrash says {reply:?}", old.len()));
        }
        for trash in old {
            self.model.end_lives(trash.what.objects());
            self.tally.count("erased");
        }
        "erase"
    }
}
