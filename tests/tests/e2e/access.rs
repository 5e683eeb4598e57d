//! Users, roles and privileges in a real cluster: over both ports, over a restart, and back from a snapshot.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::client::{has_mysql_command, mysql_command, same, until};
use tests::{Client, House, HouseSpec, e2e};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A reader of one table with a role, an operator, and root with a password.
async fn people(client: &mut Client) -> anyhow::Result<()> {
    for sql in [
        "CREATE DATABASE d",
        "CREATE TABLE d.open (k INT NOT NULL, v STRING) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1",
        "CREATE TABLE d.secret (k INT NOT NULL, v STRING) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1",
        "INSERT INTO d.open VALUES (1, 'one'), (2, 'two')",
        "INSERT INTO d.secret VALUES (3, 'three')",
        "CREATE ROLE readers COMMENT 'they read'",
        "GRANT SELECT ON TABLE d.open TO ROLE readers",
        "CREATE USER ann IDENTIFIED BY 'it''s \\\"hers\\\"' DEFAULT ROLE readers",
        "CREATE USER 'ops'@'127.0.0.%' IDENTIFIED BY 'operates'",
        "GRANT OPERATE ON SYSTEM TO 'ops'@'127.0.0.%'",
        "CREATE USER 'far'@'10.%' IDENTIFIED BY 'away'",
    ] {
        client.run(sql).await?;
    }
    Ok(())
}

const LIMIT: Duration = Duration::from_secs(30);
const ANN: &str = "it's \"hers\"";

/// What the users may do, and what not.
async fn they_are_as_made(house: &House) -> anyhow::Result<()> {
    let port = house.cluster.ports.query;
    let mut ann = Client::connect_as(port, "ann", ANN).await.context("ann")?;
    same("rows", ann.rows("SELECT v FROM d.open ORDER BY k").await?, vec!["one".to_owned(), "two".to_owned()])?;
    same("role", ann.one::<String>("SELECT current_role()").await?, "readers".to_owned())?;
    let says = "the SELECT privilege(s) on TABLE secret for this operation";
    ann.refused("SELECT * FROM d.secret", 5203, says).await?;
    ann.refused("INSERT INTO d.open SELECT * FROM d.secret", 5203, "INSERT").await?;
    ann.refused("SELECT o.v FROM d.open o WHERE k IN (SELECT k FROM d.secret)", 5203, says).await?;
    ann.refused("DELETE FROM d.open WHERE k = 1", 5203, "DELETE").await?;
    ann.refused("SHOW FRONTENDS", 5203, "OPERATE").await?;
    same("tables", ann.rows("SHOW TABLES FROM d").await?, vec!["open".to_owned()])?;
    ann.close().await?;
    let mut ops = Client::connect_as(port, "ops", "operates").await.context("ops")?;
    ops.run("SHOW FRONTENDS").await?;
    ops.refused("SELECT * FROM d.open", 5203, "SELECT").await?;
    ops.close().await?;
    for (user, password) in [("ann", "hers"), ("ann", ""), ("far", "away"), ("nobody", "")] {
        let error = Client::connect_as(port, user, password).await.err().with_context(|| format!("{user} is in"))?;
        ensure!(matches!(&error, mysql_async::Error::Server(error) if error.code == 1045), "{user}: {error}");
    }
    Ok(())
}

/// The status of a page behind the login.
async fn page(port: u16, basic: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let head = format!("GET /api/v2/queries HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Basic {basic}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("no status")
}

#[test]
fn users_are_who_they_are_over_restarts_and_restores() {
    e2e("access/users", || async {
        let mut house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        people(&mut client).await?;
        they_are_as_made(&house).await?;
        house.restart_frontend().await?;
        they_are_as_made(&house).await?;
        let snapshot = house.snapshot().await?;
        let mut client = house.client().await?;
        client.run("DROP USER ann").await?;
        client.run("DROP ROLE readers").await?;
        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        they_are_as_made(&house).await?;
        house.finish().await
    });
}

#[test]
fn only_operators_see_the_dashboard() {
    e2e("access/http", || async {
        let house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        people(&mut client).await?;
        let http = house.cluster.ports.http;
        // ops:operates, ann:it's "hers", ops:wrong, root and nothing
        for (basic, status) in
            [("b3BzOm9wZXJhdGVz", 200), ("YW5uOml0J3MgImhlcnMi", 403), ("b3BzOndyb25n", 401), ("cm9vdDo=", 200)]
        {
            same(basic, page(http, basic).await?, status)?;
        }
        client.run("REVOKE OPERATE ON SYSTEM FROM 'ops'@'127.0.0.%'").await?;
        same("without OPERATE", page(http, "b3BzOm9wZXJhdGVz").await?, 403)?;
        client.run("DROP USER 'ops'@'127.0.0.%'").await?;
        same("without a user", page(http, "b3BzOm9wZXJhdGVz").await?, 401)?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn the_command_line_and_the_audit_log_know_who_it_was() {
    e2e("access/command", || async {
        let audited = tempfile::tempdir()?;
        let conf = vec![("audit_log_dir", audited.path().display().to_string())];
        let house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        people(&mut client).await?;
        if has_mysql_command("access/command") {
            let port = house.cluster.ports.query;
            let script = "SELECT current_user(); SELECT COUNT(*) FROM d.open; SHOW GRANTS;";
            let password = format!("--password={ANN}");
            let printed = mysql_command(port, &["--user=ann", &password, "-N"], script).await?;
            let expected = "'ann'@'%'\n2\n'ann'@'%'\tNULL\tGRANT 'readers' TO 'ann'@'%'\n";
            ensure!(printed.ok && printed.out == expected, "{printed:?}");
            let printed = mysql_command(port, &["--user=ann", "--password=wrong"], "SELECT 1").await?;
            ensure!(!printed.ok && printed.err.contains("ERROR 1045 (28000)"), "{printed:?}");
            let printed = mysql_command(port, &["--user=ann", &password], "DROP TABLE d.open").await?;
            ensure!(!printed.ok && printed.err.contains("ERROR 5203 (42000)"), "{printed:?}");
        }
        // The file of the day is written behind the statements.
        client.run("SELECT 'the last one'").await?;
        let log = until("the audit log has it all", LIMIT, || async {
            let mut log = String::new();
            for entry in std::fs::read_dir(audited.path())? {
                log.push_str(&std::fs::read_to_string(entry?.path())?);
            }
            Ok(if log.contains("Stmt=SELECT 'the last one'\n") { Ok(log) } else { Err(log) })
        })
        .await?;
        ensure!(log.contains("|Stmt=CREATE USER ann IDENTIFIED BY '******' DEFAULT ROLE readers\n"), "{log}");
        ensure!(log.contains("|User=root|AuthorizedUser='root'@'%'|"), "{log}");
        ensure!(!log.contains("hers") && !log.contains("operates"), "{log}");
        client.close().await?;
        house.finish().await
    });
}
