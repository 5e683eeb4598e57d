//! What a run has done and found.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// The report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Replays the schedule.
    pub seed: u64,
    /// Whether the executable has failpoints.
    pub failpoints: bool,
    /// Seconds.
    pub seconds: u64,
    /// Scenarios, and how often each was run.
    pub scenarios: Counts,
    /// SIGKILLs by the place in the code, or by the process.
    pub kills: Counts,
    /// The same by the state of the snapshot job.
    pub kills_by_state: Counts,
    /// Panics by place.
    pub panics: Counts,
    /// Stalls by place.
    pub stalls: Counts,
    /// SIGSTOPs by process.
    pub pauses: Counts,
    /// Broken lines by kind.
    pub network: Counts,
    /// Faults of the store by kind.
    pub store: Counts,
    /// How often the disk of the log was full.
    pub disk_full: u64,
    /// Snapshots that became FINISHED.
    pub finished: u64,
    /// Snapshots that became ERROR.
    pub errors: u64,
    /// Restore drills.
    pub restores: u64,
    /// Histories found linearizable.
    pub histories: u64,
    /// Histories that the search for an order gave up on: nothing is known of them.
    pub undecided: u64,
    /// Statements: acknowledged, refused, unknown.
    pub statements: [u64; 3],
    /// Places that were armed and not reached in time.
    pub not_reached: Counts,
    /// What was left out, and why.
    pub skipped: Vec<String>,
    /// What must never be.
    pub violations: Vec<String>,
    /// What was done, in order.
    pub schedule: Vec<String>,
}

/// One more.
pub fn count(counts: &mut Counts, name: &str) {
    *counts.entry(name.to_owned()).or_default() += 1;
}

fn sum(counts: &Counts) -> u64 {
    counts.values().sum()
}

impl Report {
    /// All kills.
    pub fn kills(&self) -> u64 {
        sum(&self.kills)
    }

    /// Adds what another run has done.
    pub fn add(&mut self, other: Report) {
        let pairs = [
            (&mut self.scenarios, other.scenarios),
            (&mut self.kills, other.kills),
            (&mut self.kills_by_state, other.kills_by_state),
            (&mut self.panics, other.panics),
            (&mut self.stalls, other.stalls),
            (&mut self.pauses, other.pauses),
            (&mut self.network, other.network),
            (&mut self.store, other.store),
            (&mut self.not_reached, other.not_reached),
        ];
        for (own, more) in pairs {
            for (name, n) in more {
                *own.entry(name).or_default() += n;
            }
        }
        self.disk_full += other.disk_full;
        self.finished += other.finished;
        self.errors += other.errors;
        self.restores += other.restores;
        self.histories += other.histories;
        self.undecided += other.undecided;
        for (own, more) in self.statements.iter_mut().zip(other.statements) {
            *own += more;
        }
        self.skipped.extend(other.skipped);
        self.violations.extend(other.violations);
        self.schedule.extend(other.schedule);
    }

    /// One object.
    pub fn json(&self) -> Value {
        json!({
            "seed": self.seed,
            "failpoints": self.failpoints,
            "seconds": self.seconds,
            "scenarios": self.scenarios,
            "kills": self.kills(),
            "kills_by_place": self.kills,
            "kills_by_state": self.kills_by_state,
            "panics": sum(&self.panics),
            "panics_by_place": self.panics,
            "stalls": self.stalls,
            "pauses": self.pauses,
            "network": self.network,
            "store": self.store,
            "disk_full": self.disk_full,
            "snapshots_finished": self.finished,
            "snapshots_error": self.errors,
            "restores": self.restores,
            "linearizable_histories": self.histories,
            "undecided_histories": self.undecided,
            "statements": {
                "acknowledged": self.statements[0], "refused": self.statements[1], "unknown": self.statements[2],
            },
            "not_reached": self.not_reached,
            "skipped": self.skipped,
            "violations": self.violations,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [acknowledged, refused, unknown] = self.statements;
        writeln!(f, "seed {}, {} s, failpoints: {}", self.seed, self.seconds, self.failpoints)?;
        writeln!(f, "statements: {acknowledged} acknowledged, {refused} refused, {unknown} of unknown outcome")?;
        writeln!(f, "snapshots: {} finished, {} failed; restores: {}", self.finished, self.errors, self.restores)?;
        let kinds = [
            ("scenarios", &self.scenarios),
            ("kills", &self.kills),
            ("kills by state of the job", &self.kills_by_state),
            ("panics", &self.panics),
            ("stalls", &self.stalls),
            ("pauses", &self.pauses),
            ("network", &self.network),
            ("store", &self.store),
            ("not reached", &self.not_reached),
        ];
        for (what, counts) in kinds.into_iter().filter(|(_, counts)| !counts.is_empty()) {
            let each: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
            writeln!(f, "{what}: {} ({})", sum(counts), each.join(", "))?;
        }
        if self.disk_full > 0 {
            writeln!(f, "full disks: {}", self.disk_full)?;
        }
        if self.histories > 0 {
            writeln!(f, "linearizable histories: {}", self.histories)?;
        }
        if self.undecided > 0 {
            writeln!(f, "histories that were too long to judge: {}", self.undecided)?;
        }
        for skipped in &self.skipped {
            writeln!(f, "SKIP {skipped}")?;
        }
        if !self.violations.is_empty() {
            writeln!(f, "schedule:")?;
            for step in &self.schedule {
                writeln!(f, "  {step}")?;
            }
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATION {violation}")?;
        }
        write!(f, "{} violations", self.violations.len())
    }
}
