//! The same conversation with a directory and with an S3 server; then what each does when things go wrong.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use storage_model::VolumeType;
use tempfile::TempDir;

use super::*;
use crate::testing::{Effect, Faults, Mode, Operation, Rule, S3Server};

fn definition(volume_type: VolumeType, location: String, properties: BTreeMap<String, String>) -> StorageVolume {
    let (id, name, comment) = (VolumeId(7), "v".to_owned(), String::new());
    StorageVolume { id, name, volume_type, location, comment, enabled: true, properties }
}

fn local(directory: &TempDir) -> Volume {
    let location = format!("file://{}/root/", directory.path().display());
    Volume::open(&definition(VolumeType::Local, location, BTreeMap::new())).unwrap()
}

async fn s3(directory: &TempDir) -> (Volume, S3Server) {
    let server = S3Server::start(directory.path()).await.unwrap();
    server.create_bucket("bucket").unwrap();
    let definition = definition(VolumeType::S3, "s3://bucket/a/b/".to_owned(), server.properties());
    (Volume::open(&definition).unwrap(), server)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn converse(volume: &Volume) {
    assert_eq!(volume.list("").await.unwrap(), []);
    assert_eq!(volume.head("x/1").await.unwrap(), None);
    assert!(volume.get("x/1").await.unwrap_err().is_not_found());
    volume.put("x/1", bytes("one")).await.unwrap();
    volume.put("x/y/2", bytes("two")).await.unwrap();
    volume.put("xx/3", bytes("three")).await.unwrap();
    assert_eq!(volume.get("x/1").await.unwrap(), "one");
    assert_eq!(volume.get_range("xx/3", 1..4).await.unwrap(), "hre");
    let head = volume.head("xx/3").await.unwrap().unwrap();
    assert_eq!((head.path.as_str(), head.size), ("xx/3", 5));
    assert!(head.last_modified_ms > 1_700_000_000_000);
    let paths = |listed: Vec<ObjectInfo>| listed.into_iter().map(|o| o.path).collect::<Vec<_>>();
    assert_eq!(paths(volume.list("").await.unwrap()), ["x/1", "x/y/2", "xx/3"]);
    assert_eq!(paths(volume.list("x").await.unwrap()), ["x/1", "x/y/2"], "a prefix is a directory, not a text");
    assert_eq!(volume.list_dirs("").await.unwrap(), ["x", "xx"]);
    assert_eq!(volume.list_dirs("x").await.unwrap(), ["x/y"]);
    let level = volume.list_level("x").await.unwrap();
    assert!(level.objects.iter().all(|path| path.starts_with("x/") && !path["x/".len()..].contains('/')), "{level:?}");
    assert_eq!(level.directories, ["x/y"]);
    volume.put("x/1", bytes("over")).await.unwrap();
    assert_eq!(volume.get("x/1").await.unwrap(), "over");
    volume.delete("x/1").await.unwrap();
    volume.delete("x/1").await.unwrap();
    let many = ["x/y/2".to_owned(), "nothing/there".to_owned(), "xx/3".to_owned()];
    assert_eq!(volume.delete_many(&many).await, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(volume.list("").await.unwrap(), []);
    for bad in ["a//b", "../x", "a/./b"] {
        assert_eq!(volume.put(bad, bytes("")).await.unwrap_err().kind(), Kind::Invalid, "{bad}");
    }
    let probe = volume.probe().await.unwrap();
    assert!(probe.conditional_put);
    assert_eq!(volume.list("").await.unwrap(), [], "a probe leaves nothing");
}

async fn write_a_big_one(volume: &Volume) {
    let body: Vec<u8> = (0..(2 * PART + 12_345)).map(|at| (at % 251) as u8).collect();
    volume.put("big", Bytes::from(body.clone())).await.unwrap();
    assert_eq!(volume.head("big").await.unwrap().unwrap().size, body.len() as u64);
    assert!(volume.get("big").await.unwrap() == body);
}

type Wrong = fn(&mut Vec<Result<Bytes, VolumeError>>);

/// A stream of an object's pieces; `wrong` changes them.
fn pieces(body: &[u8], wrong: Wrong) -> impl Stream<Item = Result<Bytes, VolumeError>> + use<> {
    let size = piece_size(body.len() as u64) as usize;
    let mut pieces: Vec<_> = body.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    wrong(&mut pieces);
    futures::stream::iter(pieces)
}

async fn write_by_pieces(volume: &Volume) {
    for length in [0, 10, PART, PART + 1, 2 * PART + 12_345] {
        let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        volume.put_stream("deep/er/streamed", length as u64, pieces(&body, |_| ())).await.unwrap();
        assert!(volume.get("deep/er/streamed").await.unwrap() == body, "{length}");
    }
    let body = vec![7; 2 * PART + 5];
    let put = |wrong: Wrong| volume.put_stream("deep/er/refused", body.len() as u64, pieces(&body, wrong));
    let error = put(|p| p[2] = Err(VolumeError::definition("the last piece is bad"))).await.unwrap_err();
    assert_eq!(error.to_string(), "the last piece is bad");
    let wrong: [Wrong; 3] = [|p| drop(p.pop()), |p| p.swap(0, 2), |p| p.push(Ok(bytes("x")))];
    for wrong in wrong {
        assert_eq!(put(wrong).await.unwrap_err().kind(), Kind::Internal);
    }
    let short = volume.put_stream("deep/er/refused", 3, pieces(b"xy", |_| ())).await.unwrap_err();
    assert!(short.to_string().contains("a piece of 2 bytes, 3 were due"), "{short}");
    assert_eq!(volume.head("deep/er/refused").await.unwrap(), None);
    volume.delete("deep/er/streamed").await.unwrap();
}

#[tokio::test]
async fn a_directory_stages_parts_where_a_writer_died_and_not_where_one_lives() {
    let directory = TempDir::new().unwrap();
    let volume = local(&directory);
    let at = Path::from("parts");
    let left = directory.path().join("root/parts#1000000");
    std::fs::write(&left, "half of what a writer that died had").unwrap();
    let mut first = volume.store().put_multipart(&at).await.unwrap();
    let mut second = volume.store().put_multipart(&at).await.unwrap();
    first.put_part(bytes("first").into()).await.unwrap();
    second.put_part(bytes("the second").into()).await.unwrap();
    assert_eq!(std::fs::read(&left).unwrap(), b"first");
    first.complete().await.unwrap();
    assert_eq!(volume.get("parts").await.unwrap(), "first");
    second.complete().await.unwrap();
    assert_eq!(volume.get("parts").await.unwrap(), "the second");
    drop(volume.store().put_multipart(&at).await.unwrap());
    let names: Vec<_> =
        std::fs::read_dir(directory.path().join("root")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["parts"]);
}

#[tokio::test]
async fn a_directory_does_what_a_store_does() {
    let directory = TempDir::new().unwrap();
    let volume = local(&directory);
    converse(&volume).await;
    write_a_big_one(&volume).await;
    write_by_pieces(&volume).await;
    volume.delete("big").await.unwrap();
    assert!(volume.list_dirs("").await.unwrap().is_empty(), "directories go with their last file");
    let left: Vec<_> = std::fs::read_dir(directory.path().join("root")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn the_bare_store_takes_parts_and_copies_too() {
    let directory = TempDir::new().unwrap();
    let server_directory = TempDir::new().unwrap();
    let (on_s3, _server) = s3(&server_directory).await;
    for volume in [local(&directory), on_s3] {
        let store = volume.store();
        let at = Path::from("deep/er/parts");
        let mut upload = store.put_multipart(&at).await.unwrap();
        // Of S3's least size for a part that is not the last.
        upload.put_part(Bytes::from(vec![b'1'; 5 << 20]).into()).await.unwrap();
        upload.put_part(bytes("two").into()).await.unwrap();
        assert_eq!(volume.head("deep/er/parts").await.unwrap(), None, "nothing shows before it is complete");
        assert_eq!(volume.list("").await.unwrap(), []);
        upload.complete().await.unwrap();
        store.copy(&at, &Path::from("copy")).await.unwrap();
        let copied = volume.get("copy").await.unwrap();
        assert!(copied.len() == (5 << 20) + 3 && copied.ends_with(b"11two"));
    }
}

#[tokio::test]
async fn an_s3_server_does_what_a_store_does() {
    let directory = TempDir::new().unwrap();
    let (volume, server) = s3(&directory).await;
    converse(&volume).await;
    write_a_big_one(&volume).await;
    write_by_pieces(&volume).await;
    assert!(directory.path().join("bucket/a/b/big").is_file(), "the prefix is applied");
    assert!(server.requests() > 10);
}

#[tokio::test]
async fn writers_and_deleters_of_one_directory_do_not_trip_each_other() {
    let directory = TempDir::new().unwrap();
    let volume = local(&directory);
    let worker = |n: usize| {
        let volume = volume.clone();
        async move {
            for _ in 0..50 {
                let path = format!("deep/er/{n}");
                volume.put(&path, bytes("x")).await?;
                volume.delete(&path).await?;
            }
            Ok::<(), VolumeError>(())
        }
    };
    futures::future::try_join_all((0..8).map(worker)).await.unwrap();
    assert_eq!(volume.list("").await.unwrap(), []);
}

#[tokio::test]
async fn only_one_of_many_creates_wins_in_a_directory() {
    let directory = TempDir::new().unwrap();
    let volume = local(&directory);
    let made = futures::future::join_all((0..16).map(|_| volume.put_new("claim", bytes("mine")))).await;
    assert_eq!(made.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(made.iter().filter_map(|r| r.as_ref().err()).all(|e| e.kind() == Kind::Conflict), "{made:?}");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_an_error_never_an_empty_store() {
    let directory = TempDir::new().unwrap();
    let volume = local(&directory);
    volume.put("x/1", bytes("one")).await.unwrap();
    std::fs::remove_dir_all(directory.path().join("root")).unwrap();
    let mut errors = vec![
        volume.head("x/1").await.unwrap_err(),
        volume.get("x/1").await.unwrap_err(),
        volume.list("").await.unwrap_err(),
        volume.list_dirs("").await.unwrap_err(),
        volume.delete("x/1").await.unwrap_err(),
        volume.put("x/1", bytes("")).await.unwrap_err(),
        volume.put("big", Bytes::from(vec![0; PART + 1])).await.unwrap_err(),
    ];
    errors.extend(volume.delete_many(&["x/1".to_owned()]).await.into_iter().filter_map(Result::err));
    assert_eq!(errors.len(), 8);
    assert!(errors.iter().all(|e| e.kind() == Kind::Unavailable), "{errors:?}");
    assert!(!directory.path().join("root").exists(), "nothing is written below a mount point that lost its mount");
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_an_error_never_an_empty_store() {
    let directory = TempDir::new().unwrap();
    let (volume, _server) = s3(&directory).await;
    std::fs::remove_dir_all(directory.path().join("bucket")).unwrap();
    let errors = [
        volume.head("x").await.unwrap_err(),
        volume.get("x").await.unwrap_err(),
        volume.list("").await.unwrap_err(),
        volume.list_dirs("").await.unwrap_err(),
    ];
    assert!(errors.iter().all(|e| e.kind() == Kind::Unavailable), "{errors:#?}");
}

#[tokio::test]
async fn refusals_name_the_step_and_the_cause_and_no_secret() {
    let directory = TempDir::new().unwrap();
    let (volume, server) = s3(&directory).await;
    server.refuse_writes(true);
    let error = volume.probe().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cannot write probe") && text.contains("AccessDenied"), "{text}");
    assert!(text.contains("storage volume 'v'") && text.contains(".starkeep_probe/"), "{text}");
    assert!(!text.contains(server.secret_key()) && !text.contains(server.access_key()), "{text}");
    assert_eq!(volume.delete_many(&["x".to_owned(), "y".to_owned()]).await.iter().filter(|r| r.is_err()).count(), 2);
    server.refuse_writes(false);
    volume.probe().await.unwrap();

    let mut wrong = server.properties();
    wrong.insert("aws.s3.secret_key".to_owned(), "not-the-right-one".to_owned());
    let wrong = Volume::open(&definition(VolumeType::S3, "s3://bucket/a".to_owned(), wrong)).unwrap();
    let text = wrong.probe().await.unwrap_err().to_string();
    assert!(text.contains("SignatureDoesNotMatch"), "{text}");
    assert!(!text.contains("not-the-right-one") && !text.contains(server.access_key()), "{text}");
}

#[tokio::test]
async fn a_dead_store_errors_clearly_and_soon() {
    let directory = TempDir::new().unwrap();
    let (volume, server) = s3(&directory).await;
    let address = server.address().to_string();
    drop(server);
    let begun = Instant::now();
    let error = volume.put("x", bytes("")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert!(error.to_string().contains("onnect"), "{error}");
    let server = S3Server::start_at(directory.path(), &address).await.unwrap();
    volume.put("x", bytes("")).await.unwrap();
    server.set_mode(Mode::RefuseAll);
    assert!(volume.head("x").await.is_err(), "refused is not absent");
}

#[tokio::test]
async fn faults_strike_where_and_when_they_are_told() {
    let directory = TempDir::new().unwrap();
    let location = format!("file://{}/root", directory.path().display());
    let faults = Faults::at(&location);
    let volume = local(&directory);
    faults.add(Rule::fail(Operation::Put, ".manifest.json").after(1).times(1));
    volume.put("1.manifest.json", bytes("")).await.unwrap();
    volume.put("other", bytes("")).await.unwrap();
    let error = volume.put("2.manifest.json", bytes("")).await.unwrap_err();
    assert!(error.to_string().contains("injected fault"), "{error}");
    volume.put("2.manifest.json", bytes("")).await.unwrap();
    faults.add(Rule::new(Operation::Put, "lost", Effect::LoseAnswer("timed out".into())));
    assert!(volume.put("lost", bytes("there")).await.is_err());
    assert_eq!(volume.get("lost").await.unwrap(), "there");
    faults.add(Rule::fail(Operation::Delete, "other"));
    let answers = volume.delete_many(&["lost".to_owned(), "other".to_owned()]).await;
    assert!(answers[0].is_ok() && answers[1].is_err());
    faults.add(Rule::fail(Operation::List, ""));
    assert!(volume.list("").await.is_err() && volume.list_dirs("").await.is_err());
    assert_eq!((faults.struck(), faults.seen(Operation::Put)), (5, 5));
    faults.clear();
    assert_eq!(volume.list("").await.unwrap().len(), 3);
}
