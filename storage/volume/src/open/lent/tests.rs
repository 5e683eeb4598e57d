//! Who lends credentials is played by a server that answers what a test says, and remembers what it was asked.

use object_store::StaticCredentialProvider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// Answers one request after the other; in the end it tells what they were.
async fn lender(answers: Vec<(u16, &'static str)>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for (status, body) in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            while !is_whole(&bytes) {
                let mut piece = [0; 4096];
                let read = socket.read(&mut piece).await.unwrap();
                assert!(read > 0, "the request was cut off");
                bytes.extend_from_slice(&piece[..read]);
            }
            requests.push(String::from_utf8(bytes).unwrap());
            let length = body.len();
            let text = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
            socket.write_all(text.as_bytes()).await.unwrap();
        }
        requests
    });
    (endpoint, served)
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| body.len() >= length)
}

const LENT: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>\
    <SecretAccessKey>lent</SecretAccessKey><SessionToken>for an hour</SessionToken></Credentials></AssumeRoleResult>\
    </AssumeRoleResponse>";

fn role(endpoint: String) -> AssumedRole {
    let own = AwsCredential { key_id: "AKIA".into(), secret_key: "own".into(), token: None };
    let role = Role { arn: "arn:aws:iam::1:role/r".into(), external_id: Some("a b".into()), endpoint };
    AssumedRole::new(role, "eu-west-1", Arc::new(StaticCredentialProvider::new(own))).unwrap()
}

#[tokio::test]
async fn a_role_is_asked_for_once_and_signed_for() {
    let (endpoint, served) = lender(vec![(503, "busy"), (200, LENT)]).await;
    let role = role(endpoint);
    let (one, two) = tokio::join!(role.get_credential(), role.get_credential());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(Arc::ptr_eq(&one, &two));
    assert_eq!((one.key_id.as_str(), one.secret_key.as_str()), ("ASIA", "lent"));
    assert_eq!(one.token.as_deref(), Some("for an hour"));
    let requests = served.await.unwrap();
    assert_eq!(requests.len(), 2, "a busy lender is asked again, a lent one is kept");
    assert!(requests[1].contains("/eu-west-1/sts/aws4_request"), "{}", requests[1]);
    for says in ["Action=AssumeRole", "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr", "ExternalId=a+b"] {
        assert!(requests[1].contains(says), "{}", requests[1]);
    }
}

#[tokio::test]
async fn who_is_refused_is_told_why() {
    let (endpoint, served) = lender(vec![(403, "AccessDenied: not for you")]).await;
    let refused = role(endpoint).get_credential().await.unwrap_err();
    assert!(refused.to_string().contains("not for you"), "{refused}");
    assert_eq!(served.await.unwrap().len(), 1);
    let (endpoint, _served) = lender(vec![(200, "<SecretAccessKey>hush</SecretAccessKey>")]).await;
    let nothing = role(endpoint).get_credential().await.unwrap_err().to_string();
    assert!(nothing.contains("AccessKeyId") && !nothing.contains("hush"), "{nothing}");
}

#[tokio::test]
async fn an_account_is_acted_as() {
    let (endpoint, served) = lender(vec![(200, r#"{"accessToken": "lent", "expireTime": "later"}"#)]).await;
    let own = Arc::new(StaticCredentialProvider::new(GcpCredential { bearer: "own".into() }));
    let acting = ImpersonatedAccount::at(&endpoint, "a@p.iam", own).unwrap();
    assert_eq!(acting.get_credential().await.unwrap().bearer, "lent");
    assert_eq!(acting.get_credential().await.unwrap().bearer, "lent");
    let requests = served.await.unwrap();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains("/serviceAccounts/a@p.iam:generateAccessToken"), "{}", requests[0]);
    assert!(requests[0].to_lowercase().contains("authorization: bearer own"), "{}", requests[0]);
}
