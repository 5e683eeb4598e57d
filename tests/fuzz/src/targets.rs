//! What is fuzzed: one function per target, by name. `cargo fuzz` runs them without end; `tests --test pure` runs them over the
//! corpus and seeded mutations of it.

use actors_messages::compute::{
    AttestFiles, Attestation, DeleteObjects, DeletedObjects, Heartbeat, LoadDone, NodeReport, ReadFragment, VerifyFiles,
};
use storage_catalog::codec::{self, ENVELOPE, IMAGE, SECTION};
use storage_catalog::{Catalog, ClusterIdentity, Envelope, image};
use storage_model::{ClusterId, Epoch, Incarnation, ServiceId, UnixMillis};
use storage_snapshot::manifest::Manifest;

/// A name and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("rpc_frames", runtime_rpc::fuzz::frames),
    ("rpc_server", runtime_rpc::fuzz::server),
    ("rpc_caller", runtime_rpc::fuzz::caller),
    ("rpc_messages", rpc_messages),
    ("mysql_packets", runtime_mysql::fuzz::packets),
    ("catalog_image", catalog_image),
    ("catalog_log", catalog_log),
    ("snapshot_manifest", snapshot_manifest),
    ("sql_statements", sql_statements),
];

/// Runs a target; there must be one of that name.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no target {name}"));
    target(bytes);
}

/// The codec of messages, with every message and reply that goes from node to node: the first byte chooses.
pub fn rpc_messages(bytes: &[u8]) {
    use runtime_rpc::fuzz::{Nested, decode};
    let Some((choice, bytes)) = bytes.split_first() else { return };
    match choice % 10 {
        0 => decode::<Nested>(bytes),
        1 => decode::<Heartbeat>(bytes),
        2 => decode::<NodeReport>(bytes),
        3 => decode::<DeleteObjects>(bytes),
        4 => decode::<DeletedObjects>(bytes),
        5 => decode::<AttestFiles>(bytes),
        6 => decode::<Attestation>(bytes),
        7 => decode::<VerifyFiles>(bytes),
        8 => decode::<ReadFragment>(bytes),
        _ => decode::<LoadDone>(bytes),
    }
}

/// Images of the catalog: the file, a section, and (behind a right checksum and the compression) the entries of a section.
pub fn catalog_image(bytes: &[u8]) {
    if let Ok(catalog) = image::from_bytes(bytes) {
        let again = image::to_bytes(&catalog).expect("what was read can be written");
        let read = image::from_bytes(&again).expect("what was written can be read");
        assert_eq!(image::to_bytes(&read).expect("it can be written"), again);
    }
    let _ = image::from_bytes(&codec::frame(IMAGE, bytes));
    let _ = image::decode(&[codec::frame(SECTION, bytes)]);
    let [kind, entries, raw @ ..] = bytes else { return };
    let head = (u16::from(*kind), u64::from(*entries), raw.len() as u64);
    let mut payload = codec::to_bytes("head", &head).expect("three numbers");
    payload.extend_from_slice(&zstd::bulk::compress(raw, 1).expect("any bytes can be compressed"));
    let fuzzed = codec::frame(SECTION, &payload);
    let identity = ClusterIdentity {
        cluster_id: ClusterId(1),
        token: String::new(),
        service_id: ServiceId(String::new()),
        incarnation: Incarnation(String::new()),
        epoch: Epoch(1),
    };
    let genesis = Catalog::genesis(identity, UnixMillis(0));
    let sections = image::encode(&genesis, image::Secrets::Keep).expect("a new catalog can be written");
    let mut all: Vec<&[u8]> = sections.iter().map(|section| &section.bytes[..]).collect();
    all.push(&fuzzed);
    let _ = image::decode(&all);
    // As the header itself.
    let _ = image::decode(&[&fuzzed]);
}

/// Entries of the log, with and without a right checksum.
pub fn catalog_log(bytes: &[u8]) {
    let _ = codec::decode::<Envelope>(ENVELOPE, bytes);
    if let Ok(envelope) = codec::from_bytes::<Envelope>(ENVELOPE.what, bytes) {
        let again = codec::encode(ENVELOPE, &envelope).expect("what was read can be written");
        assert_eq!(codec::decode::<Envelope>(ENVELOPE, &again).expect("what was written can be read"), envelope);
    }
}

/// The manifest of a snapshot: the bytes, and (with a right hash) what is behind it.
pub fn snapshot_manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes, "object") {
        let again = manifest.to_bytes().expect("what was read can be written");
        assert_eq!(Manifest::parse(&again, "object").expect("what was written can be read"), manifest);
    }
    if let Ok(mut manifest) = serde_json::from_slice::<Manifest>(bytes) {
        manifest.sha256 = manifest.hash();
        let _ = manifest.to_bytes().map(|bytes| Manifest::parse(&bytes, "object").map(drop));
    }
}

/// Texts of statements; what each one was read from reads to the same statement again.
pub fn sql_statements(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(statements) = runtime_sql::parse(&text) else { return };
    for parsed in statements {
        let again = runtime_sql::parse(&parsed.text);
        let again = again.unwrap_or_else(|error| panic!("{:?} of {text:?} is no statement: {error}", parsed.text));
        assert!(
            matches!(&again[..], [one] if one.statement == parsed.statement),
            "{text:?}: {:?} reads to {again:?}",
            parsed.text
        );
        let _ = runtime_sql::redact(&parsed.text);
    }
}
