//! `starkeep snapshot list|show|verify|diff|copy`: straight from the store, no server; see [`copy`] and [`diff`] too. And
//! `starkeep meta …`: see [`meta`] and [`adopt`].

mod adopt;
mod copy;
mod diff;
mod meta;

use std::io::IsTerminal;
use std::process::ExitCode;

use storage_snapshot::find::CandidateState;
use storage_snapshot::place::Source;
use storage_snapshot::report::{self, Listed, Shown, Verified};

use crate::cli::{DiffArguments, MetaCommand, SnapshotArguments, SnapshotCommand};

/// Runs the command. 1: something is wrong with the snapshot; an error: it could not be asked.
pub async fn run(command: SnapshotCommand) -> anyhow::Result<ExitCode> {
    match command {
        SnapshotCommand::List(arguments) => {
            let rows = report::list(&source(&arguments)?).await?;
            if arguments.json {
                println!("{}", serde_json::to_string_pretty(&rows)?);
            } else {
                print_list(&rows);
            }
            Ok(ExitCode::SUCCESS)
        }
        SnapshotCommand::Show(arguments) => {
            let shown = report::show(&source(&arguments)?).await?;
            if arguments.json {
                println!("{}", serde_json::to_string_pretty(&shown)?);
            } else {
                print_shown(&shown);
            }
            Ok(ExitCode::SUCCESS)
        }
        SnapshotCommand::Verify { place, with_data, volumes } => verify(place, with_data, &volumes).await,
        SnapshotCommand::Diff(arguments) => compare(arguments).await,
        SnapshotCommand::Copy(arguments) => copy::run(arguments).await,
    }
}

/// `starkeep meta …`. The same codes.
pub async fn run_meta(command: MetaCommand) -> anyhow::Result<ExitCode> {
    let (directory, what) = match command {
        MetaCommand::Dump { directory, secrets } => (directory, meta::Look::Dump { secrets }),
        MetaCommand::Check { directory } => (directory, meta::Look::Check),
        MetaCommand::Adopt(arguments) => return adopt::run(arguments).await,
    };
    tokio::task::spawn_blocking(move || meta::run(&directory, what)).await?
}

fn source(arguments: &SnapshotArguments) -> anyhow::Result<Source> {
    copy::place(&arguments.location, &arguments.properties, &[])
}

async fn compare(arguments: DiffArguments) -> anyhow::Result<ExitCode> {
    let a = copy::place(&arguments.a, &arguments.properties, &[])?;
    let mut b = copy::place(&arguments.b, &arguments.b_properties, &[])?;
    for (key, value) in &a.properties {
        b.properties.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let found = storage_snapshot::diff::diff(&a, &b).await.map_err(|e| anyhow::anyhow!(e.chain()))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        diff::print(&found);
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(arguments: SnapshotArguments, with_data: bool, volumes: &[String]) -> anyhow::Result<ExitCode> {
    let live = std::io::stderr().is_terminal();
    let progress = |p: storage_snapshot::Progress| {
        if live {
            eprint!("\r{}/{} files, {} of {} MiB", p.sections_done, p.sections, p.bytes_done >> 20, p.bytes >> 20);
        }
    };
    let source = copy::place(&arguments.location, &arguments.properties, volumes)?;
    let verified = report::verify(&source, with_data, progress).await?;
    if live && with_data {
        eprintln!();
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&verified)?);
    } else {
        print_verified(&verified);
    }
    Ok(if verified.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Snapshots for people, the newest first.
pub fn print_list(rows: &[Listed]) {
    if rows.is_empty() {
        println!("no snapshots");
    }
    for row in rows.iter().rev() {
        let state = match &row.state {
            CandidateState::Complete if row.newest => "COMPLETE (a restore takes this one)".to_owned(),
            CandidateState::Complete => "COMPLETE".to_owned(),
            CandidateState::Voided => "VOIDED".to_owned(),
            CandidateState::Partial { why } => format!("PARTIAL: {why}"),
            CandidateState::Newer { why } => format!("NEWER: {why}"),
            CandidateState::Broken { why } => format!("BROKEN: {why}"),
        };
        println!("{}\n  {state}", row.path);
        let created = row.created.as_ref().map_or("-", |c| c.text.as_str());
        let (cut, epoch) = (row.cut.map_or(0, |c| c.0), row.epoch.map_or(0, |e| e.0));
        println!("  created {created} UTC, revision {cut}, epoch {epoch}, {} bytes of metadata", row.bytes);
        if let Some(c) = &row.counts {
            println!(
                "  {} databases, {} tables, {} data files, {} rows, {} bytes",
                c.databases, c.tables, c.files, c.rows, c.bytes
            );
        }
    }
}

fn print_shown(shown: &Shown) {
    let m = &shown.manifest;
    println!("{}", shown.path);
    println!("  service {}, epoch {}, revision {}, created {} UTC", m.service_id, m.epoch, m.revision, m.created.text);
    for root in &m.data_roots {
        println!("  data in storage volume {} at {}", root.volume, root.location);
    }
    for skipped in &shown.skipped {
        println!("  skipped: {skipped}");
    }
    println!("\n{:<48} {:>10} {:>8} {:>14} {:>16}", "table", "partitions", "files", "rows", "bytes");
    for database in &shown.databases {
        for t in &database.tables {
            let name = format!("{}.{}", database.name, t.name);
            println!("{name:<48} {:>10} {:>8} {:>14} {:>16}", t.partitions, t.files, t.rows, t.bytes);
        }
    }
}

fn print_verified(verified: &Verified) {
    println!("{}", verified.path);
    for skipped in &verified.skipped {
        println!("  skipped: {skipped}");
    }
    for problem in &verified.problems {
        println!("  PROBLEM: {problem}");
    }
    if verified.problems.is_empty() {
        let how = if verified.with_data { "every byte read" } else { "names and sizes; --with-data reads every byte" };
        let (sections, files) = (verified.sections, verified.files);
        println!("  good: {sections} sections, {} data files, {} bytes ({how})", files.files, files.bytes);
    }
}
