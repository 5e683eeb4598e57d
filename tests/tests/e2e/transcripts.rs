//! What statements answer, by area: `tests/sql/*.slt`, each in a database of its own, over the MySQL protocol. Every record of
//! every file must have been asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Record, Runner};
use tests::{Client, House, HouseSpec, e2e};

/// Files that there are at least: fewer were lost on the way here.
const FILES: usize = 17;
/// Records that there are at least in all of them.
const RECORDS: usize = 300;

/// A connection of a transcript.
struct Session {
    conn: Option<Conn>,
    /// How many records were asked, over all connections of the file.
    asked: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl AsyncDB for Session {
    type Error = mysql_async::Error;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, mysql_async::Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Some(conn) = &mut self.conn else { return Err(mysql_async::DriverError::ConnectionClosed.into()) };
        let mut answer = conn.query_iter(sql).await.inspect_err(|error| {
            // A record may want any refusal: a fault of ours is none.
            let text = error.to_string();
            assert!(matches!(error, mysql_async::Error::Server(_)), "{sql}: {text}");
            assert!(!text.contains("nternal error") && !text.contains("no compute node"), "{sql}: {text}");
        })?;
        let columns = answer.columns_ref().len();
        if columns == 0 {
            return Ok(DBOutput::StatementComplete(answer.affected_rows()));
        }
        let rows: Vec<Row> = answer.collect().await?;
        let rows = rows.into_iter().map(|row| row.unwrap().iter().map(cell).collect()).collect();
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
    }

    async fn shutdown(&mut self) {
        if let Some(conn) = self.conn.take() {
            // The server is asked again by the next file; a goodbye that failed tells nothing.
            let _ = conn.disconnect().await;
        }
    }
}

/// A value as a transcript writes it.
fn cell(value: &Value) -> String {
    match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) if bytes.is_empty() => "(empty)".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.as_sql(true),
    }
}

/// All transcripts, in order of their names.
fn files() -> anyhow::Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Statements and queries of a file.
fn records(path: &Path) -> anyhow::Result<usize> {
    let records = sqllogictest::parse_file::<DefaultColumnType>(path).map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(records.iter().filter(|record| matches!(record, Record::Statement { .. } | Record::Query { .. })).count())
}

async fn open(port: u16, database: &str, asked: Arc<AtomicUsize>) -> Result<Session, mysql_async::Error> {
    let mut client = Client::connect_as(port, "root", "").await?;
    client.conn.query_drop(format!("USE {database}")).await?;
    Ok(Session { conn: Some(client.conn), asked })
}

/// Runs a file; how many records it has, and what was not as it says.
async fn transcript(port: u16, client: &mut Client, path: &Path) -> anyhow::Result<(usize, Option<String>)> {
    let name = path.file_stem().and_then(|stem| stem.to_str()).context("a name")?;
    let expected = records(path)?;
    ensure!(expected > 0, "{name} has no records");
    let database = format!("transcript_{name}");
    client.run(&format!("CREATE DATABASE {database}")).await?;
    let asked = Arc::new(AtomicUsize::new(0));
    let mut runner = Runner::new(|| open(port, &database, Arc::clone(&asked)));
    let outcome = runner.run_file_async(path).await;
    runner.shutdown_async().await;
    if let Err(error) = outcome {
        return Ok((expected, Some(error.display(false).to_string())));
    }
    let asked = asked.load(Ordering::Relaxed);
    ensure!(asked == expected, "{name}: {asked} of {expected} records were asked");
    client.run(&format!("DROP DATABASE {database} FORCE")).await?;
    Ok((expected, None))
}

#[test]
fn statements_answer_what_the_transcripts_say() {
    e2e("transcripts/all", || async {
        let files = files()?;
        ensure!(files.len() >= FILES, "only {} transcripts", files.len());
        let house = House::build(HouseSpec::default()).await?;
        let mut client = house.client().await?;
        let (mut all, mut wrong) = (0, Vec::new());
        for path in &files {
            let (records, error) = transcript(house.cluster.ports.query, &mut client, path).await?;
            println!("  {}: {records} records", path.file_name().unwrap_or_default().display());
            all += records;
            wrong.extend(error);
        }
        ensure!(wrong.is_empty(), "{} transcripts:\n{}", wrong.len(), wrong.join("\n\n"));
        ensure!(all >= RECORDS, "only {all} records");
        client.close().await?;
        house.finish().await
    });
}
