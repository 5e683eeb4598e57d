//! XXH3, 64 bits: the hash of `xx_hash3_64` and `bitmap_hash64`.

const P32_1: u64 = 0x9E37_79B1;
const P32_2: u64 = 0x85EB_CA77;
const P32_3: u64 = 0xC2B2_AE3D;
const P64_1: u64 = 0x9E37_79B1_85EB_CA87;
const P64_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P64_3: u64 = 0x1656_67B1_9E37_79F9;
const P64_4: u64 = 0x85EB_CA77_C2B2_AE63;
const P64_5: u64 = 0x27D4_EB2F_1656_67C5;
const MIX_1: u64 = 0x1656_6791_9E37_79F9;
const MIX_2: u64 = 0x9FB2_1C65_1E98_DF25;

const SECRET_LENGTH: usize = 192;
const STRIPE: usize = 64;
/// Stripes between two scrambles.
const STRIPES: usize = (SECRET_LENGTH - STRIPE) / 8;

/// The secret that everybody has who was given none: a constant of the algorithm.
#[rustfmt::skip]
const SECRET: [u8; SECRET_LENGTH] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

/// The hash of bytes.
pub(super) fn xxh3_64(bytes: &[u8], seed: u64) -> u64 {
    match bytes.len() {
        0 => avalanche_64(seed ^ (word(&SECRET, 56) ^ word(&SECRET, 64))),
        1..=3 => tiny(bytes, seed),
        4..=8 => small(bytes, seed),
        9..=16 => medium(bytes, seed),
        17..=128 => large(bytes, seed),
        129..=240 => larger(bytes, seed),
        _ => long(bytes, seed),
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn half(bytes: &[u8], at: usize) -> u64 {
    let mut half = [0; 4];
    half.copy_from_slice(&bytes[at..at + 4]);
    u64::from(u32::from_le_bytes(half))
}

fn avalanche(mut hash: u64) -> u64 {
    hash ^= hash >> 37;
    hash = hash.wrapping_mul(MIX_1);
    hash ^ (hash >> 32)
}

fn avalanche_64(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(P64_2);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(P64_3);
    hash ^ (hash >> 32)
}

fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

fn mixed(bytes: &[u8], at: usize, secret: usize, seed: u64) -> u64 {
    let low = word(bytes, at) ^ word(&SECRET, secret).wrapping_add(seed);
    let high = word(bytes, at + 8) ^ word(&SECRET, secret + 8).wrapping_sub(seed);
    folded(low, high)
}

fn tiny(bytes: &[u8], seed: u64) -> u64 {
    let length = bytes.len();
    let (first, middle, last) = (u64::from(bytes[0]), u64::from(bytes[length >> 1]), u64::from(bytes[length - 1]));
    let combined = (first << 16) | (middle << 24) | last | ((length as u64) << 8);
    let flip = (half(&SECRET, 0) ^ half(&SECRET, 4)).wrapping_add(seed);
    avalanche_64(combined ^ flip)
}

fn small(bytes: &[u8], seed: u64) -> u64 {
    let length = bytes.len();
    let seed = seed ^ (u64::from((seed as u32).swap_bytes()) << 32);
    let flip = (word(&SECRET, 8) ^ word(&SECRET, 16)).wrapping_sub(seed);
    let mut hash = half(bytes, length - 4).wrapping_add(half(bytes, 0) << 32) ^ flip;
    hash ^= hash.rotate_left(49) ^ hash.rotate_left(24);
    hash = hash.wrapping_mul(MIX_2);
    hash ^= (hash >> 35).wrapping_add(length as u64);
    hash = hash.wrapping_mul(MIX_2);
    hash ^ (hash >> 28)
}

fn medium(bytes: &[u8], seed: u64) -> u64 {
    let length = bytes.len();
    let low = word(bytes, 0) ^ (word(&SECRET, 24) ^ word(&SECRET, 32)).wrapping_add(seed);
    let high = word(bytes, length - 8) ^ (word(&SECRET, 40) ^ word(&SECRET, 48)).wrapping_sub(seed);
    let sum = (length as u64).wrapping_add(low.swap_bytes()).wrapping_add(high).wrapping_add(folded(low, high));
    avalanche(sum)
}

fn large(bytes: &[u8], seed: u64) -> u64 {
    let length = bytes.len();
    let mut hash = (length as u64).wrapping_mul(P64_1);
    for pair in (0..=(length - 1) / 32).rev() {
        hash = hash.wrapping_add(mixed(bytes, pair * 16, pair * 32, seed));
        hash = hash.wrapping_add(mixed(bytes, length - (pair + 1) * 16, pair * 32 + 16, seed));
    }
    avalanche(hash)
}

fn larger(bytes: &[u8], seed: u64) -> u64 {
    let length = bytes.len();
    let mut hash = (length as u64).wrapping_mul(P64_1);
    for round in 0..8 {
        hash = hash.wrapping_add(mixed(bytes, round * 16, round * 16, seed));
    }
    hash = avalanche(hash);
    for round in 8..length / 16 {
        hash = hash.wrapping_add(mixed(bytes, round * 16, (round - 8) * 16 + 3, seed));
    }
    avalanche(hash.wrapping_add(mixed(bytes, length - 16, 136 - 17, seed)))
}

/// The secret of a seed.
fn secret_of(seed: u64) -> [u8; SECRET_LENGTH] {
    let mut secret = SECRET;
    for at in (0..SECRET_LENGTH).step_by(16) {
        secret[at..at + 8].copy_from_slice(&word(&SECRET, at).wrapping_add(seed).to_le_bytes());
        secret[at + 8..at + 16].copy_from_slice(&word(&SECRET, at + 8).wrapping_sub(seed).to_le_bytes());
    }
    secret
}

fn accumulate(sums: &mut [u64; 8], stripe: &[u8], secret: &[u8]) {
    for lane in 0..8 {
        let value = word(stripe, lane * 8);
        let key = value ^ word(secret, lane * 8);
        sums[lane ^ 1] = sums[lane ^ 1].wrapping_add(value);
        sums[lane] = sums[lane].wrapping_add((key & 0xffff_ffff).wrapping_mul(key >> 32));
    }
}

fn long(bytes: &[u8], seed: u64) -> u64 {
    let secret = secret_of(seed);
    let mut sums = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1];
    let length = bytes.len();
    let whole = (length - 1) / (STRIPE * STRIPES);
    for (number, block) in bytes.chunks(STRIPE * STRIPES).enumerate() {
        if number < whole {
            for (at, stripe) in block.chunks(STRIPE).enumerate() {
                accumulate(&mut sums, stripe, &secret[at * 8..]);
            }
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum ^= *sum >> 47;
                *sum ^= word(&secret, SECRET_LENGTH - STRIPE + lane * 8);
                *sum = sum.wrapping_mul(P32_1);
            }
        } else {
            for at in 0..(block.len() - 1) / STRIPE {
                accumulate(&mut sums, &block[at * STRIPE..], &secret[at * 8..]);
            }
        }
    }
    accumulate(&mut sums, &bytes[length - STRIPE..], &secret[SECRET_LENGTH - STRIPE - 7..]);
    let mut hash = (length as u64).wrapping_mul(P64_1);
    for lane in 0..4 {
        let (low, high) =
            (sums[lane * 2] ^ word(&secret, 11 + lane * 16), sums[lane * 2 + 1] ^ word(&secret, 19 + lane * 16));
        hash = hash.wrapping_add(folded(low, high));
    }
    avalanche(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_known_one() {
        let bytes: Vec<u8> = (0..3000_u32).map(|n| (n * 7 + n / 251) as u8).collect();
        // Length, hash, and hash with a seed, of the reference implementation.
        for (length, plain, seeded) in [
            (0, 0x2d06_8005_38d3_94c2, 0xa2e6_7b78_9960_bb13),
            (1, 0xc44b_dff4_074e_ecdb, 0x9f47_2380_a499_7d51),
            (3, 0xc348_9259_e968_ad9e, 0x70cf_a5db_f8e6_8eab),
            (4, 0xd3d6_0c15_1901_4e89, 0x1797_c0a0_cb86_0df5),
            (8, 0xb88d_ee77_f6bf_6980, 0xed73_ac70_7f63_4843),
            (9, 0x0368_8dca_d730_d826, 0xea8d_2a18_8dfb_aadd),
            (16, 0x9da2_3836_adf2_be1e, 0x29a9_1944_b43c_fadc),
            (17, 0xf34c_3c9c_f5a1_12d1, 0x5b5a_b305_0799_a8b9),
            (33, 0xc077_b454_92d2_9cde, 0x8f68_eedc_0a74_6fd2),
            (128, 0x65f3_c2c0_0fa9_3185, 0xfd93_a87a_af04_4d7d),
            (129, 0x2806_5c6e_c25f_5b25, 0x9382_0b07_62ec_8252),
            (240, 0x4917_a75c_0ef8_eed7, 0xd626_7267_8f07_47b6),
            (241, 0x541b_1922_6f00_52e8, 0x692f_21a8_da37_9d6e),
            (1024, 0xba46_4919_c6bb_3ccd, 0x4aad_972b_5988_2d5c),
            (1025, 0x2aa0_034e_7827_ee42, 0x30e5_9d7d_3719_0698),
            (3000, 0x63df_341b_1e97_c067, 0x6867_cad6_7208_3fbe),
        ] {
            assert_eq!(xxh3_64(&bytes[..length], 0), plain, "{length}");
            assert_eq!(xxh3_64(&bytes[..length], 104_729), seeded, "{length}");
        }
    }
}
