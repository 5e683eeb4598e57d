//! The properties of TYPE = S3.

use std::collections::BTreeMap;

use url::Url;

use super::{check_keys, flag, read_endpoint, text, worth_hiding};
use crate::error::VolumeError;

/// The properties of TYPE = S3.
const S3_PROPERTIES: [&str; 12] = [
    REGION,
    ENDPOINT,
    ACCESS_KEY,
    SECRET_KEY,
    SESSION_TOKEN,
    PATH_STYLE,
    DEFAULT_BEHAVIOR,
    INSTANCE_PROFILE,
    ROLE,
    EXTERNAL_ID,
    "aws.s3.enable_partitioned_prefix",
    "aws.s3.num_partitioned_prefix",
];

const REGION: &str = "aws.s3.region";
const ENDPOINT: &str = "aws.s3.endpoint";
const ACCESS_KEY: &str = "aws.s3.access_key";
const SECRET_KEY: &str = "aws.s3.secret_key";
const SESSION_TOKEN: &str = "aws.s3.session_token";
const PATH_STYLE: &str = "aws.s3.enable_path_style_access";
const DEFAULT_BEHAVIOR: &str = "aws.s3.use_aws_sdk_default_behavior";
const INSTANCE_PROFILE: &str = "aws.s3.use_instance_profile";
const ROLE: &str = "aws.s3.iam_role_arn";
const EXTERNAL_ID: &str = "aws.s3.external_id";

/// Where the credentials of an S3 volume come from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Given in the properties.
    Keys { access_key: String, secret_key: String, session_token: Option<String> },
    /// The environment of the process (variables, web identity, container, instance).
    Environment,
    /// The metadata service of the instance.
    Instance,
}

/// A role to act in, for which the credentials are exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// `arn:aws:iam::…:role/…`.
    pub arn: String,
    /// What the role's owner wants to be told, if anything.
    pub external_id: Option<String>,
    /// Who exchanges them, with its scheme.
    pub endpoint: String,
}

/// The properties of an S3 volume, read. No Debug: there are secrets in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct S3Options {
    /// The signing region.
    pub region: String,
    /// With its scheme, and with the bucket in its host unless `path_style`; None: Amazon's own of the region.
    pub endpoint: Option<String>,
    /// Whether the bucket goes into the path.
    pub path_style: bool,
    /// Who we are.
    pub credentials: Credentials,
    /// As whom we act.
    pub role: Option<Role>,
}

impl S3Options {
    /// Reads the properties of a volume in `bucket`.
    pub fn read(bucket: &str, properties: &BTreeMap<String, String>) -> Result<S3Options, VolumeError> {
        check_keys(properties, |key| S3_PROPERTIES.contains(&key))?;
        refuse_what_is_not_built(properties)?;
        let endpoint = text(properties, ENDPOINT).map(|endpoint| read_endpoint(ENDPOINT, endpoint)).transpose()?;
        let amazon = endpoint.as_ref().is_none_or(is_amazon);
        // A wildcard certificate does not cover the dots of a bucket's name.
        let path_style = flag(properties, PATH_STYLE)?.unwrap_or(!amazon) || bucket.contains('.');
        let region = text(properties, REGION)
            .map(str::to_owned)
            .or_else(|| endpoint.as_ref().and_then(region_of))
            .unwrap_or_else(|| "us-east-1".to_owned());
        let role = read_role(properties, endpoint.as_ref().filter(|_| !amazon), &region)?;
        let endpoint = endpoint.map(|url| if path_style { Ok(url) } else { with_bucket(url, bucket) }).transpose()?;
        Ok(S3Options {
            region,
            endpoint: endpoint.map(|url| url.as_str().trim_end_matches('/').to_owned()),
            path_style,
            credentials: read_credentials(properties)?,
            role,
        })
    }

    /// What must never be printed.
    pub fn secrets(&self) -> Vec<String> {
        match &self.credentials {
            Credentials::Keys { access_key, secret_key, session_token } => {
                worth_hiding([access_key, secret_key].into_iter().chain(session_token))
            }
            Credentials::Environment | Credentials::Instance => Vec::new(),
        }
    }
}

fn refuse_what_is_not_built(properties: &BTreeMap<String, String>) -> Result<(), VolumeError> {
    if flag(properties, "aws.s3.enable_partitioned_prefix")? == Some(true) {
        return Err(VolumeError::definition("property 'aws.s3.enable_partitioned_prefix' is not supported yet"));
    }
    let key = "aws.s3.num_partitioned_prefix";
    match text(properties, key).map(str::parse::<u32>) {
        None => Ok(()),
        Some(Ok(4..=1024)) => Ok(()),
        Some(_) => Err(VolumeError::definition(format!("Invalid properties {key}: it must be from 4 to 1024"))),
    }
}

/// Compatible stores that know roles exchange credentials where they are; Amazon does so at an endpoint of the region.
fn read_role(
    properties: &BTreeMap<String, String>,
    own: Option<&Url>,
    region: &str,
) -> Result<Option<Role>, VolumeError> {
    let external_id = text(properties, EXTERNAL_ID).map(str::to_owned);
    let Some(arn) = text(properties, ROLE).map(str::to_owned) else {
        return match external_id {
            Some(_) => Err(VolumeError::definition(format!("property '{ROLE}' is missing"))),
            None => Ok(None),
        };
    };
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let endpoint = own.map_or_else(
        || format!("https://sts.{region}.amazonaws.com{suffix}"),
        |url| url.as_str().trim_end_matches('/').to_owned(),
    );
    Ok(Some(Role { arn, external_id, endpoint }))
}

fn read_credentials(properties: &BTreeMap<String, String>) -> Result<Credentials, VolumeError> {
    if flag(properties, DEFAULT_BEHAVIOR)? == Some(true) {
        return Ok(Credentials::Environment);
    }
    if flag(properties, INSTANCE_PROFILE)? == Some(true) {
        return Ok(Credentials::Instance);
    }
    match (text(properties, ACCESS_KEY), text(properties, SECRET_KEY)) {
        (Some(access_key), Some(secret_key)) => Ok(Credentials::Keys {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            session_token: text(properties, SESSION_TOKEN).map(str::to_owned),
        }),
        (None, None) => Ok(Credentials::Environment),
        (Some(_), None) => Err(VolumeError::definition(format!("property '{SECRET_KEY}' is missing"))),
        (None, Some(_)) => Err(VolumeError::definition(format!("property '{ACCESS_KEY}' is missing"))),
    }
}

fn is_amazon(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
}

/// The region in `s3.<region>.amazonaws.com`.
fn region_of(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|_| is_amazon(url))?;
    let (before, _) = host.split_once(".amazonaws.com")?;
    let region = before.rsplit('.').next().filter(|part| part.matches('-').count() >= 2 && !part.starts_with("s3"))?;
    Some(region.to_owned())
}

fn with_bucket(mut url: Url, bucket: &str) -> Result<Url, VolumeError> {
    let host = url.host_str().unwrap_or_default().to_owned();
    if !host.starts_with(&format!("{bucket}.")) {
        url.set_host(Some(&format!("{bucket}.{host}"))).map_err(|e| {
            VolumeError::definition(format!("Invalid properties {ENDPOINT}: bucket '{bucket}' before '{host}': {e}"))
        })?;
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use storage_model::VolumeType;

    use super::*;
    use crate::check_definition;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn options(bucket: &str, pairs: &[(&str, &str)]) -> S3Options {
        S3Options::read(bucket, &properties(pairs)).unwrap_or_else(|e| panic!("{e}"))
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        check_definition(VolumeType::S3, "s3://b", &properties(pairs)).unwrap_err().to_string()
    }

    #[test]
    fn unknown_and_wrong_properties_are_refused() {
        assert_eq!(refusal(&[("aws.s3.colour", "x")]), "Invalid properties aws.s3.colour");
        assert_eq!(refusal(&[("azure.blob.endpoint", "x")]), "Invalid properties azure.blob.endpoint");
        assert!(refusal(&[(PATH_STYLE, "yes")]).starts_with("Invalid properties aws.s3.enable_path_style_access"));
        assert!(refusal(&[("enabled", "1")]).starts_with("Invalid properties enabled"));
        assert!(refusal(&[(ACCESS_KEY, "a")]).contains("aws.s3.secret_key"));
        assert!(refusal(&[(ENDPOINT, "ftp://h")]).contains("aws.s3.endpoint"));
        assert!(!refusal(&[(ENDPOINT, "http://user:hush@h")]).contains("hush"));
        assert!(refusal(&[(EXTERNAL_ID, "x")]).contains("aws.s3.iam_role_arn"));
        assert!(refusal(&[("aws.s3.num_partitioned_prefix", "3")]).contains("from 4 to 1024"));
        let local = check_definition(VolumeType::Local, "file:///d", &properties(&[(REGION, "x")])).unwrap_err();
        assert_eq!(local.to_string(), "Invalid properties aws.s3.region");
        assert!(check_definition(VolumeType::Local, "s3://b", &BTreeMap::new()).is_err());
    }

    #[test]
    fn what_operators_write_is_accepted() {
        check_definition(
            VolumeType::S3,
            "s3://bucket/root",
            &properties(&[
                ("enabled", "TRUE"),
                (REGION, "us-west-2"),
                (ENDPOINT, "https://s3.us-west-2.amazonaws.com"),
                (DEFAULT_BEHAVIOR, "false"),
                (INSTANCE_PROFILE, "false"),
                (ACCESS_KEY, "x"),
                (SECRET_KEY, "y"),
                (SESSION_TOKEN, "z"),
            ]),
        )
        .unwrap();
        check_definition(VolumeType::Local, "file:///d", &properties(&[("enabled", "true")])).unwrap();
    }

    #[test]
    fn endpoints_become_what_the_client_needs() {
        let minio = options("b", &[(ENDPOINT, "minio:9000")]);
        assert_eq!((minio.endpoint.as_deref(), minio.path_style), (Some("http://minio:9000"), true));
        assert_eq!(minio.region, "us-east-1");
        let https = options("b", &[(ENDPOINT, "store.example.org/")]);
        assert_eq!(https.endpoint.as_deref(), Some("https://store.example.org"));
        let amazon = options("b", &[(ENDPOINT, "s3.eu-west-1.amazonaws.com")]);
        assert_eq!(amazon.endpoint.as_deref(), Some("https://b.s3.eu-west-1.amazonaws.com"));
        assert_eq!((amazon.region.as_str(), amazon.path_style), ("eu-west-1", false));
        let dotted = options("b.c", &[(ENDPOINT, "s3.amazonaws.com")]);
        assert_eq!((dotted.endpoint.as_deref(), dotted.path_style), (Some("https://s3.amazonaws.com"), true));
        let hosted = options("b", &[(ENDPOINT, "http://oss:80"), (PATH_STYLE, "false")]);
        assert_eq!(hosted.endpoint.as_deref(), Some("http://b.oss"));
        let role = |pairs: &[(&str, &str)]| options("b", &[pairs, &[(ROLE, "arn:x")]].concat()).role.unwrap().endpoint;
        assert_eq!(role(&[(ENDPOINT, "minio:9000")]), "http://minio:9000");
        assert_eq!(role(&[(ENDPOINT, "s3.eu-west-1.amazonaws.com")]), "https://sts.eu-west-1.amazonaws.com");
        assert_eq!(role(&[(REGION, "cn-north-1")]), "https://sts.cn-north-1.amazonaws.com.cn");
        let own = options("b", &[]);
        assert!(own.endpoint.is_none() && !own.path_style);
    }

    #[test]
    fn credentials_come_from_where_the_properties_say() {
        let keys = [(ACCESS_KEY, "AKIA"), (SECRET_KEY, "hush")];
        assert_eq!(options("b", &keys).secrets(), ["AKIA", "hush"]);
        let all = [keys[0], keys[1], (DEFAULT_BEHAVIOR, "true")];
        assert!(options("b", &all).credentials == Credentials::Environment);
        assert!(options("b", &[(INSTANCE_PROFILE, "true")]).credentials == Credentials::Instance);
        assert!(options("b", &[]).credentials == Credentials::Environment);
    }
}
