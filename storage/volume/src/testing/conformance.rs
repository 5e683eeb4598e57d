//! What every store has to do to carry a cluster, asked of an empty volume. It says so by a panic when one does not.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytes::Bytes;
use futures::Stream;
use storage_model::Kind;

use crate::volume::{ObjectInfo, PART, Volume, piece_size};
use crate::{Probe, VolumeError};

/// A text as bytes.
pub fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Writes, reads whole and in part, lists right after a write, overwrites, deletes one and many, sends large objects at once
/// and piece by piece, and probes. What is not there is told from what cannot be read. Leaves the volume empty.
pub async fn conform(volume: &Volume) -> Probe {
    converse(volume).await;
    write_a_big_one(volume).await;
    write_by_pieces(volume).await;
    list_many(volume).await;
    let probe = volume.probe().await.unwrap();
    assert_eq!(volume.list("").await.unwrap(), [], "a probe leaves nothing");
    probe
}

/// More than one page of a listing, and more than one request of deletes.
async fn list_many(volume: &Volume) {
    let paths: Vec<String> = (0..1100).map(|n| format!("many/{n:04}")).collect();
    for some in paths.chunks(50) {
        let puts = some.iter().map(|path| volume.put(path, bytes("x")));
        assert!(futures::future::join_all(puts).await.into_iter().all(|put| put.is_ok()));
    }
    let listed: Vec<String> = volume.list("many").await.unwrap().into_iter().map(|object| object.path).collect();
    assert!(listed == paths, "{} of {} are listed", listed.len(), paths.len());
    assert!(volume.delete_many(&paths).await.into_iter().all(|deleted| deleted.is_ok()));
    assert_eq!(volume.list("many").await.unwrap(), []);
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
}

async fn write_a_big_one(volume: &Volume) {
    let body: Vec<u8> = (0..(2 * PART + 12_345)).map(|at| (at % 251) as u8).collect();
    volume.put("big", Bytes::from(body.clone())).await.unwrap();
    assert_eq!(volume.head("big").await.unwrap().unwrap().size, body.len() as u64);
    assert!(volume.get("big").await.unwrap() == body);
    let across = (PART - 3) as u64..(PART + 3) as u64;
    assert!(volume.get_range("big", across.clone()).await.unwrap() == body[PART - 3..PART + 3], "{across:?}");
    volume.delete("big").await.unwrap();
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
