//! The high-water mark: how far the metadata of an owner were, told in the roots that it owns. Metadata that are behind it
//! are not what they were: their directory was copied back. One object for each incarnation, written anew as they move on;
//! only what was committed is told, so that a mark never promises what a majority does not know.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage_model::{Epoch, Incarnation, Revision};
use storage_volume::Volume;
use storage_volume::layout::Layout;

use crate::error::SnapshotError;
use crate::manifest::{Stamp, hash_of};
use crate::owner::OwnerFacts;
use crate::store;

/// What the object says it is.
pub const MAGIC: &str = "starkeep high-water mark";
/// The format written now. Older ones are read for ever.
pub const FORMAT_VERSION: u32 = 1;

const READ: &str = "read high-water mark";
const WRITE: &str = "write high-water mark";

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// [`MAGIC`].
    pub magic: String,
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// SHA-256 of all the rest in canonical form, as that of a manifest; hex.
    pub sha256: String,
    /// Orders incarnations.
    pub epoch: Epoch,
    /// Whose metadata.
    pub incarnation: Incarnation,
    /// How far they were.
    pub revision: Revision,
    /// The host of the leader.
    pub host: String,
    /// When, by the leader's clock.
    pub at: Stamp,
    /// The writer.
    pub product_version: String,
}

impl Mark {
    /// The mark of a leader whose metadata are this far; `facts` say who tells it, and when.
    pub fn new(epoch: Epoch, incarnation: &Incarnation, revision: Revision, facts: &OwnerFacts) -> Mark {
        let mut mark = Mark {
            magic: MAGIC.to_owned(),
            format_version: FORMAT_VERSION,
            sha256: String::new(),
            epoch,
            incarnation: incarnation.clone(),
            revision,
            host: facts.host.clone(),
            at: facts.at.clone(),
            product_version: facts.product_version.clone(),
        };
        // A struct of numbers and texts always has a JSON form.
        mark.sha256 = serde_json::to_value(&mark).map(|value| hash_of(&value)).unwrap_or_default();
        mark
    }

    /// The object's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| SnapshotError::internal(WRITE, self.incarnation.as_str(), e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the object's bytes: known format, its own hash right. `object` is for messages.
    pub fn parse(bytes: &[u8], object: &str) -> Result<Mark, SnapshotError> {
        let corrupt = |what: String| SnapshotError::corrupt(READ, object, what);
        let value: Value = serde_json::from_slice(bytes).map_err(|e| corrupt(format!("it is not JSON: {e}")))?;
        if value.get("magic").and_then(Value::as_str) != Some(MAGIC) {
            return Err(corrupt("it is not a high-water mark".to_owned()));
        }
        let version = value.get("format_version").and_then(Value::as_u64).unwrap_or(0);
        if version > u64::from(FORMAT_VERSION) {
            let what = format!(
                "format version {version} is newer than {FORMAT_VERSION}, the newest this version knows; use a newer starkeep"
            );
            return Err(SnapshotError::invalid(READ, object, what));
        }
        let (written, found) = (value.get("sha256").and_then(Value::as_str).unwrap_or(""), hash_of(&value));
        if written != found {
            return Err(corrupt(format!("it says that its sha256 is {written}, but it is {found}")));
        }
        serde_json::from_value(value).map_err(|e| corrupt(e.to_string()))
    }
}

/// Writes the mark of an incarnation, in the place of the one before.
pub async fn write(volume: &Volume, layout: &Layout, mark: &Mark) -> Result<(), SnapshotError> {
    store::write(volume, WRITE, &layout.mark(mark.epoch, &mark.incarnation), mark.to_bytes()?.into()).await
}

/// The mark of an incarnation; None when it has told nothing yet.
pub async fn read(
    volume: &Volume,
    layout: &Layout,
    epoch: Epoch,
    incarnation: &Incarnation,
) -> Result<Option<Mark>, SnapshotError> {
    let path = layout.mark(epoch, incarnation);
    store::read(volume, READ, &path).await?.map(|bytes| Mark::parse(&bytes, &path)).transpose()
}
