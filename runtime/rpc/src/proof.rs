//! How a node shows that it holds the cluster's token without saying it: HMAC-SHA256 over both ends' nonces.

use sha2::{Digest, Sha256};

/// 256 random bits, new for every connection.
pub(crate) type Nonce = [u8; 32];

const BLOCK: usize = 64;

/// HMAC-SHA256 (RFC 2104).
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut inner = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x36));
    for part in parts {
        inner.update(part);
    }
    let mut outer = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

/// Which end speaks: a proof of one end is no proof of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Caller,
    Server,
}

/// What one end sends to show that it holds the token. `cards` is what has been said about who is who, the caller's card and
/// then (in the server's proof) the server's, so that nobody between can change it.
pub(crate) fn prove(token: &str, side: Side, caller: &Nonce, server: &Nonce, cards: &[u8]) -> [u8; 32] {
    let label: &[u8] = match side {
        Side::Caller => b"starkeep rpc caller",
        Side::Server => b"starkeep rpc server",
    };
    hmac(token.as_bytes(), &[label, caller, server, cards])
}

/// Compares without telling by the time it takes where the difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_matches_rfc_4231() {
        let two = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex::encode(two), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = hmac(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]);
        assert_eq!(hex::encode(long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn a_proof_depends_on_everything() {
        let (a, b) = ([1; 32], [2; 32]);
        let proof = prove("token", Side::Caller, &a, &b, b"card");
        assert!(same(&proof, &prove("token", Side::Caller, &a, &b, b"card")));
        for other in [
            prove("Token", Side::Caller, &a, &b, b"card"),
            prove("token", Side::Server, &a, &b, b"card"),
            prove("token", Side::Caller, &b, &b, b"card"),
            prove("token", Side::Caller, &a, &a, b"card"),
            prove("token", Side::Caller, &a, &b, b"cord"),
        ] {
            assert!(!same(&proof, &other));
        }
        assert!(!same(b"a", b"ab"));
    }
}
