//! A CRC-32C of every column chunk, in the footer's key-value metadata: Parquet's own writer sums nothing. The sum of
//! the whole object (footer and indexes too) is the catalog's SHA-256.

use bytes::Bytes;
use parquet::file::metadata::{ParquetMetaDataReader, RowGroupMetaData};
use serde::{Deserialize, Serialize};

use crate::error::TabletError;

/// The key in the footer.
pub const CRC32C_KEY: &str = "starkeep.crc32c";

#[derive(Debug, Serialize, Deserialize)]
struct Sums {
    version: u32,
    /// One list a row group, one number a column chunk.
    row_groups: Vec<Vec<u32>>,
}

/// The sums of the row groups in `file`, as the footer keeps them.
pub(crate) fn sums(file: &[u8], row_groups: &[RowGroupMetaData]) -> Result<String, TabletError> {
    let row_groups = row_groups.iter().map(|group| group_sums(file, group)).collect::<Result<_, _>>()?;
    serde_json::to_string(&Sums { version: 1, row_groups }).map_err(|e| TabletError::invalid(e.to_string()))
}

fn group_sums(file: &[u8], group: &RowGroupMetaData) -> Result<Vec<u32>, TabletError> {
    let chunk = |column: &parquet::file::metadata::ColumnChunkMetaData| {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let range = usize::try_from(start).ok().zip(usize::try_from(column.compressed_size()).ok());
        range
            .and_then(|(start, length)| file.get(start..start.checked_add(length)?))
            .map(crc32c::crc32c)
            .ok_or_else(|| TabletError::corrupt(format!("column chunk '{}' is outside the file", column.column_path())))
    };
    group.columns().iter().map(chunk).collect()
}

/// Checks every column chunk of a whole data file against the sums in its footer.
pub fn verify_file(file: &Bytes) -> Result<(), TabletError> {
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(file)
        .map_err(|e| TabletError::corrupt(format!("the footer cannot be read: {e}")))?;
    let pairs = metadata.file_metadata().key_value_metadata();
    let value = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == CRC32C_KEY)?.value.as_deref());
    let value = value.ok_or_else(|| TabletError::corrupt(format!("the footer has no '{CRC32C_KEY}'")))?;
    let written: Sums = serde_json::from_str(value)
        .map_err(|e| TabletError::corrupt(format!("'{CRC32C_KEY}' in the footer cannot be read: {e}")))?;
    if written.version != 1 {
        return Err(TabletError::invalid(format!("'{CRC32C_KEY}' has version {}, newer than this", written.version)));
    }
    if written.row_groups.len() != metadata.num_row_groups() {
        return Err(TabletError::corrupt("the footer has not one sum for every row group"));
    }
    for (number, (wanted, group)) in written.row_groups.iter().zip(metadata.row_groups()).enumerate() {
        let found = group_sums(file, group)?;
        if wanted.len() != found.len() {
            return Err(TabletError::corrupt("the footer has not one sum for every column"));
        }
        if let Some(at) = (0..found.len()).find(|at| wanted[*at] != found[*at]) {
            let path = group.column(at).column_path();
            return Err(TabletError::corrupt(format!("column '{path}' of row group {number} has another CRC-32C")));
        }
    }
    Ok(())
}
