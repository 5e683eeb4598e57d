//! What is wrong with a configuration, and what is merely odd.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use storage_model::Kind;
use thiserror::Error;

/// Why a node cannot start with its configuration. The text is one line for a person.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file was named and cannot be read.
    #[error("cannot read the configuration file {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is no `key = value`.
    #[error("{place}: {why}")]
    Malformed {
        /// `file:line`.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A value cannot be taken.
    #[error("{place}: {key} = {value}: {why}")]
    BadValue {
        /// `file:line`, or `environment variable NAME`.
        place: String,
        /// The key.
        key: String,
        /// What was given; `******` for a secret.
        value: String,
        /// What is wrong.
        why: String,
    },
    /// Values that are sound alone do not go together.
    #[error("{place}: {why}")]
    Inconsistent {
        /// The file, or `defaults` when none was given.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// `priority_networks` excludes every address of this host.
    #[error("no address of this host is in priority_networks = {networks}; it has {}", list(addresses))]
    NoAddress {
        /// The networks.
        networks: String,
        /// What the host has.
        addresses: Vec<IpAddr>,
    },
    /// The layers could not be merged.
    #[error("cannot merge the configuration: {0}")]
    Layers(#[from] config::ConfigError),
}

impl ConfigError {
    /// What can be done about it: mend the configuration.
    pub fn kind(&self) -> Kind {
        match self {
            ConfigError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::NotFound,
            ConfigError::Layers(_) => Kind::Internal,
            _ => Kind::Invalid,
        }
    }
}

fn list(addresses: &[IpAddr]) -> String {
    if addresses.is_empty() {
        return "none".to_owned();
    }
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// Why ADMIN SET FRONTEND CONFIG was not taken; texts as clients of StarRocks know them (errors 5102 and 5101).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SetError {
    /// 5102.
    #[error("Config '{0}' does not exist or is not mutable")]
    NotMutable(String),
    /// 5101.
    #[error("Set config failed: {0}")]
    Refused(String),
}

/// Something odd in a configuration that does not stop a start. To be logged once, at WARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// `file:line`, `file`, or `environment`.
    pub place: String,
    /// What is odd.
    pub text: String,
}

impl Warning {
    pub(crate) fn new(place: impl Into<String>, text: impl Into<String>) -> Warning {
        Warning { place: place.into(), text: text.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}
