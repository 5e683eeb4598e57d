//! Explicit transactions that change what is there, from several frontends at once: all of each is true, or nothing.

use anyhow::{Context, ensure};
use tests::client::{code_of, same};
use tests::{Client, House, HouseSpec, e2e};

const MOVERS: i64 = 8;
const MOVES: i64 = 4;
const CONFLICT: u16 = 1213;

async fn create(client: &mut Client) -> anyhow::Result<()> {
    client.run("CREATE DATABASE d").await?;
    for table in ["a", "b"] {
        let columns = "(id BIGINT NOT NULL, money BIGINT, note VARCHAR(20))";
        client
            .run(&format!("CREATE TABLE d.{table} {columns} PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2"))
            .await?;
        client.run(&format!("INSERT INTO d.{table} VALUES (1, 1000, 'x'), (2, 1000, 'y'), (3, 1000, 'z')")).await?;
    }
    client.run("CREATE TABLE d.log (mover BIGINT, amount BIGINT) DUPLICATE KEY(mover)").await
}

/// Moves money from one table to the other, and writes it down; how often it was overtaken.
async fn mover(port: u16, number: i64) -> anyhow::Result<u64> {
    let mut client = Client::connect(port).await?;
    let (mut done, mut overtaken) = (0, 0);
    while done < MOVES {
        client.run("BEGIN").await?;
        let (from, to) = if done % 2 == 0 { ("a", "b") } else { ("b", "a") };
        client.run(&format!("UPDATE d.{from} SET money = money - {number} WHERE id = {}", number % 3 + 1)).await?;
        client.run(&format!("UPDATE d.{to} SET money = money + {number} WHERE id = {}", done % 3 + 1)).await?;
        client
            .run(&format!("INSERT INTO d.log VALUES ({number}, {})", if from == "a" { number } else { -number }))
            .await?;
        match client.run("COMMIT").await {
            Ok(()) => done += 1,
            Err(error) if code_of(&error) == Some(CONFLICT) => overtaken += 1,
            Err(error) => return Err(error),
        }
    }
    client.close().await?;
    Ok(overtaken)
}

#[test]
fn money_is_moved_and_none_is_made_or_lost() {
    e2e("transactions/money", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        house.add_frontends(&["FOLLOWER", "FOLLOWER"]).await?;
        let mut client = house.client().await?;
        create(&mut client).await?;
        let ports = house.query_ports();
        let mut movers = tokio::task::JoinSet::new();
        for number in 1..=MOVERS {
            let port = *ports.get(number as usize % ports.len()).context("no frontend")?;
            movers.spawn(mover(port, number));
        }
        let mut overtaken = 0;
        client.run("SET enable_linearizable_read = true").await?;
        while !movers.is_empty() {
            let sums =
                "SELECT (SELECT sum(money) FROM d.a), (SELECT sum(money) FROM d.b), (SELECT sum(amount) FROM d.log)";
            let (a, b, moved): (i64, i64, Option<i64>) = client.one(sums).await?;
            let moved = moved.unwrap_or_default();
            same("the money", (a, b), (3000 - moved, 3000 + moved))?;
            while let Some(done) = movers.try_join_next() {
                overtaken += done??;
            }
        }
        ensure!(overtaken > 0, "the movers did not meet");
        let (rows, amounts): (i64, i64) = client.one("SELECT count(*), sum(abs(amount)) FROM d.log").await?;
        same("moves", (rows, amounts), (MOVERS * MOVES, MOVES * MOVERS * (MOVERS + 1) / 2))?;
        client.close().await?;
        house.finish().await
    });
}

#[test]
fn of_two_sessions_that_change_the_same_rows_one_begins_again() {
    e2e("transactions/conflict", || async {
        let mut house = House::build(HouseSpec { compute_nodes: 2, ..HouseSpec::default() }).await?;
        house.add_frontends(&["FOLLOWER"]).await?;
        let ports = house.query_ports();
        let mut client = house.client().await?;
        create(&mut client).await?;
        let (mut one, mut two) = (Client::connect(ports[0]).await?, Client::connect(ports[1]).await?);
        for session in [&mut one, &mut two] {
            session.run("BEGIN").await?;
            session.run("DELETE FROM d.a WHERE id >= 2").await?;
            session.run("INSERT INTO d.a VALUES (2, 5, 'again')").await?;
            session.run("UPDATE d.b SET money = money + 1 WHERE id > 0").await?;
            session.run("INSERT INTO d.log VALUES (0, 7)").await?;
        }
        one.run("COMMIT").await?;
        two.refused("COMMIT", CONFLICT, "were changed by others").await?;
        two.run("SET enable_linearizable_read = true").await?;
        let facts = "SELECT (SELECT sum(money) FROM d.a), (SELECT count(*) FROM d.a), (SELECT sum(money) FROM d.b), \
                     (SELECT sum(amount) FROM d.log)";
        same("rows", two.one::<(i64, i64, i64, i64)>(facts).await?, (1005, 2, 3003, 7))?;
        // A client that is lost, and a frontend that is.
        one.run("BEGIN").await?;
        one.run("UPDATE d.a SET money = 0 WHERE id > 0").await?;
        drop(one);
        let mut one = Client::connect(ports[0]).await?;
        one.run("BEGIN").await?;
        one.run("DELETE FROM d.a WHERE id = 1").await?;
        house.restart_frontend().await?;
        drop((one, client));
        let mut client = house.client().await?;
        same("rows", client.one::<(i64, i64, i64, i64)>(facts).await?, (1005, 2, 3003, 7))?;
        client.close().await?;
        house.finish().await
    });
}
