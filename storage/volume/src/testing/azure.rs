//! What a test needs of an Azure emulator that the product never does.

use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpConnector, HttpRequestBody, ReqwestConnector};
use object_store::{ClientOptions, Result};

/// Makes a container; one that is there is Ok. `endpoint` ends in the account.
pub async fn create_container(endpoint: &str, account: &str, key: &str, container: &str) -> Result<()> {
    let failed = |source| object_store::Error::Generic { store: "emulator", source };
    let mut request = http::Request::put(format!("{endpoint}/{container}?restype=container"))
        .header("content-length", "0")
        .body(HttpRequestBody::empty())
        .map_err(|e| failed(e.into()))?;
    let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(key)?);
    AzureAuthorizer::new(&credential, account).authorize(&mut request);
    let http = ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true))?;
    let answer = http.execute(request).await.map_err(|e| failed(e.into()))?;
    match answer.status().as_u16() {
        201 | 409 => Ok(()),
        status => Err(failed(format!("the container was not made: status {status}").into())),
    }
}
