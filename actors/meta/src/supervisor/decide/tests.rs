//! The table of [`super`], row by row, over real catalogs.

use std::collections::BTreeMap;

use storage_catalog::{ClusterIdentity, Command, Envelope, Outcome, PresentManifest, Rebase, VolumeDraft, rebase};
use storage_model::snapshot::{ABANDON_AFTER_MILLIS, JobEvent};
use storage_model::{
    ClusterId, Epoch, Frontend, FrontendRole, Incarnation, NodeId, RetentionChange, ServiceId, UnixMillis, Uptime,
    VolumeType,
};

use super::*;

struct House {
    catalog: Catalog,
    now: u64,
}

impl House {
    fn new() -> House {
        let identity = ClusterIdentity {
            cluster_id: ClusterId(7),
            token: "t".into(),
            service_id: ServiceId("service".into()),
            incarnation: Incarnation("1".repeat(32)),
            epoch: Epoch(1),
        };
        let mut house = House { catalog: Catalog::genesis(identity, UnixMillis(1_000)), now: 1_000 };
        let draft = VolumeDraft {
            name: "builtin_storage_volume".into(),
            volume_type: VolumeType::Local,
            location: "file:///x".into(),
            comment: String::new(),
            enabled: true,
            properties: BTreeMap::new(),
        };
        house.apply(Command::EnsureBuiltinVolume { draft });
        house
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.catalog.apply(&Envelope { proposed_at: Now::at(self.now), command }).unwrap()
    }

    fn event(&mut self, job: JobId, event: JobEvent) {
        self.apply(Command::SnapshotEvent { job, event, detail: String::new() });
    }

    fn step(&self) -> Option<JobStep> {
        job_step(&self.catalog, &MetaSettings::default(), Now::at(self.now), |_| false)
    }

    fn sweep(&self) -> Option<SweepStep> {
        self.sweep_where(true, false)
    }

    /// Whether the claims of all volumes were read lately, and whether the last deletion failed.
    fn sweep_where(&self, may_delete: bool, has_failed: bool) -> Option<SweepStep> {
        let deletion = match (may_delete, has_failed) {
            (_, true) => Deletion::Failed,
            (true, false) => Deletion::Allowed,
            (false, false) => Deletion::Unknown,
        };
        sweep_step(&self.catalog, Uptime(self.now), |_| deletion)
    }

    fn on(&mut self) {
        self.apply(Command::EnableSnapshots {
            volume: None,
            interval_seconds: None,
            retention: RetentionChange::default(),
        });
    }

    fn begin(&mut self) -> JobId {
        let Some(JobStep::Begin { volume, name }) = self.step() else { panic!("{:?}", self.step()) };
        let kind = SnapshotKind::Automated;
        match self.apply(Command::BeginSnapshot { kind, name, volume, comment: String::new(), max_history: 100 }) {
            Outcome::Job(job) => job,
            other => panic!("{other:?}"),
        }
    }

    fn snapshot(&mut self) -> JobId {
        let job = self.begin();
        self.event(job, JobEvent::Cut);
        let cut = self.catalog.revision();
        self.event(job, JobEvent::Uploaded { cut, sha256: String::new(), bytes: 1 });
        job
    }
}

#[test]
fn the_first_job_begins_at_once_and_the_next_after_the_interval() {
    let mut house = House::new();
    assert_eq!(house.step(), None);
    house.on();
    let job = house.begin();
    assert_eq!(house.step(), Some(JobStep::Initialize(job)));
    house.event(job, JobEvent::Cut);
    let cut = house.catalog.revision();
    assert_eq!(house.step(), Some(JobStep::Upload(job, cut)));
    house.event(job, JobEvent::Recut);
    let recut = house.catalog.revision();
    assert_eq!(house.step(), Some(JobStep::Upload(job, recut)));
    house.event(job, JobEvent::Uploaded { cut: recut, sha256: String::new(), bytes: 1 });
    assert_eq!(house.step(), None);
    house.now += 599_999;
    assert_eq!(house.step(), None);
    house.now += 1;
    assert!(matches!(house.step(), Some(JobStep::Begin { .. })));
}

#[test]
fn a_failed_job_is_tried_again_with_back_off_inside_the_interval() {
    let mut house = House::new();
    house.on();
    for pause in [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000] {
        let job = house.begin();
        house.event(job, JobEvent::Failed { cause: "store is down".into() });
        house.now += pause - 1;
        assert_eq!(house.step(), None, "{pause}");
        house.now += 1;
        assert!(matches!(house.step(), Some(JobStep::Begin { .. })), "{pause}");
    }
}

#[test]
fn off_cancels_what_runs_and_retires_what_is_there() {
    let mut house = House::new();
    house.on();
    let finished = house.snapshot();
    house.now += 600_000;
    let running = house.begin();
    house.apply(Command::DisableSnapshots);
    assert!(matches!(house.step(), Some(JobStep::Abandon(job, _)) if job == running));
    assert_eq!(house.sweep(), Some(SweepStep::Retire(finished)));
    house.event(finished, JobEvent::Retire);
    assert_eq!(house.sweep(), Some(SweepStep::Delete(finished)));
    assert_eq!(house.sweep_where(false, false), None, "claims were not read");
    assert_eq!(house.sweep_where(true, true), None, "put off");
}

#[test]
fn what_cannot_be_deleted_for_a_day_is_abandoned_and_deleted_later() {
    let mut house = House::new();
    house.on();
    let first = house.snapshot();
    house.now += 600_000;
    let second = house.snapshot();
    let last = house.now + ABANDON_AFTER_MILLIS;
    house.now = last - 1;
    assert_eq!(house.sweep_where(false, true), None, "it may still go");
    house.now = last;
    assert_eq!(house.sweep_where(false, false), None, "this leader has not tried for long enough");
    assert_eq!(house.sweep(), Some(SweepStep::Delete(first)), "now the store answers");
    assert_eq!(house.sweep_where(false, true), Some(SweepStep::Abandon(first)));
    house.event(first, JobEvent::Abandoned);
    assert_eq!(house.catalog.pins().len(), 1, "it keeps nothing any more");
    assert_eq!(house.sweep_where(false, true), None, "once");
    assert_eq!(house.sweep(), Some(SweepStep::Delete(first)));
    house.event(first, JobEvent::Deleted);
    assert_eq!(house.catalog.job(second).unwrap().state, JobState::Finished);
}

#[test]
fn a_leased_snapshot_is_neither_deleted_nor_abandoned() {
    let mut house = House::new();
    house.on();
    house.snapshot();
    house.now += 600_000;
    house.snapshot();
    house.now += ABANDON_AFTER_MILLIS * 2;
    assert!(matches!(house.sweep_where(false, true), Some(SweepStep::Abandon(_))));
    let leased = sweep_step(&house.catalog, Uptime(house.now), |_| Deletion::Leased);
    assert_eq!(leased, None);
    assert!(matches!(house.sweep(), Some(SweepStep::Delete(_))));
}

#[test]
fn nothing_begins_while_too_many_wait_for_their_deletion() {
    let mut house = House::new();
    house.on();
    for _ in 0..MOST_EXPIRED {
        house.snapshot();
        house.now += 600_000;
    }
    house.snapshot();
    house.now += 600_000;
    assert_eq!(waiting_for_deletion(&house.catalog, |_| false), Err(MOST_EXPIRED as u64));
    assert_eq!(house.step(), None);
    let leased = job_step(&house.catalog, &MetaSettings::default(), Now::at(house.now), |_| true);
    assert!(matches!(leased, Some(JobStep::Begin { .. })), "they wait for others, and for no store");
    let Some(SweepStep::Delete(oldest)) = house.sweep() else { panic!("{:?}", house.sweep()) };
    house.event(oldest, JobEvent::Deleted);
    assert!(
        waiting_for_deletion(&house.catalog, |_| false).is_ok() && matches!(house.step(), Some(JobStep::Begin { .. }))
    );
}

/// A clock that stood a year ahead when a snapshot began does not put off the next one by a year, and a job that runs is
/// not given up for it.
#[test]
fn a_wall_clock_that_jumps_neither_stops_snapshots_nor_gives_them_up() {
    let mut house = House::new();
    house.on();
    let year = 365 * 86_400_000;
    let settings = MetaSettings::default();
    let step = |house: &House, wall: u64, uptime: u64| {
        job_step(&house.catalog, &settings, Now { wall: UnixMillis(wall), uptime: Uptime(uptime) }, |_| false)
    };
    let job = {
        let now = Now { wall: UnixMillis(house.now + year), uptime: Uptime(house.now) };
        let Some(JobStep::Begin { volume, name }) = job_step(&house.catalog, &settings, now, |_| false) else {
            panic!()
        };
        let kind = SnapshotKind::Automated;
        let command = Command::BeginSnapshot { kind, name, volume, comment: String::new(), max_history: 100 };
        match house.catalog.apply(&Envelope { proposed_at: now, command }).unwrap() {
            Outcome::Job(job) => job,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(step(&house, house.now + 2 * year, house.now), Some(JobStep::Initialize(job)), "it goes on");
    house.event(job, JobEvent::Cut);
    let cut = house.catalog.revision();
    house.event(job, JobEvent::Uploaded { cut, sha256: String::new(), bytes: 1 });
    assert_eq!(step(&house, house.now, house.now), None, "the clock is right again");
    assert!(matches!(step(&house, house.now + 600_000, house.now + 600_000), Some(JobStep::Begin { .. })));
}

/// Time in which no frontend ran counts for the next snapshot, by the wall clock.
#[test]
fn after_a_long_stop_a_snapshot_is_due_at_once() {
    let mut house = House::new();
    house.on();
    house.snapshot();
    let now = Now { wall: UnixMillis(house.now + 3_600_000), uptime: Uptime(house.now + 1) };
    assert!(matches!(job_step(&house.catalog, &MetaSettings::default(), now, |_| false), Some(JobStep::Begin { .. })));
}

#[test]
fn a_job_that_runs_too_long_is_abandoned() {
    let mut house = House::new();
    house.on();
    let job = house.begin();
    house.now += 3_600_001;
    assert!(matches!(house.step(), Some(JobStep::Abandon(found, _)) if found == job));
}

#[test]
fn the_predecessor_expires_with_its_successor_and_names_never_repeat() {
    let mut house = House::new();
    house.on();
    let first = house.snapshot();
    house.now += 600_000;
    let second = house.snapshot();
    assert_eq!(house.catalog.job(first).unwrap().state, JobState::Expired);
    assert_eq!(house.catalog.job(second).unwrap().state, JobState::Finished);
    let names: std::collections::BTreeSet<_> = house.catalog.jobs().map(|j| j.name.clone()).collect();
    assert_eq!(names.len(), 2);
}

/// The catalog of a cut of `job`, restored; the store has one more snapshot, of this name and cut, that it does not know.
fn restored(catalog: &Catalog, job: JobId, name: &str, cut: Revision) -> Catalog {
    let own = catalog.job(job).unwrap();
    let found = |name: &str, cut: Revision| PresentManifest {
        name: name.to_owned(),
        cut,
        incarnation: catalog.identity().incarnation.clone(),
        starmgr_id: 0,
        sha256: String::new(),
        bytes: 1,
        created_at: UnixMillis(1),
        finished_at: UnixMillis(2),
        comment: String::new(),
        revived_at: None,
    };
    let plan = Rebase {
        incarnation: Incarnation("2".repeat(32)),
        epoch: Epoch(2),
        now: UnixMillis(5_000),
        frontend: Frontend {
            id: NodeId(1),
            name: "fe1".into(),
            role: FrontendRole::Follower,
            host: "fe1".into(),
            edit_log_port: 9010,
            http_port: 8030,
            query_port: 9030,
            rpc_port: 9020,
        },
        expected: Vec::new(),
        cut: own.cuts[0],
        snapshot_name: own.name.clone(),
        manifest: (String::new(), 1),
        present: BTreeMap::from([(own.volume, vec![found(&own.name, own.cuts[0]), found(name, cut)])]),
        compute_nodes: None,
        volumes: BTreeMap::new(),
        successors: BTreeMap::new(),
    };
    rebase(catalog, &plan).unwrap()
}

#[test]
fn a_snapshot_of_another_timeline_is_neither_attested_nor_retired() {
    let mut house = House::new();
    house.on();
    let own = house.begin();
    house.event(own, JobEvent::Cut);
    let cut = house.catalog.revision();
    house.catalog = restored(&house.catalog, own, "automated_cluster_snapshot_999999", Revision(cut.0 + 500));
    assert_eq!(attested_up_to(&house.catalog), Some(cut), "what came after the own cut has not been looked at");
    house.apply(Command::FinishRestore);
    house.now += 600_000;
    let Some(JobStep::Begin { name, .. }) = house.step() else { panic!("{:?}", house.step()) };
    assert_eq!(name, "automated_cluster_snapshot_1000000", "its name is taken");
    house.snapshot();
    assert_eq!(house.sweep(), Some(SweepStep::Delete(own)), "the next one expires its predecessor and nothing else");
    house.event(own, JobEvent::Deleted);
    house.apply(Command::DisableSnapshots);
    while let Some(SweepStep::Retire(job) | SweepStep::Delete(job)) = house.sweep() {
        assert!(!house.catalog.job(job).unwrap().is_foreign());
        let gone = house.catalog.job(job).unwrap().state == JobState::Expired;
        house.event(job, if gone { JobEvent::Deleted } else { JobEvent::Retire });
    }
    let left = house.catalog.jobs().filter(|job| job.state == JobState::Finished);
    assert_eq!(left.map(|job| job.is_foreign()).collect::<Vec<_>>(), [true]);
}
