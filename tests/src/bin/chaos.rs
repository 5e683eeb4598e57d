//! `cargo run --release -p tests --features failpoints --bin chaos`: breaks a cluster in every way it knows, and says what
//! was lost. The last line of `--json` is one JSON object; the exit code is not 0 after a violation.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tests::chaos::{self, Options};

#[derive(Debug, Parser)]
#[command(about = "Breaks a cluster in every way it knows, and says what was lost.")]
struct Arguments {
    /// One seed replays one schedule. Drawn when it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// All of it takes about so many minutes; each scenario its share.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Only this scenario.
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Print the scenarios, and end.
    #[arg(long)]
    list: bool,
    /// The last line is one JSON object.
    #[arg(long)]
    json: bool,
    /// An executable to break: an installed `starkeep`, or a `starkeep-failpoints`. Default: built.
    #[arg(long, value_name = "PATH")]
    starkeep: Option<PathBuf>,
    /// Keep the directories.
    #[arg(long)]
    keep: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.list {
        for scenario in chaos::scenarios() {
            let needs = if scenario.needs_failpoints { " [failpoints]" } else { "" };
            println!("{:20} {}{needs}", scenario.name, scenario.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let binary = match &arguments.starkeep {
        Some(path) => std::path::absolute(path)?,
        None if cfg!(feature = "failpoints") => tests::binary::with_failpoints()?,
        None => tests::binary::starkeep()?,
    };
    anyhow::ensure!(binary.is_file(), "there is no executable {}", binary.display());
    let options = Options {
        seed: arguments.seed.unwrap_or_else(rand::random),
        time: Duration::from_secs_f64(arguments.minutes.max(0.0) * 60.0),
        scenario: arguments.scenario.clone(),
        binary,
        keep: arguments.keep,
    };
    if !cfg!(feature = "failpoints") && arguments.starkeep.is_none() {
        println!("without the feature failpoints: faults of processes, lines and the store alone");
    }
    println!("seed {}", options.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = chaos::run(&options) => report,
            // Whatever runs is dropped here, and with it processes and directories.
            stopped = tokio::signal::ctrl_c() => stopped.context("Ctrl-C").and_then(|()| anyhow::bail!("stopped by Ctrl-C")),
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    let report = report?;
    println!("{report}");
    if arguments.json {
        println!("{}", report.json());
    }
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
