//! The dashboard in a real browser: sign in, follow a cluster without a reload, walk by keyboard, look at every page.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::browser::{self, Browser, key};
use tests::client::same;
use tests::house::START;
use tests::{House, HouseSpec, QUICKSTART, e2e};

const LIMIT: Duration = Duration::from_secs(40);
const AUDIT: &str = include_str!("dashboard/audit.js");
/// A statement that would act if the dashboard took data for markup.
const HOSTILE: &str = "SELECT '<img src=x onerror=\"window.broken=1\"><script>window.broken=1</script>' AS hostile";

/// The suite's body with a browser, if there is one.
fn with_browser<F>(suite: &'static str, body: impl FnOnce() -> F)
where
    F: Future<Output = anyhow::Result<()>>,
{
    match browser::missing() {
        Some(why) if std::env::var("STARKEEP_E2E").as_deref() == Ok("1") => println!("SKIP {suite}: {why}"),
        _ => e2e(suite, body),
    }
}

/// Where pictures are kept: `STARKEEP_ARTEFACTS`, or beside the executable of the tests.
fn artefacts() -> anyhow::Result<PathBuf> {
    let directory = match std::env::var_os("STARKEEP_ARTEFACTS") {
        Some(directory) => PathBuf::from(directory),
        None => std::env::current_exe()?.parent().context("no directory")?.join("artefacts"),
    }
    .join("dashboard");
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    Ok(directory)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Goes to a page as a link does.
async fn page(browser: &Browser, hash: &str) -> anyhow::Result<()> {
    browser.script(&format!("location.hash = {}", quoted(hash))).await.map(drop)
}

/// Types into a field, in place of what is there.
async fn fill(browser: &Browser, id: &str, text: &str) -> anyhow::Result<()> {
    browser.script(&format!("const e = document.getElementById({}); e.focus(); e.select()", quoted(id))).await?;
    browser.keys(text).await
}

/// Opens the dashboard and signs in as root; a mark in the page shows later that it was not loaded again.
async fn sign_in(browser: &Browser, port: u16) -> anyhow::Result<()> {
    browser.goto(&format!("http://127.0.0.1:{port}/")).await?;
    browser.until("the form", LIMIT, "document.querySelector('#password') === document.activeElement").await?;
    browser.click("button[type=submit]").await?;
    browser.until("the cluster", LIMIT, "document.querySelector('h1')?.textContent === 'Cluster'").await?;
    browser.until("the feed", LIMIT, "document.querySelector('.live.ok')?.textContent === 'live'").await?;
    browser.script("window.since = 'the beginning'").await.map(drop)
}

async fn not_loaded_again(browser: &Browser) -> anyhow::Result<()> {
    same("the mark in the page", browser.text("window.since").await?, "the beginning".to_owned())
}

async fn audit(browser: &Browser, what: &str) -> anyhow::Result<()> {
    let wrong = browser.script(AUDIT).await?;
    ensure!(wrong == json!([]), "{what}: {wrong:#}");
    Ok(())
}

/// Nothing failed on the console: no script error, nothing that the policy stopped. That nobody is signed in yet is said
/// there by the browser itself.
async fn quiet_console(browser: &Browser) -> anyhow::Result<()> {
    let expected = |text: &str| text.contains("/api/v2/session - ") || text.contains("/api/v2/login - ");
    let mut lines = browser.console().await?;
    lines.retain(|(level, text)| (level == "SEVERE" || text.contains("Content Security Policy")) && !expected(text));
    ensure!(lines.is_empty(), "on the console: {lines:#?}");
    Ok(())
}

/// Every page, light and dark, wide and narrow: looked at, and kept as a picture.
async fn look_at_all(browser: &Browser, pages: &[(&str, String, String)], to: &Path) -> anyhow::Result<()> {
    for (width, height, name) in [(1280, 900, "wide"), (390, 844, "narrow")] {
        browser.size(width, height).await?;
        for scheme in ["light", "dark"] {
            browser.prefers(scheme).await?;
            for (title, hash, there) in pages {
                page(browser, hash).await?;
                browser.until(title, LIMIT, there).await?;
                audit(browser, &format!("{title}, {scheme}, {name}")).await?;
                browser.screenshot(&to.join(format!("{title}-{scheme}-{name}.png"))).await?;
            }
        }
    }
    browser.size(1280, 900).await?;
    browser.prefers("light").await
}

fn row_of(path: &str) -> String {
    format!("[...document.querySelectorAll('.tree [data-id]')].find((r) => r.dataset.id.endsWith({}))", quoted(path))
}

#[test]
fn wrong_passwords_and_strangers_stay_outside() {
    with_browser("dashboard/login", || async {
        let house = House::build(HouseSpec::default()).await?;
        let browser = Browser::open(&house.directory("profile")).await?;
        let port = house.cluster.ports.http;
        browser.goto(&format!("http://127.0.0.1:{port}/#/snapshots")).await?;
        browser.until("the form", LIMIT, "document.querySelector('#password') === document.activeElement").await?;
        audit(&browser, "sign in").await?;
        let pictures = artefacts()?;
        browser.screenshot(&pictures.join("login-light-wide.png")).await?;
        fill(&browser, "password", "wrong").await?;
        browser.keys(&key::ENTER.to_string()).await?;
        browser
            .until("a refusal in words", LIMIT, "document.querySelector('#login-error')?.innerText.trim().length > 5")
            .await?;
        audit(&browser, "a wrong password").await?;
        browser.prefers("dark").await?;
        audit(&browser, "a wrong password in the dark").await?;
        browser.screenshot(&pictures.join("login-dark-wide.png")).await?;
        let status = browser.script("return fetch('/api/v2/cluster').then((answer) => answer.status)").await?;
        same("the cluster without a session", status, json!(401))?;
        // The right one leads to where the link pointed.
        browser.keys(&key::ENTER.to_string()).await?;
        browser
            .until("the page of the link", LIMIT, "document.querySelector('h1')?.textContent === 'Snapshots'")
            .await?;
        // A page of another site has no token.
        let forged = "return fetch('/api/v2/actions', { method: 'POST', headers: { 'Content-Type': 'application/json' }, \
                      body: JSON.stringify({ action: 'snapshots_on' }) }).then((answer) => answer.status)";
        same("a statement without the token", browser.script(forged).await?, json!(403))?;
        browser.click("#sign-out").await?;
        browser.until("the form again", LIMIT, "document.querySelector('main.login')").await?;
        let status = browser.script("return fetch('/api/v2/cluster').then((answer) => answer.status)").await?;
        same("the cluster after signing out", status, json!(401))?;
        browser.close().await?;
        house.finish().await
    });
}

/// Arrows, Home, End, Enter and Escape; the focus is kept while the page follows.
async fn walk_the_tree(browser: &Browser) -> anyhow::Result<()> {
    let focused = "document.activeElement.dataset.id";
    browser.script("document.querySelector('.tree [tabindex=\"0\"]').focus()").await?;
    let first = browser.text(focused).await?;
    let last =
        browser.text("[...document.querySelectorAll('.tree [data-id]')].at(-1).dataset.id.split(' ')[1]").await?;
    let walk = [
        (key::DOWN, "fe/nodes"),
        (key::DOWN, "fe/nodes/compute_node_monitor"),
        (key::LEFT, "fe/nodes"),
        (key::LEFT, "fe/nodes"),
        (key::DOWN, "fe/frontend"),
        (key::UP, "fe/nodes"),
        (key::RIGHT, "fe/nodes"),
        (key::RIGHT, "fe/nodes/compute_node_monitor"),
        (key::END, last.as_str()),
        (key::HOME, ""),
        ('g', "fe/background/gc_coordinator"),
    ];
    for (pressed, ends) in walk {
        browser.keys(&pressed.to_string()).await?;
        let there = format!("{focused}?.endsWith({})", quoted(&format!(" {ends}")));
        browser.until(&format!("the focus on {ends:?} of {first}"), LIMIT, &there).await?;
    }
    let handled = "document.querySelector('.tree').innerText";
    let before = browser.text(handled).await?;
    browser.until("news", LIMIT, &format!("{handled} !== {}", quoted(&before))).await?;
    ensure!(browser.text(focused).await?.ends_with("gc_coordinator"), "news took the focus away");
    browser.keys(&key::ENTER.to_string()).await?;
    let title = "document.querySelector('#panel-title')?.textContent";
    browser.until("the panel", LIMIT, &format!("{title} === 'gc_coordinator'")).await?;
    browser.until("its messages", LIMIT, "document.querySelector('.panel .scroll tbody tr')").await?;
    browser.keys(&key::ESCAPE.to_string()).await?;
    browser.until("no panel", LIMIT, &format!("!document.querySelector('.panel') && {focused}")).await
}

/// Turned on by SQL elsewhere: the page shows the job, and shows it finish.
async fn snapshot_is_seen(browser: &Browser, house: &House) -> anyhow::Result<String> {
    page(browser, "#/snapshots").await?;
    browser.until("off", LIMIT, "document.body.innerText.includes('Automated snapshots are off')").await?;
    let mut client = house.client().await?;
    client.run("ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON").await?;
    client.close().await?;
    browser
        .until(
            "the job FINISHED",
            LIMIT,
            "document.querySelector('.stepper .badge.ok')?.textContent.includes('FINISHED')",
        )
        .await?;
    browser
        .until("what can be restored", LIMIT, "document.querySelector('.verdict.ok')?.innerText.includes('restorable')")
        .await?;
    let job = browser.text("document.querySelector('.table-frame a[href^=\"#/snapshots/\"]').hash").await?;
    page(browser, &job).await?;
    let step = "document.querySelector('.stepper.large .current .step-name')?.textContent";
    browser.until("the job's steps", LIMIT, &format!("{step} === 'FINISHED'")).await?;
    Ok(job)
}

/// From the job to its trace, in which the frontend and the compute nodes took part; its address.
async fn trace_is_seen(browser: &Browser) -> anyhow::Result<String> {
    browser.click("a.button[href^='#/traces?job=']").await?;
    browser.until("a trace of the job", LIMIT, "document.querySelector('.table-frame a[href^=\"#/traces/\"]')").await?;
    browser.click(".table-frame a[href^='#/traces/']").await?;
    for role in ["fe", "cn"] {
        browser
            .until(
                &format!("a span of the {role}"),
                LIMIT,
                &format!("document.querySelector('.waterfall [data-node^={role}]')"),
            )
            .await?;
    }
    let (spans, rows) = (
        "document.querySelectorAll('.waterfall [data-span]').length",
        "document.querySelectorAll('.as-table tbody tr').length",
    );
    same("rows of the table beside the waterfall", browser.text(rows).await?, browser.text(spans).await?)?;
    browser.click(".wf-open").await?;
    browser.until("one span closely", LIMIT, "document.querySelector('.wf-details')").await?;
    browser.text("location.hash").await
}

/// SIGKILL for a compute node and a new start, both seen where somebody watches.
async fn killed_node_is_seen(browser: &Browser, house: &mut House) -> anyhow::Result<()> {
    page(browser, "#/cluster").await?;
    let address = house.cluster.compute_addresses[1].clone();
    let row =
        format!("[...document.querySelectorAll('tbody tr')].find((r) => r.innerText.includes({}))", quoted(&address));
    browser.until("it is alive", LIMIT, &format!("{row}?.querySelector('.badge.ok')")).await?;
    house.cluster.compute[1].kill().await?;
    browser.until("it is down", LIMIT, &format!("{row}?.querySelector('.badge.bad')")).await?;
    browser
        .until(
            "that is said above all",
            LIMIT,
            "document.querySelector('.verdict.warn')?.innerText.includes('1 of 3 nodes')",
        )
        .await?;
    audit(browser, "a node is down").await?;
    browser.screenshot(&artefacts()?.join("cluster-node-down.png")).await?;
    house.cluster.compute[1].start(&[])?;
    browser.until("it is alive again", LIMIT, &format!("{row}?.querySelector('.badge.ok')")).await?;
    let said = format!(
        "document.querySelector('.changes')?.innerText.includes({})",
        quoted(&format!("{address} has restarted"))
    );
    browser.until("that it has restarted", LIMIT, &said).await
}

/// The frontend dies: the page says so, and goes on when it is back. Sessions do not outlive their frontend.
async fn lost_frontend_is_seen(browser: &Browser, house: &mut House) -> anyhow::Result<()> {
    page(browser, "#/actors").await?;
    house.cluster.frontend.kill().await?;
    browser
        .until("the feed is broken", LIMIT, "document.querySelector('.live.bad')?.textContent === 'reconnecting'")
        .await?;
    browser
        .until("how old the page is", LIMIT, "document.querySelector('.notice')?.innerText.includes('No connection')")
        .await?;
    browser.screenshot(&artefacts()?.join("reconnecting.png")).await?;
    house.cluster.frontend.start(&[])?;
    house.cluster.frontend.ready(START).await?;
    browser.until("the form", LIMIT, "document.querySelector('main.login')").await?;
    browser.click("button[type=submit]").await?;
    browser.until("the same page", LIMIT, "document.querySelector('h1')?.textContent === 'Actors'").await?;
    browser.until("the feed", LIMIT, "document.querySelector('.live.ok')").await
}

#[test]
fn a_cluster_is_followed_without_a_reload() {
    with_browser("dashboard/follow", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let browser = Browser::open(&house.directory("profile")).await?;
        let mut client = house.client().await?;
        client.run(QUICKSTART).await?;
        client.run(HOSTILE).await?;
        sign_in(&browser, house.cluster.ports.http).await?;
        browser
            .until("all is well", LIMIT, "document.querySelector('.verdict.ok')?.innerText.includes('All 3 nodes')")
            .await?;

        page(&browser, "#/actors").await?;
        browser.until("three nodes", LIMIT, "document.querySelectorAll('.tree .node-row').length === 3").await?;
        for path in ["fe/metadata/metadata_leader", "fe/background/snapshot_job_supervisor", "cn/compute/compute_node"]
        {
            browser.until(path, LIMIT, &row_of(path)).await?;
        }
        walk_the_tree(&browser).await?;

        let job = snapshot_is_seen(&browser, &house).await?;
        let trace = trace_is_seen(&browser).await?;

        page(&browser, "#/traces?text=hostile").await?;
        browser
            .until(
                "the hostile statement as text",
                LIMIT,
                "document.querySelector('.table-frame')?.innerText.includes('onerror')",
            )
            .await?;
        // Statements are found without a search: what repeats by itself, and what the dashboard asks, is left out.
        page(&browser, "#/traces").await?;
        let found = "document.querySelector('.table-frame')?.innerText";
        browser.until("it is there without a search", LIMIT, &format!("{found}?.includes('onerror')")).await?;
        ensure!(!browser.text(found).await?.contains("TellTree"), "the dashboard lists what itself has asked");
        page(&browser, "#/queries").await?;
        browser.until("sessions", LIMIT, "document.querySelector('.table-frame tbody tr')").await?;
        same("what the hostile statement did", browser.text("window.broken").await?, "undefined".to_owned())?;

        let actor = "#/actors?node=self&path=fe%2Fmetadata%2Fmetadata_leader";
        let node = browser.script("return fetch('/api/v2/session').then((a) => a.json()).then((s) => s.node)").await?;
        let actor = actor.replace("self", &node.as_str().context("no node")?.replace(':', "%3A"));
        let pages = [
            ("cluster", "#/cluster".to_owned(), "document.querySelector('.verdict')".to_owned()),
            ("actors", "#/actors".to_owned(), row_of("cn/compute/snapshot_agent")),
            ("actor", actor, "document.querySelector('.panel .scroll tbody tr')".to_owned()),
            ("traces", "#/traces".to_owned(), "document.querySelector('.table-frame tbody tr')".to_owned()),
            ("trace", trace, "document.querySelector('.waterfall [data-span]')".to_owned()),
            ("snapshots", "#/snapshots".to_owned(), "document.querySelector('.stepper')".to_owned()),
            ("snapshot", job, "document.querySelector('.stepper.large')".to_owned()),
            ("queries", "#/queries".to_owned(), "document.querySelector('.table-frame tbody tr')".to_owned()),
        ];
        look_at_all(&browser, &pages, &artefacts()?).await?;
        killed_node_is_seen(&browser, &mut house).await?;
        not_loaded_again(&browser).await?;
        quiet_console(&browser).await?;
        client.close().await?;

        lost_frontend_is_seen(&browser, &mut house).await?;
        not_loaded_again(&browser).await?;
        browser.close().await?;
        house.finish().await
    });
}

#[test]
fn light_and_dark_are_chosen_by_the_system_or_by_hand() {
    with_browser("dashboard/themes", || async {
        let house = House::build(HouseSpec::default()).await?;
        let browser = Browser::open(&house.directory("profile")).await?;
        sign_in(&browser, house.cluster.ports.http).await?;
        let is_dark =
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every((v) => Number(v) < 60)";
        browser.prefers("dark").await?;
        browser.until("dark, as the system", LIMIT, is_dark).await?;
        for (said, dark) in [("light", false), ("dark", true), ("system", true)] {
            browser.click("#theme").await?;
            browser.until(said, LIMIT, &format!("document.querySelector('#theme').title.includes('{said}')")).await?;
            same(said, browser.text(is_dark).await?, dark.to_string())?;
        }
        // Chosen by hand, it is there again after a reload, and before anything is painted.
        browser.click("#theme").await?;
        browser.goto("about:blank").await?;
        browser.goto(&format!("http://127.0.0.1:{}/#/actors", house.cluster.ports.http)).await?;
        same(
            "the theme after a reload",
            browser.text("document.documentElement.dataset.theme").await?,
            "light".to_owned(),
        )?;
        // By keyboard alone: the first stop leads past the navigation.
        browser.until("the tree", LIMIT, "document.querySelector('.tree tbody tr')").await?;
        browser.keys(&key::TAB.to_string()).await?;
        same("the first stop", browser.text("document.activeElement.className").await?, "skip".to_owned())?;
        browser.keys(&key::ENTER.to_string()).await?;
        same("where it leads", browser.text("document.activeElement.id").await?, "content".to_owned())?;
        quiet_console(&browser).await?;
        browser.close().await?;
        house.finish().await
    });
}

/// Arms a failpoint of a frontend; false: it has none.
async fn arm(port: u16, name: &str, action: &str) -> anyhow::Result<bool> {
    let body = json!({ "name": name, "action": action }).to_string();
    // root without a password.
    let login = [("Authorization", "Basic cm9vdDo=")];
    if browser::request(port, "GET /api/v2/failpoints", &login, "").await?.0 == 404 {
        return Ok(false);
    }
    let (status, text) = browser::request(port, "POST /api/v2/failpoints", &login, &body).await?;
    ensure!(status == 200, "{name}={action}: {status} {text}");
    Ok(true)
}

#[test]
fn an_actor_that_panics_is_seen_to_restart() {
    with_browser("dashboard/restart", || async {
        let house = House::build(HouseSpec::default()).await?;
        let port = house.cluster.ports.http;
        if !arm(port, "handler.gc_coordinator", "off").await? {
            println!("SKIP dashboard/restart: the executable has no failpoints (STARKEEP_BIN may name one that has)");
            return house.finish().await;
        }
        let browser = Browser::open(&house.directory("profile")).await?;
        sign_in(&browser, port).await?;
        page(&browser, "#/actors").await?;
        let row = row_of("fe/background/gc_coordinator");
        let restarts = format!("({row})?.lastElementChild.textContent.replace(/[^0-9]/g, '')");
        browser.until("no restart so far", LIMIT, &format!("{restarts} === '0'")).await?;
        arm(port, "handler.gc_coordinator", "panic").await?;
        browser.until("one restart", LIMIT, &format!("{restarts} === '1'")).await?;
        browser.script(&format!("({row}).click()")).await?;
        browser
            .until(
                "the reason",
                LIMIT,
                "document.querySelector('.restarts')?.innerText.includes('handler.gc_coordinator')",
            )
            .await?;
        audit(&browser, "an actor that was restarted").await?;
        browser.screenshot(&artefacts()?.join("actor-restarted.png")).await?;
        not_loaded_again(&browser).await?;
        page(&browser, "#/cluster").await?;
        browser
            .until("the change", LIMIT, "document.querySelector('.changes')?.innerText.includes('gc_coordinator')")
            .await?;
        quiet_console(&browser).await?;
        browser.close().await?;
        // A panic was asked for: `finish` would complain of it.
        let mut house = house;
        house.cluster.kill().await?;
        house.forget();
        Ok(())
    });
}
