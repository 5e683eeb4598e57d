//! A real browser: headless Chromium behind chromedriver, driven over the WebDriver protocol, which is HTTP with JSON.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// One command may take this long.
const COMMAND: Duration = Duration::from_secs(60);
/// Names under which the browser is installed.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Keys that are no letters, as WebDriver writes them.
pub mod key {
    /// Enter.
    pub const ENTER: char = '\u{e007}';
    /// Escape.
    pub const ESCAPE: char = '\u{e00c}';
    /// End.
    pub const END: char = '\u{e010}';
    /// Home.
    pub const HOME: char = '\u{e011}';
    /// Arrow to the left.
    pub const LEFT: char = '\u{e012}';
    /// Arrow up.
    pub const UP: char = '\u{e013}';
    /// Arrow to the right.
    pub const RIGHT: char = '\u{e014}';
    /// Arrow down.
    pub const DOWN: char = '\u{e015}';
    /// Tab.
    pub const TAB: char = '\u{e004}';
}

/// A browser with one window.
pub struct Browser {
    port: u16,
    session: String,
    browser: Option<i32>,
    driver: Child,
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// Why there is no browser; None: there is one.
pub fn missing() -> Option<String> {
    if !BROWSERS.iter().any(|name| on_path(name)) {
        return Some("there is no chromium (apt package chromium)".to_owned());
    }
    (!on_path("chromedriver")).then(|| "there is no chromedriver (apt package chromium-driver)".to_owned())
}

/// One HTTP request to this host, like `GET /`, with more headers; status and body.
pub async fn request(port: u16, what: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<(u16, String)> {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!(
            "{what} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}Content-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // chromedriver keeps the connection, whatever it is asked for.
        while !is_whole(&answer) && stream.read_buf(&mut answer).await? > 0 {}
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(COMMAND, exchange).await.with_context(|| format!("{what}: no answer"))??;
    let status = answer.split_whitespace().nth(1).and_then(|s| s.parse().ok()).context("no HTTP status")?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// Whether all that `Content-Length` announces is there.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}

impl Browser {
    /// Starts chromedriver and a browser whose profile is in this directory.
    pub async fn open(profile: &Path) -> anyhow::Result<Browser> {
        let [port] = deploy_local::free_ports::<1>()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = command.kill_on_drop(true).spawn().context("start chromedriver")?;
        let mut browser = Browser { port, session: String::new(), browser: None, driver };
        let deadline = Instant::now() + Duration::from_secs(20);
        while request(port, "GET /status", &[], "").await.is_err() {
            ensure!(Instant::now() < deadline, "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let profile = format!("--user-data-dir={}", profile.display());
        // As root in a container there is no sandbox, and /dev/shm is small.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-extensions",
            "--disable-background-networking",
            "--window-size=1280,900",
            profile.as_str(),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": arguments },
        }}});
        let session = browser.call("POST /session", &wanted).await.context("start chromium")?;
        browser.session = session["sessionId"].as_str().context("no session")?.to_owned();
        browser.browser = session["capabilities"]["goog:processID"].as_i64().map(|pid| pid as i32);
        Ok(browser)
    }

    async fn call(&self, head: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, text) = request(self.port, head, &[], &body.to_string()).await?;
        let mut answer: Value = serde_json::from_str(&text).with_context(|| format!("{head}: {status} {text}"))?;
        ensure!(status == 200, "{head}: {}", answer["value"]["message"].as_str().unwrap_or(&text));
        Ok(answer["value"].take())
    }

    async fn command(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(&format!("POST /session/{}/{path}", self.session), &body).await
    }

    async fn devtools(&self, command: &str, parameters: Value) -> anyhow::Result<Value> {
        self.command("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Opens a page.
    pub async fn goto(&self, url: &str) -> anyhow::Result<()> {
        self.command("url", json!({ "url": url })).await.map(drop)
    }

    /// Runs a script in the page; what it returns.
    pub async fn script(&self, script: &str) -> anyhow::Result<Value> {
        let shown: String = script.chars().take(200).collect();
        self.command("execute/sync", json!({ "script": script, "args": [] })).await.with_context(|| shown)
    }

    /// The value of an expression as text.
    pub async fn text(&self, expression: &str) -> anyhow::Result<String> {
        let value = self.script(&format!("return String({expression})")).await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until an expression is true.
    pub async fn until(&self, what: &str, limit: Duration, expression: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if self.script(&format!("return Boolean({expression})")).await? == json!(true) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let page = self.text("document.body.innerText.slice(0, 1000)").await.unwrap_or_default();
                bail!("{what}: not within {} s ({expression}); the page:\n{page}", limit.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks, as a user does: the middle of the element must be that element.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let found = json!({ "using": "css selector", "value": selector });
        let element = self.command("element", found).await.with_context(|| selector.to_owned())?;
        let id = element.as_object().and_then(|e| e.values().next()).and_then(Value::as_str).context("no element")?;
        self.command(&format!("element/{id}/click"), json!({})).await.map(drop)
    }

    /// Types, letter by letter, to whatever has the focus.
    pub async fn keys(&self, text: &str) -> anyhow::Result<()> {
        let press =
            |letter: char| [json!({ "type": "keyDown", "value": letter }), json!({ "type": "keyUp", "value": letter })];
        let actions: Vec<Value> = text.chars().flat_map(press).collect();
        self.command("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }))
            .await
            .map(drop)
    }

    /// The size of the page in CSS pixels.
    pub async fn size(&self, width: u32, height: u32) -> anyhow::Result<()> {
        let wanted = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", wanted).await.map(drop)
    }

    /// What the system is said to prefer: `light` or `dark`.
    pub async fn prefers(&self, scheme: &str) -> anyhow::Result<()> {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await.map(drop)
    }

    /// Writes a picture of the page.
    pub async fn screenshot(&self, path: &Path) -> anyhow::Result<()> {
        let picture = self.devtools("Page.captureScreenshot", json!({ "format": "png" })).await?;
        let bytes = base64(picture["data"].as_str().context("no picture")?).context("a picture that is no base64")?;
        std::fs::write(path, bytes).with_context(|| path.display().to_string())
    }

    /// What was said on the console since it was last asked: level and text.
    pub async fn console(&self) -> anyhow::Result<Vec<(String, String)>> {
        let lines = self.command("se/log", json!({ "type": "browser" })).await?;
        let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        Ok(lines.as_array().into_iter().flatten().map(|l| (text(l, "level"), text(l, "message"))).collect())
    }

    /// Closes the window and ends both processes.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.call(&format!("DELETE /session/{}", self.session), &json!({})).await?;
        self.browser = None;
        Ok(self.driver.kill().await?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // chromedriver that is killed leaves its browser alone.
        if let Some(pid) = self.browser {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len() * 3 / 4), 0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let six = LETTERS.iter().position(|known| *known == letter)?;
        bits = (bits << 6 | six as u32) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_it_says() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\n\r\n{}"));
    }

    #[test]
    fn base64_is_read() {
        assert_eq!(base64("iVBORw0KGgo=").unwrap(), b"\x89PNG\r\n\x1a\n");
        assert_eq!(base64("aGVsbG8").unwrap(), b"hello");
        assert_eq!(base64("a!"), None);
    }
}
