//! `/metrics` of cluster snapshots. The catalog says what is; how many jobs ended, and how, is counted since the process
//! started: rows of old jobs are trimmed.

use std::collections::BTreeMap;

use runtime_http::prometheus::{Family, Kind};
use storage_catalog::{Catalog, Pinned};
use storage_model::{JobId, JobState, SnapshotJob};

use super::snapshots::{consecutive_failures, cut_at, newest_restorable};

/// Upper bounds of the durations, in seconds.
const BOUNDS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// What has ended so far.
pub(super) struct Tally {
    started_at_ms: u64,
    counted: BTreeMap<JobId, ()>,
    results: BTreeMap<&'static str, u64>,
    at_most: [u64; BOUNDS.len() + 1],
    seconds: f64,
    bytes: u64,
}

fn seconds_of(job: &SnapshotJob) -> Option<f64> {
    Some(job.finished_at?.since(job.created_at) as f64 / 1000.0)
}

impl Tally {
    pub(super) fn new(started_at_ms: u64) -> Tally {
        let results = [("finished", 0), ("error", 0), ("cancelled", 0)].into();
        let (counted, at_most) = (BTreeMap::new(), [0; BOUNDS.len() + 1]);
        Tally { started_at_ms, counted, results, at_most, seconds: 0.0, bytes: 0 }
    }

    /// Counts the jobs that have ended since the last look.
    pub(super) fn look(&mut self, catalog: &Catalog) {
        self.counted.retain(|id, ()| catalog.job(*id).is_some());
        for job in catalog.jobs().filter(|job| !job.is_foreign()) {
            let ended = job.finished_at.filter(|at| at.0 >= self.started_at_ms && !job.state.is_unfinished());
            if ended.is_none() || self.counted.insert(job.id, ()).is_some() {
                continue;
            }
            let result = match job.state {
                JobState::Error if job.error.starts_with("cancelled") => "cancelled",
                JobState::Error => "error",
                _ => "finished",
            };
            *self.results.entry(result).or_default() += 1;
            if result == "finished" {
                self.bytes += job.bytes;
                let seconds = seconds_of(job).unwrap_or_default();
                self.seconds += seconds;
                let first = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
                self.at_most[first..].iter_mut().for_each(|count| *count += 1);
            }
        }
    }

    pub(super) fn families(&self, catalog: &Catalog, now_ms: u64) -> Vec<Family> {
        let name = |name: &str| format!("starkeep_fe_cluster_snapshot_{name}");
        let newest = newest_restorable(catalog);
        let policy = catalog.header.snapshot_policy.as_ref();
        let mut total = Family::counter(name("jobs_total"), "Jobs that ended, by how.");
        for (result, count) in &self.results {
            total.add(&[("result", result)], *count as f64);
        }
        let mut duration =
            Family::new(Kind::Histogram, name("duration_seconds"), "How long snapshots took to FINISHED.");
        duration.add_histogram(&[], &BOUNDS, &self.at_most, self.seconds);
        let finished = newest.and_then(|job| job.finished_at).map_or(0.0, |at| at.0 as f64 / 1000.0);
        let help = "Of the newest restorable snapshot, since its cut; with none, since automation was turned on.";
        let mut age = Family::gauge(name("age_seconds"), help);
        if let Some(since) = newest.map(|job| cut_at(job)).or(policy.map(|policy| policy.enabled_at)) {
            age.add(&[], now_ms.saturating_sub(since.0) as f64 / 1000.0);
        }
        let mut last = Family::gauge(name("last_duration_seconds"), "How long the newest restorable snapshot took.");
        if let Some(seconds) = newest.and_then(|job| seconds_of(job)) {
            last.add(&[], seconds);
        }
        let mut all = vec![
            Family::gauge(name("automated"), "1 while automated snapshots are on.")
                .of(f64::from(u8::from(policy.is_some()))),
            Family::gauge(
                name("last_success_timestamp_seconds"),
                "When the newest restorable snapshot was finished; 0: there is none.",
            )
            .of(finished),
            age,
            Family::gauge(name("consecutive_failures"), "How many of the last jobs failed, one after the other.")
                .of(consecutive_failures(catalog) as f64),
            total,
            duration,
            last,
            Family::gauge(
                name("last_upload_bytes"),
                "Bytes of manifest and sections of the newest restorable snapshot.",
            )
            .of(newest.map_or(0.0, |job| job.bytes as f64)),
            Family::counter(name("upload_bytes"), "Bytes of manifests and sections of snapshots that finished.")
                .of(self.bytes as f64),
            job_states(catalog),
            abandoned(catalog),
        ];
        all.extend(pins(catalog));
        all
    }
}

fn job_states(catalog: &Catalog) -> Family {
    use JobState::{Deleted, Error, Expired, Finished, Initializing, Snapshoting};
    let mut family = Family::gauge("starkeep_fe_cluster_snapshot_job_state", "Jobs that are remembered, by state.");
    for state in [Initializing, Snapshoting, Finished, Expired, Deleted, Error] {
        let count = catalog.jobs().filter(|job| job.state == state).count();
        family.add(&[("state", &state.to_string())], count as f64);
    }
    family
}

fn abandoned(catalog: &Catalog) -> Family {
    let count = catalog.jobs().filter(|job| job.abandoned && job.state == JobState::Expired).count();
    let help = "Expired snapshots that could not be deleted for a day: they keep nothing, and still lie in the store.";
    Family::gauge("starkeep_fe_cluster_snapshot_abandoned", help).of(count as f64)
}

fn pins(catalog: &Catalog) -> [Family; 3] {
    let pins = catalog.pinned();
    let most = |of: fn(&Pinned) -> u64| pins.iter().map(of).max().unwrap_or_default() as f64;
    [
        Family::gauge(
            "starkeep_fe_cluster_snapshot_pins",
            "Revisions that snapshots pin; those of one of another timeline count once.",
        )
        .of(pins.len() as f64),
        Family::gauge(
            "starkeep_fe_cluster_snapshot_pinned_files",
            "Removed files that the pin with the most of them keeps from being deleted.",
        )
        .of(most(|pin| pin.files)),
        Family::gauge("starkeep_fe_cluster_snapshot_pinned_bytes", "Bytes that the pin with the most of them keeps.")
            .of(most(|pin| pin.bytes)),
    ]
}

#[cfg(test)]
mod tests {
    use storage_catalog::{ClusterIdentity, Command, Envelope};
    use storage_model::snapshot::JobEvent;
    use storage_model::{ClusterId, Epoch, Incarnation, Now, ServiceId, UnixMillis};

    use super::*;

    const START: u64 = 1_000_000;

    fn catalog() -> Catalog {
        let identity = ClusterIdentity {
            cluster_id: ClusterId(1),
            token: String::new(),
            service_id: ServiceId("s".into()),
            incarnation: Incarnation("i".into()),
            epoch: Epoch(1),
        };
        Catalog::genesis(identity, UnixMillis(START))
    }

    fn sample(families: &[Family], line: &str) -> Option<f64> {
        let text = runtime_http::prometheus::text_of(families);
        let rest = text.lines().find_map(|found| found.strip_prefix(line).and_then(|rest| rest.strip_prefix(' ')));
        rest.and_then(|value| value.parse().ok())
    }

    /// Runs one job to its end, `at` seconds after the start, in `took` seconds.
    fn job(catalog: &mut Catalog, at: u64, took: u64, failed: Option<&str>) {
        let mut apply = |seconds: u64, command: Command| {
            let now = Now::at(START + seconds * 1000);
            catalog.apply(&Envelope { proposed_at: now, command }).unwrap()
        };
        let volume = storage_model::VolumeId(10_001);
        let begin = Command::BeginSnapshot {
            kind: storage_model::SnapshotKind::Manual,
            name: format!("s{at}"),
            volume,
            comment: String::new(),
            max_history: 3,
        };
        let storage_catalog::Outcome::Job(id) = apply(at, begin) else { panic!("no job") };
        let event = |event| Command::SnapshotEvent { job: id, event, detail: String::new() };
        match failed {
            Some(cause) => drop(apply(at + took, event(JobEvent::Failed { cause: cause.to_owned() }))),
            None => {
                apply(at, event(JobEvent::Cut));
                let cut = catalog.revision();
                let uploaded = JobEvent::Uploaded { cut, sha256: String::new(), bytes: 70 };
                let now = Now::at(START + (at + took) * 1000);
                catalog.apply(&Envelope { proposed_at: now, command: event(uploaded) }).unwrap();
            }
        }
    }

    fn catalog_with_volume() -> Catalog {
        let mut catalog = catalog();
        let draft = storage_catalog::VolumeDraft {
            name: "v".to_owned(),
            volume_type: storage_model::VolumeType::Local,
            location: "file:///v".to_owned(),
            comment: String::new(),
            enabled: true,
            properties: BTreeMap::new(),
        };
        let create = Command::CreateVolume { draft, if_not_exists: false };
        catalog.apply(&Envelope { proposed_at: Now::at(START), command: create }).unwrap();
        catalog
    }

    #[test]
    fn jobs_are_counted_once_and_survive_their_rows() {
        let mut catalog = catalog_with_volume();
        let mut tally = Tally::new(START + 50_000);
        job(&mut catalog, 10, 2, None);
        for at in [100, 200, 300, 400] {
            job(&mut catalog, at, 1, Some("disk full"));
            tally.look(&catalog);
            tally.look(&catalog);
        }
        job(&mut catalog, 450, 1, Some("cancelled: turned off"));
        tally.look(&catalog);
        let families = tally.families(&catalog, START + 500_000);
        let name = |rest: &str| format!("starkeep_fe_cluster_snapshot_{rest}");
        assert_eq!(sample(&families, &name("jobs_total{result=\"error\"}")), Some(4.0));
        assert_eq!(sample(&families, &name("jobs_total{result=\"cancelled\"}")), Some(1.0));
        let before = sample(&families, &name("jobs_total{result=\"finished\"}"));
        assert_eq!(before, Some(0.0), "it ended before the process started");
        assert_eq!(sample(&families, &name("age_seconds")), Some(490.0));
        assert!(sample(&families, &name("consecutive_failures")).is_some_and(|failures| failures >= 1.0));
        job(&mut catalog, 600, 3, None);
        tally.look(&catalog);
        let families = tally.families(&catalog, START + 700_000);
        assert_eq!(sample(&families, &name("jobs_total{result=\"finished\"}")), Some(1.0));
        assert_eq!(sample(&families, &name("duration_seconds_bucket{le=\"5\"}")), Some(1.0));
        assert_eq!(sample(&families, &name("duration_seconds_bucket{le=\"1\"}")), Some(0.0));
        assert_eq!(sample(&families, &name("consecutive_failures")), Some(0.0));
        assert_eq!(sample(&families, &name("upload_bytes")), Some(70.0));
        assert_eq!(sample(&families, &name("pins")), Some(2.0));
    }

    #[test]
    fn a_snapshot_of_another_timeline_is_a_pin_and_no_job_of_this_cluster() {
        let mut catalog = catalog_with_volume();
        job(&mut catalog, 10, 2, None);
        let known = catalog.jobs().next().unwrap().clone();
        let found = |name: &str, cut, incarnation: &str| storage_catalog::PresentManifest {
            name: name.to_owned(),
            cut,
            incarnation: Incarnation(incarnation.to_owned()),
            starmgr_id: 0,
            sha256: String::new(),
            bytes: 9,
            created_at: UnixMillis(START + 100_000),
            finished_at: UnixMillis(START + 110_000),
            comment: String::new(),
            revived_at: None,
        };
        let own = found(&known.name, known.cut.unwrap(), "i");
        let other = found("other", storage_model::Revision(900), "o");
        let plan = storage_catalog::rebase::Adopt {
            incarnation: Incarnation("n".to_owned()),
            epoch: Epoch(2),
            now: UnixMillis(START + 200_000),
            frontend: storage_model::NodeId(1),
            present: [(known.volume, vec![own, other])].into(),
        };
        let frontend = storage_model::Frontend {
            id: storage_model::NodeId(1),
            name: "fe1".to_owned(),
            role: storage_model::FrontendRole::Follower,
            host: "fe1".to_owned(),
            edit_log_port: 9010,
            http_port: 8030,
            query_port: 9030,
            rpc_port: 9020,
        };
        let register = Command::RegisterFrontend { frontend };
        catalog.apply(&Envelope { proposed_at: Now::at(START + 20_000), command: register }).unwrap();
        let catalog = storage_catalog::adopt(&catalog, &plan).unwrap();
        assert_eq!(newest_restorable(&catalog).unwrap().name, known.name);
        assert_eq!(consecutive_failures(&catalog), 0);
        let mut tally = Tally::new(START);
        tally.look(&catalog);
        let families = tally.families(&catalog, START + 300_000);
        let name = |rest: &str| format!("starkeep_fe_cluster_snapshot_{rest}");
        assert_eq!(sample(&families, &name("jobs_total{result=\"finished\"}")), Some(1.0));
        assert_eq!(sample(&families, &name("upload_bytes")), Some(70.0));
        assert_eq!(sample(&families, &name("age_seconds")), Some(290.0));
        assert_eq!(sample(&families, &name("job_state{state=\"FINISHED\"}")), Some(2.0));
        assert_eq!(sample(&families, &name("pins")), Some(2.0));
    }
}
