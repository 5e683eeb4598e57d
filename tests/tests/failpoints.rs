//! The list of failpoints and the places in the code are the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LIST: &str = include_str!("../../actors/node/src/failpoints.rs");
const HARNESS: &str = include_str!("../src/chaos/points.rs");
/// Where there are places.
const ROOMS: [&str; 4] = ["storage/snapshot/src", "runtime/raft/src", "actors/meta/src", "actors/compute/src"];

fn is_place(word: &str) -> bool {
    let known = ["cn.", "gc.", "handler.", "job.", "load.", "raft."];
    known.iter().any(|prefix| word.starts_with(prefix))
        && word.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b))
}

fn places(text: &str) -> BTreeSet<String> {
    text.split('"').filter(|word| is_place(word)).map(str::to_owned).collect()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_place_is_listed_and_every_name_is_a_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    ROOMS.iter().for_each(|room| sources(&root.join(room), &mut files));
    let mut in_code = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // Names stand in the macro, or in the table that one room has of its events.
        let lines = text.lines().filter(|line| line.contains("fail_point!") || line.contains("=> (\"job."));
        in_code.extend(lines.flat_map(places));
    }
    let before_tests = LIST.split("#[cfg(test)]").next().unwrap();
    assert_eq!(places(before_tests), in_code);
}

#[test]
fn the_harness_kills_at_every_place() {
    let listed = places(LIST.split("#[cfg(test)]").next().unwrap());
    let killed: BTreeSet<String> = HARNESS
        .split('"')
        .map(|w| w.split('@').next().unwrap_or(w))
        .filter(|w| is_place(w))
        .map(str::to_owned)
        .collect();
    let left: Vec<_> = listed.difference(&killed).filter(|name| !name.ends_with(".error")).collect();
    assert!(left.is_empty(), "never killed at {left:?}");
}
