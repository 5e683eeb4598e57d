//! What is posted: at most so much of it, and within a time. Who sends the head of a request and nothing more does not hold
//! its connection for long.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::rt::time::timeout;
use actix_web::web::{Bytes, Payload};

use crate::answer::failed;

/// The most bytes of a posted body.
const LARGEST: usize = 256 * 1024;
/// All of it is there by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// The body of a request, or what is answered in its place.
pub(crate) async fn read(payload: Payload) -> Result<Bytes, HttpResponse> {
    match timeout(PATIENCE, payload.to_bytes_limited(LARGEST)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(error))) => Err(failed(400, &format!("the body cannot be read: {error}"))),
        Ok(Err(_)) => Err(failed(413, &format!("the body has more than {LARGEST} bytes"))),
        Err(_) => Err(failed(408, &format!("the body did not come within {} s", PATIENCE.as_secs()))),
    }
}
