//! What the operating system says of this process.

use std::time::Instant;

/// CPU and memory of this process, from /proc.
pub(crate) struct ProcessGauge {
    last: Option<(Instant, u64)>,
    cores: u32,
}

/// Clock ticks a second in /proc/self/stat: 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// Pages in /proc/self/statm.
const PAGE_BYTES: u64 = 4096;

impl ProcessGauge {
    pub(crate) fn new() -> ProcessGauge {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        ProcessGauge { last: None, cores }
    }

    pub(crate) fn cores(&self) -> u32 {
        self.cores
    }

    /// Resident bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_BYTES
    }

    /// CPU since the last call, in percent of all cores.
    pub(crate) fn cpu_percent(&mut self, now: Instant) -> f32 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The second field may hold blanks: count behind its closing parenthesis. utime and stime are fields 14 and 15.
        let behind = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = behind.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
        let before = self.last.replace((now, ticks));
        let Some((then, before)) = before else { return 0.0 };
        let seconds = now.saturating_duration_since(then).as_secs_f64();
        if seconds <= 0.0 {
            return 0.0;
        }
        (ticks.saturating_sub(before) as f64 / TICKS_PER_SECOND / seconds / f64::from(self.cores) * 100.0) as f32
    }
}
