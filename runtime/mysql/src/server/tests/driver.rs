//! A real driver, mysql_async, against the server: text, prepared, large values, several statements, users, resets.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, Value};

use crate::fixture::TestServer;

fn opts(server: &TestServer) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(server.address.port())
        .user(Some("root"))
        .prefer_socket(false)
        .max_allowed_packet(Some(1 << 30))
        .wait_timeout(Some(1000))
}

async fn connect(server: &TestServer) -> Conn {
    Conn::new(opts(server)).await.unwrap()
}

fn code(error: mysql_async::Error) -> u16 {
    match error {
        mysql_async::Error::Server(error) => error.code,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn text_rows() {
    let server = TestServer::start().await;
    let mut conn = connect(&server).await;
    assert_eq!(conn.server_version(), (8, 0, 33));
    assert_eq!(conn.query_first::<i64, _>("select 1").await.unwrap(), Some(1));
    let rows: Vec<(i64, String)> = conn.query("rows 20000").await.unwrap();
    assert_eq!(rows.len(), 20_000);
    assert_eq!(rows[19_999], (19_999, "row 19999".to_owned()));
    let row: Row = conn.query_first("types").await.unwrap().unwrap();
    let texts: Vec<Option<Vec<u8>>> = row.unwrap().into_iter().map(mysql_async::from_value).collect();
    let expected: [&[u8]; 10] = [
        b"-7",
        b"18446744073709551615",
        b"1.5",
        b"-2.25",
        b"-123.45",
        b"2024-02-29",
        b"2024-02-29 23:59:01.000020",
        b"-30:01:02",
        "größe".as_bytes(),
        &[0, 255, 10],
    ];
    assert_eq!(texts[..10], expected.map(|text| Some(text.to_vec())));
    assert_eq!(texts[10], None);
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn prepared_rows() {
    let server = TestServer::start().await;
    let mut conn = connect(&server).await;
    let row: Row = conn.exec_first("types", ()).await.unwrap().unwrap();
    let expected = vec![
        Value::Int(-7),
        Value::UInt(u64::MAX),
        Value::Float(1.5),
        Value::Double(-2.25),
        Value::Bytes(b"-123.45".to_vec()),
        Value::Date(2024, 2, 29, 0, 0, 0, 0),
        Value::Date(2024, 2, 29, 23, 59, 1, 20),
        Value::Time(true, 1, 6, 1, 2, 0),
        Value::Bytes("größe".as_bytes().to_vec()),
        Value::Bytes(vec![0, 255, 10]),
        Value::NULL,
    ];
    assert_eq!(row.unwrap(), expected);
    let nulls: Row = conn.exec_first("nulls", ()).await.unwrap().unwrap();
    assert!(nulls.unwrap().iter().all(|value| *value == Value::NULL));
    let rows: Vec<(i64, String)> = conn.exec("rows 5000", ()).await.unwrap();
    assert_eq!(rows[4_999], (4_999, "row 4999".to_owned()));
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn prepared_values() {
    let server = TestServer::start().await;
    let mut conn = connect(&server).await;
    let statement = conn.prep("echo ?, ?, ?, ?, ?, ?, ?, ?").await.unwrap();
    assert_eq!((statement.num_params(), statement.num_columns()), (8, 1));
    let values = vec![
        Value::NULL,
        Value::Int(-5),
        Value::UInt(u64::MAX),
        Value::Float(0.5),
        Value::Double(1e300),
        Value::Date(2024, 12, 31, 1, 2, 3, 4),
        Value::Time(true, 2, 3, 4, 5, 6),
        Value::Bytes("größe".as_bytes().to_vec()),
    ];
    for _ in 0..3 {
        let row: Row = conn.exec_first(&statement, values.clone()).await.unwrap().unwrap();
        assert_eq!(row.unwrap(), values);
    }
    conn.close(statement).await.unwrap();
    assert_eq!(code(conn.prep("fail").await.unwrap_err()), 1295);
    assert_eq!(code(conn.exec_drop("unknown verb", ()).await.unwrap_err()), 1064);
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn large_values_both_ways() {
    let server = TestServer::start().await;
    let mut conn = connect(&server).await;
    for length in [0xFF_FFFF - 5, 0xFF_FFFF - 4, 0xFF_FFFF, 20_000_000] {
        let blob: Vec<u8> = conn.query_first(format!("blob {length}")).await.unwrap().unwrap();
        assert_eq!(blob.len(), length);
        assert!(blob.iter().enumerate().all(|(index, byte)| *byte == (index % 251) as u8));
    }
    let sent: Vec<u8> = (0..20_000_000u32).map(|index| (index % 253) as u8).collect();
    let statement = conn.prep("echo ?").await.unwrap();
    let back: Vec<u8> = conn.exec_first(&statement, (sent.clone(),)).await.unwrap().unwrap();
    assert!(back == sent);
    let long = format!("length {}", "x".repeat(30_000_000));
    assert_eq!(conn.query_first::<usize, _>(&long).await.unwrap(), Some(long.len()));
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn several_statements() {
    let server = TestServer::start().await;
    let mut conn = connect(&server).await;
    let mut result = conn.query_iter("select 1; affect 2; rows 3; nothing; select 4").await.unwrap();
    assert_eq!(result.collect::<i64>().await.unwrap(), [1]);
    assert_eq!(result.affected_rows(), 2);
    assert_eq!(result.info(), "{'label':'insert_1'}");
    assert!(result.collect::<i64>().await.unwrap().is_empty());
    assert_eq!(result.collect::<(i64, String)>().await.unwrap().len(), 3);
    assert_eq!(result.collect::<i64>().await.unwrap(), [4]);
    result.drop_result().await.unwrap();
    let mut result = conn.query_iter("select 1; fail").await.unwrap();
    assert_eq!(result.collect::<i64>().await.unwrap(), [1]);
    let failed = result.collect::<i64>().await.unwrap_err();
    assert_eq!(failed.to_string().matches("line 1, column 2").count(), 1, "{failed}");
    assert_eq!(code(failed), 1064);
    conn.ping().await.unwrap();
    conn.disconnect().await.unwrap();
}

#[tokio::test]
async fn users_databases_and_resets() {
    let server = TestServer::start().await;
    let login = opts(&server).user(Some("ann")).pass(Some("sésame")).db_name(Some("default_catalog.db"));
    let mut conn = Conn::new(login).await.unwrap();
    assert_eq!(conn.query_first::<String, _>("database").await.unwrap().as_deref(), Some("default_catalog.db"));
    assert_eq!(conn.query_first::<String, _>("user").await.unwrap().as_deref(), Some("ann"));
    let statement = conn.prep("echo ?").await.unwrap();
    assert!(conn.reset().await.unwrap());
    assert_eq!(conn.query_first::<String, _>("user").await.unwrap().as_deref(), Some("ann"));
    assert_eq!(code(conn.exec_drop(&statement, (1,)).await.unwrap_err()), 1243);
    let root = mysql_async::ChangeUserOpts::new()
        .with_user(Some("root".to_owned()))
        .with_pass(None)
        .with_db_name(Some("other".to_owned()));
    conn.change_user(root).await.unwrap();
    assert_eq!(conn.query_first::<String, _>("user").await.unwrap().as_deref(), Some("root"));
    assert_eq!(conn.query_first::<String, _>("database").await.unwrap().as_deref(), Some("other"));
    let ann = mysql_async::ChangeUserOpts::new().with_user(Some("ann".to_owned())).with_pass(Some("sésame".to_owned()));
    conn.change_user(ann).await.unwrap();
    assert_eq!(conn.query_first::<String, _>("user").await.unwrap().as_deref(), Some("ann"));
    let wrong =
        mysql_async::ChangeUserOpts::new().with_user(Some("ann".to_owned())).with_pass(Some("sesame".to_owned()));
    assert_eq!(code(conn.change_user(wrong).await.unwrap_err()), 1045);
}

#[tokio::test]
async fn logins_that_fail() {
    let server = TestServer::start().await;
    let wrong = Conn::new(opts(&server).user(Some("ann")).pass(Some("wrong"))).await.unwrap_err();
    assert_eq!(wrong.to_string().matches("'ann'@'127.0.0.1' (using password: YES)").count(), 1, "{wrong}");
    assert_eq!(code(wrong), 1045);
    let nowhere = Conn::new(opts(&server).db_name(Some("nowhere"))).await.unwrap_err();
    assert_eq!(code(nowhere), 5501);
}

#[tokio::test]
async fn sixteen_clients_at_once() {
    let server = TestServer::start().await;
    let clients = (0..16).map(|client: i64| {
        let opts = opts(&server);
        tokio::spawn(async move {
            let mut conn = Conn::new(opts).await.unwrap();
            for turn in 0..50 {
                let number = client * 1000 + turn;
                assert_eq!(conn.query_first::<i64, _>(format!("select {number}")).await.unwrap(), Some(number));
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}
