//! The table property `compression`.

use parquet::basic::{Compression, ZstdLevel};
use storage_model::Table;

use crate::error::TabletError;

/// The property's key.
pub const COMPRESSION: &str = "compression";

/// Reads `LZ4`, `ZSTD`, `ZSTD(n)` (1..=22) or `SNAPPY`, without case.
pub fn parse_compression(text: &str) -> Result<Compression, TabletError> {
    let wrong = || TabletError::invalid(format!("unknown compression type: {text}"));
    let upper = text.trim().to_ascii_uppercase();
    match upper.as_str() {
        "LZ4" => Ok(Compression::LZ4_RAW),
        "SNAPPY" => Ok(Compression::SNAPPY),
        "ZSTD" => Ok(Compression::ZSTD(ZstdLevel::default())),
        _ => {
            let level = upper.strip_prefix("ZSTD(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
            let level = level.trim().parse::<i32>().map_err(|_| wrong())?;
            Ok(Compression::ZSTD(ZstdLevel::try_new(level).map_err(|_| wrong())?))
        }
    }
}

/// What a table's files are compressed with.
pub(crate) fn compression_of(table: &Table) -> Result<Compression, TabletError> {
    table
        .properties
        .get(COMPRESSION)
        .map_or(Ok(Compression::ZSTD(ZstdLevel::default())), |text| parse_compression(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_is_read() {
        assert_eq!(parse_compression("lz4").unwrap(), Compression::LZ4_RAW);
        assert_eq!(parse_compression("Zstd(9)").unwrap(), Compression::ZSTD(ZstdLevel::try_new(9).unwrap()));
        for bad in ["", "zstd(0)", "zstd(23)", "zstd(", "gzip"] {
            assert!(parse_compression(bad).is_err(), "{bad}");
        }
    }
}
