//! Does a volume work, and what can it do? Asked before anybody depends on it, with the client that will be used.

use std::time::Instant;

use bytes::Bytes;
use storage_model::Kind;

use crate::error::VolumeError;
use crate::volume::Volume;

/// Where probes are written, below the location.
const PROBE_DIRECTORY: &str = ".starkeep_probe";

/// What a probe learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whether "create only if absent" is honoured. To be shown; correctness never hangs on it.
    pub conditional_put: bool,
    /// How long a small write took (of a borrowed volume: a listing), milliseconds.
    pub latency_ms: u64,
}

impl Volume {
    /// Writes, reads back, lists and deletes an object of a name that was never used. The error names the step that
    /// failed and the whole chain of causes. In a borrowed volume nothing is written: it is only listed.
    pub async fn probe(&self) -> Result<Probe, VolumeError> {
        if self.is_borrowed() {
            let begun = Instant::now();
            self.list_dirs("").await.map_err(|e| step("list", e))?;
            let latency_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            return Ok(Probe { conditional_put: false, latency_ms });
        }
        let directory = format!("{PROBE_DIRECTORY}/{}", uuid::Uuid::new_v4().simple());
        let (first, second) = (format!("{directory}/first"), format!("{directory}/second"));
        let learned = self.probe_at(&directory, &first, &second).await;
        let deleted = self.delete_many(&[first.clone(), second]).await;
        let learned = learned?;
        for result in deleted {
            result.map_err(|e| step("delete", e))?;
        }
        match self.head(&first).await.map_err(|e| step("look for what was deleted,", e))? {
            None => Ok(learned),
            Some(_) => Err(self.broken("delete", &first, "the object is still there after it was deleted")),
        }
    }

    async fn probe_at(&self, directory: &str, first: &str, second: &str) -> Result<Probe, VolumeError> {
        let body = Bytes::from(format!("starkeep probe {directory}"));
        let begun = Instant::now();
        self.put(first, body.clone()).await.map_err(|e| step("write", e))?;
        let latency_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let read = self.get(first).await.map_err(|e| step("read", e))?;
        if read != body {
            return Err(self.broken("read", first, "the store gave other bytes than were written"));
        }
        let listed = self.list(directory).await.map_err(|e| step("list", e))?;
        if !listed.iter().any(|object| object.path == first && object.size == body.len() as u64) {
            return Err(self.broken("list", directory, "the listing does not show what was written"));
        }
        let refused = self.put_new(first, body.clone()).await.err().map(|e| e.kind()) == Some(Kind::Conflict);
        let conditional_put = refused && self.put_new(second, body).await.is_ok();
        Ok(Probe { conditional_put, latency_ms })
    }

    fn broken(&self, operation: &str, path: &str, why: &str) -> VolumeError {
        self.operation(Kind::Unavailable, &format!("{operation} probe"), path, why.to_owned())
    }
}

fn step(name: &str, error: VolumeError) -> VolumeError {
    match error {
        VolumeError::Operation { kind, volume, path, cause, .. } => {
            VolumeError::Operation { kind, operation: format!("{name} probe"), volume, path, cause }
        }
        other => other,
    }
}
