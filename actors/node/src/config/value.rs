//! The types of settings: how each is read and shown.

mod size;

use std::fmt;
use std::path::PathBuf;

use storage_model::VolumeType;

use super::settings::Setting;
pub use size::CacheSize;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Only what ends the process.
    Fatal,
    /// What a person must act on.
    Error,
    /// What is odd.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The directive for tracing's filter.
    pub fn as_filter(self) -> &'static str {
        match self {
            LogLevel::Fatal | LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

impl Setting for LogLevel {
    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = match text.to_ascii_uppercase().as_str() {
            "FATAL" => LogLevel::Fatal,
            "ERROR" => LogLevel::Error,
            "WARN" | "WARNING" => LogLevel::Warn,
            "INFO" => LogLevel::Info,
            "DEBUG" => LogLevel::Debug,
            "TRACE" => LogLevel::Trace,
            _ => return Err("must be one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL".to_owned()),
        };
        Ok(())
    }

    fn show(&self) -> String {
        match self {
            LogLevel::Fatal => "FATAL",
            other => other.as_filter(),
        }
        .to_ascii_uppercase()
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

/// Where data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// In storage volumes, which all nodes share.
    SharedData,
}

impl Setting for RunMode {
    fn read(&mut self, text: &str) -> Result<(), String> {
        match text.to_ascii_lowercase().as_str() {
            "shared_data" => Ok(()),
            "shared_nothing" => Err("is not supported: data is kept in storage volumes; use shared_data".to_owned()),
            _ => Err("must be shared_data".to_owned()),
        }
    }

    fn show(&self) -> String {
        "shared_data".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

/// Reads the type of a storage volume.
pub(crate) fn volume_type(text: &str) -> Result<VolumeType, String> {
    VolumeType::parse(text)
        .ok_or_else(|| format!("must be one of {}", VolumeType::ALL.map(VolumeType::name).join(", ")))
}

impl Setting for VolumeType {
    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = volume_type(text)?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

/// Ports; nothing else is this small.
impl Setting for u16 {
    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = text
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| "must be a port number from 1 to 65535".to_owned())?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn type_name(&self) -> &'static str {
        "int"
    }
}

impl Setting for u32 {
    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|_| format!("must be a whole number from 0 to {}", u32::MAX))?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn type_name(&self) -> &'static str {
        "int"
    }

    fn number(&self) -> Option<u64> {
        Some(u64::from(*self))
    }
}

impl Setting for u64 {
    fn read(&mut self, text: &str) -> Result<(), String> {
        // Below 2^32: seconds and minutes are multiplied to milliseconds and added to clocks.
        let number: i64 = text.parse().map_err(|_| "must be a whole number".to_owned())?;
        let number = u64::try_from(number).map_err(|_| "must not be negative".to_owned())?;
        if number > u64::from(u32::MAX) {
            return Err(format!("must be at most {}", u32::MAX));
        }
        *self = number;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn type_name(&self) -> &'static str {
        "long"
    }

    fn number(&self) -> Option<u64> {
        Some(*self)
    }
}

/// May be negative.
impl Setting for i32 {
    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|_| "must be a whole number".to_owned())?;
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn type_name(&self) -> &'static str {
        "int"
    }
}

impl Setting for f64 {
    fn read(&mut self, text: &str) -> Result<(), String> {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        *self = number.ok_or_else(|| "must be a number and not negative".to_owned())?;
        Ok(())
    }

    fn show(&self) -> String {
        format!("{self:?}")
    }

    fn type_name(&self) -> &'static str {
        "double"
    }
}

impl Setting for bool {
    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = match text.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => return Err("must be true or false".to_owned()),
        };
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn type_name(&self) -> &'static str {
        "boolean"
    }
}

/// Empty: not set.
impl Setting for Option<bool> {
    fn read(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            *self = None;
            return Ok(());
        }
        let mut flag = false;
        flag.read(text)?;
        *self = Some(flag);
        Ok(())
    }

    fn show(&self) -> String {
        self.map(|flag| flag.to_string()).unwrap_or_default()
    }

    fn type_name(&self) -> &'static str {
        "boolean"
    }
}

/// Empty: not set.
impl Setting for Option<String> {
    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = (!text.is_empty()).then(|| text.to_owned());
        Ok(())
    }

    fn show(&self) -> String {
        self.clone().unwrap_or_default()
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

impl Setting for PathBuf {
    fn read(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("must be a directory".to_owned());
        }
        *self = PathBuf::from(text);
        Ok(())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

/// Empty: not set.
impl Setting for Option<PathBuf> {
    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = (!text.is_empty()).then(|| PathBuf::from(text));
        Ok(())
    }

    fn show(&self) -> String {
        self.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

/// What a local directory is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A rotating disk, or not said.
    Hdd,
    /// A solid-state disk.
    Ssd,
}

/// A local directory of a compute node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRoot {
    /// The directory.
    pub path: PathBuf,
    /// What it is on.
    pub medium: Medium,
}

/// The local directories of a compute node; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRoots(pub Vec<StorageRoot>);

impl Default for StorageRoots {
    fn default() -> StorageRoots {
        StorageRoots(vec![StorageRoot { path: PathBuf::from("storage"), medium: Medium::Hdd }])
    }
}

impl Setting for StorageRoots {
    fn read(&mut self, text: &str) -> Result<(), String> {
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        let roots = parts.map(storage_root).collect::<Result<Vec<_>, _>>()?;
        if roots.is_empty() {
            return Err("must name a directory".to_owned());
        }
        if let Some(twice) = (1..roots.len()).find(|at| roots[..*at].iter().any(|root| root.path == roots[*at].path)) {
            return Err(format!("names {} twice", roots[twice].path.display()));
        }
        *self = StorageRoots(roots);
        Ok(())
    }

    fn show(&self) -> String {
        let one = |root: &StorageRoot| match root.medium {
            Medium::Hdd => root.path.display().to_string(),
            Medium::Ssd => format!("{},medium:SSD", root.path.display()),
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(";")
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

fn storage_root(text: &str) -> Result<StorageRoot, String> {
    let mut parts = text.split(',').map(str::trim);
    let path = PathBuf::from(parts.next().unwrap_or_default());
    if path.as_os_str().is_empty() {
        return Err(format!("`{text}` names no directory"));
    }
    let mut medium = Medium::Hdd;
    for part in parts {
        let lower = part.to_ascii_lowercase().replace(' ', "");
        medium = match lower.strip_prefix("medium:").unwrap_or(&lower) {
            "ssd" => Medium::Ssd,
            "hdd" => Medium::Hdd,
            _ => return Err(format!("`{part}` is neither medium:SSD nor medium:HDD")),
        };
    }
    Ok(StorageRoot { path, medium })
}

/// How much memory a process may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemLimit {
    /// Of the memory of the host, 1 to 100.
    Percent(u8),
    /// Bytes.
    Bytes(u64),
}

impl MemLimit {
    /// In bytes, on a host (or in a container) with `total` bytes; never more than that.
    pub fn bytes(self, total: u64) -> u64 {
        match self {
            // Divided first: total * 100 could overflow, and a hundredth of a byte does not matter.
            MemLimit::Percent(percent) => total / 100 * u64::from(percent) + total % 100 * u64::from(percent) / 100,
            MemLimit::Bytes(bytes) => bytes.min(total),
        }
    }
}

impl fmt::Display for MemLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemLimit::Percent(percent) => write!(f, "{percent}%"),
            MemLimit::Bytes(bytes) => write!(f, "{bytes}"),
        }
    }
}

impl Setting for MemLimit {
    fn read(&mut self, text: &str) -> Result<(), String> {
        let wrong = || "must be a share of memory (80%) or a size (8G)".to_owned();
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.trim().parse().ok().filter(|p| (1..=100).contains(p));
            *self = MemLimit::Percent(percent.ok_or_else(wrong)?);
            return Ok(());
        }
        let upper = text.to_ascii_uppercase();
        let upper = upper.strip_suffix('B').unwrap_or(&upper);
        let (digits, shift) = match upper.char_indices().next_back() {
            Some((at, unit)) if "KMGT".contains(unit) => (&upper[..at], 10 * (1 + "KMGT".find(unit).unwrap_or(0))),
            _ => (upper, 0),
        };
        let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
        let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(wrong)?;
        *self = MemLimit::Bytes(bytes);
        Ok(())
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn type_name(&self) -> &'static str {
        "String"
    }
}

/// Whether an endpoint of OTLP is one: `http://host:port`.
pub(crate) fn check_endpoint(endpoint: Option<&str>) -> Result<(), String> {
    let Some(endpoint) = endpoint else { return Ok(()) };
    match url::Url::parse(endpoint) {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(()),
        _ => Err(format!("otlp_endpoint = {endpoint}: expected http://host:port")),
    }
}

/// The first two keys that name the same port.
pub(crate) fn first_clash(ports: &[(&'static str, u16)]) -> Option<(&'static str, &'static str, u16)> {
    let pairs = ports.iter().enumerate().flat_map(|(at, one)| ports[at + 1..].iter().map(move |other| (one, other)));
    pairs.filter(|(one, other)| one.1 == other.1).map(|(one, other)| (one.0, other.0, one.1)).next()
}

#[cfg(test)]
mod tests;
