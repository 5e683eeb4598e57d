//! Tables come back out of snapshots, over the files that they had then; some so late that the snapshot is gone.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use storage_catalog::restore_table::{TableName, command};
use storage_catalog::{Command, Outcome, image};
use storage_model::JobState;

use super::model::{Model, Table};
use super::schema::{DATABASES, TABLES};
use super::world::World;

/// A table that was taken out of a snapshot, on its way through the log.
pub struct Returning {
    /// The birth of the snapshot.
    snapshot: u64,
    to: TableName,
    /// As the snapshot has it.
    table: Table,
    command: Command,
}

/// Where it goes: most often a name that is free.
fn place(model: &Model, rng: &mut StdRng) -> TableName {
    let all = (0..DATABASES).flat_map(|d| (0..TABLES).map(move |t| (format!("d{d}"), format!("t{t}"))));
    let is_free = |(database, table): &(String, String)| {
        model.databases.get(database).is_some_and(|known| !known.tables.contains_key(table))
    };
    let wants_free = rng.random_ratio(4, 5);
    let chosen = all.filter(|name| !wants_free || is_free(name)).choose(rng);
    let (database, table) = chosen.unwrap_or_else(|| ("d0".to_owned(), "t0".to_owned()));
    TableName { database, table }
}

impl World {
    pub fn restore_table(&mut self) -> &'static str {
        if !self.returning.is_empty() && self.chance(1, 3) {
            let at = self.rng.random_range(0..self.returning.len());
            let returning = self.returning.swap_remove(at);
            return self.bring_back(returning);
        }
        let Some(returning) = self.take_out() else { return "no table to restore" };
        if self.chance(1, 2) {
            self.returning.push(returning);
            return "restore table later";
        }
        self.bring_back(returning)
    }

    /// What the leader reads in the store, and makes of it.
    fn take_out(&mut self) -> Option<Returning> {
        let restorable = self.model.jobs.iter().filter(|(_, job)| {
            let manifest = self.store.manifests.get(&job.name).filter(|manifest| !manifest.is_void);
            job.state == JobState::Finished && manifest.is_some_and(|manifest| job.cut == Some(manifest.cut))
        });
        let (snapshot, source) = restorable.map(|(birth, job)| (*birth, job.clone())).choose(&mut self.rng)?;
        let manifest = &self.store.manifests[&source.name];
        let (database, name, table) = manifest.model.tables().choose(&mut self.rng)?;
        let (from, table) = (TableName { database: database.clone(), table: name.clone() }, table.clone());
        let past = image::decode(&manifest.sections).unwrap();
        let to = place(&self.model, &mut self.rng);
        let job = self.catalog.job(self.job_ids[&snapshot])?;
        let drafted = command(&self.catalog, job, &past, &from, &to);
        let is_whole = table.objects().iter().all(|o| self.model.files.get(o).is_some_and(|file| !file.condemned));
        if !is_whole && source.foreign.is_none() {
            self.problem = Some(format!("{} is restorable, and a file of its table {from} is not", source.name));
        }
        match (drafted, is_whole) {
            (Ok(command), true) => Some(Returning { snapshot, to, table, command }),
            (Err(_), false) => {
                self.tally.count("table of another timeline refused");
                None
            }
            (drafted, _) => {
                self.problem = Some(format!("{from} of {}: all files are there: {is_whole}, {drafted:?}", source.name));
                None
            }
        }
    }

    fn bring_back(&mut self, returning: Returning) -> &'static str {
        let Returning { snapshot, to, mut table, command } = returning;
        let reply = self.apply(command);
        let source = self.model.jobs.get(&snapshot).filter(|job| job.state == JobState::Finished);
        let (is_there, is_foreign) = (source.is_some(), source.is_some_and(|job| job.foreign.is_some()));
        let database = self.model.databases.get(&to.database);
        let is_free = database.is_some_and(|database| !database.tables.contains_key(&to.table));
        self.expect(&reply, is_there && is_free);
        let Ok(Outcome::Table(id)) = reply else {
            self.tally.count(match is_there {
                true => "table restore refused",
                false => "snapshot gone before its table was restored",
            });
            return "restore table, refused";
        };
        for object in table.objects() {
            let file = self.model.files.get_mut(&object).unwrap();
            if file.removed.take().is_some() {
                self.model.revived = Some(self.model.revision);
                self.tally.count("file came back");
            }
        }
        table.birth = self.model.birth();
        for partition in table.partitions.values_mut() {
            partition.birth = self.model.birth();
        }
        self.table_ids.insert(table.birth, id);
        if let Some(database) = self.model.databases.get_mut(&to.database) {
            database.tables.insert(to.table, table);
        }
        self.tally.count(if is_foreign { "table restored from another timeline" } else { "table restored" });
        "restore table"
    }
}
