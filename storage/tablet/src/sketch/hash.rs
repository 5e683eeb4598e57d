//! The hash that HLLs count by. It is part of what files hold: another one would count the same value twice.

/// The seed of the hash of values.
const SEED: u64 = 0xadc8_3b19;

/// 64 bits of the bytes of a value: MurmurHash64A.
pub fn of_bytes(bytes: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    let (blocks, tail) = bytes.as_chunks::<8>();
    for block in blocks {
        let mut k = u64::from_le_bytes(*block).wrapping_mul(M);
        k ^= k >> R;
        hash = (hash ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut last = [0_u8; 8];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> R;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> R)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_changes() {
        let known = [b"".as_slice(), b"a", b"hello", b"a value of more than eight bytes"].map(of_bytes);
        assert_eq!(known, KNOWN);
    }

    const KNOWN: [u64; 4] =
        [0xd8df_ea65_85bc_9732, 0x53d2_470a_9b43_b1a7, 0x0f65_6f01_eecf_e400, 0x339a_61db_d6a4_42a0];
}
