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
