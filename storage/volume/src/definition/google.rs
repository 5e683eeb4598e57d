//! The properties of TYPE = GS.

use std::collections::BTreeMap;

use super::{check_keys, flag, read_endpoint, text, worth_hiding};
use crate::error::VolumeError;

const PROPERTIES: [&str; 6] = [ENDPOINT, EMAIL, PRIVATE_KEY_ID, PRIVATE_KEY, IMPERSONATED, COMPUTE_ENGINE];

const ENDPOINT: &str = "gcp.gcs.endpoint";
const EMAIL: &str = "gcp.gcs.service_account_email";
const PRIVATE_KEY_ID: &str = "gcp.gcs.service_account_private_key_id";
const PRIVATE_KEY: &str = "gcp.gcs.service_account_private_key";
const IMPERSONATED: &str = "gcp.gcs.impersonation_service_account";
const COMPUTE_ENGINE: &str = "gcp.gcs.use_compute_engine_service_account";

/// Where the credentials of a Google volume come from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum GoogleCredentials {
    /// A service account.
    Account { email: String, private_key_id: String, private_key: String },
    /// The environment of the process, or the account of this host.
    Environment,
    /// None are needed: an emulator, by HTTP.
    Nobody,
}

/// The properties of a Google volume, read. No Debug: there are secrets in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct GoogleOptions {
    /// With its scheme; None: Google's own.
    pub endpoint: Option<String>,
    /// Who we are.
    pub credentials: GoogleCredentials,
    /// As which service account we act.
    pub impersonated: Option<String>,
}

impl GoogleOptions {
    /// Reads the properties of a volume.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<GoogleOptions, VolumeError> {
        check_keys(properties, |key| PROPERTIES.contains(&key))?;
        let endpoint = text(properties, ENDPOINT).map(|endpoint| read_endpoint(ENDPOINT, endpoint)).transpose()?;
        let is_plain = endpoint.as_ref().is_some_and(|url| url.scheme() == "http");
        Ok(GoogleOptions {
            endpoint: endpoint.map(|url| url.as_str().trim_end_matches('/').to_owned()),
            credentials: match read_account(properties)? {
                Some(account) => account,
                None if is_plain => GoogleCredentials::Nobody,
                None => GoogleCredentials::Environment,
            },
            impersonated: text(properties, IMPERSONATED).map(str::to_owned),
        })
    }

    /// What must never be printed.
    pub fn secrets(&self) -> Vec<String> {
        match &self.credentials {
            GoogleCredentials::Account { private_key_id, private_key, .. } => {
                worth_hiding([private_key_id, private_key])
            }
            GoogleCredentials::Environment | GoogleCredentials::Nobody => Vec::new(),
        }
    }
}

fn read_account(properties: &BTreeMap<String, String>) -> Result<Option<GoogleCredentials>, VolumeError> {
    let keys = [EMAIL, PRIVATE_KEY_ID, PRIVATE_KEY];
    let is_host = flag(properties, COMPUTE_ENGINE)? == Some(true);
    if is_host || keys.iter().all(|key| text(properties, key).is_none()) {
        return Ok(None);
    }
    let needed = |key: &str| match text(properties, key) {
        Some(value) => Ok(value.to_owned()),
        None => Err(VolumeError::definition(format!("property '{key}' is missing"))),
    };
    Ok(Some(GoogleCredentials::Account {
        email: needed(EMAIL)?,
        private_key_id: needed(PRIVATE_KEY_ID)?,
        // In one line, its line breaks are written as in JSON.
        private_key: needed(PRIVATE_KEY)?.replace("\\n", "\n"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<GoogleOptions, VolumeError> {
        GoogleOptions::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        read(pairs).err().unwrap().to_string()
    }

    #[test]
    fn a_service_account_is_given_whole_or_not_at_all() {
        assert!(refusal(&[(EMAIL, "a@b")]).contains(PRIVATE_KEY_ID));
        let whole = [(EMAIL, "a@b"), (PRIVATE_KEY_ID, "hush-id"), (PRIVATE_KEY, "hush\\nkey")];
        let options = read(&whole).unwrap();
        assert_eq!(options.secrets(), ["hush-id", "hush\nkey"]);
        let host = [whole[0], whole[1], whole[2], (COMPUTE_ENGINE, "true")];
        assert!(read(&host).unwrap().credentials == GoogleCredentials::Environment);
    }

    #[test]
    fn unknown_and_wrong_properties_are_refused() {
        assert_eq!(refusal(&[("gcp.gcs.colour", "x")]), "Invalid properties gcp.gcs.colour");
        assert_eq!(refusal(&[("aws.s3.region", "x")]), "Invalid properties aws.s3.region");
        assert!(refusal(&[(COMPUTE_ENGINE, "yes")]).starts_with("Invalid properties gcp.gcs.use_compute"));
        assert!(refusal(&[(ENDPOINT, "ftp://h")]).contains(ENDPOINT));
    }

    #[test]
    fn only_an_emulator_wants_to_know_nobody() {
        assert!(read(&[(ENDPOINT, "http://127.0.0.1:1")]).unwrap().credentials == GoogleCredentials::Nobody);
        assert!(read(&[(ENDPOINT, "https://h")]).unwrap().credentials == GoogleCredentials::Environment);
        let act = read(&[(IMPERSONATED, "x@y")]).unwrap();
        assert_eq!((act.impersonated.as_deref(), act.endpoint), (Some("x@y"), None));
    }
}
