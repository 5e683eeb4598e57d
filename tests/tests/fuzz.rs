//! A bounded run of every fuzz target: the corpus that stands beside them, and seeded mutations of it. The same input on every run; a
//! finding prints its bytes. STARKEEP_FUZZ_ROUNDS and STARKEEP_FUZZ_SEED make more of it, and other.

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use storage_catalog::Envelope;
use storage_catalog::codec::{self, ENVELOPE};
use storage_catalog::image;

use crate::formats::facts;

/// Mutations of each target.
const ROUNDS: u64 = 3_000;
/// No input is longer.
const LONGEST: usize = 64 << 10;

fn corpus_of(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// What the corpus was begun with.
fn first(target: &str) -> Vec<Vec<u8>> {
    match target {
        "rpc_frames" => runtime_rpc::fuzz::some_frames(),
        "rpc_server" => runtime_rpc::fuzz::some_callers(),
        "rpc_caller" => runtime_rpc::fuzz::some_servers(),
        "rpc_messages" => {
            let values = runtime_rpc::fuzz::some_values();
            values.iter().flat_map(|value| (0..10_u8).map(move |choice| [&[choice][..], value].concat())).collect()
        }
        "mysql_packets" => runtime_mysql::fuzz::some_packets(),
        "catalog_image" => {
            let sections = image::encode(&facts::catalog(), image::Secrets::Omit).unwrap();
            let raw = |kind: u8| [&[kind, 1][..], &[7; 40]].concat();
            let whole = image::to_bytes(&facts::catalog()).unwrap();
            // Behind the frame: magic and version before, checksum after.
            let inner = sections.iter().map(|section| section.bytes[6..section.bytes.len() - 4].to_vec());
            std::iter::once(whole).chain(inner).chain((0..14).map(raw)).collect()
        }
        "catalog_log" => facts::commands()
            .into_iter()
            .map(|(proposed_at, command)| codec::to_bytes(ENVELOPE.what, &Envelope { proposed_at, command }).unwrap())
            .collect(),
        "snapshot_manifest" => vec![facts::manifest().to_bytes().unwrap()],
        "sql_statements" => STATEMENTS.iter().map(|sql| sql.as_bytes().to_vec()).collect(),
        other => panic!("no first corpus for {other}"),
    }
}

const STATEMENTS: [&str; 15] = [
    "SELECT a, count(*) c FROM d.t WHERE b BETWEEN 1 AND 2 OR `x y` LIKE 'a%' GROUP BY a HAVING c > 1 ORDER BY 2 DESC LIMIT 1, 2",
    "WITH w AS (SELECT 1 AS n UNION ALL SELECT 2) SELECT * FROM w JOIN t USING (n) LEFT JOIN u ON w.n = u.n",
    "INSERT INTO t WITH LABEL l (a, b) VALUES (1, 'it''s'), (-2.5e3, NULL), (DEFAULT, X'00ff')",
    "CREATE TABLE IF NOT EXISTS d.t (k INT NOT NULL COMMENT 'k', d DATE, v VARCHAR(10) DEFAULT 'x', n DECIMAL(6,2)) DUPLICATE KEY(k) PARTITION BY RANGE(d) (PARTITION p1 VALUES LESS THAN ('2020-01-01'), PARTITION p2 VALUES [('2020-01-01'), ('2021-01-01'))) DISTRIBUTED BY HASH(k) BUCKETS 3 PROPERTIES ('replication_num' = '1')",
    "CREATE STORAGE VOLUME v TYPE = S3 LOCATIONS = ('s3://b/p') PROPERTIES ('enabled' = 'true', 'aws.s3.secret_key' = 'hush')",
    "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON STORAGE VOLUME v; ADMIN SET AUTOMATED CLUSTER SNAPSHOT OFF",
    "ALTER SYSTEM ADD COMPUTE NODE \"127.0.0.1:9050\"",
    "SET @a = 1, SESSION query_timeout = 3, GLOBAL x = 'y'; SET NAMES utf8mb4",
    "SELECT /*+ SET_VAR(query_timeout = 1) */ 1 -- comment\n + 2 /* another */ # and one more",
    "ALTER TABLE t ADD COLUMN (x INT, y DATE DEFAULT '2024-01-01'), MODIFY COLUMN x BIGINT AFTER y, RENAME COLUMN y TO z",
    "SHOW FULL COLUMNS FROM t FROM d LIKE 'a%'; SHOW PARTITIONS FROM d.t WHERE x = 1; DESC t",
    "DELETE FROM t WHERE a IN (1, 2, 3); TRUNCATE TABLE t PARTITION (p1, p2)",
    "EXPLAIN ANALYZE SELECT CASE a WHEN 1 THEN 'x' ELSE cast(b AS DECIMAL(5,2)) END, date_add(d, INTERVAL 1 DAY), if(a > 1, [1, 2][0], NULL) FROM t",
    "KILL QUERY 7; USE d; BEGIN; COMMIT; ROLLBACK; SELECT ?, @@version, @x",
    "ALTER TABLE d.t RENAME u; ALTER TABLE a SWAP WITH b; ALTER DATABASE d RENAME e; RECOVER PARTITION p FROM d.t; ALTER TABLE t ADD PARTITIONS START ('2024-01-01') END ('2024-02-01') EVERY (INTERVAL 1 DAY)",
];

/// One to four small changes.
fn mutate(rng: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[rng.random_range(0..seeds.len())].clone();
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..=bytes.len());
        let to = (at + rng.random_range(0..=8)).min(bytes.len());
        match rng.random_range(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 => bytes.insert(at, rng.random()),
            3 => drop(bytes.drain(at..to)),
            4 => bytes.truncate(at),
            5 => {
                let piece = bytes[at..to].to_vec();
                let again = rng.random_range(1..=64);
                bytes.splice(at..at, std::iter::repeat_n(piece, again).flatten());
            }
            6 => {
                let other = &seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..=other.len());
                bytes.splice(at..to, other[from..].iter().take(64).copied());
            }
            // Numbers at the edges: lengths that lie.
            _ => {
                let edges: [&[u8]; 6] = [
                    &[0xff; 8],
                    &[0; 8],
                    &[253, 0, 0, 0, 0, 0, 0, 0, 16],
                    &[0x7f],
                    &[252, 255, 255, 255, 127],
                    &[0x80],
                ];
                bytes.splice(at..to, edges[rng.random_range(0..edges.len())].iter().copied());
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn write_first(target: &str) {
    let directory = corpus_of(target);
    std::fs::create_dir_all(&directory).unwrap();
    for (n, bytes) in first(target).iter().enumerate().take(16) {
        std::fs::write(directory.join(format!("first-{n:02}")), bytes).unwrap();
    }
}

fn bounded(target: &str) {
    if std::env::var_os("STARKEEP_WRITE_CORPUS").is_some() {
        write_first(target);
    }
    let files = std::fs::read_dir(corpus_of(target)).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "the corpus of {target} is empty");
    let mut seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    seeds.extend(first(target));
    let check = |bytes: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| targets::run(target, bytes))).is_err() {
            panic!("{target} breaks on {} {:?}", hex::encode(bytes), String::from_utf8_lossy(bytes));
        }
    };
    seeds.iter().for_each(|bytes| check(bytes));
    let chosen = |name: &str, usual: u64| std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap());
    let mut rng = StdRng::seed_from_u64(chosen("STARKEEP_FUZZ_SEED", 20));
    for _ in 0..chosen("STARKEEP_FUZZ_ROUNDS", ROUNDS) {
        check(&mutate(&mut rng, &seeds));
    }
}

#[test]
fn every_target_has_its_bounded_run() {
    let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets")).unwrap();
    let mut files: Vec<_> =
        files.map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    files.sort();
    let mut sorted = known.clone();
    sorted.sort_unstable();
    assert_eq!(files, sorted);
}

macro_rules! bounded_runs {
    ($($target:ident)*) => {
        $( #[test] fn $target() { bounded(stringify!($target)); } )*

        #[test]
        fn no_target_is_forgotten() {
            let run = [$(stringify!($target)),*];
            assert!(targets::TARGETS.iter().all(|(name, _)| run.contains(name)) && run.len() == targets::TARGETS.len());
        }
    };
}

bounded_runs! {
    rpc_frames rpc_server rpc_caller rpc_messages mysql_packets catalog_image catalog_log snapshot_manifest sql_statements
}
