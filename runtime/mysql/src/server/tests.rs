//! Tests of a whole server: exact bytes in `raw`, bad manners and limits in `manners`, a real driver in `driver`.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::fixture::RawClient;

mod driver;
mod manners;
mod raw;

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(10);

async fn assert_closed(client: &mut RawClient) {
    let mut rest = Vec::new();
    timeout(SOON, client.stream.read_to_end(&mut rest)).await.expect("closed soon").ok();
    assert!(rest.is_empty(), "{rest:?}");
}

/// The connection answers a ping: it lives and is in step.
async fn assert_well(client: &mut RawClient) {
    client.command(b"\x0e").await;
    assert_eq!(client.read().await.unwrap()[0], 0);
}

/// Serves the tiny language of the fixture on a port, to try clients by hand:
/// `cargo test -p runtime-mysql by_hand -- --ignored --nocapture`, then `mysql -h 127.0.0.1 -P <port> -u root`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "serves for ten minutes"]
async fn by_hand() {
    let server = crate::fixture::TestServer::start().await;
    println!("port {}", server.address.port());
    tokio::time::sleep(Duration::from_secs(600)).await;
}
