//! Azure Blob Storage, and Data Lake Storage through its blob endpoint.

use object_store::Result;
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};

use super::{client, retry};
use crate::definition::{AzureCredentials, AzureOptions};

pub(super) fn build(container: &str, options: &AzureOptions) -> Result<MicrosoftAzure> {
    let base = match &options.credentials {
        AzureCredentials::Environment => MicrosoftAzureBuilder::from_env(),
        AzureCredentials::Key(key) => MicrosoftAzureBuilder::new().with_access_key(key),
        AzureCredentials::Signature(signature) => {
            MicrosoftAzureBuilder::new().with_config(AzureConfigKey::SasKey, signature)
        }
        AzureCredentials::Principal { tenant, client, secret, authority } => {
            let principal = MicrosoftAzureBuilder::new().with_client_secret_authorization(client, secret, tenant);
            match authority {
                Some(authority) => principal.with_authority_host(host_of(authority)),
                None => principal,
            }
        }
        AzureCredentials::Identity { client: Some(client) } => MicrosoftAzureBuilder::new().with_client_id(client),
        AzureCredentials::Identity { client: None } => MicrosoftAzureBuilder::new(),
    };
    base.with_account(&options.account)
        .with_container_name(container)
        .with_endpoint(options.endpoint.clone())
        .with_client_options(client(Some(&options.endpoint)))
        .with_retry(retry())
        .build()
}

/// `https://login.example` of `https://login.example/{tenant}/oauth2/token`, as operators of StarRocks write it.
fn host_of(authority: &str) -> &str {
    let begin = authority.find("://").map_or(0, |at| at + 3);
    authority[begin..].find('/').map_or(authority, |end| &authority[..begin + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_a_host() {
        assert_eq!(host_of("https://login.example/tenant/oauth2/token"), "https://login.example");
        assert_eq!(host_of("https://login.example"), "https://login.example");
    }
}
