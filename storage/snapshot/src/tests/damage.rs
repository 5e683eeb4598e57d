//! Damage in the store is refused by name: sections, data files, both ways of checking.

use std::collections::BTreeMap;

use storage_model::Kind;
use storage_volume::testing::{Faults, Operation, Rule};

use super::{Kit, open};
use crate::{CandidateState, candidates, check_files, load, newest, verify_data};

#[tokio::test]
async fn a_flipped_byte_in_any_section_is_refused_and_the_section_named() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let manifest = kit.manifest("s1").await;
    assert!(manifest.sections.len() >= 6);
    for section in &manifest.sections {
        let path = kit.layout.in_root(&section.path);
        for at in [0, section.size as usize / 2, section.size as usize - 1] {
            kit.rewrite(&path, |bytes| bytes[at] ^= 1).await;
            // Its size is right: it is found, and refused when it is read.
            let found = newest(&kit.volume, &kit.layout, None).await.unwrap();
            let error = load(&kit.volume, &kit.layout, &found.manifest).await.unwrap_err();
            assert_eq!((error.kind(), error.object.as_str()), (Kind::Corrupt, path.as_str()));
            assert!(error.chain().contains("sha256"), "{}", error.chain());
            kit.rewrite(&path, |bytes| bytes[at] ^= 1).await;
        }
    }
    load(&kit.volume, &kit.layout, &manifest).await.unwrap();
}

#[tokio::test]
async fn a_missing_or_short_section_is_named() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let manifest = kit.manifest("s1").await;
    let path = kit.layout.in_root(&manifest.sections[1].path);

    kit.rewrite(&path, |bytes| bytes.truncate(bytes.len() - 1)).await;
    let error = load(&kit.volume, &kit.layout, &manifest).await.unwrap_err();
    assert!(error.chain().contains(&path) && error.chain().contains("bytes"), "{}", error.chain());
    let error = newest(&kit.volume, &kit.layout, None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.chain().contains(&path), "{}", error.chain());

    kit.delete(&path).await;
    let error = load(&kit.volume, &kit.layout, &manifest).await.unwrap_err();
    assert_eq!((error.kind(), error.object.as_str()), (Kind::Corrupt, path.as_str()));
    let found = candidates(&kit.volume, &kit.layout, None).await.unwrap();
    assert_eq!(found[0].state, CandidateState::Broken { why: format!("section {path} is missing") });
    let error = newest(&kit.volume, &kit.layout, Some("s1")).await.unwrap_err();
    assert!(error.chain().contains(&format!("section {path} is missing")), "{}", error.chain());
}

#[tokio::test]
async fn an_image_that_is_not_the_manifests_is_refused() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let mut manifest = kit.manifest("s1").await;
    manifest.revision = manifest.revision.next();
    let error = load(&kit.volume, &kit.layout, &manifest).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.detail.contains("its revision is"), "{}", error.detail);
    let mut manifest = kit.manifest("s1").await;
    manifest.service_id.0 = "other".to_owned();
    let error = load(&kit.volume, &kit.layout, &manifest).await.unwrap_err();
    assert!(error.detail.contains("its service id is"), "{}", error.detail);
    let mut manifest = kit.manifest("s1").await;
    manifest.sections.pop();
    let error = load(&kit.volume, &kit.layout, &manifest).await.unwrap_err();
    assert!(error.detail.contains("incomplete"), "{}", error.detail);
}

#[tokio::test]
async fn missing_and_changed_data_files_are_all_named() {
    let mut kit = Kit::new().await;
    let missing = kit.load("orders", b"this one will be lost", 1).await;
    let short = kit.load("orders", b"this one will be cut", 1).await;
    let flipped = kit.load("orders", b"this one will be changed", 1).await;
    kit.delete(&missing).await;
    kit.rewrite(&short, |bytes| bytes.truncate(7)).await;
    kit.rewrite(&flipped, |bytes| bytes[3] ^= 4).await;

    let listed = check_files(&kit.catalog, &BTreeMap::new(), open).await.unwrap_err();
    let of = |object: &str, all: &[crate::Problem]| {
        all.iter().find(|p| p.object == object).map(|p| (p.volume.clone(), p.what.clone(), p.unreachable))
    };
    assert_eq!(listed.len(), 2);
    assert_eq!(of(&missing, &listed), Some(("main".into(), "it is missing".into(), false)));
    assert_eq!(of(&short, &listed), Some(("main".into(), "it has 7 bytes, 20 were written".into(), false)));

    let read = verify_data(&kit.catalog, &BTreeMap::new(), open, |_| ()).await.unwrap_err();
    assert_eq!(read.len(), 3);
    assert!(of(&flipped, &read).unwrap().1.starts_with("its sha256 is "));
    assert!(read.is_sorted());
}

#[tokio::test]
async fn a_volume_that_cannot_be_asked_is_a_problem_of_its_own_kind() {
    let kit = Kit::new().await;
    let faults = Faults::at(&kit.definition.location);
    faults.add(Rule::fail(Operation::List, "db"));
    let problems = check_files(&kit.catalog, &BTreeMap::new(), open).await.unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].unreachable && problems[0].object.is_empty() && problems[0].volume == "main");
    assert!(problems[0].to_string().contains("injected fault"), "{}", problems[0]);
}
