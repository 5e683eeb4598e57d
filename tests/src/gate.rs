//! Which suites run. They are serial: a cluster is five processes, and machines are small.

use std::sync::{Mutex, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a suite with real processes if `STARKEEP_E2E=1`; else says that it was skipped.
pub fn e2e<F>(suite: &str, body: impl FnOnce() -> F)
where
    F: Future<Output = anyhow::Result<()>>,
{
    if std::env::var("STARKEEP_E2E").as_deref() != Ok("1") {
        println!("SKIP {suite}: set STARKEEP_E2E=1 (it starts clusters of real processes)");
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let since = std::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap_or_else(|e| panic!("the async runtime cannot start: {e}"));
    let outcome = runtime.block_on(body());
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match outcome {
        Ok(()) => println!("{suite}: {:.1} s", since.elapsed().as_secs_f64()),
        Err(error) => panic!("{suite}: {error:?}"),
    }
}
