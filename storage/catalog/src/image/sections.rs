//! The sections of a snapshot, one after the other: whoever takes them holds as many at a time as it likes.

use sha2::{Digest, Sha256};

use super::{ImageError, Secrets, Section, each_section};
use crate::catalog::Catalog;

/// Encodes a catalog and hands each section on before the next is begun; what is in memory beside the catalog is one section
/// of about 8 MiB, and what `take` keeps. An error of `take` ends it. The same catalog gives the same sections.
pub fn each(
    catalog: &Catalog,
    secrets: Secrets,
    mut take: impl FnMut(Section) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    each_section(catalog, secrets, &mut |kind, bytes| {
        take(Section { kind, sha256: hex::encode(Sha256::digest(&bytes)), bytes })
    })
}
