//! Google Cloud Storage.

use std::sync::Arc;

use object_store::Result;
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};

use super::lent::ImpersonatedAccount;
use super::{client, retry};
use crate::definition::{GoogleCredentials, GoogleOptions};

pub(super) fn build(bucket: &str, options: &GoogleOptions) -> Result<GoogleCloudStorage> {
    let own = builder(bucket, options).build()?;
    let Some(account) = &options.impersonated else { return Ok(own) };
    let acting = ImpersonatedAccount::new(account, Arc::clone(own.credentials()))?;
    builder(bucket, options).with_credentials(Arc::new(acting)).build()
}

fn builder(bucket: &str, options: &GoogleOptions) -> GoogleCloudStorageBuilder {
    let base = match &options.credentials {
        GoogleCredentials::Environment => GoogleCloudStorageBuilder::from_env(),
        GoogleCredentials::Account { email, private_key_id, private_key } => {
            // The file that Google gives out for an account, as far as it is needed.
            let account = serde_json::json!({
                "type": "service_account",
                "client_email": email,
                "private_key_id": private_key_id,
                "private_key": private_key,
            });
            GoogleCloudStorageBuilder::new().with_service_account_key(account.to_string())
        }
        // An account that asks nobody for a token.
        GoogleCredentials::Nobody => {
            let nobody = serde_json::json!({
                "client_email": "", "private_key_id": "", "private_key": "", "disable_oauth": true,
            });
            GoogleCloudStorageBuilder::new().with_service_account_key(nobody.to_string()).with_skip_signature(true)
        }
    };
    let builder =
        base.with_bucket_name(bucket).with_client_options(client(options.endpoint.as_deref())).with_retry(retry());
    match &options.endpoint {
        Some(endpoint) => builder.with_base_url(endpoint),
        None => builder,
    }
}
