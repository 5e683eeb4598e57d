//! Credentials that are not one's own: of a role that Amazon's STS (or a compatible store) lends for an hour, and of a service
//! account that Google lets one act as. They are renewed before they end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use object_store::aws::{AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::gcp::{GcpCredential, GcpCredentialProvider};
use object_store::{CredentialProvider, Error, Result};
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::client;
use crate::definition::Role;

const STS: &str = "STS";
const IAM: &str = "IAMCredentials";
const IAM_ENDPOINT: &str = "https://iamcredentials.googleapis.com";
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// For so long they are asked for, seconds.
const LENT_SECONDS: u32 = 3600;
/// Older ones are not used: a request may take a while.
const RENEWED_AFTER: Duration = Duration::from_secs(2700);
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What was lent last, and when.
type Lent<T> = Mutex<Option<(Instant, Arc<T>)>>;

fn fresh<T>(lent: Option<&(Instant, Arc<T>)>) -> Option<Arc<T>> {
    lent.filter(|(at, _)| at.elapsed() < RENEWED_AFTER).map(|(_, credential)| Arc::clone(credential))
}

fn generic(store: &'static str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store, source: cause.into() }
}

/// Why there was no answer, and whether another attempt may help.
struct Refused {
    cause: Error,
    is_passing: bool,
}

/// Sends what `request` makes, anew for each attempt: a signature has a time in it.
async fn ask(store: &'static str, http: &HttpClient, request: impl Fn() -> Result<HttpRequest>) -> Result<String> {
    let mut attempt = 1;
    loop {
        match answer(store, http, request()?).await {
            Ok(text) => return Ok(text),
            Err(refused) if refused.is_passing && attempt < ATTEMPTS => {
                tokio::time::sleep(FIRST_PAUSE * 4_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            Err(refused) => return Err(refused.cause),
        }
    }
}

async fn answer(store: &'static str, http: &HttpClient, request: HttpRequest) -> std::result::Result<String, Refused> {
    let lost = |e| Refused { cause: generic(store, e), is_passing: true };
    let response = http.execute(request).await.map_err(lost)?;
    let status = response.status();
    let body = response.into_body().bytes().await.map_err(lost)?;
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    let is_passing = status.is_server_error() || status.as_u16() == 429;
    Err(Refused { cause: generic(store, format!("credentials were refused with status {status}: {text}")), is_passing })
}

/// Acts in a role.
#[derive(Debug)]
pub(super) struct AssumedRole {
    role: Role,
    region: String,
    own: AwsCredentialProvider,
    http: HttpClient,
    lent: Lent<AwsCredential>,
}

impl AssumedRole {
    pub(super) fn new(role: Role, region: &str, own: AwsCredentialProvider) -> Result<AssumedRole> {
        let http = ReqwestConnector::default().connect(&client(Some(&role.endpoint)))?;
        Ok(AssumedRole { role, region: region.to_owned(), own, http, lent: Mutex::default() })
    }

    fn form(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "AssumeRole")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", &self.role.arn)
            .append_pair("RoleSessionName", "starkeep")
            .append_pair("DurationSeconds", &LENT_SECONDS.to_string());
        if let Some(id) = &self.role.external_id {
            form.append_pair("ExternalId", id);
        }
        form.finish()
    }

    fn request(&self, own: &AwsCredential) -> Result<HttpRequest> {
        let mut request = http::Request::post(format!("{}/", self.role.endpoint))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(HttpRequestBody::from(self.form()))
            .map_err(|e| generic(STS, e))?;
        AwsAuthorizer::new(own, "sts", &self.region).authorize(&mut request, None);
        Ok(request)
    }
}

#[async_trait]
impl CredentialProvider for AssumedRole {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
        // One at a time: the others find what the first was lent.
        let mut lent = self.lent.lock().await;
        if let Some(credential) = fresh(lent.as_ref()) {
            return Ok(credential);
        }
        let own = self.own.get_credential().await?;
        let asked = Instant::now();
        let text = ask(STS, &self.http, || self.request(&own)).await?;
        let credential = Arc::new(read_role(&text)?);
        *lent = Some((asked, Arc::clone(&credential)));
        Ok(credential)
    }
}

/// The credentials in an answer of STS. An error says nothing of the answer: there may be secrets in it.
fn read_role(text: &str) -> Result<AwsCredential> {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(value, _)| value.trim().to_owned())
    };
    let needed = |name: &str| element(name).ok_or_else(|| generic(STS, format!("the answer holds no {name}")));
    Ok(AwsCredential {
        key_id: needed("AccessKeyId")?,
        secret_key: needed("SecretAccessKey")?,
        token: Some(needed("SessionToken")?),
    })
}

/// Acts as a service account.
#[derive(Debug)]
pub(super) struct ImpersonatedAccount {
    url: String,
    own: GcpCredentialProvider,
    http: HttpClient,
    lent: Lent<GcpCredential>,
}

impl ImpersonatedAccount {
    pub(super) fn new(account: &str, own: GcpCredentialProvider) -> Result<ImpersonatedAccount> {
        ImpersonatedAccount::at(IAM_ENDPOINT, account, own)
    }

    fn at(endpoint: &str, account: &str, own: GcpCredentialProvider) -> Result<ImpersonatedAccount> {
        let url = format!("{endpoint}/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
        let http = ReqwestConnector::default().connect(&client(Some(endpoint)))?;
        Ok(ImpersonatedAccount { url, own, http, lent: Mutex::default() })
    }

    fn request(&self, own: &GcpCredential) -> Result<HttpRequest> {
        let body = serde_json::json!({ "scope": [SCOPE], "lifetime": format!("{LENT_SECONDS}s") });
        http::Request::post(&self.url)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", own.bearer))
            .body(HttpRequestBody::from(body.to_string()))
            .map_err(|e| generic(IAM, e))
    }
}

#[async_trait]
impl CredentialProvider for ImpersonatedAccount {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> Result<Arc<GcpCredential>> {
        let mut lent = self.lent.lock().await;
        if let Some(credential) = fresh(lent.as_ref()) {
            return Ok(credential);
        }
        let own = self.own.get_credential().await?;
        let asked = Instant::now();
        let text = ask(IAM, &self.http, || self.request(&own)).await?;
        let token = serde_json::from_str::<serde_json::Value>(&text).ok();
        let token = token.as_ref().and_then(|answer| answer.get("accessToken")).and_then(serde_json::Value::as_str);
        let bearer = token.ok_or_else(|| generic(IAM, "the answer holds no accessToken"))?.to_owned();
        let credential = Arc::new(GcpCredential { bearer });
        *lent = Some((asked, Arc::clone(&credential)));
        Ok(credential)
    }
}

#[cfg(test)]
mod tests;
