//! A thread for work that is in no hurry: it gets the processor when nobody who answers clients wants it.

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::oneshot;
use tracing::debug;

/// Of 99, which is a niceness of 10: a tenth of a processor that others want too, all of one that they leave idle.
const PRIORITY: u8 = 22;

/// Does `work` on a thread of its own. What went wrong is that it panicked, or that there was no thread to be had.
pub(crate) async fn run<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (done, result) = oneshot::channel();
    let spawned = runtime_actor::pool::thread(name, move || {
        yield_to_others();
        // Whoever waited may have gone: then nobody wants it.
        let _ = done.send(work());
    });
    spawned.map_err(|error| format!("no thread for {name}: {error}"))?;
    result.await.map_err(|_| format!("{name}: panicked"))
}

fn yield_to_others() {
    let Ok(priority) = ThreadPriorityValue::try_from(PRIORITY) else { return };
    let priority = ThreadPriority::Crossplatform(priority);
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    // A process that was started with less cannot be given more; it is in nobody's way then.
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), priority, policy) {
        debug!(?error, "the thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::run;

    /// Field 19 of `/proc/thread-self/stat`.
    fn niceness() -> i64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let behind_the_name = stat.rsplit(')').next().unwrap();
        behind_the_name.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn work_runs_with_less_priority_and_a_panic_is_told() {
        let own = niceness();
        assert_eq!(run("test", niceness).await, Ok(own.max(10)));
        assert_eq!(niceness(), own);
        let panicked = run("broken", move || assert!(own < -100)).await;
        assert_eq!(panicked, Err("broken: panicked".to_owned()));
    }
}
