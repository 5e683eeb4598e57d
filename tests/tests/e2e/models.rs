//! Tables of every key model: what they hold comes back from a snapshot, many who update the same rows lose no update, and
//! what cannot be is said once and clearly.

use anyhow::ensure;
use tests::client::{has_mysql_command, mysql_command, same};
use tests::{Client, House, HouseSpec, e2e};

const TABLES: [&str; 4] = ["dup", "uni", "agg", "pri"];

/// A table of each key model, each with rows of several loads and keys in more than one of them.
async fn fill(client: &mut Client) -> anyhow::Result<()> {
    client.run("CREATE DATABASE d").await?;
    let ranges = "PARTITION BY RANGE(day) (START ('2024-01-01') END ('2024-01-04') EVERY (INTERVAL 1 DAY))";
    let rest = format!("{ranges} DISTRIBUTED BY HASH(k) BUCKETS 2");
    let plain = "k INT NOT NULL, day DATE NOT NULL, n BIGINT, s STRING";
    for (table, columns, key) in [
        ("dup", plain, "DUPLICATE"),
        ("uni", plain, "UNIQUE"),
        ("agg", "k INT NOT NULL, day DATE NOT NULL, n BIGINT SUM, s STRING REPLACE_IF_NOT_NULL", "AGGREGATE"),
        ("pri", plain, "PRIMARY"),
    ] {
        client.run(&format!("CREATE TABLE d.{table} ({columns}) {key} KEY(k, day) {rest}")).await?;
        for rows in [
            "(1, '2024-01-01', 1, 'a'), (2, '2024-01-02', 2, 'b'), (1, '2024-01-01', 10, 'c')",
            "(1, '2024-01-01', 100, NULL), (3, '2024-01-03', 3, 'd')",
            "(2, '2024-01-02', NULL, 'e'), (4, '2024-01-03', 4, NULL)",
        ] {
            client.run(&format!("INSERT INTO d.{table} VALUES {rows}")).await?;
        }
        client.run(&format!("DELETE FROM d.{table} WHERE n = 3")).await?;
    }
    client.run("UPDATE d.pri SET n = k * 1000, s = DEFAULT WHERE day = '2024-01-01'").await
}

async fn rows(client: &mut Client, table: &str) -> anyhow::Result<Vec<String>> {
    type Found = (i32, String, Option<i64>, Option<String>);
    let sql = format!("SELECT k, CAST(day AS CHAR), n, s FROM d.{table} ORDER BY k, day, n, s");
    let found: Vec<Found> = client.rows(&sql).await?;
    let text = |n: Option<i64>| n.map_or("NULL".to_owned(), |n| n.to_string());
    Ok(found
        .into_iter()
        .map(|(k, day, n, s)| format!("{k} {day} {} {}", text(n), s.unwrap_or("NULL".to_owned())))
        .collect())
}

/// Rows, definition and description of every table.
async fn contents(client: &mut Client) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let mut all = Vec::new();
    for table in TABLES {
        all.push((table.to_owned(), rows(client, table).await?));
        let (_, text): (String, String) = client.one(&format!("SHOW CREATE TABLE d.{table}")).await?;
        all.push((format!("SHOW CREATE TABLE {table}"), vec![text]));
        let described: Vec<mysql_async::Row> = client.rows(&format!("DESC d.{table}")).await?;
        all.push((
            format!("DESC {table}"),
            described.iter().map(|row| format!("{:?}", row.clone().unwrap())).collect(),
        ));
    }
    Ok(all)
}

#[test]
fn all_key_models_come_back_from_a_snapshot() {
    e2e("models/restore", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        fill(&mut client).await?;
        for (table, expected) in [
            (
                "dup",
                vec![
                    "1 2024-01-01 1 a",
                    "1 2024-01-01 10 c",
                    "1 2024-01-01 100 NULL",
                    "2 2024-01-02 NULL e",
                    "2 2024-01-02 2 b",
                    "4 2024-01-03 4 NULL",
                ],
            ),
            ("uni", vec!["1 2024-01-01 100 NULL", "2 2024-01-02 NULL e", "4 2024-01-03 4 NULL"]),
            ("agg", vec!["1 2024-01-01 111 c", "2 2024-01-02 2 e", "4 2024-01-03 4 NULL"]),
            ("pri", vec!["1 2024-01-01 1000 NULL", "2 2024-01-02 NULL e", "4 2024-01-03 4 NULL"]),
        ] {
            same(table, rows(&mut client, table).await?, expected.into_iter().map(str::to_owned).collect())?;
        }
        let models: Vec<(String, String)> =
            client.rows("SELECT TABLE_NAME, TABLE_MODEL FROM information_schema.tables_config ORDER BY 2").await?;
        let expected = [("agg", "AGG_KEYS"), ("dup", "DUP_KEYS"), ("pri", "PRI_KEYS"), ("uni", "UNQ_KEYS")];
        same("models", models, expected.map(|(table, model)| (table.to_owned(), model.to_owned())).to_vec())?;
        let before = contents(&mut client).await?;
        let snapshot = house.snapshot().await?;
        client.run("INSERT OVERWRITE d.agg VALUES (9, '2024-01-01', 9, 'later')").await?;
        same("rows", rows(&mut client, "agg").await?, vec!["9 2024-01-01 9 later".to_owned()])?;
        client.close().await?;

        house.lose_everything().await?;
        house.restore_plan(&snapshot, &house.place)?;
        house.restore().await?;
        let mut client = house.client().await?;
        same("everything", contents(&mut client).await?, before)?;
        // It goes on where it was.
        client.run("INSERT INTO d.agg VALUES (1, '2024-01-01', 1000, 'z')").await?;
        client.run("UPDATE d.pri SET n = n + 1 WHERE k = 1").await?;
        same("agg", rows(&mut client, "agg").await?[0].as_str(), "1 2024-01-01 1111 z")?;
        same("pri", rows(&mut client, "pri").await?[0].as_str(), "1 2024-01-01 1001 NULL")?;
        client.close().await?;
        house.finish().await
    });
}

const WRITERS: i64 = 16;
const ROUNDS: i64 = 4;

/// Adds one to two rows again and again, and loads a row of its own each time.
async fn write(port: u16, writer: i64) -> anyhow::Result<()> {
    let mut client = Client::connect(port).await?;
    for round in 0..ROUNDS {
        client.run("UPDATE d.t SET n = n + 1 WHERE k <= 1").await?;
        client.run(&format!("INSERT INTO d.t VALUES ({}, 1)", 100 + writer * ROUNDS + round)).await?;
    }
    client.close().await
}

#[test]
fn many_who_update_the_same_rows_lose_no_update() {
    e2e("models/updates", || async {
        let house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.t (k INT, n BIGINT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2").await?;
        client.run("INSERT INTO d.t VALUES (0, 0), (1, 0), (2, 0)").await?;
        let port = house.query_ports()[0];
        let mut writers = tokio::task::JoinSet::new();
        (0..WRITERS).for_each(|number| _ = writers.spawn(write(port, number)));
        while let Some(done) = writers.join_next().await {
            done??;
        }
        let (all, ones): (i64, i64) = (WRITERS * ROUNDS, WRITERS * ROUNDS);
        let found: Vec<(i32, i64)> = client.rows("SELECT k, n FROM d.t WHERE k < 100 ORDER BY k").await?;
        same("rows", found, vec![(0, all), (1, all), (2, 0)])?;
        let found: (i64, i64) = client.one("SELECT count(*), sum(n) FROM d.t WHERE k >= 100").await?;
        same("loaded meanwhile", found, (ones, ones))?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn the_mysql_command_line_uses_key_models() {
    if !has_mysql_command("models/mysql") {
        return;
    }
    e2e("models/mysql", || async {
        let house = House::build(HouseSpec::default()).await?;
        let port = house.query_ports()[0];
        let script = "CREATE DATABASE d; USE d;
            CREATE TABLE a (k INT, s BIGINT SUM, m STRING MAX) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1;
            CREATE TABLE p (k INT, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1;
            INSERT INTO a VALUES (1, 1, 'x'), (1, 2, 'y'); INSERT INTO a VALUES (1, 3, NULL), (NULL, 4, 'z');
            SELECT * FROM a ORDER BY k; DESC a;
            INSERT INTO p VALUES (1, 1), (2, 2); UPDATE p SET v = v * 10 WHERE k = 2; DELETE FROM p WHERE v = 1;
            SELECT * FROM p; EXPLAIN UPDATE p SET v = 1 WHERE k = 1;";
        let printed = mysql_command(port, &["--skip-column-names", "--batch"], script).await?;
        ensure!(printed.ok, "{printed:?}");
        let expected = "NULL\t4\tz\n1\t6\ty\nk\tint(11)\tYES\ttrue\tNULL\t\ns\tbigint(20)\tYES\tfalse\tNULL\tSUM\n\
                        m\tvarchar(65533)\tYES\tfalse\tNULL\tMAX\n2\t20\n";
        ensure!(printed.out.starts_with(expected), "{printed:?}");
        for (sql, says) in [
            ("UPDATE d.a SET s = 1 WHERE k = 1", "table a does not support update."),
            ("UPDATE d.p SET k = 1 WHERE k = 1", "primary key column cannot be updated: k"),
            ("UPDATE d.p SET v = 1", "must specify where clause"),
            ("UPDATE d.p SET v = 'x' WHERE k = 2", "does not fit column 'v'"),
            ("UPDATE d.p SET v = 1 WHERE k = 1 LIMIT 1", "LIMIT"),
            ("UPDATE d.nothing SET v = 1 WHERE k = 1", "Unknown table 'd.nothing'"),
            ("INSERT INTO d.p VALUES (NULL, 1)", "NULL"),
            (
                "INSERT INTO d.a VALUES (1, 9223372036854775807, ''), (1, 1, '')",
                "the sum of column 's' is out of range",
            ),
            (
                "CREATE TABLE d.x (k INT, v INT SUM) UNIQUE KEY(k) DISTRIBUTED BY HASH(k)",
                "should not specify aggregate type",
            ),
        ] {
            let printed = mysql_command(port, &[], sql).await?;
            ensure!(!printed.ok && printed.err.contains(says), "{sql}: {printed:?}");
        }
        house.finish().await
    });
}
