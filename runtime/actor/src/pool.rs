//! Blocking work: off the actors' threads and off the runtime's.

/// The function panicked, or the runtime went away before it ran.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("blocking work was lost: {0}")]
pub struct BlockingLost(String);

/// Runs a function that blocks (files, fsync, heavy computation) on tokio's blocking pool, in the caller's trace and span.
pub async fn blocking<T, F>(f: F) -> Result<T, BlockingLost>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let scope = crate::trace::Scope::current();
    tokio::task::spawn_blocking(move || scope.run_sync(f)).await.map_err(|error| BlockingLost(error.to_string()))
}

/// Starts a named thread that lives as long as it likes.
pub fn thread<F>(name: &str, f: F) -> std::io::Result<std::thread::JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    std::thread::Builder::new().name(name.to_owned()).spawn(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocking_work_keeps_the_trace_and_reports_a_panic() {
        let cx = crate::trace::TraceContext { trace: crate::TraceId::new(), span: crate::SpanId::new() };
        let seen = crate::trace::scope(cx, async { blocking(crate::trace::current).await }).await;
        assert_eq!(seen, Ok(cx));
        assert!(blocking(|| panic!("boom")).await.is_err());
    }
}
