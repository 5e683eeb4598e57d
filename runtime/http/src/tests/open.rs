//! What everybody may see: health, metrics, the dashboard's files; and what is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use runtime_actor::{ActorSpec, SystemClock, Tree};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::kit::{Greeter, Hello, Kit};
use crate::prometheus::{Family, Kind, json_of, text_of};
use crate::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_state_are_open_and_the_port_is_free_afterwards() {
    let kit = Kit::start().await;
    let healthy = json!({ "total_backend_num": 3, "online_backend_num": 2, "status": "OK" });
    let health = kit.get("/api/health").await;
    assert_eq!((health.status, health.json()), (200, healthy));
    assert_eq!(health.header("cache-control"), Some("no-store"));
    kit.ready.store(false, Ordering::SeqCst);
    assert_eq!(kit.get("/api/health").await.refusal(), (503, "no leader".to_owned()));
    let path = "/api/v2/get_cluster_snapshot_restore_state";
    assert_eq!(kit.get(path).await.json(), json!({ "cluster_snapshot_restore_state": "finished", "status": "OK" }));
    kit.restoring.store(true, Ordering::SeqCst);
    assert_eq!(kit.get(path).await.json()["cluster_snapshot_restore_state"], "restoring");
    assert_eq!(kit.get("/api/own?x=a%20b").await.json(), json!({ "x": "a b" }));

    assert_eq!(kit.get("/api/no").await.refusal(), (404, "nothing is served at /api/no".to_owned()));
    let page = kit.get("/no/%3Csuch%3E/page").await;
    assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("There is no such page") && !page.body.contains("3Csuch"));
    assert_eq!(kit.send("DELETE /api/health", "").await.refusal().0, 405);
    assert_eq!(kit.send("DELETE /api/v2/number", "").await.refusal().0, 405);
    let head = kit.send("HEAD /metrics", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));

    let taken = bind(kit.address.as_str()).unwrap_err();
    assert!(taken.to_string().contains(&format!("cannot listen for HTTP on {}: ", kit.address)), "{taken}");
    kit.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), kit.serving.ended()).await.unwrap();
    drop(bind(kit.address.as_str()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_is_served_from_the_executable_under_strict_headers() {
    let kit = Kit::start().await;
    let index = kit.get("/").await;
    assert_eq!((index.status, index.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(kit.get("/dashboard/index.html").await.body, index.body);
    for reply in [&index, &kit.get("/api/no").await, &kit.get("/nothing").await, &kit.get("/api/health").await] {
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-frame-options"), Some("DENY"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    // Whatever the page names is there, and is what it says.
    let named = index.body.split('"').filter(|part| part.starts_with("/dashboard/"));
    let mut count = 0;
    for path in named {
        let file = kit.get(path).await;
        assert_eq!(file.status, 200, "{path}");
        let media = file.header("content-type").unwrap();
        let wanted = match path.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{path}: {other}"),
        };
        assert_eq!(media, wanted, "{path}");
        count += 1;
    }
    assert!(count >= 2, "{}", index.body);
    assert!(!index.body.contains("<style") && !index.body.contains(" style="), "inline style");
    assert!(
        index.body.split("<script").skip(1).all(|tag| tag.trim_start().starts_with("src=") || tag.contains(" src="))
    );

    let tag = index.header("etag").unwrap();
    let same = kit.send(&format!("GET /\nIf-None-Match: {tag}"), "").await;
    assert_eq!((same.status, same.body.as_str()), (304, ""));
    for path in
        ["/dashboard/no.js", "/dashboard/../Cargo.toml", "/dashboard/%2e%2e/Cargo.toml", "/dashboard/..%2fbuild.rs"]
    {
        assert_eq!(kit.get(path).await.status, 404, "{path}");
    }
}

/// What a strict reader of the text format would say. Gives the names of the families.
fn check_text(text: &str) -> Result<BTreeSet<String>, String> {
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut now = String::new();
    let is_name = |name: &str| {
        let mut letters = name.bytes();
        letters.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && letters.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            now = rest.split(' ').next().unwrap_or_default().to_owned();
            if !is_name(&now) || kinds.contains_key(&now) || rest.len() == now.len() {
                return Err(format!("a family that is no name, has no help, or comes again: {line}"));
            }
            kinds.insert(now.clone(), String::new());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(line)?;
            if name != now || !["gauge", "counter", "histogram", "summary"].contains(&kind) {
                return Err(format!("a type that does not follow its help: {line}"));
            }
            kinds.insert(now.clone(), kind.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').ok_or(line)?;
            value.parse::<f64>().map_err(|_| format!("no number: {line}"))?;
            let (name, labels) = match series.split_once('{') {
                Some((name, rest)) => (name, rest.strip_suffix('}').ok_or(line)?),
                None => (series, ""),
            };
            let kind = kinds.get(&now).map(String::as_str).unwrap_or_default();
            let allowed: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                "summary" => &["", "_sum", "_count"],
                _ => &[""],
            };
            if !allowed.iter().any(|suffix| name == format!("{now}{suffix}")) {
                return Err(format!("a sample that is not of {now} ({kind}): {line}"));
            }
            check_labels(labels).map_err(|why| format!("{why}: {line}"))?;
            if !seen.insert(series.to_owned()) {
                return Err(format!("a series that comes twice: {line}"));
            }
        }
    }
    if !text.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    Ok(kinds.into_keys().collect())
}

fn check_labels(mut rest: &str) -> Result<(), String> {
    let mut names = BTreeSet::new();
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !names.insert(name) || name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("the label {name}"));
        }
        let mut end = None;
        let mut escaped = false;
        for (at, letter) in value.char_indices() {
            match letter {
                _ if escaped && !matches!(letter, '\\' | '"' | 'n') => return Err("a wrong escape".to_owned()),
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        rest = &value[end.ok_or("a value without an end")? + 1..];
        rest = match rest.strip_prefix(',') {
            Some(more) if !more.is_empty() => more,
            None if rest.is_empty() => rest,
            _ => return Err("something between labels".to_owned()),
        };
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_text_that_a_strict_reader_takes() {
    let kit = Kit::start().await;
    let metrics = kit.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let names = check_text(&metrics.body).unwrap();
    assert!(names.contains("own_metric") && names.contains("starkeep_actor_wait_seconds"));
    // 41 of one role under one supervisor are counted together.
    for line in [
        "own_metric{tree=\"fe\"} 7",
        "starkeep_actor_up{actor=\"fe/meta/*\",role=\"greeter\"} 41",
        "starkeep_actor_messages_total{actor=\"fe/meta/*\",role=\"greeter\",outcome=\"handled\"} 42",
        "starkeep_actor_handle_seconds_bucket{actor=\"fe/meta/*\",role=\"greeter\",le=\"+Inf\"} 42",
        "starkeep_actor_restarts_total{actor=\"fe/meta/*\",role=\"greeter\"} 0",
    ] {
        assert!(metrics.body.lines().any(|l| l == line), "{line}\n{}", metrics.body);
    }
    let json = kit.get("/metrics?type=json").await.json();
    let own = json.as_array().unwrap().iter().find(|sample| sample["tags"]["metric"] == "own_metric").unwrap();
    assert_eq!(own, &json!({ "tags": { "metric": "own_metric", "tree": "fe" }, "unit": "nounit", "value": 7.0 }));
}

#[test]
fn the_strict_reader_is_strict() {
    let good = "# HELP a A.\n# TYPE a gauge\na{x=\"1\",y=\"\\\"\"} 1\na 2.5e3\n";
    assert!(check_text(good).is_ok());
    for bad in [
        "a 1\n",
        "# HELP a A.\n# TYPE a gauge\na one\n",
        "# HELP a A.\n# TYPE a gauge\nb 1\n",
        "# HELP a A.\n# TYPE a gauge\na 1\na 2\n",
        "# HELP a A.\n# TYPE a gauge\na{x=\"1\",} 1\n",
        "# HELP a A.\n# TYPE a gauge\na{x=\"1} 1\n",
        "# HELP a A.\n# TYPE a gauge\na{x=\"\\d\"} 1\n",
        "# HELP a A.\n# TYPE a odd\na 1\n",
        "# HELP a A.\n# TYPE a gauge\na 1",
        "# HELP a A.\n# TYPE a gauge\na_bucket{le=\"1\"} 1\n",
    ] {
        assert!(check_text(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn families_of_every_kind_are_written() {
    let tree = Tree::new("cn", SystemClock::shared());
    let greeter = tree.root().start(ActorSpec::new("a \"b\"\\\n"), || Greeter(0));
    greeter.ask(Hello).await.unwrap();
    let mut families = metrics::actor_metrics(&tree.view());
    let mut summary = Family::new(Kind::Summary, "s", "Quantiles\nof it.");
    summary.add_summary(&[("a", "b")], &[(0.5, 1.5), (0.99, 7.0)], 12.0, 3);
    families.push(summary);
    families.push(Family::counter("empty_total", "Without a sample."));
    let text = text_of(&families);
    check_text(&text).unwrap();
    let labels = "{actor=\"cn/a \\\"b\\\"\\\\\\n\",role=\"greeter\"}";
    for line in [
        &format!("starkeep_actor_up{labels} 1"),
        &format!("starkeep_actor_mailbox_capacity{labels} 256"),
        "s{a=\"b\",quantile=\"0.99\"} 7",
        "s_count{a=\"b\"} 3",
        "# TYPE empty_total counter",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(text.contains("le=\"0.00001\"") && text.contains("le=\"10\""), "{text}");
    assert!(json_of(&families).as_array().is_some_and(|all| all.len() > 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_do_no_harm() {
    use runtime_actor::random::{Ids, SeededIds};
    let kit = Kit::start().await;
    let ids = SeededIds::new(3);
    for round in 1..50_usize {
        let bytes: Vec<u8> = (0..round).flat_map(|_| ids.next().to_le_bytes()).collect();
        let mut stream = TcpStream::connect(&kit.address).await.unwrap();
        // The server may close in the middle of it.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.write_all(b"\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
    }
    assert_eq!(kit.get("/api/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_guard_nothing_behind_one_is_served() {
    let routes = Routes::new(Tree::new("cn", SystemClock::shared()), || {
        Ok(Health { total_backend_num: 1, online_backend_num: 1 })
    })
    .get("/api/v2/secret", |_| async { Ok(json!(1)) });
    let shutdown = tokio_util::sync::CancellationToken::new();
    let serving = serve(bind("127.0.0.1:0").unwrap(), routes, shutdown.clone()).unwrap();
    for path in ["/api/v2/secret", "/api/v2/session", "/api/v2/live", "/api/v2/get_cluster_snapshot_restore_state"] {
        let mut stream = TcpStream::connect(serving.local_addr()).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(" 404 "), "{path}: {answer}");
    }
    shutdown.cancel();
}
