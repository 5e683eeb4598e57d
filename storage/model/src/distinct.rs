//! How many different values a column has, in so few bytes that every table may keep it for every column: the hashes
//! themselves while they are few, then 256 registers of HyperLogLog, with a standard error of 6.5 %. That is as much as the
//! order of joins needs; a column of type HLL is counted otherwise and more exactly.

use serde::{Deserialize, Serialize};

const PRECISION: u32 = 8;
const REGISTERS: usize = 1 << PRECISION;
/// Bits of a hash that no place is made of.
const REST: u32 = u64::BITS - PRECISION;
/// So many hashes are kept before they become registers.
const MOST_HASHES: usize = 32;

/// An estimate of how many different values there were. Parts make the same whole in whatever order they come together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distinct {
    /// The hashes of all of them, rising.
    Hashes(Vec<u64>),
    /// How many zeroes the hashes of each place end with at most, and one; 0: there is no hash of that place.
    Registers(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Distinct {
        Distinct::Hashes(Vec::new())
    }
}

impl Distinct {
    /// Counts a value in, by its hash.
    pub fn add(&mut self, hash: u64) {
        match self {
            Distinct::Registers(registers) => raise(registers, hash),
            Distinct::Hashes(hashes) => {
                let Err(at) = hashes.binary_search(&hash) else { return };
                hashes.insert(at, hash);
                if hashes.len() > MOST_HASHES {
                    let mut registers = vec![0; REGISTERS];
                    hashes.iter().for_each(|hash| raise(&mut registers, *hash));
                    *self = Distinct::Registers(registers);
                }
            }
        }
    }

    /// Counts in what another one counted.
    pub fn merge(&mut self, other: &Distinct) {
        match (&mut *self, other) {
            (_, Distinct::Hashes(hashes)) => hashes.iter().for_each(|hash| self.add(*hash)),
            (Distinct::Hashes(hashes), Distinct::Registers(theirs)) => {
                let mut all = theirs.clone();
                hashes.iter().for_each(|hash| raise(&mut all, *hash));
                *self = Distinct::Registers(all);
            }
            (Distinct::Registers(ours), Distinct::Registers(theirs)) => {
                ours.iter_mut().zip(theirs).for_each(|(our, their)| *our = (*our).max(*their));
            }
        }
    }

    /// How many different values there were.
    pub fn count(&self) -> u64 {
        match self {
            Distinct::Hashes(hashes) => hashes.len() as u64,
            Distinct::Registers(registers) => estimate(registers, REST).round() as u64,
        }
    }
}

fn raise(registers: &mut [u8], hash: u64) {
    let run = (hash >> PRECISION).trailing_zeros().min(REST) as u8 + 1;
    if let Some(register) = registers.get_mut((hash % REGISTERS as u64) as usize) {
        *register = run.max(*register);
    }
}

/// How many different values registers have seen that hold runs of zeroes in so many bits of a hash, and one: the improved
/// estimate of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), right from nothing to 2^64
/// without tables of corrections.
pub fn estimate(registers: &[u8], rest: u32) -> f64 {
    let highest = rest as usize + 1;
    let mut heights = vec![0_u32; highest + 1];
    registers.iter().for_each(|height| heights[usize::from(*height).min(highest)] += 1);
    let m = registers.len() as f64;
    let share = |height: usize| f64::from(heights[height]) / m;
    let mut z = m * tau(1.0 - share(highest));
    for height in (1..highest).rev() {
        z = 0.5 * (z + f64::from(heights[height]));
    }
    z += m * sigma(share(0));
    m * m / (2.0 * std::f64::consts::LN_2 * z)
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers as far apart as hashes are (splitmix64).
    fn hash(number: u64) -> u64 {
        let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn of(numbers: impl Iterator<Item = u64>) -> Distinct {
        let mut distinct = Distinct::default();
        numbers.for_each(|number| distinct.add(hash(number)));
        distinct
    }

    #[test]
    fn few_are_counted_exactly_and_many_about() {
        for count in [0, 1, 31, 32] {
            assert_eq!(of((0..count).chain(0..count)).count(), count);
        }
        for count in [33_u64, 1_000, 50_000, 400_000] {
            let found = of(0..count).count() as f64;
            assert!((found / count as f64 - 1.0).abs() < 0.25, "{count}: {found}");
        }
    }

    #[test]
    fn parts_make_the_same_whole() {
        for count in [10, 40, 1_000] {
            for cut in [0, 5, count / 2, count] {
                let (first, second) = (of(0..cut), of(cut / 2..count));
                for (one, other) in [(&first, &second), (&second, &first)] {
                    let mut both = one.clone();
                    both.merge(other);
                    assert_eq!(both, of(0..count), "{count} {cut}");
                }
            }
        }
    }
}
