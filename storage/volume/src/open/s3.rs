//! S3 and what speaks like it.

use std::sync::Arc;

use object_store::Result;
use object_store::aws::{AmazonS3, AmazonS3Builder};

use super::lent::AssumedRole;
use super::{client, retry};
use crate::definition::{Credentials, S3Options};

pub(super) fn build(bucket: &str, options: &S3Options) -> Result<AmazonS3> {
    let own = builder(bucket, options).build()?;
    let Some(role) = &options.role else { return Ok(own) };
    // What was found as our own credentials is exchanged for those of the role.
    let assumed = AssumedRole::new(role.clone(), &options.region, Arc::clone(own.credentials()))?;
    builder(bucket, options).with_credentials(Arc::new(assumed)).build()
}

fn builder(bucket: &str, options: &S3Options) -> AmazonS3Builder {
    let base = match &options.credentials {
        Credentials::Environment => AmazonS3Builder::from_env(),
        Credentials::Instance => AmazonS3Builder::new(),
        Credentials::Keys { access_key, secret_key, session_token } => {
            let builder = AmazonS3Builder::new().with_access_key_id(access_key).with_secret_access_key(secret_key);
            match session_token {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
    };
    let builder = base
        .with_bucket_name(bucket)
        .with_region(&options.region)
        .with_virtual_hosted_style_request(!options.path_style)
        .with_client_options(client(options.endpoint.as_deref()))
        .with_retry(retry());
    match &options.endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint),
        None => builder,
    }
}
