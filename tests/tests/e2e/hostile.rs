//! Bad input of every kind: a clear error, nothing lost, no panic.

use std::time::Duration;

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tests::client::{Client, code_of, same};
use tests::raw::{login, query};
use tests::{House, HouseSpec, e2e};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn house_with_a_table() -> anyhow::Result<(House, Client)> {
    let house = House::build(HouseSpec::default()).await?;
    let mut client = house.client().await?;
    client.run("CREATE DATABASE d").await?;
    client.run("CREATE TABLE d.t (id INT NOT NULL, n TINYINT, v VARCHAR(5), day DATE) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2").await?;
    client.run("INSERT INTO d.t VALUES (1, 1, 'one', '2024-01-01'), (2, 2, 'two', NULL)").await?;
    Ok((house, client))
}

async fn still_well(house: &House) -> anyhow::Result<()> {
    let mut client = house.client().await?;
    same("rows", client.one::<(u64, u64)>("SELECT COUNT(*), SUM(id) FROM d.t").await?, (2, 3))?;
    client.close().await?;
    house.no_panic()
}

#[test]
fn wrong_statements_have_clear_errors() {
    e2e("hostile/statements", || async {
        let (house, mut client) = house_with_a_table().await?;
        for (sql, code, says) in [
            ("SELEC 1", 1064, "Getting syntax error at line 1"),
            ("SELECT 1 +", 1064, "syntax error"),
            ("SELECT * FROM d.t WHERE", 1064, "syntax error"),
            ("CREATE TABLE d.x (", 1064, "syntax error"),
            ("SELECT 'open", 1064, "syntax error"),
            ("SELECT /* open", 1064, "syntax error"),
            ("SELECT * FROM d.nothing", 5502, "Unknown table"),
            ("SELECT * FROM nothing.t", 5501, "Unknown database"),
            ("SELECT nothing FROM d.t", 1064, "nothing"),
            ("INSERT INTO d.nothing VALUES (1)", 5502, "Unknown table"),
            ("DROP TABLE d.nothing", 5502, "Unknown table"),
            ("DROP STORAGE VOLUME nothing", 1064, "nothing"),
        ] {
            client.refused(sql, code, says).await?;
        }
        for sql in [
            "INSERT INTO d.t VALUES (1, 2, 'x')",
            "INSERT INTO d.t VALUES (1, 2, 'x', NULL, 5)",
            "INSERT INTO d.t (id, nothing) VALUES (1, 2)",
            "INSERT INTO d.t VALUES ('text', 1, 'x', NULL)",
            "INSERT INTO d.t VALUES (NULL, 1, 'x', NULL)",
            "INSERT INTO d.t VALUES (3, 1, 'too long a text', NULL)",
            "INSERT INTO d.t VALUES (3, 1, 'x', 'no date')",
            "INSERT INTO d.t VALUES (3, 1000, 'x', NULL)",
            "INSERT INTO d.t VALUES (4, 1, 'x', NULL), (5, 1, 'too long a text', NULL)",
            "INSERT INTO d.t SELECT id, n FROM d.t",
            "SELECT 1/0 FROM d.t GROUP BY",
            "SELECT no_such_function(id) FROM d.t",
            "SELECT id FROM d.t GROUP BY v",
            "CREATE TABLE d.x (a INT, a INT) DUPLICATE KEY(a) DISTRIBUTED BY HASH(a)",
            "CREATE TABLE d.x (a NOTHING) DUPLICATE KEY(a) DISTRIBUTED BY HASH(a)",
            "CREATE TABLE d.x (a INT) DUPLICATE KEY(b) DISTRIBUTED BY HASH(a)",
            "CREATE TABLE d.x (a FLOAT) PRIMARY KEY(a) DISTRIBUTED BY HASH(a)",
            "ALTER SYSTEM ADD COMPUTE NODE \"nowhere\"",
            "ADMIN SET FRONTEND CONFIG (\"nothing\" = \"1\")",
            "CREATE STORAGE VOLUME v TYPE = S3 LOCATIONS = ('file:///x')",
            "SET nothing_at_all = 5",
        ] {
            let (code, text) = client.error(sql).await?;
            ensure!(code >= 1000 && !text.is_empty(), "{sql}: {code} {text}");
            ensure!(!text.contains("panicked") && !text.contains("Internal error"), "{sql}: {code} {text}");
        }
        let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
        client.error(&deep).await?;
        let wide = format!("SELECT {}", vec!["1"; 60_000].join("+"));
        let _ = client.run(&wide).await;
        let many = format!(
            "SELECT * FROM d.t WHERE id IN ({})",
            (0..50_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",")
        );
        same("a long list", client.rows::<mysql_async::Row>(&many).await?.len(), 2)?;
        same("an empty statement after it all", client.one::<u64>("SELECT 1").await?, 1)?;
        client.close().await?;
        still_well(&house).await?;
        house.finish().await
    });
}

#[test]
fn large_packets_are_taken_or_refused() {
    e2e("hostile/large_packets", || async {
        let (house, client) = house_with_a_table().await?;
        client.close().await?;
        let mut client = Client::connect_for(house.cluster.ports.query, Some(1 << 30)).await?;
        let megabytes = 60;
        let text = "x".repeat(megabytes << 20);
        same(
            "a large literal",
            client.one::<u64>(&format!("SELECT LENGTH('{text}')")).await?,
            (megabytes as u64) << 20,
        )?;
        drop(text);
        // 96 MiB by hand: six full packets and the empty one that ends them.
        let mut stream = login(house.cluster.ports.query).await?;
        let packet = vec![3_u8; (1 << 24) - 1];
        let mut refused = false;
        for sequence in 0..6_u8 {
            refused = stream.write_all(&[0xff, 0xff, 0xff, sequence]).await.is_err()
                || stream.write_all(&packet).await.is_err();
            if refused {
                break;
            }
        }
        if !refused {
            refused = stream.write_all(&[0, 0, 0, 6]).await.is_err();
        }
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        let says_1153 = answer.len() > 7 && answer[4] == 0xff && u16::from_le_bytes([answer[5], answer[6]]) == 1153;
        ensure!(refused || says_1153 || matches!(read, Ok(Err(_))), "96 MiB were taken: {read:?} {answer:?}");
        let error = match client.run(&format!("SELECT '{}'", "y".repeat(70 << 20))).await {
            Ok(()) => anyhow::bail!("70 MiB were taken"),
            Err(error) => error,
        };
        ensure!(code_of(&error).is_none_or(|code| code == 1153), "{error:?}");
        still_well(&house).await?;
        house.finish().await
    });
}

#[test]
fn clients_that_leave_in_the_middle_leave_nothing_behind() {
    e2e("hostile/disconnects", || async {
        let (house, mut client) = house_with_a_table().await?;
        let long = "SELECT COUNT(*) FROM TABLE(generate_series(1, 3000000)) a JOIN TABLE(generate_series(1, 1000)) b ON a.generate_series % 1000 < b.generate_series";
        let wide = "SELECT a.generate_series, repeat('x', 1000) FROM TABLE(generate_series(1, 1000000)) a";
        for round in 0..3_u64 {
            for sql in [
                long,
                wide,
                "INSERT INTO d.t SELECT generate_series, 1, 'x', NULL FROM TABLE(generate_series(1, 100000000))",
            ] {
                let mut stream = login(house.cluster.ports.query).await?;
                stream.write_all(&query(sql)).await?;
                if round == 1 {
                    let mut some = [0; 4096];
                    let _ = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut some)).await;
                }
                tokio::time::sleep(Duration::from_millis(50 + round * 150)).await;
                drop(stream);
            }
            // Half a packet, and gone.
            let mut stream = login(house.cluster.ports.query).await?;
            stream.write_all(&[200, 0, 0, 0, 3, b'S']).await?;
            drop(stream);
        }
        // The server notices, and does not work for nobody for ever.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(40);
        loop {
            let sessions: Vec<mysql_async::Row> = client.rows("SHOW PROCESSLIST").await?;
            if sessions.len() <= 1 {
                break;
            }
            ensure!(tokio::time::Instant::now() < deadline, "{} sessions are left", sessions.len());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        client.close().await?;
        still_well(&house).await?;
        house.finish().await
    });
}

#[test]
fn random_bytes_on_every_port() {
    e2e("hostile/random_bytes", || async {
        let (house, client) = house_with_a_table().await?;
        client.close().await?;
        let conf = std::fs::read_to_string(&house.cluster.compute[0].conf)?;
        let mut ports = vec![
            ("http of the frontend", house.cluster.ports.http),
            ("query", house.cluster.ports.query),
            ("rpc", house.cluster.ports.rpc),
            ("edit log", house.cluster.ports.edit_log),
        ];
        for line in conf.lines().filter(|line| line.contains("_port")) {
            let (key, value) = line.split_once('=').context("an odd line")?;
            let name = match key.trim() {
                "be_http_port" => "http of the compute node",
                "heartbeat_service_port" => "heartbeat",
                "brpc_port" => "brpc",
                _ => "be",
            };
            ports.push((name, value.trim().parse()?));
        }
        let mut random = StdRng::seed_from_u64(20_250_218);
        let mut reached = Vec::new();
        for (name, port) in ports {
            for round in 0..20 {
                let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { break };
                if round == 0 {
                    reached.push(name);
                }
                let mut bytes = vec![0; [1, 4, 37, 1000, 70_000][round % 5]];
                random.fill_bytes(&mut bytes);
                let header = bytes.len().min(4);
                match round % 4 {
                    // Lengths that promise a lot.
                    1 => bytes[..header].fill(0xff),
                    2 => bytes[..header].fill(0),
                    3 => bytes.splice(0..0, b"GET /api/health HTTP/1.1\r\nHost: ".iter().copied()).for_each(drop),
                    _ => {}
                }
                let _ = tokio::time::timeout(Duration::from_secs(2), stream.write_all(&bytes)).await;
                let mut answer = [0; 1024];
                let _ = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut answer)).await;
            }
        }
        for name in ["http of the frontend", "query", "http of the compute node", "heartbeat", "brpc"] {
            ensure!(reached.contains(&name), "nothing listens on the port of {name}");
        }
        let mut client = house.client().await?;
        house.all_alive(&mut client).await?;
        client.run("INSERT INTO d.t (id) VALUES (9)").await?;
        client.run("TRUNCATE TABLE d.t").await?;
        client.run("INSERT INTO d.t (id) VALUES (1), (2)").await?;
        client.close().await?;
        still_well(&house).await?;
        for port in [house.cluster.ports.http, house.cluster.compute[0].http_port] {
            same("health", deploy_local::http::get(port, "/api/health").await?.0, 200)?;
        }
        house.finish().await
    });
}

/// COM_QUERY of a text that need not be UTF-8, as one packet; the first answer's bytes.
async fn ask_bytes(port: u16, sql: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = login(port).await?;
    let mut packet = (sql.len() as u32 + 1).to_le_bytes()[..3].to_vec();
    packet.extend_from_slice(&[0, 3]);
    packet.extend_from_slice(sql);
    stream.write_all(&packet).await?;
    let mut answer = vec![0; 1024];
    let count = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await??;
    answer.truncate(count);
    Ok(answer)
}

#[test]
fn odd_names_and_bytes_are_taken_or_refused() {
    e2e("hostile/names", || async {
        let (house, mut client) = house_with_a_table().await?;
        for name in ["it's", "dou\"ble", "back`quote", "semi;colon -- x", "per%cent_", "dot.ted", "{}", "über 漢字"]
        {
            let quoted = format!("`{}`", name.replace('`', "``"));
            // As the name of a column everything goes.
            let aliased: Vec<mysql_async::Row> = client.rows(&format!("SELECT 1 AS {quoted}")).await?;
            same("an alias", aliased[0].columns_ref()[0].name_str().into_owned(), name.to_owned())?;
            let table = format!("CREATE TABLE d.{quoted} (id INT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1");
            match client.run(&table).await {
                Ok(()) => {
                    client.run(&format!("INSERT INTO d.{quoted} VALUES (1)")).await?;
                    same("rows", client.one::<u64>(&format!("SELECT COUNT(*) FROM d.{quoted}")).await?, 1)?;
                    client.run(&format!("DROP TABLE d.{quoted}")).await?;
                }
                Err(error) => ensure!(code_of(&error).is_some(), "{error:?}"),
            }
        }
        let long = "n".repeat(1 << 20);
        for sql in [
            format!("SELECT * FROM d.{long}"),
            format!("SELECT {long} FROM d.t"),
            format!("CREATE DATABASE {long}"),
            format!("CREATE TABLE d.{long} (id INT) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id)"),
            format!("CREATE USER '{long}'"),
            format!("SET @@{long} = 1"),
        ] {
            let (code, text) = client.error(&sql).await?;
            ensure!(code >= 1000 && text.len() < 3 << 20, "{code}: {} bytes of text", text.len());
        }
        let terms = vec!["id = 1"; 10_000].join(" OR ");
        match client.one::<u64>(&format!("SELECT COUNT(*) FROM d.t WHERE {terms}")).await {
            Ok(count) => same("10,000 terms", count, 1)?,
            Err(error) => ensure!(code_of(&error).is_some(), "{error:?}"),
        }
        let many = (0..100_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        same("a list", client.one::<u64>(&format!("SELECT COUNT(*) FROM d.t WHERE id IN ({many})")).await?, 2)?;
        let port = house.cluster.ports.query;
        for sql in [&b"SELECT '\xff\xfe'"[..], b"SELECT \xc3(", b"\xff\xff\xff", b"SELECT 1\0\0", b"\0"] {
            let answer = ask_bytes(port, sql).await?;
            ensure!(answer.len() > 4, "{sql:?} was answered with {answer:?}");
        }
        client.close().await?;
        still_well(&house).await?;
        house.finish().await
    });
}

#[test]
fn slow_and_many_clients_hold_nothing_up() {
    e2e("hostile/slow_and_many", || async {
        let conf = vec![("qe_max_connection", "6000".to_owned())];
        let house = House::build(HouseSpec { conf, ..HouseSpec::default() }).await?;
        let port = house.cluster.ports.query;
        let pid = house.cluster.frontend.pid().context("no process")?;
        // A login that comes byte by byte is cut, however lively its client is.
        let slow = tokio::spawn(async move {
            let since = tokio::time::Instant::now();
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            let mut bytes = [0_u8; 4096];
            // The header of a login of 100 bytes, and then its bytes.
            for byte in [&[100, 0, 0, 1][..], &[0; 100]].concat() {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                let read = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut bytes)).await;
                if matches!(read, Ok(Ok(0) | Err(_))) {
                    break;
                }
            }
            anyhow::Ok(since.elapsed())
        });
        let mut client = house.client().await?;
        client.run("SET PROPERTY FOR 'root' 'max_user_connections' = '6000'").await?;
        let before = resident_kilobytes(pid)?;
        let mut idle = Vec::new();
        let open = tokio::time::Instant::now();
        while idle.len() < 5000 {
            match login(port).await {
                Ok(stream) => idle.push(stream),
                Err(error) => anyhow::bail!("connection {}: {error:?}", idle.len() + 1),
            }
        }
        let each = resident_kilobytes(pid)?.saturating_sub(before) as f64 / idle.len() as f64;
        println!("  5,000 idle connections in {:.1} s: {each:.1} kB each", open.elapsed().as_secs_f64());
        same("a query beside them", client.one::<u64>("SELECT 1").await?, 1)?;
        let taken = slow.await??;
        ensure!(taken < Duration::from_secs(30), "a slow login was let to go on for {} s", taken.as_secs());
        drop(idle);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(40);
        while client.rows::<mysql_async::Row>("SHOW PROCESSLIST").await?.len() > 1 {
            ensure!(tokio::time::Instant::now() < deadline, "connections are left");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        client.close().await?;
        house.no_panic()?;
        house.finish().await
    });
}

/// What a process has in memory.
fn resident_kilobytes(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
}
