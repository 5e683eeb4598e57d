//! `starkeep snapshot copy SRC DST`: the arguments read, the progress shown, and at the end what to write into the restore
//! plan.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use runtime_actor::{Clock, SystemClock};
use storage_model::{StorageVolume, UnixMillis};
use storage_snapshot::copy::{Copied, CopiedRoot, Copy, CopyProgress, copy};
use storage_snapshot::owner::OwnerFacts;
use storage_snapshot::place::{Source, definition};

use crate::admin::until_interrupted;
use crate::cli::{CopyArguments, VERSION};

/// Between two lines, or two states of the bar.
const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR_EVERY: Duration = Duration::from_millis(100);
const BAR_WIDTH: u64 = 24;

/// Runs the command. 1: the source is damaged.
pub(super) async fn run(arguments: CopyArguments) -> anyhow::Result<ExitCode> {
    let source = place(&arguments.source, &arguments.properties, &arguments.source_volumes)?;
    let target = place(&arguments.target, &arguments.target_properties, &arguments.volumes)?;
    let shown = Shown::new(std::io::stderr().is_terminal());
    let request = Copy {
        source: &source,
        target: &target,
        with_data: arguments.with_data,
        dry_run: arguments.dry_run,
        force: arguments.force,
        files_at_once: arguments.parallel.into(),
        facts: OwnerFacts::new(&who(&arguments.target), UnixMillis(SystemClock.now_unix_ms()), VERSION),
        say: &|text| shown.say(text),
        progress: &|progress| shown.progress(progress),
    };
    let cancel = async {
        if until_interrupted().await.is_ok() {
            shown.say("stopping: what is in flight is given up; the next copy goes on from here");
        } else {
            // Without signals it ends when it ends.
            std::future::pending::<()>().await;
        }
    };
    let copied = copy(&request, cancel).await;
    shown.end();
    let copied = copied.map_err(|e| anyhow::anyhow!(e.chain()))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&copied)?);
    } else {
        print(&copied, shown.begun.elapsed());
    }
    Ok(if copied.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Who holds the roots, for the owner's log.
fn who(target: &str) -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    format!("{host} (starkeep snapshot copy to {target})").trim_start().to_owned()
}

/// A place with its properties, and the volumes that are elsewhere. `VOLUME/KEY=VALUE` is of that volume alone.
pub(super) fn place(location: &str, properties: &[String], volumes: &[String]) -> anyhow::Result<Source> {
    let mut all = BTreeMap::new();
    let mut own: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for property in properties {
        let (key, value) =
            pair(property).with_context(|| format!("property {property}: expected [VOLUME/]KEY=VALUE"))?;
        match key.split_once('/') {
            Some((volume, key)) => drop(own.entry(volume.to_owned()).or_default().insert(key.to_owned(), value)),
            None => drop(all.insert(key, value)),
        }
    }
    let mut named: BTreeMap<String, StorageVolume> = BTreeMap::new();
    for volume in volumes {
        let (name, at) = pair(volume).with_context(|| format!("volume {volume}: expected NAME=LOCATION"))?;
        let mut properties = all.clone();
        properties.extend(own.remove(&name).unwrap_or_default());
        let spec = definition(&name, &at, &properties).map_err(|e| anyhow::anyhow!(e.chain()))?;
        ensure!(named.insert(name.clone(), spec).is_none(), "volume {name} is given twice");
    }
    if let Some(name) = own.keys().next() {
        anyhow::bail!("there are properties of volume {name}, but no location");
    }
    Ok(Source { location: location.to_owned(), properties: all, volumes: named })
}

fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    Some((key.trim().to_owned(), value.trim().to_owned())).filter(|(key, _)| !key.is_empty())
}

/// What a person sees meanwhile: a bar on a terminal, lines elsewhere.
struct Shown {
    is_terminal: bool,
    begun: Instant,
    state: Mutex<State>,
}

struct State {
    /// When something was shown last.
    shown: Option<Instant>,
    /// A bar stands in the last line.
    bar: bool,
}

impl Shown {
    fn new(is_terminal: bool) -> Shown {
        Shown { is_terminal, begun: Instant::now(), state: Mutex::new(State { shown: None, bar: false }) }
    }

    fn say(&self, text: &str) {
        self.end();
        eprintln!("{text}");
    }

    fn end(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.bar) {
            eprintln!();
        }
    }

    fn progress(&self, progress: CopyProgress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let every = if self.is_terminal { BAR_EVERY } else { LINE_EVERY };
        let ends = progress.files_done == progress.files;
        if progress.files == 0 || (!ends && state.shown.is_some_and(|at| at.elapsed() < every)) {
            return;
        }
        state.shown = Some(Instant::now());
        let line = line(progress, self.begun.elapsed());
        if self.is_terminal {
            eprint!("\r{} {line}\x1b[K", bar(progress));
            state.bar = true;
        } else {
            eprintln!("{line}");
        }
    }
}

fn bar(progress: CopyProgress) -> String {
    let done = (progress.bytes_done.min(progress.bytes) * BAR_WIDTH).checked_div(progress.bytes).unwrap_or(BAR_WIDTH);
    let (done, left) = ("#".repeat(done as usize), "-".repeat((BAR_WIDTH - done) as usize));
    format!("[{done}{left}]")
}

fn line(progress: CopyProgress, elapsed: Duration) -> String {
    let CopyProgress { files_done, files, bytes_done, bytes } = progress;
    let rate = (bytes_done as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let mut line =
        format!("{files_done}/{files} files, {} of {} MiB, {} MiB/s", mib(bytes_done), mib(bytes), mib(rate));
    let left = bytes.saturating_sub(bytes_done);
    if left > 0 && rate > 0 {
        line.push_str(&format!(", {} s left", left.div_ceil(rate)));
    }
    line
}

fn print(copied: &Copied, took: Duration) {
    println!("{}\n  to {}", copied.source, copied.target);
    let verb = if copied.dry_run { "would be copied" } else { "copied" };
    for root in &copied.roots {
        let (now, all) = (root.copied, root.files);
        let was_there = all.files.saturating_sub(now.files);
        println!("  data of {}: {} to {}", root.volume, root.source, root.target);
        println!("    {} files, {} bytes {verb}; {was_there} of {} files were there", now.files, now.bytes, all.files);
    }
    for problem in &copied.problems {
        println!("  PROBLEM: {problem}");
    }
    if !copied.problems.is_empty() {
        let count = copied.problems.len();
        println!("  not copied: {count} data files of the source are damaged; there is no manifest in the target");
        return;
    }
    if copied.dry_run {
        println!("  nothing was changed");
        return;
    }
    let (sections, new) = (copied.sections, copied.sections_copied);
    let before = if copied.was_there { "; the snapshot had been copied before" } else { "" };
    let how = if copied.with_data { "every byte read" } else { "names and sizes; --with-data reads every byte" };
    println!("  {new} of {sections} sections copied{before}");
    println!(
        "  good: {} data files, {} bytes ({how}), in {:.1} s",
        copied.files.files,
        copied.files.bytes,
        took.as_secs_f64()
    );
    println!("\ncluster_snapshot.yaml, to restore it (with the properties of the stores):\n");
    print!("{}", restore_plan(copied));
}

/// What a restore from the copy needs, without secrets.
fn restore_plan(copied: &Copied) -> String {
    let (path, own) = (&copied.target, &copied.storage_volume);
    let mut text =
        format!("cluster_snapshot:\n  cluster_snapshot_path: {path}\n  storage_volume_name: {own}\nstorage_volumes:\n");
    for root in &copied.roots {
        let CopiedRoot { volume, volume_type, target, .. } = root;
        text.push_str(&format!("  - name: {volume}\n    type: {volume_type}\n    location: {target}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn properties_are_of_all_volumes_or_of_one() {
        let properties =
            texts(&["aws.s3.region=eu", "cold/aws.s3.region = us", "cold/aws.s3.endpoint=http://h:1/?a=b"]);
        let read = place("s3://b", &properties, &texts(&["cold=s3://c/p", "warm=/data/warm"])).unwrap();
        assert_eq!(read.properties, BTreeMap::from([("aws.s3.region".to_owned(), "eu".to_owned())]));
        let cold = &read.volumes["cold"];
        assert_eq!((cold.location.as_str(), cold.properties["aws.s3.region"].as_str()), ("s3://c/p", "us"));
        assert_eq!(cold.properties["aws.s3.endpoint"], "http://h:1/?a=b");
        let warm = &read.volumes["warm"];
        assert_eq!((warm.location.as_str(), warm.properties["aws.s3.region"].as_str()), ("file:///data/warm", "eu"));
        for (properties, volumes) in [
            (texts(&["region"]), texts(&[])),
            (texts(&["=x"]), texts(&[])),
            (texts(&["cold/k=v"]), texts(&[])),
            (texts(&[]), texts(&["cold"])),
            (texts(&[]), texts(&["cold=ftp://b"])),
            (texts(&[]), texts(&["cold=s3://a", "cold=s3://b"])),
        ] {
            assert!(place("s3://b", &properties, &volumes).is_err(), "{properties:?} {volumes:?}");
        }
    }

    #[test]
    fn progress_in_words() {
        let half = CopyProgress { files_done: 1, files: 4, bytes_done: 10 << 20, bytes: 20 << 20 };
        assert_eq!(line(half, Duration::from_secs(5)), "1/4 files, 10 of 20 MiB, 2 MiB/s, 5 s left");
        assert_eq!(bar(half), "[############------------]");
        let empty = CopyProgress { files_done: 1, files: 1, bytes_done: 0, bytes: 0 };
        assert_eq!(line(empty, Duration::ZERO), "1/1 files, 0 of 0 MiB, 0 MiB/s");
        assert_eq!(bar(empty), "[########################]");
    }
}
