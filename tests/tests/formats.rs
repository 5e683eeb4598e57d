//! Frozen bytes: one sample of every version of everything that is kept. Today's code must read them all, and must refuse
//! what a newer version would write. From the first tagged release on, samples are only added.
//!
//! A new version of a format makes `every_version_has_a_sample` fail; `STARKEEP_WRITE_SAMPLES=1` writes the samples that
//! are missing and never touches one that is there.

pub(crate) mod facts;

use std::path::PathBuf;

use storage_catalog::codec::{self, CodecError, ENVELOPE, Format, IMAGE, SECTION};
use storage_catalog::image::{self, ImageError};
use storage_catalog::{Envelope, invariant};
use storage_snapshot::Manifest;
use storage_snapshot::manifest::FORMAT_VERSION;
use storage_snapshot::mark::{self, Mark};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/formats/samples")
}

fn path(name: &str, version: u32, extension: &str) -> PathBuf {
    directory().join(format!("{name}.v{version}.{extension}"))
}

/// Hex in lines: a sample can be looked at in a diff.
fn read(name: &str, version: u32) -> Vec<u8> {
    let path = path(name, version, "hex");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.chunks(48).map(|line| hex::encode(line) + "\n").collect()
}

fn all_envelopes() -> Vec<Envelope> {
    facts::commands().into_iter().map(|(at, command)| Envelope { proposed_at: at, command }).collect()
}

/// Every log entry with its length before it.
fn entries() -> Vec<u8> {
    let mut bytes = Vec::new();
    for envelope in all_envelopes() {
        let entry = codec::encode(ENVELOPE, &envelope).unwrap();
        bytes.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&entry);
    }
    bytes
}

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut parts) = (bytes, Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (part, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        parts.push(part);
        rest = behind;
    }
    parts
}

fn sections() -> Vec<u8> {
    let mut bytes = Vec::new();
    for section in image::encode(&facts::catalog(), image::Secrets::Omit).unwrap() {
        bytes.extend_from_slice(&(section.bytes.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&section.bytes);
    }
    bytes
}

#[test]
fn every_version_has_a_sample() {
    let fresh: [(&str, u16, Vec<u8>); 3] = [
        ("log_entries", ENVELOPE.version, entries()),
        ("image_sections", SECTION.version, sections()),
        ("image", IMAGE.version, image::to_bytes(&facts::catalog()).unwrap()),
    ];
    let mut files: Vec<_> =
        fresh.into_iter().map(|(name, v, bytes)| (path(name, v.into(), "hex"), to_hex(&bytes).into_bytes())).collect();
    files.push((path("manifest", FORMAT_VERSION, "json"), facts::manifest().to_bytes().unwrap()));
    files.push((path("owner_mark", mark::FORMAT_VERSION, "json"), facts::mark().to_bytes().unwrap()));
    for (path, bytes) in files {
        if !path.exists() && std::env::var_os("STARKEEP_WRITE_SAMPLES").is_some() {
            std::fs::create_dir_all(directory()).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        assert!(path.exists(), "{} is missing: run this with STARKEEP_WRITE_SAMPLES=1", path.display());
    }
}

#[test]
fn log_entries_of_every_version_are_read() {
    for version in 1..=u32::from(ENVELOPE.version) {
        let bytes = read("log_entries", version);
        let read: Vec<Envelope> =
            split(&bytes).into_iter().map(|entry| codec::decode(ENVELOPE, entry).unwrap()).collect();
        let expected = all_envelopes();
        assert_eq!(read, expected[..read.len()], "version {version}");
        assert!(read.len() >= 29, "version 1 had 29 commands");
    }
}

/// The positions of command variants are bytes on disk.
#[test]
fn every_command_is_in_the_samples() {
    let names: std::collections::BTreeSet<_> = facts::commands().iter().map(|(_, c)| c.name()).collect();
    assert_eq!(names.len(), 74, "{names:?}");
}

#[test]
fn todays_log_entries_begin_as_the_sample_does() {
    // Commands that were added since stand behind those of the sample.
    assert!(entries().starts_with(&read("log_entries", ENVELOPE.version.into())));
}

#[test]
fn images_of_every_version_are_read() {
    let expected = facts::catalog();
    for version in 1..=u32::from(IMAGE.version) {
        let catalog = image::from_bytes(&read("image", version)).unwrap();
        assert_eq!(image::to_bytes(&catalog), image::to_bytes(&expected), "version {version}");
        invariant::check(&catalog).unwrap();
    }
}

#[test]
fn image_sections_of_every_version_are_read() {
    let expected = image::decode(&split(&sections())).unwrap();
    for version in 1..=u32::from(SECTION.version) {
        let bytes = read("image_sections", version);
        let catalog = image::decode(&split(&bytes)).unwrap();
        assert_eq!(image::to_bytes(&catalog), image::to_bytes(&expected), "version {version}");
        let secrets = catalog.volume_by_name("vault").unwrap().properties.keys().filter(|k| k.contains("secret"));
        assert_eq!(secrets.count(), 0);
    }
}

#[test]
fn manifests_of_every_version_are_read() {
    for version in 1..=FORMAT_VERSION {
        let path = path("manifest", version, "json");
        let manifest = Manifest::parse(&std::fs::read(&path).unwrap(), "sample").unwrap();
        assert_eq!(manifest, facts::manifest(), "version {version}");
    }
}

#[test]
fn marks_of_every_version_are_read() {
    for version in 1..=mark::FORMAT_VERSION {
        let path = path("owner_mark", version, "json");
        let mark = Mark::parse(&std::fs::read(&path).unwrap(), "sample").unwrap();
        assert_eq!(mark, facts::mark(), "version {version}");
    }
}

#[test]
fn a_newer_version_is_refused_and_named() {
    let newer = |format: Format, bytes: &[u8]| {
        let payload = codec::unframe(format, bytes).unwrap().1.to_vec();
        codec::frame(Format { version: format.version + 1, ..format }, &payload)
    };
    let entries = read("log_entries", 1);
    let entry = newer(ENVELOPE, split(&entries)[0]);
    let error = codec::decode::<Envelope>(ENVELOPE, &entry).unwrap_err();
    assert!(matches!(error, CodecError::Newer { found: 2, known: 1, .. }) && error.to_string().contains("use a newer"));

    let error = image::from_bytes(&newer(IMAGE, &read("image", 1))).unwrap_err();
    assert!(matches!(error, ImageError::Codec(CodecError::Newer { found: 2, .. })), "{error}");

    let bytes = read("image_sections", 1);
    let mut all: Vec<Vec<u8>> = split(&bytes).into_iter().map(<[u8]>::to_vec).collect();
    all[3] = newer(SECTION, &all[3]);
    let error = image::decode(&all).unwrap_err();
    assert!(matches!(error, ImageError::Codec(CodecError::Newer { found: 2, .. })), "{error}");

    let text = std::fs::read_to_string(path("manifest", 1, "json")).unwrap();
    let newer = text.replace("\"format_version\": 1", "\"format_version\": 2");
    assert_ne!(newer, text);
    let error = Manifest::parse(newer.as_bytes(), "sample").unwrap_err().chain();
    assert!(error.contains("format version 2 is newer than 1"), "{error}");
}

#[test]
fn a_damaged_sample_is_refused() {
    let whole = read("image", 1);
    for byte in (0..whole.len()).step_by(11) {
        let mut damaged = whole.clone();
        damaged[byte] ^= 4;
        assert!(image::from_bytes(&damaged).is_err(), "byte {byte}");
    }
    let text = std::fs::read_to_string(path("manifest", 1, "json")).unwrap();
    for (from, to) in [("\"rows\": ", "\"rows\": 1"), ("\"epoch\": ", "\"epoch\": 1"), ("sections/", "sections/../")] {
        let damaged = text.replacen(from, to, 1);
        assert_ne!(damaged, text, "{from}");
        assert!(Manifest::parse(damaged.as_bytes(), "sample").is_err(), "{from}");
    }
}
