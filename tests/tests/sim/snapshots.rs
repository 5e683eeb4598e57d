//! Snapshot jobs whose leader may die after any effect, and restores from whatever is restorable.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::seq::IteratorRandom;
use storage_catalog::image::{self, Secrets};
use storage_catalog::{Catalog, Command, Outcome, Rebase, rebase};
use storage_model::snapshot::JobEvent;
use storage_model::{
    Epoch, Frontend, FrontendRole, Incarnation, JobState, NodeId, RetentionChange, Revision, SnapshotKind, UnixMillis,
};

use super::model::{Foreign, Job};
use super::store::{Manifest, sha256};
use super::world::World;

const MAX_HISTORY: u32 = 5;

impl World {
    pub fn snapshot_step(&mut self) -> &'static str {
        if self.chance(1, 12) {
            return self.turn_on_or_off();
        }
        if self.chance(1, 10) {
            return self.wrong_event();
        }
        if self.chance(1, 3) {
            return self.sweep();
        }
        match self.model.unfinished().map(|(birth, job)| (birth, job.state)) {
            None => self.begin(),
            Some((birth, _)) if self.chance(1, 15) => self.fail(birth),
            Some((birth, JobState::Initializing)) => self.cut(birth, JobEvent::Cut),
            Some((birth, _)) if self.chance(1, 8) => self.cut(birth, JobEvent::Recut),
            Some((birth, _)) => self.upload(birth),
        }
    }

    fn turn_on_or_off(&mut self) -> &'static str {
        let on = self.chance(3, 4);
        let kept = self.rng.random_range(1..4);
        let retention = RetentionChange { newest: Some(kept), ..RetentionChange::default() };
        let command = match on {
            true => Command::EnableSnapshots { volume: None, interval_seconds: None, retention },
            false => Command::DisableSnapshots,
        };
        let reply = self.apply(command);
        self.expect(&reply, self.model.automation != on);
        if on && !self.model.automation {
            self.model.kept = kept as usize;
        }
        self.model.automation = on;
        "snapshots on or off"
    }

    fn begin(&mut self) -> &'static str {
        let automated = self.chance(if self.is_restless { 1 } else { 4 }, 5);
        let kind = if automated { SnapshotKind::Automated } else { SnapshotKind::Manual };
        let known = self.model.jobs.values().map(|j| j.name.clone()).choose(&mut self.rng);
        let name = match known {
            Some(known) if self.chance(1, 10) => known,
            _ => self.name("s"),
        };
        let (volume, comment) = (self.volume, String::new());
        let reply =
            self.apply(Command::BeginSnapshot { kind, name: name.clone(), volume, comment, max_history: MAX_HISTORY });
        let taken = self.model.unfinished().is_none()
            && (self.model.automation || !automated)
            && !self.model.jobs.values().any(|j| j.name == name && !j.state.is_final());
        self.expect(&reply, taken);
        if let (true, Ok(Outcome::Job(id))) = (taken, reply) {
            self.model.jobs.retain(|_, j| j.name != name);
            self.model.trim_jobs(MAX_HISTORY as usize);
            let birth = self.model.birth();
            self.job_ids.insert(birth, id);
            let (state, cuts) = (JobState::Initializing, Vec::new());
            let job = Job { name, automated, state, cuts, cut: None, foreign: None };
            self.model.jobs.insert(birth, job);
        }
        "begin snapshot"
    }

    fn event(&mut self, birth: u64, event: JobEvent, taken: bool) {
        let job = self.job_ids[&birth];
        let reply = self.apply(Command::SnapshotEvent { job, event, detail: String::new() });
        self.expect(&reply, taken);
    }

    /// Whether it was taken. Time passes on the way through the log: the careful day may end there.
    fn event_unless_careful(&mut self, birth: u64, event: JobEvent) -> bool {
        let job = self.job_ids[&birth];
        let reply = self.apply(Command::SnapshotEvent { job, event, detail: String::new() });
        let taken = !self.model.is_careful();
        self.expect(&reply, taken);
        taken
    }

    fn cut(&mut self, birth: u64, event: JobEvent) -> &'static str {
        if event == JobEvent::Recut {
            self.tally.count("recut");
        }
        self.event(birth, event, true);
        let revision = self.model.revision;
        let job = self.model.jobs.get_mut(&birth).unwrap();
        job.state = JobState::Snapshoting;
        job.cuts.push(revision);
        self.frozen.insert(revision, (self.catalog.clone(), self.model.clone()));
        "cut"
    }

    /// The manifest goes into the store; the leader may die before the catalog hears of it.
    fn upload(&mut self, birth: u64) -> &'static str {
        let job = self.model.jobs[&birth].clone();
        let cut = *job.cuts.last().unwrap();
        let written = self.store.manifests.get(&job.name).is_some_and(|m| m.cut == cut);
        if !written {
            let (catalog, model) = &self.frozen[&cut];
            let sections = image::encode(catalog, Secrets::Omit).unwrap().into_iter().map(|s| s.bytes).collect();
            let trash = model.trash.iter().flat_map(|t| t.what.objects());
            let live = model.tables().flat_map(|(_, _, t)| t.partitions.values()).flat_map(|p| &p.objects);
            let needs = live.cloned().chain(trash).collect();
            let incarnation = catalog.identity().incarnation.clone();
            let manifest = Manifest { cut, incarnation, sections, model: model.clone(), needs, is_void: false };
            self.store.manifests.insert(job.name.clone(), manifest);
        }
        if self.chance(1, 3) || self.store.manifests[&job.name].is_void {
            return "upload, and die";
        }
        let event = JobEvent::Uploaded { cut: Revision(cut), sha256: sha256(cut), bytes: 1 };
        self.event(birth, event, true);
        let job = self.model.jobs.get_mut(&birth).unwrap();
        (job.state, job.cut) = (JobState::Finished, Some(cut));
        if job.automated && !self.model.is_careful() {
            self.model.expire_before(birth);
        }
        self.frozen.clear();
        self.tally.count("snapshot finished");
        "snapshot finished"
    }

    /// The void marker goes first.
    fn fail(&mut self, birth: u64) -> &'static str {
        let name = self.model.jobs[&birth].name.clone();
        if let Some(manifest) = self.store.manifests.get_mut(&name) {
            manifest.is_void = true;
        }
        if self.chance(1, 4) {
            return "void, and die";
        }
        self.event(birth, JobEvent::Failed { cause: "no".to_owned() }, true);
        self.model.jobs.get_mut(&birth).unwrap().state = JobState::Error;
        self.frozen.clear();
        self.tally.count("snapshot failed");
        "snapshot failed"
    }

    /// Retires and deletes, a step at a time.
    pub fn sweep(&mut self) -> &'static str {
        let candidates = self.model.jobs.iter();
        let over = candidates.filter(|(_, j)| matches!(j.state, JobState::Finished | JobState::Expired));
        let Some((birth, job)) = over.map(|(b, j)| (*b, j.clone())).choose(&mut self.rng) else {
            return "no job is over";
        };
        if job.state == JobState::Finished {
            // Rare: a restorable snapshot is what all this is for. Less so one of another timeline.
            let odds = match (job.foreign.is_some(), self.is_restless) {
                (true, true) => 10,
                (true, false) | (false, true) => 2,
                (false, false) => 6,
            };
            if self.chance(1, odds) && self.event_unless_careful(birth, JobEvent::Retire) {
                self.model.jobs.get_mut(&birth).unwrap().state = JobState::Expired;
            }
            return "retire";
        }
        if self.model.is_careful() {
            // A careful leader deletes nothing; one that is not is refused.
            self.tally.count("careful refused");
            if self.event_unless_careful(birth, JobEvent::Deleted) {
                self.store.manifests.remove(&job.name);
                self.model.jobs.get_mut(&birth).unwrap().state = JobState::Deleted;
            }
            return "delete snapshot, careful";
        }
        if let Some(manifest) = self.store.manifests.get_mut(&job.name) {
            manifest.is_void = true;
        }
        if self.chance(1, 4) {
            return "void an expired snapshot, and die";
        }
        self.store.manifests.remove(&job.name);
        if self.chance(1, 4) {
            return "delete an expired snapshot, and die";
        }
        self.event(birth, JobEvent::Deleted, true);
        self.model.jobs.get_mut(&birth).unwrap().state = JobState::Deleted;
        self.tally.count(if job.foreign.is_some() { "foreign snapshot deleted" } else { "snapshot deleted" });
        "delete snapshot"
    }

    /// What no leader would propose.
    fn wrong_event(&mut self) -> &'static str {
        let Some((birth, job)) = self.model.jobs.iter().map(|(b, j)| (*b, j.clone())).choose(&mut self.rng) else {
            return "no job";
        };
        let event = match self.rng.random_range(0..4) {
            0 if job.state != JobState::Initializing => JobEvent::Cut,
            1 if job.state != JobState::Finished => JobEvent::Retire,
            2 if job.state != JobState::Expired => JobEvent::Deleted,
            _ => JobEvent::Uploaded { cut: Revision(1), sha256: String::new(), bytes: 0 },
        };
        self.event(birth, event, false);
        "wrong event"
    }

    /// The cluster is lost. What comes back is what one manifest says.
    pub fn restore(&mut self) -> &'static str {
        let restorable = self.model.jobs.values().filter(|job| {
            let manifest = self.store.manifests.get(&job.name);
            manifest.is_some_and(|m| !m.is_void && (job.cut == Some(m.cut) || job.cuts.contains(&m.cut)))
        });
        let Some(job) = restorable.cloned().choose(&mut self.rng) else { return "nothing to restore" };
        match job.state {
            JobState::Snapshoting => self.tally.count("restore of an unfinished job"),
            JobState::Expired => self.tally.count("restore of an expired snapshot"),
            _ => {}
        }
        if job.foreign.is_some() {
            self.tally.count("restore of a foreign snapshot");
        }
        let manifest = &self.store.manifests[&job.name];
        let decoded: Catalog = image::decode(&manifest.sections).unwrap();
        let (cut, present) = (manifest.cut, self.store.present());
        let epoch = self.catalog.identity().epoch.0 + 1;
        let plan = Rebase {
            incarnation: Incarnation(format!("{:08x}{:024x}", epoch, self.rng.random::<u64>())),
            epoch: Epoch(epoch),
            now: UnixMillis(self.rng.random_range(0..4_000_000_000_000)),
            frontend: frontend(epoch),
            expected: Vec::new(),
            cut: Revision(cut),
            snapshot_name: job.name.clone(),
            manifest: (sha256(cut), 1),
            present: BTreeMap::from([(self.volume, present.clone())]),
            compute_nodes: None,
            volumes: Default::default(),
            successors: Default::default(),
        };
        self.history.push(format!("restore {} at {cut}", job.name));
        match rebase(&decoded, &plan) {
            Ok(catalog) => self.catalog = catalog,
            Err(error) => {
                self.problem = Some(format!("rebase: {error}"));
                return "restore";
            }
        }
        let own = manifest.incarnation.clone();
        let sources = manifest.model.sources();
        let mut next = manifest.model.restored(&job.name, cut, &present);
        // Births are never given twice, not even after a restore: ids of the dead timeline mean nothing here.
        next.births = self.model.births;
        self.model = next;
        for found in present {
            let foreign =
                Foreign { upto: found.cut.0.min(cut), is_vague: found.incarnation != own, ..Foreign::default() };
            let has_revived = !foreign.is_vague && found.revived_at.is_some_and(|at| at.0 > cut);
            let (cuts, others) = if has_revived { sources.clone() } else { Default::default() };
            let foreign = Foreign { cuts, others, ..foreign };
            if has_revived {
                self.tally.count("foreign snapshot with files that came back");
            }
            let Some(birth) = self.model.take_in(&found, foreign) else { continue };
            self.tally.count("foreign snapshot");
            match self.catalog.jobs().find(|job| job.name == found.name) {
                Some(row) if row.is_foreign() && row.cut == Some(found.cut) => drop(self.job_ids.insert(birth, row.id)),
                other => self.problem = Some(format!("{} at {} should be foreign: {other:?}", found.name, found.cut)),
            }
        }
        self.last = (self.catalog.revision().0, 0);
        self.queries.clear();
        self.delayed.clear();
        self.returning.clear();
        self.frozen.clear();
        self.loads.clear();
        self.compactions.clear();
        self.forgotten = BTreeSet::new();
        self.tally.count("restore");
        "restore"
    }
}

fn frontend(id: u64) -> Frontend {
    Frontend {
        id: NodeId(id),
        name: format!("fe{id}"),
        role: FrontendRole::Follower,
        host: "127.0.0.1".to_owned(),
        edit_log_port: 9010,
        http_port: 8030,
        query_port: 9030,
        rpc_port: 9020,
    }
}
