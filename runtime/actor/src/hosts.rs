//! Where incarnations run: a few actix arbiters on threads of their own, or the current thread for tests and simulations.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc as std_mpsc};
use std::time::Duration;

use actix_rt::{Arbiter, ArbiterHandle, System};
use tokio::sync::mpsc;

use crate::gauge::lock;

/// Builds an incarnation on the thread where it will live.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Names a thread.
pub(crate) type HostId = u64;

pub(crate) enum Hosts {
    /// Arbiters under one actix system.
    Threads(Threads),
    /// Everything on the thread that made the tree. A stall cannot be cured there.
    Local(mpsc::UnboundedSender<Job>),
    /// The system could not be started: every job is dropped, which its supervisor sees as a crash.
    Broken,
}

pub(crate) struct Threads {
    system: System,
    size: usize,
    pool: Arc<Mutex<Pool>>,
    next: AtomicU64,
}

#[derive(Default)]
struct Pool {
    arbiters: Vec<(HostId, ArbiterHandle)>,
    /// Those that are being made, with the jobs that wait for them.
    growing: BTreeMap<HostId, Vec<Job>>,
    ids: HostId,
}

impl Hosts {
    /// Starts the actix system on its own thread.
    pub(crate) fn threads(name: &str, size: usize) -> Self {
        let (tx, rx) = std_mpsc::channel();
        let spawned = crate::pool::thread(&format!("{name}-actors"), move || {
            let runner = System::new();
            if tx.send(System::current()).is_ok()
                && let Err(error) = runner.run()
            {
                tracing::error!(%error, "the actors' system ended badly");
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start the actors' thread");
            return Self::Broken;
        }
        match rx.recv_timeout(Duration::from_secs(10)) {
            Ok(system) => {
                Self::Threads(Threads { system, size: size.max(1), pool: Arc::default(), next: AtomicU64::new(0) })
            }
            Err(error) => {
                tracing::error!(%error, "the actors' system did not start");
                Self::Broken
            }
        }
    }

    /// Runs everything on the current thread; must be called inside a `LocalSet`.
    pub(crate) fn local() -> Self {
        let (tx, mut rx) = mpsc::unbounded_channel::<Job>();
        tokio::task::spawn_local(async move {
            while let Some(job) = rx.recv().await {
                job();
            }
        });
        Self::Local(tx)
    }

    /// Runs the job on some thread; tells which. A job that cannot run is dropped.
    pub(crate) fn place(&self, job: Job) -> HostId {
        match self {
            Self::Threads(threads) => threads.place(job),
            Self::Local(jobs) => {
                // The receiver lives as long as the LocalSet; after it nothing can run anyway.
                let _ = jobs.send(job);
                0
            }
            Self::Broken => 0,
        }
    }

    /// A thread is stuck: nothing is placed on it any more. True if its actors can be moved.
    pub(crate) fn condemn(&self, host: HostId) -> bool {
        let Self::Threads(threads) = self else { return false };
        let mut pool = lock(&threads.pool);
        if let Some(at) = pool.arbiters.iter().position(|(id, _)| *id == host) {
            let (_, arbiter) = pool.arbiters.swap_remove(at);
            arbiter.stop();
        }
        true
    }

    /// Ends all threads, those that are not stuck at once.
    pub(crate) fn stop(&self) {
        if let Self::Threads(threads) = self {
            threads.system.stop();
        }
    }
}

impl Threads {
    fn place(&self, job: Job) -> HostId {
        let mut pool = lock(&self.pool);
        pool.arbiters.retain(|(_, arbiter)| arbiter.alive());
        if pool.arbiters.len() + pool.growing.len() < self.size {
            return self.grow(&mut pool, job);
        }
        if pool.arbiters.is_empty()
            && let Some((id, jobs)) = pool.growing.iter_mut().next()
        {
            jobs.push(job);
            return *id;
        }
        let at = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or(0) % pool.arbiters.len();
        let (id, arbiter) = &pool.arbiters[at];
        // Should it die just now, the job is dropped, and its supervisor tries again.
        arbiter.spawn_fn(job);
        *id
    }

    /// Makes one more arbiter, on the system's own thread (which hosts no actor and so is never stuck).
    fn grow(&self, pool: &mut Pool, job: Job) -> HostId {
        pool.ids += 1;
        let (id, shared) = (pool.ids, self.pool.clone());
        pool.growing.insert(id, vec![job]);
        self.system.arbiter().spawn_fn(move || {
            let made = Arbiter::try_new();
            let mut pool = lock(&shared);
            let jobs = pool.growing.remove(&id).unwrap_or_default();
            match made {
                Ok(arbiter) => {
                    pool.arbiters.push((id, arbiter.handle()));
                    drop(pool);
                    for job in jobs {
                        arbiter.spawn_fn(job);
                    }
                }
                Err(error) => {
                    drop(pool);
                    tracing::error!(%error, "cannot start a thread for actors");
                    drop(jobs);
                }
            }
        });
        id
    }
}
