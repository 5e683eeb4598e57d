//! How much of something the data cache may have.

use super::MemLimit;
use crate::config::settings::Setting;

/// A share, a size, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheSize {
    /// None of it.
    Nothing,
    /// Up to so much.
    UpTo(MemLimit),
}

impl CacheSize {
    /// In bytes, of `total`; never more than that.
    pub fn bytes(self, total: u64) -> u64 {
        match self {
            CacheSize::Nothing => 0,
            CacheSize::UpTo(limit) => limit.bytes(total),
        }
    }
}

impl Setting for CacheSize {
    fn read(&mut self, text: &str) -> Result<(), String> {
        if matches!(text.trim(), "0" | "0%") {
            *self = CacheSize::Nothing;
            return Ok(());
        }
        let mut limit = MemLimit::Percent(1);
        limit.read(text).map_err(|_| "must be a share (10%), a size (8G), or 0".to_owned())?;
        *self = CacheSize::UpTo(limit);
        Ok(())
    }

    fn show(&self) -> String {
        match self {
            CacheSize::Nothing => "0".to_owned(),
            CacheSize::UpTo(limit) => limit.show(),
        }
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sizes_and_nothing() {
        let read = |text: &str| {
            let mut size = CacheSize::Nothing;
            size.read(text).map(|()| (size.show(), size.bytes(1000)))
        };
        for (text, shown, bytes) in [
            ("0", "0", 0),
            ("0%", "0", 0),
            ("20%", "20%", 200),
            ("100%", "100%", 1000),
            ("8G", "8589934592", 1000),
            ("600", "600", 600),
        ] {
            assert_eq!(read(text), Ok((shown.to_owned(), bytes)), "{text}");
        }
        for bad in ["", "101%", "-1", "much", "1.5G", "%"] {
            assert!(read(bad).unwrap_err().contains("must be a share (10%), a size (8G), or 0"), "{bad}");
        }
    }
}
