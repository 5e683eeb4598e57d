//! Logs: `tracing` to a file of the day in `sys_log_dir`, or to the console; and the audit log.

use std::io::Write;
use std::path::Path;

use actors_front::AuditLog;
use anyhow::Context;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// Flushes the log when it is dropped.
pub struct LogGuard(#[allow(dead_code, reason = "held, never read")] Option<WorkerGuard>);

/// Libraries that say more than an operator wants to read. What strangers send to the HTTP port is an error to its library and
/// nothing that a person must act on: what breaks in a page is logged by us. Nor is a frontend that does not answer an error
/// each time that Raft says something to it: who is lost, and who leads, is logged by us once.
const QUIET: &str = "openraft=error,openraft::replication=off,datafusion=warn,object_store=warn,h2=warn,hyper=warn,actix_server=warn,actix_http=off,actix_web=off";

/// Opens the audit log, a file of the day. The guard flushes it.
pub fn audit(directory: &Path) -> anyhow::Result<(AuditLog, WorkerGuard)> {
    std::fs::create_dir_all(directory).with_context(|| format!("audit_log_dir {}", directory.display()))?;
    let daily = tracing_appender::rolling::daily(directory, "fe.audit.log");
    let (writer, guard) = tracing_appender::non_blocking(daily);
    let write = move |line: String| {
        if let Err(error) = writer.clone().write_all(line.as_bytes()) {
            tracing::warn!(%error, "the audit log could not be written");
        }
    };
    Ok((AuditLog::new(write), guard))
}

/// Starts logging. `RUST_LOG` has the last word on what is logged.
pub fn start(level: &str, console: bool, directory: &Path, file: &str) -> anyhow::Result<LogGuard> {
    let directives = format!("{level},{QUIET}");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives));
    let guard = if console {
        tracing_subscriber::registry().with(filter).with(fmt::layer().with_ansi(false)).try_init()?;
        LogGuard(None)
    } else {
        std::fs::create_dir_all(directory).with_context(|| format!("sys_log_dir {}", directory.display()))?;
        let (writer, guard) = tracing_appender::non_blocking(tracing_appender::rolling::daily(directory, file));
        tracing_subscriber::registry()
            .with(filter)
            .with(fmt::layer().with_ansi(false).with_writer(writer))
            .try_init()?;
        LogGuard(Some(guard))
    };
    Ok(guard)
}
