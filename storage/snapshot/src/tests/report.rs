//! The offline commands, on every form of a location.

use std::collections::BTreeMap;

use storage_model::{Kind, ServiceId, UnixMillis};
use storage_volume::Layout;

use super::{Kit, local, open};
use crate::place::Source;
use crate::report::{list, show, verify};
use crate::retire::void;

#[tokio::test]
async fn every_form_of_a_location_is_understood() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let (_, new) = kit.snapshot("s2").await;
    let root = kit.definition.location.clone();
    let service = kit.layout.root();
    let plain = kit.dir.path().display().to_string();
    for location in [
        root.clone(),
        format!("{root}/"),
        format!("{root}/{service}"),
        format!("{root}/{service}/meta"),
        format!("{root}/{service}/meta/image/"),
        format!("{plain}/{service}/meta/image"),
        plain,
    ] {
        let rows = list(&Source::at(&location)).await.unwrap_or_else(|e| panic!("{location}: {}", e.chain()));
        let names: Vec<_> = rows.iter().map(|r| (r.name.as_str(), r.newest, r.state.to_string())).collect();
        assert_eq!(names, [("s1", false, "COMPLETE".to_owned()), ("s2", true, "COMPLETE".to_owned())], "{location}");
        assert_eq!(rows[1].path, format!("{root}/{service}/meta/image/s2"));
        assert_eq!((rows[1].cut, rows[1].counts.unwrap().rows), (Some(new.cut), 15));
        assert_eq!(show(&Source::at(&location)).await.unwrap().manifest.name, "s2");
    }
    let exact = Source::at(&format!("{root}/{service}/meta/image/s1"));
    assert_eq!(list(&exact).await.unwrap().len(), 1);
    let shown = show(&exact).await.unwrap();
    assert_eq!(shown.manifest.name, "s1");
    assert_eq!(shown.databases.len(), 1);
    let table = &shown.databases[0].tables[0];
    assert_eq!((table.name.as_str(), table.volume.as_str()), ("orders", "main"));
    assert_eq!((table.partitions, table.files, table.rows, table.bytes), (1, 2, 15, 35));
}

#[tokio::test]
async fn a_location_with_nothing_is_an_error_and_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let none = dir.path().join("typo");
    let error = list(&Source::at(&none.display().to_string())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(!none.exists());
    assert_eq!(list(&Source::at(&dir.path().display().to_string())).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(list(&Source::at("ftp://b")).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn several_services_are_listed_and_one_must_be_named() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    kit.layout = Layout(ServiceId("another-svc".into()));
    kit.catalog.header.identity.service_id = kit.layout.0.clone();
    kit.snapshot("s2").await;
    let root = kit.definition.location.clone();
    let rows = list(&Source::at(&root)).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.service_id.as_str()).collect::<Vec<_>>(), ["3f2b6c9e-svc", "another-svc"]);
    assert!(rows.iter().all(|r| r.newest));
    let error = show(&Source::at(&root)).await.unwrap_err();
    assert!(error.chain().contains("another-svc") && error.chain().contains("3f2b6c9e-svc"), "{error}");
    assert_eq!(show(&Source::at(&format!("{root}/another-svc"))).await.unwrap().manifest.name, "s2");
}

#[tokio::test]
async fn verify_names_what_is_wrong() {
    let mut kit = Kit::new().await;
    let lost = kit.load("orders", b"one more file", 1).await;
    kit.snapshot("s1").await;
    let source = Source::at(&kit.definition.location);
    let sound = verify(&source, true, |_| ()).await.unwrap();
    assert!(sound.problems.is_empty() && sound.with_data);
    assert_eq!((sound.files.files, sound.files.bytes), (3, 56));
    assert_eq!(sound.sections as usize, kit.manifest("s1").await.sections.len());

    // A changed byte is seen by reading only.
    kit.rewrite(&lost, |bytes| bytes[0] ^= 1).await;
    assert!(verify(&source, false, |_| ()).await.unwrap().problems.is_empty());
    let problems = verify(&source, true, |_| ()).await.unwrap().problems;
    assert_eq!(problems.iter().map(|p| p.object.as_str()).collect::<Vec<_>>(), [lost.as_str()]);
    kit.delete(&lost).await;
    let problems = verify(&source, false, |_| ()).await.unwrap().problems;
    assert_eq!((problems[0].object.as_str(), problems[0].what.as_str()), (lost.as_str(), "it is missing"));

    // Every damaged section, not only the first.
    let manifest = kit.manifest("s1").await;
    let damaged: Vec<_> = manifest.sections[..2].iter().map(|s| kit.layout.in_root(&s.path)).collect();
    for path in &damaged {
        kit.rewrite(path, |bytes| bytes[9] ^= 1).await;
    }
    let verified = verify(&source, false, |_| ()).await.unwrap();
    assert_eq!(verified.problems.iter().map(|p| p.object.clone()).collect::<Vec<_>>(), damaged);
    assert_eq!(verified.sections as usize, manifest.sections.len() - 2);

    kit.delete(&damaged[0]).await;
    let verified = verify(&source, false, |_| ()).await.unwrap();
    assert_eq!(verified.problems.len(), 1);
    assert!(verified.problems[0].what.contains(&damaged[0]), "{:?}", verified.problems);
    void(&kit.volume, &kit.layout, "s1", manifest.revision, "a test", UnixMillis(1)).await.unwrap();
    assert_eq!(verify(&source, false, |_| ()).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn a_copied_volume_is_verified_where_it_is_now() {
    let mut kit = Kit::new().await;
    kit.snapshot("s1").await;
    let copy = tempfile::tempdir().unwrap();
    let target = open(&local("copy", copy.path())).unwrap();
    let paths = kit.paths("").await;
    for path in &paths {
        target.put(path, kit.volume.get(path).await.unwrap()).await.unwrap();
    }
    let lost = paths.iter().find(|p| p.ends_with(".parquet")).unwrap();
    kit.delete(lost).await;
    let source = Source::at(&copy.path().display().to_string());
    assert!(verify(&source, true, |_| ()).await.unwrap().problems.is_empty());
    // Said by name, the caller wins.
    let volumes = BTreeMap::from([("main".to_owned(), kit.definition.clone())]);
    let problems = verify(&Source { volumes, ..source }, false, |_| ()).await.unwrap().problems;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].object.ends_with(lost.as_str()));
}
