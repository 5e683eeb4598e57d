//! Who gets in, and what a request must show to change something.

use serde_json::json;

use super::kit::Kit;

const BASIC_ROOT: &str = "Authorization: Basic cm9vdDo=";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_begins_is_used_and_ends() {
    let kit = Kit::start().await;
    for path in ["/api/v2/number", "/api/v2/things/1", "/api/v2/session", "/api/v2/live?topics=number"] {
        let (status, why) = kit.get(path).await.refusal();
        assert!(status == 401 && why.contains("log in first"), "{path}: {status} {why}");
    }
    let reply = kit.post("/api/v2/login", &[], &json!({ "user": "admin", "password": "säsam: 1" })).await;
    assert_eq!(reply.status, 200);
    // Never asks a browser to remember a password for us.
    assert_eq!(reply.header("www-authenticate"), None);
    let set = reply.header("set-cookie").unwrap();
    assert!(set.starts_with("starkeep_session=") && set.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{set}");
    let cookie = format!("Cookie: other=1; {}", set.split(';').next().unwrap());
    let facts = kit.send(&format!("GET /api/v2/session\n{cookie}"), "").await.json();
    let csrf = reply.json()["csrf"].clone();
    let expected = json!({
        "user": "admin", "csrf": csrf, "node": "fe:h:9010", "role": "fe", "version": "0.1.0", "cluster_id": "77",
    });
    assert_eq!((facts, reply.json()), (expected.clone(), expected));
    let number = kit.send(&format!("GET /api/v2/number\n{cookie}"), "").await;
    assert_eq!(number.json(), json!({ "number": 1, "user": "admin" }));
    let token = format!("X-CSRF-Token: {}", csrf.as_str().unwrap());
    let changed = kit.post("/api/v2/number", &[&cookie, &token], &json!({ "to": 2 })).await;
    assert_eq!(changed.json(), json!({ "to": 2, "user": "admin" }));

    assert_eq!(kit.post("/api/v2/logout", &[&cookie], &json!({})).await.refusal().0, 403, "no token");
    let out = kit.post("/api/v2/logout", &[&cookie, &token], &json!({})).await;
    assert!(out.status == 200 && out.header("set-cookie").is_some_and(|set| set.contains("Max-Age=0")));
    assert_eq!(kit.send(&format!("GET /api/v2/number\n{cookie}"), "").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_takes_the_place_of_the_one_before() {
    let kit = Kit::start().await;
    let (first, _) = kit.log_in().await;
    let again = kit.post("/api/v2/login", &[&first], &json!({ "user": "root", "password": "" })).await;
    assert_eq!(again.status, 200);
    assert_eq!(kit.send(&format!("GET /api/v2/session\n{first}"), "").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_no_more_sees_no_more() {
    let kit = Kit::start().await;
    let (cookie, token) = kit.log_in().await;
    assert_eq!(kit.send(&format!("GET /api/v2/number\n{cookie}"), "").await.status, 200);
    kit.dismissed.store(true, std::sync::atomic::Ordering::SeqCst);
    let (status, why) = kit.send(&format!("GET /api/v2/number\n{cookie}"), "").await.refusal();
    assert_eq!((status, why.as_str()), (403, "root was dismissed"));
    assert_eq!(kit.post("/api/v2/number", &[&cookie, &token], &json!({ "to": 2 })).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_logins_are_refused_and_counted() {
    let kit = Kit::start().await;
    let log_in = async |user: &str, password: &str| {
        kit.post("/api/v2/login", &[], &json!({ "user": user, "password": password })).await.refusal()
    };
    assert_eq!(log_in("guest", "guest").await, (403, "OPERATE is missing".to_owned()));
    assert_eq!(log_in("away", "x").await, (503, "nobody can be asked".to_owned()));
    assert_eq!(log_in("bug", "x").await.0, 503);
    let wrong = "Access denied: unknown user or wrong password";
    assert_eq!(log_in("root", "x").await, (401, wrong.to_owned()));
    assert_eq!(log_in("nobody", "").await, (401, wrong.to_owned()), "the same words");
    for (body, status) in [("[]", 400), ("{\"user\": 1}", 400), ("", 400), ("{", 400)] {
        let reply = kit.send("POST /api/v2/login\nContent-Type: application/json", body).await;
        assert_eq!(reply.status, status, "{body}");
    }
    let form = kit.send("POST /api/v2/login\nContent-Type: text/plain", "{\"user\":\"root\",\"password\":\"\"}").await;
    assert_eq!(form.status, 415);
    for _ in 0..8 {
        assert_eq!(log_in("root", "guess").await.0, 401);
    }
    // Ten in a minute are enough, and then the right one does not help either, nor does Basic.
    let late = kit.post("/api/v2/login", &[], &json!({ "user": "root", "password": "" })).await;
    assert_eq!((late.status, late.header("retry-after")), (429, Some("60")));
    assert_eq!(kit.send(&format!("GET /api/v2/number\n{BASIC_ROOT}"), "").await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_must_come_from_our_own_page() {
    let kit = Kit::start().await;
    let (cookie, token) = kit.log_in().await;
    let to = json!({ "to": 2 });
    let post = async |headers: &[&str]| kit.post("/api/v2/number", headers, &to).await.status;
    let own = format!("Origin: http://{}", kit.address);
    assert_eq!(post(&[&cookie, &token]).await, 200);
    assert_eq!(post(&[&cookie, &token, &own]).await, 200);
    assert_eq!(post(&[&cookie, &token, &own, "Sec-Fetch-Site: same-origin"]).await, 200);
    assert_eq!(post(&[&cookie]).await, 403, "no token");
    assert_eq!(post(&[&cookie, "X-CSRF-Token: "]).await, 403, "an empty one");
    assert_eq!(post(&[&cookie, &format!("X-CSRF-Token: {}", "0".repeat(32))]).await, 403, "another one");
    let (_, other) = kit.log_in().await;
    assert_eq!(post(&[&cookie, &other]).await, 403, "another session's");
    for foreign in [
        "Origin: http://evil.example.com",
        "Origin: null",
        "Origin: ",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(post(&[&cookie, &token, foreign]).await, 403, "{foreign}");
    }
    let plain = format!("POST /api/v2/number\nContent-Type: text/plain\n{cookie}\n{token}");
    assert_eq!(kit.send(&plain, &to.to_string()).await.status, 415, "what a form can send");
    let broken =
        kit.send(&format!("POST /api/v2/number\nContent-Type: application/json\n{cookie}\n{token}"), "{").await;
    assert_eq!(broken.refusal().0, 400);
    let failed = kit.post("/api/v2/number", &[&cookie, &token], &json!({})).await;
    assert_eq!((failed.status, failed.json()["code"].as_u64()), (400, Some(1064)));
    let large = "x".repeat(300 * 1024);
    let head = format!("POST /api/v2/number\nContent-Type: application/json\n{cookie}\n{token}");
    assert_eq!(kit.send(&head, &large).await.status, 413);
    assert_eq!(post(&[]).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_never_comes_holds_nobody() {
    let kit = Kit::start().await;
    // Nobody waits for the body of a stranger; of one that may speak it is waited for, and not for ever.
    let head = |path: &str| format!("POST {path}\nContent-Type: application/json\nContent-Length: 9");
    assert_eq!(kit.send_head(&head("/api/v2/number")).await.status, 401);
    assert_eq!(kit.send_head(&format!("{}\n{BASIC_ROOT}", head("/api/v2/number"))).await.status, 408);
    assert_eq!(kit.send_head(&head("/api/v2/login")).await.status, 408);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn basic_serves_programs() {
    let kit = Kit::start().await;
    let number = kit.send(&format!("GET /api/v2/number\n{BASIC_ROOT}"), "").await;
    assert_eq!(number.json()["user"], "root");
    assert_eq!(kit.send(&format!("GET /api/v2/session\n{BASIC_ROOT}"), "").await.json()["csrf"], json!(null));
    let post = async |headers: &[&str]| kit.post("/api/v2/number", headers, &json!({ "to": 2 })).await.status;
    assert_eq!(post(&[BASIC_ROOT]).await, 200);
    assert_eq!(post(&[BASIC_ROOT, "Cookie: starkeep_session=old"]).await, 403, "a browser");
    assert_eq!(post(&[BASIC_ROOT, "Origin: http://evil.example.com"]).await, 403);
    // admin:säsam: 1, guest:guest, root:x, then what is no Basic at all.
    for (header, status) in [
        ("YWRtaW46c8Okc2FtOiAx", 200),
        ("Z3Vlc3Q6Z3Vlc3Q=", 403),
        ("cm9vdDp4", 401),
        ("cm9vdA==", 401),
        ("!!!", 401),
        ("", 401),
    ] {
        let reply = kit.send(&format!("GET /api/v2/number\nAuthorization: Basic {header}"), "").await;
        assert_eq!(reply.status, status, "{header}");
        assert_eq!(reply.header("www-authenticate"), None);
    }
    // A session goes before Basic: its token is asked for.
    let (cookie, token) = kit.log_in().await;
    assert_eq!(post(&[BASIC_ROOT, &cookie]).await, 403);
    assert_eq!(post(&[BASIC_ROOT, &cookie, &token]).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_password_is_not_taken_under_a_strangers_name() {
    let kit = Kit::start().await;
    for (host, status) in [
        ("evil.example.com", 403),
        ("evil.example.com:8030", 403),
        ("127.0.0.1.evil.com", 403),
        ("FE.example.com:8030", 200),
        ("localhost:8030", 200),
        ("starkeep-fe.ns.svc.cluster.local", 200),
        ("[::1]:8030", 200),
    ] {
        let basic = kit.send(&format!("GET /api/v2/number\nHost: {host}\n{BASIC_ROOT}"), "").await;
        assert_eq!(basic.status, status, "{host}");
        let body = json!({ "user": "root", "password": "" });
        let login =
            kit.post("/api/v2/login", &[&format!("Host: {host}"), &format!("Origin: http://{host}")], &body).await;
        assert_eq!(login.status, status, "{host}");
        let body = json!({ "user": "admin", "password": "säsam: 1" });
        assert_eq!(kit.post("/api/v2/login", &[&format!("Host: {host}")], &body).await.status, 200, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_fail_each_in_its_way() {
    let kit = Kit::start().await;
    let get = async |path: &str| kit.send(&format!("GET /api/v2/things/{path}\n{BASIC_ROOT}"), "").await;
    assert_eq!(get("1?limit=5").await.json(), json!({ "id": "1", "limit": 5 }));
    assert_eq!(get("1?limit=").await.json()["limit"], json!(null));
    assert_eq!(get("1?limit=x").await.refusal(), (400, "limit = \"x\" is not a number".to_owned()));
    assert_eq!(get("2").await.refusal(), (404, "no thing Some(\"2\")".to_owned()));
    assert_eq!(get("late").await.refusal(), (503, "later".to_owned()));
    assert_eq!(get("bug").await.refusal().0, 500);
    assert_eq!(get("1").await.status, 200, "and the others go on");
}
