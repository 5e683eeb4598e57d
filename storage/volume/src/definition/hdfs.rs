//! The properties of TYPE = HDFS.

use std::collections::BTreeMap;

use super::{check_keys, text};
use crate::error::VolumeError;

const AUTHENTICATION: &str = "hadoop.security.authentication";
const USER: &str = "username";

/// The properties of an HDFS volume, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HdfsOptions {
    /// Hadoop's own configuration: `dfs.*`, `fs.viewfs.*`, authentication.
    pub configuration: BTreeMap<String, String>,
    /// As whom files are written; None: the user of the process.
    pub user: Option<String>,
}

impl HdfsOptions {
    /// Reads the properties of a volume.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<HdfsOptions, VolumeError> {
        let is_hadoop = |key: &str| key == AUTHENTICATION || key.starts_with("dfs.") || key.starts_with("fs.viewfs.");
        check_keys(properties, |key| key == USER || is_hadoop(key))?;
        match text(properties, AUTHENTICATION) {
            None => {}
            Some(kind) if kind.eq_ignore_ascii_case("simple") || kind.eq_ignore_ascii_case("kerberos") => {}
            Some(_) => {
                let text = format!("Invalid properties {AUTHENTICATION}: it must be simple or kerberos");
                return Err(VolumeError::definition(text));
            }
        }
        let hadoop = properties.iter().filter(|(key, _)| is_hadoop(key));
        Ok(HdfsOptions {
            configuration: hadoop.map(|(key, value)| (key.clone(), value.trim().to_owned())).collect(),
            user: text(properties, USER).map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<HdfsOptions, VolumeError> {
        HdfsOptions::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn what_is_hadoops_goes_to_hadoop() {
        let options =
            read(&[("enabled", "true"), (AUTHENTICATION, "simple"), (USER, "u"), ("dfs.nameservices", " ha ")])
                .unwrap();
        assert_eq!(options.user.as_deref(), Some("u"));
        assert_eq!(options.configuration["dfs.nameservices"], "ha");
        assert_eq!(options.configuration.len(), 2);
        assert_eq!(read(&[("password", "x")]).unwrap_err().to_string(), "Invalid properties password");
        assert!(read(&[(AUTHENTICATION, "trust")]).unwrap_err().to_string().contains("simple or kerberos"));
    }
}
