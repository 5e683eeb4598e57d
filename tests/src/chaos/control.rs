//! HTTP to a node: failpoints are armed and counted, actors looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use deploy_local::Node;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// root without a password, as HTTP Basic has it.
const ROOT: &str = "Basic cm9vdDo=";
const LIMIT: Duration = Duration::from_secs(5);
/// So long a node may not know who may log in.
const LOGIN: Duration = Duration::from_secs(15);

/// One request with login; status and body.
pub async fn request(port: u16, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {ROOT}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(LIMIT, exchange).await.context("no answer over HTTP")??;
    let status = answer.split_whitespace().nth(1).and_then(|s| s.parse().ok()).context("no HTTP status")?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// Whether the node has failpoints.
pub async fn has_failpoints(port: u16) -> bool {
    request(port, "GET", "/api/v2/failpoints", "").await.is_ok_and(|(status, _)| status == 200)
}

/// Arms a failpoint.
pub async fn arm(port: u16, name: &str, action: &str) -> anyhow::Result<()> {
    let body = serde_json::json!({ "name": name, "action": action }).to_string();
    let deadline = tokio::time::Instant::now() + LOGIN;
    loop {
        let answer = request(port, "POST", "/api/v2/failpoints", &body).await;
        match answer {
            Ok((200, _)) => return Ok(()),
            // A compute node asks the frontend who may do this: it may be away, or not heard of yet.
            Ok((503, _)) | Err(_) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok((status, text)) => bail!("{name}={action}: {status} {text}"),
            Err(error) => return Err(error.context(format!("{name}={action}"))),
        }
    }
}

/// Arms a failpoint at which the node may die: perhaps before it has answered.
pub async fn arm_to_die(node: &mut Node, name: &str, action: &str) -> anyhow::Result<()> {
    let armed = arm(node.http_port, name, action);
    tokio::pin!(armed);
    loop {
        tokio::select! {
            done = &mut armed => return done,
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        // What it died of is looked at by whoever waits for it.
        if node.ended().is_some() {
            return Ok(());
        }
    }
}

/// How often each failpoint was reached, and how often something was done there.
pub async fn counts(port: u16) -> anyhow::Result<BTreeMap<String, (u64, u64)>> {
    let (status, text) = request(port, "GET", "/api/v2/failpoints", "").await?;
    ensure!(status == 200, "the failpoints cannot be read: {status} {text}");
    let list: Value = serde_json::from_str(&text)?;
    let list = list.as_array().or_else(|| list["failpoints"].as_array()).context("no list")?.clone();
    let row = |point: &Value| {
        let number = |key: &str| point[key].as_u64().unwrap_or(0);
        Some((point["name"].as_str()?.to_owned(), (number("hits"), number("struck"))))
    };
    Ok(list.iter().filter_map(row).collect())
}

/// An actor as /api/v2/actors shows it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How often it was rebuilt.
    pub restarts: u64,
    /// What it says of itself.
    pub state: Value,
}

/// All actors of a node, by name.
pub async fn actors(port: u16) -> anyhow::Result<BTreeMap<String, Seen>> {
    let (status, text) = request(port, "GET", "/api/v2/actors", "").await?;
    ensure!(status == 200, "the actors cannot be read: {status} {text}");
    let mut found = BTreeMap::new();
    collect(&serde_json::from_str(&text)?, &mut found);
    Ok(found)
}

fn collect(value: &Value, found: &mut BTreeMap<String, Seen>) {
    match value {
        Value::Object(map) => {
            if let (Some(name), Some(restarts)) = (value["name"].as_str(), value["restarts"].as_u64()) {
                found.insert(name.to_owned(), Seen { restarts, state: value["state"].clone() });
            }
            for (key, below) in map {
                if key != "state" {
                    collect(below, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|below| collect(below, found)),
        _ => {}
    }
}
