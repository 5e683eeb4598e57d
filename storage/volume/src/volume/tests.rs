//! The same conversation with a directory and with an S3 server; then what each does when things go wrong.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use storage_model::VolumeType;
use tempfile::TempDir;

use super::*;
use crate::testing::conformance::{bytes, conform};
use crate::testing::{Effect, Faults, Mode, Operation, Rule, S3Server};

fn definition(volume_type: VolumeType, location: String, properties: BTreeMap<String, String>) -> StorageVolume {
    let (id, name, comment) = (VolumeId(7), "v".to_owned(), String::new());
    StorageVolume { id, name, volume_type, location, comment, enabled: true, properties, borrowed: None }
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
async fn a_borrowed_volume_is_read_and_takes_nothing_but_leases_and_holds() {
    let directory = TempDir::new().unwrap();
    let location = format!("file://{}/root/", directory.path().display());
    let own = definition(VolumeType::Local, location, BTreeMap::new());
    let loan = storage_model::Loan { snapshot: "s".to_owned(), cut: storage_model::Revision(7) };
    let borrowed = Volume::open(&StorageVolume { borrowed: Some(loan), ..own.clone() }).unwrap();
    let own = Volume::open(&own).unwrap();
    own.put("svc/db1/x", bytes("theirs")).await.unwrap();
    assert_eq!(borrowed.get("svc/db1/x").await.unwrap(), "theirs");
    for path in ["svc/db1/x", "svc/owner/1.ab", "svc/meta/image/s/7.void", "hold-ab"] {
        let refused = borrowed.put(path, bytes("ours")).await.unwrap_err();
        assert!(refused.kind() == Kind::Invalid && refused.to_string().contains("borrowed"), "{refused}");
        assert!(borrowed.put_new(path, bytes("ours")).await.is_err() && borrowed.delete(path).await.is_err());
        assert!(borrowed.delete_many(&[path.to_owned()]).await[0].is_err());
    }
    let pieces = futures::stream::iter([Ok::<_, VolumeError>(bytes("ours"))]);
    assert!(borrowed.put_stream("svc/db1/x", 4, pieces).await.is_err());
    borrowed.probe().await.unwrap();
    assert_eq!(own.list("").await.unwrap().len(), 1, "nothing has come, nothing is gone");
    for path in ["svc/owner/hold-ab", "svc/owner/lease-7.ab.s"] {
        borrowed.put(path, bytes("we are here")).await.unwrap();
        borrowed.delete(path).await.unwrap();
    }
}

#[tokio::test]
async fn a_directory_does_what_a_store_does() {
    let directory = TempDir::new().unwrap();
    let volume = local(&directory);
    assert!(conform(&volume).await.conditional_put);
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
    assert!(conform(&volume).await.conditional_put);
    volume.put("big", bytes("x")).await.unwrap();
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

fn open(volume_type: VolumeType, location: &str, pairs: &[(&str, &str)]) -> Result<Volume, VolumeError> {
    let properties = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Volume::open(&definition(volume_type, location.to_owned(), properties))
}

#[tokio::test]
async fn other_stores_open_by_whatever_credentials_there_are() {
    let blob = ("azure.blob.endpoint", "https://acc.blob.core.windows.net");
    let lake = ("azure.adls2.endpoint", "https://acc.dfs.core.windows.net");
    let principal = [
        lake,
        ("azure.adls2.oauth2_tenant_id", "t"),
        ("azure.adls2.oauth2_client_id", "c"),
        ("azure.adls2.oauth2_client_secret", "hush-secret"),
        ("azure.adls2.oauth2_client_endpoint", "https://login.example/t/oauth2/token"),
    ];
    open(VolumeType::AzBlob, "azblob://c/p", &[blob, ("azure.blob.sas_token", "?sv=1&sig=hush-sig")]).unwrap();
    open(VolumeType::Adls2, "adls2://c/p", &[lake, ("azure.adls2.oauth2_use_managed_identity", "true")]).unwrap();
    open(VolumeType::Adls2, "adls2://c/p", &principal).unwrap();
    open(VolumeType::Gs, "gs://b/p", &[("gcp.gcs.endpoint", "http://127.0.0.1:1")]).unwrap();
    let role =
        [("aws.s3.access_key", "a"), ("aws.s3.secret_key", "b"), ("aws.s3.iam_role_arn", "arn:aws:iam::1:role/r")];
    open(VolumeType::S3, "s3://b/p", &role).unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_without_a_secret() {
    let account = [
        ("gcp.gcs.service_account_email", "a@p"),
        ("gcp.gcs.service_account_private_key_id", "hush-id"),
        ("gcp.gcs.service_account_private_key", "hush-key"),
    ];
    let blob = ("azure.blob.endpoint", "https://acc.blob.core.windows.net");
    let refused = [
        open(VolumeType::Gs, "gs://b/p", &account),
        open(VolumeType::AzBlob, "azblob://c/p", &[blob, ("azure.blob.shared_key", "hush! no base64")]),
    ];
    for refused in refused {
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("cannot open") && !text.contains("hush"), "{text}");
    }
}

#[cfg(not(feature = "hdfs"))]
#[tokio::test]
async fn hdfs_has_to_be_built_in() {
    let error = open(VolumeType::Hdfs, "hdfs://n:9000/d", &[]).unwrap_err();
    assert!(error.kind() == Kind::Invalid && error.to_string().contains("cargo feature `hdfs`"), "{error}");
}
