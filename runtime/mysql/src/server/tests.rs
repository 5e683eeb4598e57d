//! Tests of a whole server: raw bytes and bad manners in `raw`, a real driver in `driver`.

mod driver;
mod raw;

/// Serves the tiny language of the fixture on a port, to try clients by hand:
/// `cargo test -p runtime-mysql by_hand -- --ignored --nocapture`, then `mysql -h 127.0.0.1 -P <port> -u root`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "serves for ten minutes"]
async fn by_hand() {
    let server = crate::fixture::TestServer::start().await;
    println!("port {}", server.address.port());
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
}
