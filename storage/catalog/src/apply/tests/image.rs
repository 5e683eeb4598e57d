//! The catalog as bytes and back.

use storage_model::JobState;

use crate::image::{ImageError, Secrets, decode, encode, from_bytes, to_bytes};

use super::*;

const SECRET: &str = "hush-0123456789";

/// One of everything.
fn full() -> Kit {
    let mut kit = Kit::new();
    let secrets = [("aws.s3.region", "r"), ("aws.s3.secret_key", SECRET)];
    let properties = secrets.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let volume_type = VolumeType::S3;
    let draft = VolumeDraft { volume_type, properties, ..volume_draft("vault", "s3://b/p") };
    kit.ok(Command::CreateVolume { draft, if_not_exists: false });
    kit.load("orders", 0, "o1");
    kit.load("orders", 1, "o2");
    let labelled = kit.commit("notes", Some("monday"), vec![kit.written("notes", 0, "o3")]);
    kit.ok(labelled);
    kit.ok(truncate("orders", &["mid"]));
    kit.ok(drop_table("notes", false));
    kit.ok(create_table(plain("notes")));
    kit.ok(Command::RegisterFrontend { frontend: super::nodes::frontend(1) });
    kit.ok(Command::AddComputeNode { host: "cn".to_owned(), heartbeat_port: 9050 });
    kit.ok(Command::SetConfig { key: "k".to_owned(), value: "v".to_owned() });
    kit.snapshots_on();
    kit.snapshot("a");
    let job = kit.begin("b");
    kit.cut(job);
    kit
}

fn sections(catalog: &Catalog, secrets: Secrets) -> Vec<Vec<u8>> {
    encode(catalog, secrets).unwrap().into_iter().map(|s| s.bytes).collect()
}

#[test]
fn a_catalog_survives_the_trip_and_lives_on_as_before() {
    let mut kit = full();
    let mut copy = from_bytes(&to_bytes(&kit.catalog).unwrap()).unwrap();
    assert_eq!(to_bytes(&copy), to_bytes(&kit.catalog));
    assert_eq!((&copy.removed, &copy.label_times), (&kit.catalog.removed, &kit.catalog.label_times));
    assert_eq!(copy.header, kit.catalog.header);
    invariant::check(&copy).unwrap();
    for command in [create_table(plain("more")), drop_table("orders", true), Command::LeaseTxns { count: 3 }] {
        kit.clock += 1000;
        let envelope = Envelope { proposed_at: Now::at(kit.clock), command };
        assert_eq!(copy.apply(&envelope), kit.catalog.apply(&envelope));
    }
    assert_eq!(to_bytes(&copy), to_bytes(&kit.catalog));
}

#[test]
fn the_empty_catalog_survives_too() {
    let kit = Kit::empty();
    let copy = from_bytes(&to_bytes(&kit.catalog).unwrap()).unwrap();
    assert_eq!(copy.header, kit.catalog.header);
}

#[test]
fn secrets_are_kept_or_left_out() {
    let kit = full();
    let secret = |catalog: &Catalog| catalog.volume_by_name("vault").unwrap().properties.clone();
    let kept = decode(&sections(&kit.catalog, Secrets::Keep)).unwrap();
    assert_eq!(secret(&kept)["aws.s3.secret_key"], SECRET);
    let omitted = decode(&sections(&kit.catalog, Secrets::Omit)).unwrap();
    assert_eq!(secret(&omitted).keys().collect::<Vec<_>>(), ["aws.s3.region"]);
    assert_eq!(omitted.job(kit.catalog.jobs().last().unwrap().id).unwrap().state, JobState::Snapshoting);
}

#[test]
fn sections_come_in_any_order_and_the_same_catalog_gives_the_same_bytes() {
    let kit = full();
    let mut all = sections(&kit.catalog, Secrets::Keep);
    assert_eq!(all, sections(&kit.catalog.clone(), Secrets::Keep));
    all.reverse();
    assert_eq!(to_bytes(&decode(&all).unwrap()), to_bytes(&kit.catalog));
    all.rotate_left(5);
    assert_eq!(to_bytes(&decode(&all).unwrap()), to_bytes(&kit.catalog));
}

#[test]
fn a_missing_section_is_noticed() {
    let kit = full();
    let all = sections(&kit.catalog, Secrets::Keep);
    assert_eq!(all.len(), 14, "one of everything");
    for gone in 0..all.len() {
        let mut some = all.clone();
        some.remove(gone);
        assert!(matches!(decode(&some), Err(ImageError::Incomplete(_))), "section {gone}");
    }
    assert!(matches!(decode::<Vec<u8>>(&[]), Err(ImageError::Incomplete(_))));
}

#[test]
fn a_section_of_another_catalog_is_noticed() {
    let (mut kit, before) = (full(), full());
    kit.load("orders", 0, "o9");
    let (ours, theirs) = (sections(&kit.catalog, Secrets::Keep), sections(&before.catalog, Secrets::Keep));
    let mixed: Vec<_> = theirs[..1].iter().chain(&ours[1..]).cloned().collect();
    assert!(matches!(decode(&mixed), Err(ImageError::Incomplete(_))));
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let kit = full();
    for section in sections(&kit.catalog, Secrets::Keep) {
        for bit in 0..section.len() * 8 {
            let mut damaged = section.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&[damaged]).is_err());
        }
    }
    let image = to_bytes(&kit.catalog).unwrap();
    for length in 0..image.len() {
        assert!(from_bytes(&image[..length]).is_err(), "length {length}");
    }
    let mut longer = image.clone();
    longer.push(0);
    assert!(from_bytes(&longer).is_err());
    for byte in (0..image.len()).step_by(7) {
        let mut damaged = image.clone();
        damaged[byte] ^= 0x10;
        assert!(from_bytes(&damaged).is_err(), "byte {byte}");
    }
}
