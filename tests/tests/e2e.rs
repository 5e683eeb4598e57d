//! Suites with real processes and real clients: only with `STARKEEP_E2E=1`, one at a time.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "e2e/access.rs"]
mod access;
#[path = "e2e/adopt.rs"]
mod adopt;
#[path = "e2e/alter.rs"]
mod alter;
#[path = "e2e/borrowed.rs"]
mod borrowed;
#[path = "e2e/cache.rs"]
mod cache;
#[path = "e2e/chaos.rs"]
mod chaos;
#[path = "e2e/clients.rs"]
mod clients;
#[path = "e2e/cluster.rs"]
mod cluster;
#[path = "e2e/columns.rs"]
mod columns;
#[path = "e2e/compaction.rs"]
mod compaction;
#[path = "e2e/computed.rs"]
mod computed;
#[path = "e2e/copies.rs"]
mod copies;
#[path = "e2e/dashboard.rs"]
mod dashboard;
#[path = "e2e/disaster.rs"]
mod disaster;
#[path = "e2e/disk.rs"]
mod disk;
#[path = "e2e/foreign.rs"]
mod foreign;
#[path = "e2e/frontends.rs"]
mod frontends;
#[path = "e2e/garbage.rs"]
mod garbage;
#[path = "e2e/hostile.rs"]
mod hostile;
#[path = "e2e/http.rs"]
mod http;
#[path = "e2e/matrix.rs"]
mod matrix;
#[path = "e2e/models.rs"]
mod models;
#[path = "e2e/names.rs"]
mod names;
#[path = "e2e/nested.rs"]
mod nested;
#[path = "e2e/partitions.rs"]
mod partitions;
#[path = "e2e/primary.rs"]
mod primary;
#[path = "e2e/profiles.rs"]
mod profiles;
#[path = "e2e/restored_tables.rs"]
mod restored_tables;
#[path = "e2e/scripts.rs"]
mod scripts;
#[path = "e2e/secure.rs"]
mod secure;
#[path = "e2e/sketches.rs"]
mod sketches;
#[path = "e2e/snapshots.rs"]
mod snapshots;
#[path = "e2e/split.rs"]
mod split;
#[path = "e2e/sql.rs"]
mod sql;
#[path = "e2e/statistics.rs"]
mod statistics;
#[path = "e2e/stores.rs"]
mod stores;
#[path = "e2e/takeover.rs"]
mod takeover;
#[path = "e2e/tpch.rs"]
mod tpch;
#[path = "e2e/transactions.rs"]
mod transactions;
#[path = "e2e/transcripts.rs"]
mod transcripts;
#[path = "e2e/views.rs"]
mod views;
