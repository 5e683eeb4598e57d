//! JSON, ARRAY, MAP, STRUCT and VARBINARY with StarRocks' words: what clients see of them, and that they come back from a
//! snapshot.

use anyhow::ensure;
use tests::client::{has_mysql_command, mysql_command, same};
use tests::{House, HouseSpec, e2e};

const BATCH: [&str; 3] = ["--skip-column-names", "--batch", "--raw"];

async fn printed(house: &House, script: &str) -> anyhow::Result<String> {
    let printed = mysql_command(house.query_ports()[0], &BATCH, script).await?;
    ensure!(printed.ok, "{script}: {printed:?}");
    Ok(printed.out)
}

const ROWS: &str = "1\t[1,2,null]\t{\"x\":[1]}\t{\"a\":1,\"b\":\"one\"}\t{\"a\": [1], \"b\": 2}\tbytes\n\
                    2\t[]\t{}\tNULL\t\"text\"\t\n\
                    3\tNULL\tNULL\tNULL\tNULL\tNULL\n";

#[test]
fn values_that_hold_others_are_seen_and_come_back() {
    if !has_mysql_command("nested/values") {
        return;
    }
    e2e("nested/values", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        printed(
            &house,
            "CREATE DATABASE d; CREATE TABLE d.t (k INT, a ARRAY<INT>, m MAP<VARCHAR(10),ARRAY<INT>>,
             s STRUCT<a INT, b STRING>, j JSON, b VARBINARY(9)) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2;
             INSERT INTO d.t VALUES (1, [1, 2, NULL], map{'x': [1]}, row(1, 'one'), '{\"b\":2,\"a\":[1]}', 'bytes'),
             (2, [], map(), NULL, '\"text\"', '');
             INSERT INTO d.t (k) SELECT 3",
        )
        .await?;
        let all = "SELECT * FROM d.t ORDER BY k";
        same("rows", printed(&house, all).await?.as_str(), ROWS)?;
        let described = "k\tint(11)\tYES\ttrue\tNULL\t\na\tarray<int(11)>\tYES\tfalse\tNULL\t\n\
                         m\tmap<varchar(10),array<int(11)>>\tYES\tfalse\tNULL\t\n\
                         s\tstruct<a int(11), b varchar(65533)>\tYES\tfalse\tNULL\t\n\
                         j\tjson\tYES\tfalse\tNULL\t\nb\tvarbinary(9)\tYES\tfalse\tNULL\t\n";
        same("DESC", printed(&house, "DESC d.t").await?.as_str(), described)?;
        let created = printed(&house, "SHOW CREATE TABLE d.t").await?;
        let created = created.split_once('\t').map_or("", |(_, text)| text).replace("`t`", "`d`.`again`");
        printed(&house, &created).await?;
        same("a table like it", printed(&house, "DESC d.again").await?.as_str(), described)?;
        let types = "SELECT DATA_TYPE, COLUMN_TYPE FROM information_schema.columns WHERE table_name = 't' AND column_name = 's'";
        same("columns", printed(&house, types).await?.as_str(), "struct\tstruct<a int(11), b varchar(65533)>\n")?;

        let asked = "SELECT k, x FROM d.t, unnest(t.a) AS u(x) ORDER BY k, x;
                     SELECT array_map(x -> x + k, a), s.b, m['x'][1], j->'$.a[0]' FROM d.t WHERE k = 1;
                     SELECT array_agg(k ORDER BY k) FROM d.t;";
        let expected = "1\tNULL\n1\t1\n1\t2\n[2,3,null]\tone\t1\t1\n[1,2,3]\n";
        same("what expressions find", printed(&house, asked).await?.as_str(), expected)?;

        let mut client = house.client().await?;
        for (sql, says) in [
            ("INSERT INTO d.t (k, a) VALUES (9, ['x'])", "does not fit column 'a'"),
            ("INSERT INTO d.t (k, j) VALUES (9, '{a}')", "does not fit column 'j' of type json"),
            (
                "CREATE TABLE d.x (a ARRAY<INT>, k INT) DUPLICATE KEY(a) DISTRIBUTED BY HASH(k)",
                "Invalid data type of key column 'a'",
            ),
            (
                "CREATE TABLE d.x (k INT, j JSON) DUPLICATE KEY(k) DISTRIBUTED BY HASH(j)",
                "column can not be distribution column: j",
            ),
            (
                "CREATE TABLE d.x (k INT, a ARRAY<INT> DEFAULT '[]') DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)",
                "Invalid default value for 'a'",
            ),
            ("CREATE TABLE d.x (k INT, a MAP<INT>) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)", "Unexpected input '>'"),
        ] {
            client.refused(sql, 1064, says).await?;
        }
        let deep = format!("{}INT{}", "ARRAY<".repeat(15), ">".repeat(15));
        let deep = format!("CREATE TABLE d.x (k INT, a {deep}) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)");
        client.refused(&deep, 1064, "Type exceeds the maximum nesting depth of 15").await?;

        printed(&house, "ALTER TABLE d.t ADD COLUMN n ARRAY<JSON>").await?;
        let wider = "SELECT count(n), count(*) FROM d.t";
        same("a new column", printed(&house, wider).await?.as_str(), "0\t3\n")?;
        printed(&house, "ALTER TABLE d.t DROP COLUMN n").await?;
        let path = house.snapshot().await?;
        client.close().await?;
        house.lose_everything().await?;
        house.restore_plan(&path, &house.place)?;
        house.restore().await?;
        same("rows after a restore", printed(&house, all).await?.as_str(), ROWS)?;
        same("DESC after a restore", printed(&house, "DESC d.t").await?.as_str(), described)?;
        house.finish().await
    });
}

#[test]
fn drivers_see_them_as_text() {
    e2e("nested/drivers", || async {
        let house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        client.run("CREATE DATABASE d").await?;
        client.run("CREATE TABLE d.t (k INT, a ARRAY<STRING>, j JSON) DISTRIBUTED BY HASH(k) BUCKETS 1").await?;
        client.run("INSERT INTO d.t VALUES (1, ['x'], '{\"a\":[1,2]}')").await?;
        let row: (i64, String, String) = client.one("SELECT k, a, CAST(j AS STRING) FROM d.t").await?;
        same("the row", row, (1, "[\"x\"]".to_owned(), "{\"a\": [1, 2]}".to_owned()))?;
        client.close().await?;
        house.finish().await
    });
}
