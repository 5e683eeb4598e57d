//! What the catalog should be, in plain maps, written from the specification and not from the catalog. Things are known
//! by their birth: a number that is never given twice.

use std::collections::{BTreeMap, BTreeSet};

use storage_catalog::PresentManifest;
use storage_model::JobState;

/// Three days.
const LABEL_MILLIS: u64 = 259_200_000;
const DAY_MILLIS: u64 = 86_400_000;

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub revision: u64,
    /// The cluster's uptime.
    pub clock: u64,
    pub births: u64,
    pub databases: BTreeMap<String, Database>,
    pub trash: Vec<Trash>,
    pub files: BTreeMap<String, File>,
    pub jobs: BTreeMap<u64, Job>,
    pub labels: BTreeMap<(u64, String), u64>,
    pub automation: bool,
    pub careful_until: Option<u64>,
    pub next_txn: u64,
    /// Loads below this were given up.
    pub txn_floor: u64,
    /// When a file last came back whose life had ended.
    pub revived: Option<u64>,
    /// How many automated snapshots are kept.
    pub kept: usize,
}

#[derive(Clone, Debug)]
pub struct Database {
    pub birth: u64,
    pub tables: BTreeMap<String, Table>,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub birth: u64,
    /// The first number of its AUTO_INCREMENT column that nobody has leased.
    pub next_id: u64,
    /// By the number at which their range begins.
    pub partitions: BTreeMap<i64, Partition>,
}

#[derive(Clone, Debug)]
pub struct Partition {
    pub birth: u64,
    pub name: String,
    pub upper: i64,
    /// 1 when it is new, +1 for every commit that touches it.
    pub version: u64,
    pub objects: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub struct Trash {
    pub dropped_at: u64,
    pub what: Dropped,
}

/// What was dropped, and from where.
#[derive(Clone, Debug)]
pub enum Dropped {
    Database {
        name: String,
        database: Database,
    },
    /// `database`: its birth.
    Table {
        database: u64,
        name: String,
        table: Table,
    },
    /// `table`: its birth.
    Partition {
        table: u64,
        lower: i64,
        partition: Partition,
    },
}

impl Table {
    pub fn objects(&self) -> BTreeSet<String> {
        self.partitions.values().flat_map(|p| p.objects.iter().cloned()).collect()
    }

    /// Whether there is room for a range.
    pub fn has_room(&self, lower: i64, upper: i64) -> bool {
        !self.partitions.iter().any(|(at, p)| *at < upper && lower < p.upper)
    }

    pub fn partition_named(&self, name: &str) -> Option<i64> {
        self.partitions.iter().find(|(_, p)| p.name.eq_ignore_ascii_case(name)).map(|(at, _)| *at)
    }
}

impl Dropped {
    pub fn objects(&self) -> BTreeSet<String> {
        match self {
            Dropped::Database { database, .. } => database.tables.values().flat_map(Table::objects).collect(),
            Dropped::Table { table, .. } => table.objects(),
            Dropped::Partition { partition, .. } => partition.objects.clone(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct File {
    pub rows: u64,
    pub created: u64,
    pub removed: Option<(u64, u64)>,
    pub condemned: bool,
}

#[derive(Clone, Debug)]
pub struct Job {
    pub name: String,
    pub automated: bool,
    pub state: JobState,
    pub cuts: Vec<u64>,
    pub cut: Option<u64>,
    /// Of a snapshot of another timeline.
    pub foreign: Option<Foreign>,
}

/// What a snapshot of another timeline keeps.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    /// The last moment that it may have in common with this timeline.
    pub upto: u64,
    /// Whether the timelines may have parted earlier: then it may need what has ended since.
    pub is_vague: bool,
    /// Snapshots from which files may have come back behind that moment: their cuts, and those of other timelines.
    pub cuts: BTreeSet<u64>,
    pub others: Vec<Foreign>,
}

impl Foreign {
    pub fn keeps(&self, file: &File) -> bool {
        let lives_at = |at: u64| file.created <= at && file.removed.is_none_or(|(end, _)| at < end);
        lives_at(self.upto)
            || (self.is_vague && file.created <= self.upto)
            || self.cuts.iter().any(|cut| lives_at(*cut))
            || self.others.iter().any(|other| other.keeps(file))
    }
}

impl Model {
    pub fn birth(&mut self) -> u64 {
        self.births += 1;
        self.births
    }

    pub fn is_careful(&self) -> bool {
        self.careful_until.is_some_and(|until| self.clock < until)
    }

    pub fn tables(&self) -> impl Iterator<Item = (&String, &String, &Table)> {
        self.databases.iter().flat_map(|(db, d)| d.tables.iter().map(move |(name, t)| (db, name, t)))
    }

    pub fn table(&self, birth: u64) -> Option<(&Database, &Table)> {
        self.databases.values().find_map(|d| Some((d, d.tables.values().find(|t| t.birth == birth)?)))
    }

    pub fn partition_mut(&mut self, birth: u64) -> Option<&mut Partition> {
        let tables = self.databases.values_mut().flat_map(|d| d.tables.values_mut());
        tables.flat_map(|t| t.partitions.values_mut()).find(|p| p.birth == birth)
    }

    /// A partition that held these is gone: their lives end now, unless another holds them too.
    pub fn end_lives(&mut self, objects: impl IntoIterator<Item = String>) {
        let live = self.tables().flat_map(|(_, _, t)| t.objects());
        let held: BTreeSet<String> = live.chain(self.trash.iter().flat_map(|t| t.what.objects())).collect();
        for object in objects.into_iter().filter(|object| !held.contains(object)) {
            let file = self.files.get_mut(&object).unwrap();
            file.removed.get_or_insert((self.revision, self.clock));
        }
    }

    pub fn discard(&mut self, what: Dropped, force: bool) {
        if force {
            self.end_lives(what.objects());
        } else {
            self.trash.push(Trash { dropped_at: self.clock, what });
        }
    }

    /// Takes out of the bin what was dropped last of those that are wanted.
    pub fn take_back(&mut self, is_it: impl Fn(&Dropped) -> bool) -> Option<Dropped> {
        let at = self.trash.iter().rposition(|trash| is_it(&trash.what))?;
        Some(self.trash.remove(at).what)
    }

    /// Every revision that a snapshot of this timeline pins: cuts of running jobs, and the chosen cut until its objects are
    /// deleted.
    pub fn pins(&self) -> BTreeSet<u64> {
        let pins = |job: &Job| match job.state {
            JobState::Snapshoting => job.cuts.clone(),
            JobState::Finished | JobState::Expired if job.foreign.is_none() => job.cut.into_iter().collect(),
            _ => Vec::new(),
        };
        self.jobs.values().flat_map(pins).collect()
    }

    fn is_pinned(&self, file: &File, removed: u64) -> bool {
        self.pins().iter().any(|pin| file.created <= *pin && *pin < removed)
    }

    fn is_foreign(&self, file: &File) -> bool {
        let kept = self.jobs.values().filter(|job| matches!(job.state, JobState::Finished | JobState::Expired));
        kept.filter_map(|job| job.foreign.as_ref()).any(|foreign| foreign.keeps(file))
    }

    /// Whether all that GC may not take it for is a snapshot of another timeline.
    pub fn is_only_foreign(&self, file: &File) -> bool {
        let Some((removed, _)) = file.removed else { return false };
        !file.condemned && self.is_foreign(file) && !self.is_pinned(file, removed)
    }

    /// Whether GC may take the file.
    pub fn is_garbage(&self, file: &File, oldest_read: u64, grace: u64) -> bool {
        let Some((removed, when)) = file.removed else { return false };
        let pinned = self.is_pinned(file, removed) || self.is_foreign(file);
        !file.condemned && !pinned && oldest_read >= removed && self.clock - when >= grace
    }

    pub fn unfinished(&self) -> Option<(u64, &Job)> {
        self.jobs.iter().find(|(_, j)| j.state.is_unfinished()).map(|(id, j)| (*id, j))
    }

    /// Whether the label is free; it is taken then.
    pub fn take_label(&mut self, database: u64, label: &str) -> bool {
        let now = self.clock;
        self.labels.retain(|_, used| now - *used < LABEL_MILLIS);
        match self.labels.contains_key(&(database, label.to_owned())) {
            true => false,
            false => self.labels.insert((database, label.to_owned()), now).is_none(),
        }
    }

    /// At most `max` rows, the one about to begin among them; only those that are over go, the oldest first, and a quarter
    /// is always theirs.
    pub fn trim_jobs(&mut self, max: usize) {
        while self.jobs.len() >= max {
            let over: Vec<u64> = self.jobs.iter().filter(|(_, j)| j.state.is_final()).map(|(id, _)| *id).collect();
            if over.len() <= max / 4 {
                return;
            }
            self.jobs.remove(&over[0]);
        }
    }

    /// An automated snapshot is restorable: of those before it, only the newest few are offered any longer.
    pub fn expire_before(&mut self, newest: u64) {
        let kept = if self.automation { self.kept } else { 1 };
        let restorable = self.jobs.range_mut(..=newest).map(|(_, job)| job).rev();
        let restorable = restorable.filter(|job| job.automated && job.state == JobState::Finished);
        restorable.skip(kept).for_each(|job| job.state = JobState::Expired);
    }

    /// Snapshots from which tables can be restored: the cuts of this timeline's, and what those of others keep. One that is
    /// being made may become one.
    pub fn sources(&self) -> (BTreeSet<u64>, Vec<Foreign>) {
        let may = |job: &&Job| matches!(job.state, JobState::Snapshoting | JobState::Finished);
        let (mut cuts, mut others) = (BTreeSet::new(), Vec::new());
        for job in self.jobs.values().filter(may) {
            match (&job.foreign, job.state) {
                (Some(foreign), _) => others.push(foreign.clone()),
                (None, JobState::Finished) => cuts.extend(job.cut),
                (None, _) => cuts.extend(&job.cuts),
            }
        }
        (cuts, others)
    }

    /// This model, frozen at its cut, becomes the model of the restored cluster.
    pub fn restored(&self, name: &str, cut: u64, present: &[PresentManifest]) -> Model {
        let is_there = |job: &Job| present.iter().any(|found| job.name == found.name && job.cut == Some(found.cut.0));
        let mut next = self.clone();
        next.revision += 1;
        next.careful_until = Some(next.clock + DAY_MILLIS);
        for job in next.jobs.values_mut() {
            if job.name == name {
                job.state = JobState::Finished;
                job.cut = Some(cut);
            } else if job.state.is_unfinished() {
                job.state = JobState::Error;
            } else if !job.state.is_final() && !is_there(job) {
                job.state = JobState::Deleted;
            }
        }
        next
    }

    /// A manifest of which no snapshot is known is kept with all that it may need; its birth.
    pub fn take_in(&mut self, found: &PresentManifest, foreign: Foreign) -> Option<u64> {
        let (name, cut) = (&found.name, Some(found.cut.0));
        if self.jobs.values().any(|job| job.name == *name && job.cut == cut && !job.state.is_final()) {
            return None;
        }
        self.jobs.retain(|_, job| job.name != *name || !job.state.is_final());
        for file in self.files.values_mut().filter(|file| foreign.keeps(file)) {
            file.condemned = false;
        }
        let birth = self.birth();
        let (name, foreign) = (name.clone(), Some(foreign));
        let job = Job { name, automated: false, state: JobState::Finished, cuts: Vec::new(), cut, foreign };
        self.jobs.insert(birth, job);
        Some(birth)
    }
}
