//! Checking a password with `mysql_native_password`: the client proves that it knows the password, the server keeps only
//! `SHA1(SHA1(password))`, and neither crosses the wire.

use sha1::{Digest, Sha1};

/// The name of the plugin, as on the wire.
pub const NATIVE_PASSWORD: &str = "mysql_native_password";

/// `SHA1(SHA1(password))`, what the server keeps; `None` for the empty password.
pub fn native_password_hash(password: &str) -> Option<[u8; 20]> {
    if password.is_empty() { None } else { Some(sha1(&[&sha1(&[password.as_bytes()])])) }
}

/// True when `response` proves knowledge of the password whose double hash is `stored`. An empty password (`stored` is `None`) is
/// proven by an empty response only.
pub fn native_password_matches(stored: Option<[u8; 20]>, salt: &[u8; 20], response: &[u8]) -> bool {
    let Some(stored) = stored else {
        return response.is_empty();
    };
    let Ok(response) = <[u8; 20]>::try_from(response) else {
        return false;
    };
    // response = SHA1(password) xor SHA1(salt, stored); so SHA1(response xor SHA1(salt, stored)) must be what is stored.
    let mut once = sha1(&[salt, &stored]);
    for (byte, sent) in once.iter_mut().zip(response) {
        *byte ^= sent;
    }
    let twice = sha1(&[&once]);
    // Compared without an early exit, so that the time tells nothing.
    twice.iter().zip(stored).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mysql_common::auth::plugins::mysql_native_password::scramble_native;

    const SALT: [u8; 20] = *b"abcdefghijklmnopqrst";

    fn client_response(password: &str) -> Vec<u8> {
        scramble_native(&SALT, password.as_bytes()).map(Vec::from).unwrap_or_default()
    }

    #[test]
    fn the_right_password_matches_and_no_other() {
        let stored = native_password_hash("sésame");
        assert!(native_password_matches(stored, &SALT, &client_response("sésame")));
        assert!(!native_password_matches(stored, &SALT, &client_response("sesame")));
        assert!(!native_password_matches(stored, &SALT, &[]));
        assert!(!native_password_matches(stored, &[1; 20], &client_response("sésame")));
        assert!(!native_password_matches(stored, &SALT, &client_response("sésame")[..19]));
    }

    #[test]
    fn an_empty_password_is_an_empty_response() {
        let stored = native_password_hash("");
        assert!(native_password_matches(stored, &SALT, &[]));
        assert!(!native_password_matches(stored, &SALT, &client_response("x")));
    }

    #[test]
    fn the_hash_is_the_one_that_mysql_stores() {
        // select password('root') in MySQL 5.7 gives *81F5E21E35407D884A6CD4A731AEBFB6AF209E1B
        let hash = native_password_hash("root").expect("not empty");
        let text: String = hash.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(text, "81F5E21E35407D884A6CD4A731AEBFB6AF209E1B");
    }
}
