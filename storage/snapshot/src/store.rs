//! The volume as this room uses it: every failure says what was being done, unreachable stores are asked again.

use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use storage_model::Kind;
use storage_volume::{ObjectInfo, Volume, VolumeError};

use crate::error::SnapshotError;

/// Requests in flight for one job.
pub(crate) const PARALLEL: usize = 4;
/// The volume itself retries what a store answers; this is for a store that was away for a moment.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 200 });

pub(crate) fn failed(operation: &'static str, object: &str, error: VolumeError) -> SnapshotError {
    SnapshotError::because(error.kind(), operation, object, error)
}

/// Reads an object; None when the store says that there is none.
pub(crate) async fn read(volume: &Volume, operation: &'static str, path: &str) -> Result<Option<Bytes>, SnapshotError> {
    let mut attempt = 1;
    loop {
        match volume.get(path).await {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(e) if e.is_not_found() => return Ok(None),
            Err(e) if e.kind() == Kind::Unavailable && attempt < ATTEMPTS => pause(&mut attempt, operation, &e).await,
            Err(e) => return Err(failed(operation, path, e)),
        }
    }
}

/// Writes an object. Writing the same bytes twice does no harm: every object of a snapshot is of one content only.
pub(crate) async fn write(
    volume: &Volume,
    operation: &'static str,
    path: &str,
    bytes: Bytes,
) -> Result<(), SnapshotError> {
    let mut attempt = 1;
    loop {
        match volume.put(path, bytes.clone()).await {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == Kind::Unavailable && attempt < ATTEMPTS => pause(&mut attempt, operation, &e).await,
            Err(e) => return Err(failed(operation, path, e)),
        }
    }
}

async fn pause(attempt: &mut u32, operation: &'static str, error: &VolumeError) {
    tracing::warn!(attempt, operation, %error, "the store did not answer, asking again");
    tokio::time::sleep(FIRST_PAUSE * 4_u32.pow(*attempt - 1)).await;
    *attempt += 1;
}

pub(crate) async fn list(
    volume: &Volume,
    operation: &'static str,
    directory: &str,
) -> Result<Vec<ObjectInfo>, SnapshotError> {
    volume.list(directory).await.map_err(|e| failed(operation, directory, e))
}

pub(crate) async fn list_dirs(
    volume: &Volume,
    operation: &'static str,
    directory: &str,
) -> Result<Vec<String>, SnapshotError> {
    volume.list_dirs(directory).await.map_err(|e| failed(operation, directory, e))
}

pub(crate) async fn head(
    volume: &Volume,
    operation: &'static str,
    path: &str,
) -> Result<Option<ObjectInfo>, SnapshotError> {
    volume.head(path).await.map_err(|e| failed(operation, path, e))
}

pub(crate) async fn delete_all(
    volume: &Volume,
    operation: &'static str,
    paths: &[String],
) -> Result<(), SnapshotError> {
    for (path, result) in paths.iter().zip(volume.delete_many(paths).await) {
        result.map_err(|e| failed(operation, path, e))?;
    }
    Ok(())
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
