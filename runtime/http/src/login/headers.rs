//! What a request shows in its headers.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, ORIGIN};

use super::Refused;

fn header(request: &HttpRequest, name: impl Into<HeaderName>) -> Option<&str> {
    request.headers().get(name.into())?.to_str().ok()
}

/// A request that may change something is JSON, and no other site's page has sent it.
pub(super) fn check_post(request: &HttpRequest) -> Result<(), Refused> {
    let media = header(request, CONTENT_TYPE).and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(Refused::new(415, "Content-Type must be application/json"));
    }
    let foreign = || Refused::new(403, "the request comes from a page of another site");
    if let Some(origin) = request.headers().get(ORIGIN) {
        let origin = origin.to_str().map_err(|_| foreign())?;
        let authority =
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).ok_or_else(foreign)?;
        if !header(request, HOST).is_some_and(|host| host.eq_ignore_ascii_case(authority)) {
            return Err(foreign());
        }
    }
    // Sent by browsers to hosts that they trust; says the same.
    match header(request, HeaderName::from_static("sec-fetch-site")) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(foreign()),
    }
}

/// The value of one cookie.
pub(super) fn cookie(request: &HttpRequest, name: &str) -> Option<String> {
    let all = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Whether there is any cookie.
pub(super) fn has_cookie(request: &HttpRequest) -> bool {
    request.headers().contains_key(COOKIE)
}

/// Whether `X-CSRF-Token` is this; compared without an early exit, so that the time tells nothing.
pub(super) fn has_token(request: &HttpRequest, token: &str) -> bool {
    let shown = header(request, HeaderName::from_static("x-csrf-token")).unwrap_or_default();
    shown.len() == token.len() && shown.bytes().zip(token.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// User and password of HTTP Basic.
pub(super) fn basic(request: &HttpRequest) -> Option<(String, String)> {
    let (scheme, encoded) = header(request, AUTHORIZATION)?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(base64(encoded.trim())?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len() * 3 / 4), 0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(six)) & 0x3FFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

/// The host that the client believes to talk to, without its port, in lower case.
pub(super) fn host_name(request: &HttpRequest) -> String {
    let host = header(request, HOST).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Addresses, and names that public DNS does not have.
pub(super) fn is_private_name(host: &str) -> bool {
    const PRIVATE: [&str; 8] = ["localhost", "local", "internal", "svc", "lan", "intranet", "test", "arpa"];
    let last = host.rsplit('.').next().unwrap_or_default();
    !host.is_empty() && (host.parse::<IpAddr>().is_ok() || !host.contains('.') || PRIVATE.contains(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_the_rfc_has_it() {
        for (encoded, plain) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")] {
            assert_eq!(base64(encoded).as_deref(), Some(plain.as_bytes()), "{encoded}");
        }
        assert_eq!(base64("/+8="), Some(vec![0xFF, 0xEF]));
        assert_eq!(base64("Zm 9"), None);
    }

    #[test]
    fn names_that_no_stranger_can_have() {
        for private in ["127.0.0.1", "::1", "10.0.0.7", "localhost", "fe1", "fe.ns.svc", "a.svc.cluster.local"] {
            assert!(is_private_name(private), "{private}");
        }
        for public in ["", "evil.example.com", "127.0.0.1.evil.com", "localhost.evil.com"] {
            assert!(!is_private_name(public), "{public}");
        }
    }
}
