//! The HTTP ports of a real cluster: login, the pages' JSON over FE and CNs, the live feed, metrics and what Grafana asks of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::client::{same, until};
use tests::{House, HouseSpec, QUICKSTART, e2e};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(30);
/// `root` without a password.
const BASIC: &str = "Authorization: Basic cm9vdDo=\r\n";

/// One request. Headers end in `\r\n` each.
async fn request(port: u16, line: &str, headers: &str, body: &str) -> anyhow::Result<(u16, String, String)> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let text = format!("{line} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{headers}{length}\r\n{body}");
        stream.write_all(text.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(LIMIT, exchange).await.with_context(|| format!("{line}: no answer"))??;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| answer.clone())?;
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok((status, head.to_owned(), body.to_owned()))
}

/// A page behind the login, asked with HTTP Basic.
async fn page(port: u16, path: &str) -> anyhow::Result<Value> {
    let (status, _, body) = request(port, &format!("GET {path}"), BASIC, "").await?;
    ensure!(status == 200, "{path}: {status} {body}");
    serde_json::from_str(&body).with_context(|| format!("{path}: {body}"))
}

/// A browser's session.
struct Session {
    port: u16,
    headers: String,
}

impl Session {
    async fn begin(port: u16) -> anyhow::Result<Session> {
        let body = json!({ "user": "root", "password": "" }).to_string();
        let json = "Content-Type: application/json\r\n";
        let (status, head, body) = request(port, "POST /api/v2/login", json, &body).await?;
        ensure!(status == 200, "login: {status} {body}");
        let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).context("no cookie")?;
        ensure!(set.contains("; HttpOnly; SameSite=Strict; Path=/"), "{set}");
        let cookie = set.split(';').next().unwrap_or_default();
        let facts: Value = serde_json::from_str(&body)?;
        let csrf = facts["csrf"].as_str().context("no csrf")?;
        let headers = format!("{json}Cookie: {cookie}\r\nX-CSRF-Token: {csrf}\r\nOrigin: http://127.0.0.1:{port}\r\n");
        Ok(Session { port, headers })
    }

    async fn act(&self, body: Value) -> anyhow::Result<(u16, Value)> {
        let (status, _, text) = request(self.port, "POST /api/v2/actions", &self.headers, &body.to_string()).await?;
        Ok((status, serde_json::from_str(&text).with_context(|| text.clone())?))
    }
}

/// The live feed.
struct Feed(BufReader<TcpStream>);

impl Feed {
    async fn open(port: u16, topics: &str) -> anyhow::Result<Feed> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let head = format!("GET /api/v2/live?topics={topics} HTTP/1.1\r\nHost: 127.0.0.1\r\n{BASIC}\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut feed = Feed(BufReader::new(stream));
        let first = feed.line().await?;
        ensure!(first.contains(" 200 "), "{first}");
        Ok(feed)
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        tokio::time::timeout(LIMIT, self.0.read_line(&mut line)).await.context("the feed is silent")??;
        ensure!(!line.is_empty(), "the feed has ended");
        Ok(line)
    }

    /// Reads on until a topic is as wanted.
    async fn until(&mut self, topic: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let reading = async {
            let mut now = String::new();
            loop {
                let line = self.line().await?;
                if let Some(name) = line.strip_prefix("event: ") {
                    now = name.trim().to_owned();
                } else if let Some(data) = line.strip_prefix("data: ").filter(|_| now == topic) {
                    let value = serde_json::from_str(data)?;
                    if wanted(&value) {
                        return Ok(value);
                    }
                }
            }
        };
        tokio::time::timeout(LIMIT * 2, reading).await.with_context(|| format!("{topic} never came as wanted"))?
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Every actor of a tree: its path and its role.
fn actors(node: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = Vec::new();
    if node["kind"] == "actor" {
        all.push((text(&node["path"]), text(&node["role"])));
    }
    list(&node["children"]).iter().for_each(|child| all.extend(actors(child)));
    all
}

async fn house(compute_nodes: usize) -> anyhow::Result<House> {
    let interval = ("automated_cluster_snapshot_interval_seconds", "3600".to_owned());
    House::build(HouseSpec { compute_nodes, conf: vec![interval], ..HouseSpec::default() }).await
}

#[test]
fn the_dashboard_knows_the_whole_cluster() {
    e2e("http/dashboard", || async {
        let mut house = house(2).await?;
        let port = house.cluster.ports.http;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;

        for path in ["cluster", "actors", "traces", "snapshots", "queries", "actions", "session"] {
            let (status, _, body) = request(port, &format!("GET /api/v2/{path}"), "", "").await?;
            ensure!(status == 401, "{path} without a login: {status} {body}");
        }
        let wrong = json!({ "user": "root", "password": "guess" }).to_string();
        let json = "Content-Type: application/json\r\n";
        same("a wrong password", request(port, "POST /api/v2/login", json, &wrong).await?.0, 401)?;
        let session = Session::begin(port).await?;
        let (status, _, body) = request(port, "GET /", "", "").await?;
        ensure!(status == 200 && body.contains("<script"), "{status} {body}");

        let cluster = page(port, "/api/v2/cluster").await?;
        let nodes = list(&cluster["compute_nodes"]);
        ensure!(
            nodes.len() == 2 && nodes.iter().all(|node| node["alive"] == true && node["error"].is_null()),
            "{cluster}"
        );
        let first = &list(&cluster["frontends"])[0];
        ensure!(first["role"] == "LEADER" && first["lag"] == 0 && cluster["leader"] == first["name"], "{cluster}");
        ensure!(cluster["careful"] == false && nodes[0]["epoch"] == cluster["epoch"], "{cluster}");

        // Trees of all nodes in one answer, without their messages; those of one actor alone.
        let all = page(port, "/api/v2/actors").await?;
        let trees = list(&all["nodes"]);
        same("nodes", trees.len(), 3)?;
        ensure!(trees.iter().all(|node| node["reachable"] == true), "{all}");
        same(
            "roles",
            trees.iter().map(|n| n["role"].as_str().unwrap_or("")).collect::<Vec<_>>(),
            vec!["fe", "cn", "cn"],
        )?;
        let roles: BTreeSet<String> =
            trees.iter().flat_map(|node| actors(&node["tree"]["root"])).map(|(_, role)| role).collect();
        for role in [
            "metadata_leader",
            "snapshot_job_supervisor",
            "gc_coordinator",
            "compaction_coordinator",
            "alter_coordinator",
            "orphan_sweeper",
            "partition_roller",
            "compute_node",
            "snapshot_agent",
            "compaction_agent",
            "observer",
        ] {
            ensure!(roles.contains(role), "{role} is missing: {roles:?}");
        }
        ensure!(!all.to_string().contains("\"wait_us\""), "messages are not part of the tree");
        let own = page(port, "/api/v2/actors?node=self").await?;
        same("this node alone", list(&own["nodes"]).len(), 1)?;
        for node in trees {
            let (name, tree) = (node["node"].as_str().unwrap_or_default(), &node["tree"]["root"]);
            let (path, _) = actors(tree).into_iter().find(|(_, role)| role != "observer").context("no actor")?;
            let told = page(port, &format!("/api/v2/actors/messages?node={name}&path={path}")).await?;
            ensure!(told["messages"].is_array() && told["node"] == name, "{told}");
        }
        for (path, status) in [("node=fe:1.2.3.4:1&path=x", 404), ("path=fe/nobody", 404), ("", 400)] {
            let line = format!("GET /api/v2/actors/messages?{path}");
            same(path, request(port, &line, BASIC, "").await?.0, status)?;
        }

        // A statement's trace has spans of the frontend and of a compute node.
        client.run("SELECT COUNT(*) AS trace_me FROM quickstart.source_wiki_edit").await?;
        let id = until("a trace of the statement", LIMIT, || async {
            let found = page(port, "/api/v2/traces?text=trace_me").await?;
            // What compute nodes did for it is in the line, though its text is known to the frontend alone.
            let whole = list(&found["traces"]).iter().find(|trace| list(&trace["nodes"]).len() > 1);
            let id = whole.and_then(|trace| trace["trace"].as_str()).map(str::to_owned);
            Ok(id.ok_or_else(|| found.to_string()))
        })
        .await?;
        let trace = until("spans of both", LIMIT, || async {
            let trace = page(port, &format!("/api/v2/traces/{id}")).await?;
            let paths: Vec<String> = list(&trace["spans"])
                .iter()
                .map(|span| span["actor"].as_str().unwrap_or_default().to_owned())
                .collect();
            let has = |start: &str| paths.iter().any(|path| path.starts_with(start));
            Ok(if has("cn/") && list(&trace["spans"]).len() >= 2 { Ok(trace) } else { Err(trace.to_string()) })
        })
        .await?;
        let spans = list(&trace["spans"]);
        let nodes: BTreeSet<&str> = spans.iter().filter_map(|span| span["node"].as_str()).collect();
        ensure!(nodes.len() >= 2 && list(&trace["missing_nodes"]).is_empty(), "{trace}");
        let starts: Vec<u64> = spans.iter().filter_map(|span| span["at_unix_us"].as_u64()).collect();
        ensure!(starts.is_sorted(), "spans are in order: {starts:?}");
        for (path, status) in [("zzz", 400), (&"0".repeat(32), 404)] {
            same(path, request(port, &format!("GET /api/v2/traces/{path}"), BASIC, "").await?.0, status)?;
        }

        // What runs; and a button stops it.
        let mine = page(port, "/api/v2/queries").await?;
        let idle = list(&mine["queries"]).iter().find(|query| query["user"] == "root").context("no session")?;
        ensure!(idle["connection_id"].is_u64() && idle["command"] == "Sleep" && idle["trace"].is_string(), "{mine}");
        let actions = page(port, "/api/v2/actions").await?;
        let names: Vec<&str> = list(&actions).iter().filter_map(|action| action["action"].as_str()).collect();
        for name in ["snapshots_on", "snapshots_off", "kill_query", "finish_restore"] {
            ensure!(names.contains(&name), "{name}: {actions}");
        }
        let (status, refused) = session.act(json!({ "action": "finish_restore" })).await?;
        ensure!(status == 400 && refused["code"].is_u64(), "{status} {refused}");
        let (status, unknown) = session.act(json!({ "action": "kill_query", "connection_id": 4_000_000 })).await?;
        ensure!(status == 400 && unknown["msg"].as_str().is_some_and(|msg| msg.contains("4000000")), "{unknown}");
        same("no action", session.act(json!({ "action": "drop_everything" })).await?.0, 400)?;
        let forged = json!({ "action": "snapshots_on" }).to_string();
        let foreign = session.headers.replace("Origin: http://127.0.0.1", "Origin: http://evil.example.com");
        same("a foreign page", request(port, "POST /api/v2/actions", &foreign, &forged).await?.0, 403)?;

        // The live feed shows what changes, while it changes.
        let mut feed = Feed::open(port, "cluster,snapshots,actors,queries").await?;
        let before = feed.until("cluster", |cluster| cluster["revision"].is_u64()).await?;
        client.run("CREATE DATABASE shown_live").await?;
        let revision = before["revision"].as_u64();
        feed.until("cluster", |cluster| cluster["revision"].as_u64() > revision).await?;
        let (status, done) = session.act(json!({ "action": "snapshots_on" })).await?;
        ensure!(status == 200 && done["status"] == "OK", "{status} {done}");
        let finished = feed
            .until("snapshots", |snapshots| list(&snapshots["jobs"]).iter().any(|job| job["state"] == "FINISHED"))
            .await?;
        let job = &list(&finished["jobs"])[0];
        let states: Vec<&str> = list(&job["history"]).iter().filter_map(|change| change["state"].as_str()).collect();
        same("history", states, vec!["INITIALIZING", "SNAPSHOTING", "FINISHED"])?;
        ensure!(
            finished["restorable"]["name"] == job["name"] && finished["policy"]["interval_seconds"] == 3600,
            "{finished}"
        );
        let pin = &list(&finished["pins"])[0];
        ensure!(pin["revision"] == job["cut"] && pin["job"] == job["name"], "{finished}");
        let (_, state, _) = request(port, "GET /api/v2/get_cluster_snapshot_restore_state", "", "").await?;
        ensure!(state.contains("200"), "{state}");
        drop(feed);

        // A node that is gone is named, and nobody waits for it.
        house.cluster.compute[1].kill().await?;
        let all = until("the dead node is known", LIMIT, || async {
            let all = page(port, "/api/v2/actors").await?;
            let dead = list(&all["nodes"]).iter().filter(|node| node["reachable"] == false).count();
            Ok(if dead == 1 { Ok(all) } else { Err(all.to_string()) })
        })
        .await?;
        let dead = list(&all["nodes"]).iter().find(|node| node["reachable"] == false).context("none is dead")?;
        ensure!(dead["error"].is_string() && dead["tree"].is_null(), "{dead}");
        house.cluster.compute[1].start(&[])?;
        house.all_alive(&mut client).await?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn a_compute_node_shows_itself_to_users_of_its_frontend() {
    e2e("http/compute_node", || async {
        let mut house = house(1).await?;
        let port = house.cluster.compute[0].http_port;
        let wrong = "Authorization: Basic cm9vdDp4\r\n";
        same("a wrong password", request(port, "GET /api/v2/actors", wrong, "").await?.0, 401)?;
        same("no login", request(port, "GET /api/v2/actors", "", "").await?.0, 401)?;
        let own = page(port, "/api/v2/actors").await?;
        let nodes = list(&own["nodes"]);
        ensure!(nodes.len() == 1 && nodes[0]["role"] == "cn" && nodes[0]["reachable"] == true, "{own}");
        let session = page(port, "/api/v2/session").await?;
        ensure!(session["role"] == "cn" && session["cluster_id"].is_string(), "{session}");
        let cluster = page(port, "/api/v2/cluster").await?;
        ensure!(list(&cluster["compute_nodes"]).len() == 1 && cluster["leader"].is_string(), "{cluster}");
        page(port, "/api/v2/traces").await?;
        same("snapshots", request(port, "GET /api/v2/snapshots", BASIC, "").await?.0, 404)?;
        let mut feed = Feed::open(port, "actors,cluster").await?;
        feed.until("actors", |actors| list(&actors["nodes"]).len() == 1).await?;
        drop(feed);
        // Its own cookie: another port of this host has another one.
        let browser = Session::begin(port).await?;
        ensure!(browser.headers.contains(&format!("starkeep_session_{port}=")), "{}", browser.headers);

        house.cluster.frontend.kill().await?;
        let (status, _, body) = request(port, "GET /api/v2/actors", BASIC, "").await?;
        ensure!(status == 503 && body.contains("cannot be asked"), "without its frontend: {status} {body}");
        let kept = request(port, "GET /api/v2/actors", &browser.headers, "").await?;
        same("a session that was begun before", kept.0, 200)?;
        same("health", request(port, "GET /api/health", "", "").await?.0, 200)?;
        house.cluster.frontend.start(&[])?;
        house.cluster.frontend.ready(tests::house::START).await?;
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn starrocks_clients_find_what_they_look_for() {
    e2e("http/starrocks", || async {
        let house = house(1).await?;
        let port = house.cluster.ports.http;
        let (status, _, body) = request(port, "GET /api/bootstrap", "", "").await?;
        let said: Value = serde_json::from_str(&body)?;
        ensure!(status == 200 && said["status"] == "OK" && said["msg"] == "Success", "{said}");
        same("queryPort", said["queryPort"].as_u64(), Some(house.cluster.ports.query.into()))?;
        ensure!(said["replayedJournalId"].as_u64() > Some(0) && said["feStartTime"].as_u64() > Some(0), "{said}");
        ensure!(said["feVersion"].as_str().is_some_and(|version| version.contains('-')), "{said}");
        let (status, _, body) = request(port, "GET /api/bootstrap?token=guess", "", "").await?;
        ensure!(status == 200 && body.contains("FAILED") && body.contains("invalid parameter"), "{status} {body}");
        // What is no HTTP is nothing that a person must act on.
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"\x16\x03\x01 garbage\r\n\r\n").await?;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await;
        let log = house.frontend_log();
        ensure!(!log.contains("actix_http"), "{log}");
        house.finish().await
    });
}

/// Names of families by `# TYPE`.
fn families(metrics: &str) -> BTreeSet<String> {
    let names = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    names.map(str::to_owned).collect()
}

/// Names of metrics in expressions.
fn named(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("starkeep_") || word.starts_with("starrocks_")).map(str::to_owned).collect()
}

fn grafana(file: &str) -> anyhow::Result<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana").join(file);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

#[test]
fn every_metric_that_grafana_asks_for_is_there() {
    e2e("http/metrics", || async {
        let house = house(1).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        house.snapshot().await?;
        let mut known = BTreeSet::new();
        for port in [house.cluster.ports.http, house.cluster.compute[0].http_port] {
            let (status, head, metrics) = request(port, "GET /metrics", "", "").await?;
            ensure!(status == 200 && head.contains("version=0.0.4"), "{head}");
            for line in metrics.lines().filter(|line| !line.starts_with('#')) {
                let value = line.rsplit(' ').next().unwrap_or_default();
                ensure!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            }
            let names = families(&metrics);
            ensure!(names.len() > 10, "{metrics}");
            known.extend(names);
            let (_, _, json) = request(port, "GET /metrics?type=json", "", "").await?;
            ensure!(serde_json::from_str::<Vec<Value>>(&json)?.len() > 20, "{json}");
        }
        let is_known = |name: &String| {
            let stems = ["", "_bucket", "_sum", "_count"].map(|suffix| name.strip_suffix(suffix).unwrap_or(name));
            stems.iter().any(|stem| known.contains(*stem))
        };
        let dashboard: Value = serde_json::from_str(&grafana("dashboard.json")?)?;
        let panels = list(&dashboard["panels"]);
        let expressions = panels.iter().flat_map(|panel| list(&panel["targets"]));
        let mut asked: BTreeSet<String> =
            expressions.filter_map(|target| target["expr"].as_str()).flat_map(named).collect();
        ensure!(asked.len() > 30, "{asked:?}");
        let rules: Vec<String> = grafana("alerts.yaml")?.lines().map(str::to_owned).collect();
        let alerts = rules.iter().filter(|line| line.contains("- alert:")).count();
        ensure!(alerts > 10, "{alerts} alerts");
        asked.extend(rules.iter().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| named(line)));
        let unknown: Vec<&String> = asked.iter().filter(|name| !is_known(name)).collect();
        ensure!(unknown.is_empty(), "nobody tells {unknown:?}; known: {known:?}");

        // And the numbers are those of this cluster.
        let (_, _, metrics) = request(house.cluster.ports.http, "GET /metrics", "", "").await?;
        let value = |series: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<f64>().ok()).with_context(|| format!("{series}\n{metrics}"))
        };
        same("alive", value("starrocks_fe_node_info{type=\"cn_node_num\",state=\"alive\"}")?, 1.0)?;
        same("finished", value("starkeep_fe_cluster_snapshot_jobs_total{result=\"finished\"}")?, 1.0)?;
        same("failures", value("starkeep_fe_cluster_snapshot_consecutive_failures")?, 0.0)?;
        same("automated", value("starkeep_fe_cluster_snapshot_automated")?, 1.0)?;
        same("pins", value("starkeep_fe_cluster_snapshot_pins")?, 1.0)?;
        ensure!(value("starkeep_fe_cluster_snapshot_age_seconds")? < 600.0, "the age");
        ensure!(value("starrocks_fe_query_total")? > 3.0 && value("starrocks_fe_txn_success")? >= 1.0, "statements");
        ensure!(value("starrocks_fe_connection_total")? >= 1.0, "connections");
        client.close().await?;
        house.finish().await
    });
}
