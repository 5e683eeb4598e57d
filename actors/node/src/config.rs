//! Configuration of the two roles: StarRocks' keys, defaults and file form, read through the `config` crate.
//!
//! ```text
//!   defaults (settings)  ◀──  fe.conf / cn.conf (file)  ◀──  environment STARKEEP_<KEY> (layers)
//!          │
//!          └── one list of keys per role: frontend, compute  ──▶  ADMIN SHOW / SET FRONTEND CONFIG
//! ```
//!
//! Nothing here starts, binds or opens anything; a wrong value ends in one [`ConfigError`] that names file, line and key.

mod builtin;
mod compute;
mod error;
mod file;
mod frontend;
mod known;
mod layers;
mod network;
mod secure;
mod settings;
mod value;

pub use builtin::builtin_volume;
pub use compute::ComputeConfig;
pub use error::{ConfigError, SetError, Warning};
pub use frontend::FrontendConfig;
pub use network::{Cidr, PriorityNetworks, advertised_host, bind_host};
pub use secure::{load_client_tls, load_tls};
pub use settings::ConfigEntry;
pub use value::{CacheSize, LogLevel, Medium, MemLimit, RunMode, StorageRoot, StorageRoots};

pub(crate) use file::expand;
pub(crate) use value::volume_type;

use std::collections::BTreeMap;

/// The variables of an environment, so that tests can bring their own.
pub type Variables = BTreeMap<String, String>;

/// The environment of this process; variables that are not Unicode are left out.
pub fn environment() -> Variables {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))).collect()
}

#[cfg(test)]
mod tests;
