//! What is looked at all the time: the revision of the catalog, and that snapshot jobs only ever move as the table of their
//! states allows, one at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::history::Window;
use super::load::Ports;
use crate::client::Client;
use crate::house::frontends;

const LOOK_EVERY: Duration = Duration::from_millis(60);
const PATIENCE: Duration = Duration::from_secs(5);

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// When the question was sent, when it was answered, and the revision.
    probes: Vec<(Instant, Instant, u64)>,
    /// The last state of every job, by name.
    pub jobs: BTreeMap<String, String>,
    /// Causes of jobs that failed.
    pub causes: BTreeMap<String, String>,
    /// What must never be.
    pub wrong: Vec<String>,
}

impl Watched {
    /// How far a job has come; None: a state that does not exist.
    fn rank(state: &str) -> Option<u8> {
        ["INITIALIZING", "SNAPSHOTING", "FINISHED", "EXPIRED", "DELETED", "ERROR"]
            .iter()
            .position(|known| *known == state)
            .map(|at| at as u8)
    }

    /// Takes a look at all jobs: name, state, cause.
    pub fn see(&mut self, jobs: &[(String, String, String)]) {
        let unfinished: Vec<&str> = jobs.iter().filter(|j| j.1.ends_with("ING")).map(|j| j.0.as_str()).collect();
        if unfinished.len() > 1 {
            self.wrong.push(format!("two unfinished jobs: {}", unfinished.join(", ")));
        }
        for (name, state, cause) in jobs {
            let Some(to) = Watched::rank(state) else {
                self.wrong.push(format!("job {name} is in the state {state}"));
                continue;
            };
            if let Some(from) = self.jobs.get(name).and_then(|before| Watched::rank(before)) {
                let legal = match (from, to) {
                    (5, to) => to == 5,
                    (from, 5) => from <= 1,
                    (from, to) => from <= to,
                };
                if !legal {
                    self.wrong.push(format!("job {name} went from {} to {state}", self.jobs[name]));
                }
            }
            self.jobs.insert(name.clone(), state.clone());
            if !cause.is_empty() {
                self.causes.insert(name.clone(), cause.clone());
            }
        }
    }

    /// How many jobs were seen in one of these states.
    pub fn count(&self, states: &[&str]) -> u64 {
        self.jobs.values().filter(|state| states.contains(&state.as_str())).count() as u64
    }

    /// The state of the job that runs.
    pub fn running(&self) -> Option<&str> {
        self.jobs.values().map(String::as_str).find(|state| state.ends_with("ING"))
    }

    /// When the catalog came to this revision. Exact: clocks of others do not count.
    pub fn window(&self, revision: u64) -> Option<Window> {
        let before = self.probes.iter().filter(|(_, _, seen)| *seen < revision).map(|(sent, _, _)| *sent).max();
        let after = self.probes.iter().filter(|(_, _, seen)| *seen >= revision).map(|(_, heard, _)| *heard).min();
        // Nobody may have been able to look since; what comes from now on is surely behind it.
        Some(Window { from: before?, until: after.unwrap_or_else(Instant::now) })
    }
}

/// The task that looks.
pub struct Watch {
    seen: Arc<Mutex<Watched>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Starts to look.
    pub fn start(ports: Ports) -> Watch {
        let seen = Arc::<Mutex<Watched>>::default();
        Watch { task: tokio::spawn(look(ports, seen.clone())), seen }
    }

    /// What was seen.
    pub fn seen(&self) -> MutexGuard<'_, Watched> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(ports: Ports, seen: Arc<Mutex<Watched>>) {
    for turn in 0.. {
        if let Ok(Ok(mut client)) = tokio::time::timeout(PATIENCE, ports.connect(turn)).await {
            while let Ok(Ok(())) = tokio::time::timeout(PATIENCE, once(&mut client, &seen)).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn once(client: &mut Client, seen: &Mutex<Watched>) -> anyhow::Result<()> {
    let sent = Instant::now();
    let sql =
        "SELECT SNAPSHOT_NAME, STATE, ERROR_MESSAGE FROM information_schema.cluster_snapshot_jobs ORDER BY JOB_ID";
    // Of all that was acknowledged before it was sent; what comes behind is of a revision no older.
    let jobs: Vec<(String, String, Option<String>)> = client.rows(sql).await?;
    let rows = frontends(client).await?;
    let heard = Instant::now();
    let revision = rows.iter().map(|row| row.applied).max();
    let jobs: Vec<_> = jobs.into_iter().map(|(name, state, cause)| (name, state, cause.unwrap_or_default())).collect();
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(revision) = revision {
        seen.probes.push((sent, heard, revision));
    }
    seen.see(&jobs);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, state: &str) -> (String, String, String) {
        (name.to_owned(), state.to_owned(), String::new())
    }

    #[test]
    fn what_no_job_may_do_is_noticed() {
        let mut seen = Watched::default();
        for state in ["INITIALIZING", "FINISHED", "DELETED"] {
            seen.see(&[job("a", state)]);
        }
        seen.see(&[job("a", "DELETED"), job("b", "SNAPSHOTING"), job("c", "INITIALIZING")]);
        seen.see(&[job("a", "FINISHED"), job("b", "ERROR")]);
        seen.see(&[job("b", "FINISHED")]);
        let expected =
            ["two unfinished jobs: b, c", "job a went from DELETED to FINISHED", "job b went from ERROR to FINISHED"];
        assert_eq!(seen.wrong, expected);
    }

    #[test]
    fn a_window_is_between_the_looks_before_and_behind() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let probes = vec![(at(0), at(1), 5), (at(2), at(3), 7), (at(4), at(5), 9)];
        let seen = Watched { probes, ..Watched::default() };
        let window = seen.window(8).unwrap();
        assert_eq!((window.from, window.until), (at(2), at(5)));
        assert!(seen.window(5).is_none());
        // Nobody has looked since.
        let last = seen.window(10).unwrap();
        assert!(last.from == at(4) && last.until >= start);
    }
}
