//! The properties of TYPE = AZBLOB and TYPE = ADLS2. Both are the same service: an account of the second kind answers at a
//! blob endpoint too, which is the one that is spoken to.

use std::collections::BTreeMap;

use storage_model::VolumeType;
use url::Url;

use super::{check_keys, flag, read_endpoint, text, worth_hiding};
use crate::error::VolumeError;

/// What follows `azure.blob.` or `azure.adls2.`, whichever the volume's type is.
const PROPERTIES: [&str; 8] =
    [ENDPOINT, SHARED_KEY, SAS_TOKEN, MANAGED_IDENTITY, TENANT, CLIENT, CLIENT_SECRET, CLIENT_ENDPOINT];

const ENDPOINT: &str = "endpoint";
const SHARED_KEY: &str = "shared_key";
const SAS_TOKEN: &str = "sas_token";
const MANAGED_IDENTITY: &str = "oauth2_use_managed_identity";
const TENANT: &str = "oauth2_tenant_id";
const CLIENT: &str = "oauth2_client_id";
const CLIENT_SECRET: &str = "oauth2_client_secret";
const CLIENT_ENDPOINT: &str = "oauth2_client_endpoint";

/// Where the credentials of an Azure volume come from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum AzureCredentials {
    /// The key of the account.
    Key(String),
    /// A shared access signature.
    Signature(String),
    /// A service principal.
    Principal { tenant: String, client: String, secret: String, authority: Option<String> },
    /// The identity of this host, or that of a client id.
    Identity { client: Option<String> },
    /// The environment of the process.
    Environment,
}

/// The properties of an Azure volume, read. No Debug: there are secrets in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AzureOptions {
    /// The account.
    pub account: String,
    /// Of the account, with its scheme.
    pub endpoint: String,
    /// Who we are.
    pub credentials: AzureCredentials,
}

impl AzureOptions {
    /// Reads the properties of a volume.
    pub fn read(volume_type: VolumeType, properties: &BTreeMap<String, String>) -> Result<AzureOptions, VolumeError> {
        let keys = Keys { prefix: if volume_type == VolumeType::Adls2 { "azure.adls2." } else { "azure.blob." } };
        check_keys(properties, |key| key.strip_prefix(keys.prefix).is_some_and(|name| PROPERTIES.contains(&name)))?;
        let key = keys.of(ENDPOINT);
        let Some(endpoint) = text(properties, &key) else { return Err(missing(&key)) };
        let (account, endpoint) = account(&key, read_endpoint(&key, endpoint)?)?;
        Ok(AzureOptions { account, endpoint, credentials: read_credentials(keys, properties)? })
    }

    /// What must never be printed.
    pub fn secrets(&self) -> Vec<String> {
        match &self.credentials {
            AzureCredentials::Key(secret) | AzureCredentials::Principal { secret, .. } => worth_hiding([secret]),
            AzureCredentials::Signature(signature) => {
                let values: Vec<String> = signature
                    .trim_start_matches('?')
                    .split('&')
                    .filter_map(|pair| pair.strip_prefix("sig=").map(str::to_owned))
                    .collect();
                worth_hiding(values.iter().chain([signature]))
            }
            AzureCredentials::Identity { .. } | AzureCredentials::Environment => Vec::new(),
        }
    }
}

/// The names of the properties of a type.
#[derive(Clone, Copy)]
struct Keys {
    prefix: &'static str,
}

impl Keys {
    fn of(self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

fn missing(key: &str) -> VolumeError {
    VolumeError::definition(format!("property '{key}' is missing"))
}

fn read_credentials(keys: Keys, properties: &BTreeMap<String, String>) -> Result<AzureCredentials, VolumeError> {
    let given = |name: &str| text(properties, &keys.of(name)).map(str::to_owned);
    if flag(properties, &keys.of(MANAGED_IDENTITY))? == Some(true) {
        return Ok(AzureCredentials::Identity { client: given(CLIENT) });
    }
    if let Some(key) = given(SHARED_KEY) {
        return Ok(AzureCredentials::Key(key));
    }
    if let Some(signature) = given(SAS_TOKEN) {
        return Ok(AzureCredentials::Signature(signature));
    }
    if [TENANT, CLIENT, CLIENT_SECRET].iter().all(|name| given(name).is_none()) {
        return Ok(AzureCredentials::Environment);
    }
    let needed = |name: &str| given(name).ok_or_else(|| missing(&keys.of(name)));
    Ok(AzureCredentials::Principal {
        tenant: needed(TENANT)?,
        client: needed(CLIENT)?,
        secret: needed(CLIENT_SECRET)?,
        authority: given(CLIENT_ENDPOINT),
    })
}

/// The account of an endpoint, and the endpoint of its blobs: `https://{account}.blob.core.windows.net`, or, where the
/// host is an address or has no such name (an emulator), `http://127.0.0.1:10000/{account}`.
fn account(key: &str, mut url: Url) -> Result<(String, String), VolumeError> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let path = url.path().trim_matches('/').to_owned();
    let named = host.split_once('.').filter(|(_, rest)| rest.starts_with("blob.") || rest.starts_with("dfs."));
    let account = match named {
        Some((account, rest)) if path.is_empty() => {
            let rest = rest.strip_prefix("dfs.").map_or_else(|| rest.to_owned(), |rest| format!("blob.{rest}"));
            let blobs = format!("{account}.{rest}");
            url.set_host(Some(&blobs))
                .map_err(|e| VolumeError::definition(format!("Invalid properties {key}: '{blobs}': {e}")))?;
            account.to_owned()
        }
        None if !path.is_empty() && !path.contains('/') => path,
        _ => {
            return Err(VolumeError::definition(format!(
                "Invalid properties {key}: it must be https://account.blob.core.windows.net, or end in /account"
            )));
        }
    };
    Ok((account, url.as_str().trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_definition;

    fn read(volume_type: VolumeType, pairs: &[(&str, &str)]) -> Result<AzureOptions, VolumeError> {
        let properties = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        AzureOptions::read(volume_type, &properties)
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        read(VolumeType::AzBlob, pairs).err().unwrap().to_string()
    }

    const AT: (&str, &str) = ("azure.blob.endpoint", "https://acc.blob.core.windows.net");

    #[test]
    fn the_endpoint_names_the_account() {
        let blob = read(VolumeType::AzBlob, &[AT]).unwrap();
        assert_eq!((blob.account.as_str(), blob.endpoint.as_str()), ("acc", "https://acc.blob.core.windows.net"));
        let lake = read(VolumeType::Adls2, &[("azure.adls2.endpoint", "acc.dfs.core.windows.net")]).unwrap();
        assert_eq!((lake.account.as_str(), lake.endpoint.as_str()), ("acc", "https://acc.blob.core.windows.net"));
        let local = read(VolumeType::AzBlob, &[("azure.blob.endpoint", "http://127.0.0.1:10000/dev")]).unwrap();
        assert_eq!((local.account.as_str(), local.endpoint.as_str()), ("dev", "http://127.0.0.1:10000/dev"));
        assert!(refusal(&[("azure.blob.endpoint", "http://127.0.0.1:10000")]).contains("end in /account"));
        assert!(refusal(&[]).contains("azure.blob.endpoint"));
    }

    #[test]
    fn properties_are_those_of_the_type() {
        assert_eq!(refusal(&[AT, ("azure.adls2.shared_key", "k")]), "Invalid properties azure.adls2.shared_key");
        assert_eq!(refusal(&[AT, ("aws.s3.region", "k")]), "Invalid properties aws.s3.region");
        assert!(refusal(&[AT, ("azure.blob.oauth2_client_id", "c")]).contains("oauth2_tenant_id"));
        assert!(refusal(&[AT, ("enabled", "1")]).starts_with("Invalid properties enabled"));
        let good = [AT, ("enabled", "true"), ("azure.blob.shared_key", "aw==")];
        let properties = good.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        check_definition(VolumeType::AzBlob, "azblob://c/p", &properties).unwrap();
        assert!(check_definition(VolumeType::Adls2, "adls2://c/p", &properties).is_err());
    }

    #[test]
    fn credentials_come_from_where_the_properties_say_and_are_hidden() {
        let key = read(VolumeType::AzBlob, &[AT, ("azure.blob.shared_key", "hush-key")]).unwrap();
        assert_eq!(key.secrets(), ["hush-key"]);
        let signed = read(VolumeType::AzBlob, &[AT, ("azure.blob.sas_token", "?sv=1&sig=hush-sig")]).unwrap();
        assert_eq!(signed.secrets(), ["hush-sig", "?sv=1&sig=hush-sig"]);
        let host = [AT, ("azure.blob.oauth2_use_managed_identity", "true"), ("azure.blob.oauth2_client_id", "c")];
        let client = Some("c".to_owned());
        assert!(read(VolumeType::AzBlob, &host).unwrap().credentials == AzureCredentials::Identity { client });
        assert!(read(VolumeType::AzBlob, &[AT]).unwrap().credentials == AzureCredentials::Environment);
    }
}
