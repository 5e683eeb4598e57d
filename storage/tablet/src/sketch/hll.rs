//! An HLL: how many different values there were, with a standard error of 0.81 %. Up to 160 of them are counted exactly, by
//! their hashes; then by 2^14 registers.
//!
//! ```text
//!   48  version  form  …  CRC-32C of all before it (4 bytes)
//!       form 0: hashes, 8 bytes each, rising
//!       form 1: registers that are not zero, 3 bytes each (place, value), by rising place
//!       form 2: all registers, one byte each
//! ```

use std::collections::BTreeSet;

use storage_model::distinct::estimate;

use crate::error::TabletError;

const MAGIC: u8 = 0x48;
const VERSION: u8 = 1;
const HASHES: u8 = 0;
const SPARSE: u8 = 1;
const DENSE: u8 = 2;
const HEADER: usize = 3;
const SUM: usize = 4;

const PRECISION: u32 = 14;
const REGISTERS: usize = 1 << PRECISION;
/// Bits of a hash that no place is made of.
const REST: u32 = u64::BITS - PRECISION;
/// The greatest value of a register.
const HIGHEST: u8 = REST as u8 + 1;
/// So many hashes are kept before they become registers.
const MOST_HASHES: usize = 160;

/// How many different values there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hll {
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Hashes(BTreeSet<u64>),
    Registers(Box<[u8]>),
}

impl Default for Hll {
    fn default() -> Hll {
        Hll { kept: Kept::Hashes(BTreeSet::new()) }
    }
}

impl Hll {
    /// That of one value, by its hash.
    pub fn of(hash: u64) -> Hll {
        Hll { kept: Kept::Hashes(BTreeSet::from([hash])) }
    }

    /// Counts a value in, by its hash.
    pub fn add(&mut self, hash: u64) {
        match &mut self.kept {
            Kept::Hashes(hashes) => {
                hashes.insert(hash);
                if hashes.len() > MOST_HASHES {
                    self.kept = Kept::Registers(registers(hashes));
                }
            }
            Kept::Registers(registers) => raise(registers, hash),
        }
    }

    /// Counts in what another one counted.
    pub fn merge(&mut self, other: &Hll) {
        match (&mut self.kept, &other.kept) {
            (_, Kept::Hashes(hashes)) => hashes.iter().for_each(|hash| self.add(*hash)),
            (Kept::Hashes(hashes), Kept::Registers(theirs)) => {
                let mut all = theirs.clone();
                hashes.iter().for_each(|hash| raise(&mut all, *hash));
                self.kept = Kept::Registers(all);
            }
            (Kept::Registers(ours), Kept::Registers(theirs)) => {
                ours.iter_mut().zip(theirs).for_each(|(our, their)| *our = (*our).max(*their));
            }
        }
    }

    /// How many different values there were.
    pub fn count(&self) -> u64 {
        match &self.kept {
            Kept::Hashes(hashes) => hashes.len() as u64,
            Kept::Registers(registers) => estimate(registers, REST).round() as u64,
        }
    }

    /// Bytes in memory, about.
    pub fn size(&self) -> usize {
        match &self.kept {
            Kept::Hashes(hashes) => size_of::<Hll>() + hashes.len() * 2 * size_of::<u64>(),
            Kept::Registers(registers) => size_of::<Hll>() + registers.len(),
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![MAGIC, VERSION];
        match &self.kept {
            Kept::Hashes(hashes) => {
                bytes.push(HASHES);
                hashes.iter().for_each(|hash| bytes.extend_from_slice(&hash.to_le_bytes()));
            }
            Kept::Registers(registers) => {
                let used = registers.iter().filter(|value| **value > 0).count();
                if used * 3 < REGISTERS {
                    bytes.push(SPARSE);
                    for (place, value) in (0_u16..).zip(registers.iter()).filter(|(_, value)| **value > 0) {
                        bytes.extend_from_slice(&place.to_le_bytes());
                        bytes.push(*value);
                    }
                } else {
                    bytes.push(DENSE);
                    bytes.extend_from_slice(registers);
                }
            }
        }
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// From its bytes.
    ///
    /// # Errors
    /// When they are not those of an HLL, or of a version that is newer than this.
    pub fn decode(bytes: &[u8]) -> Result<Hll, TabletError> {
        let corrupt = |why: &str| Err(TabletError::corrupt(format!("an HLL {why}")));
        match bytes {
            [MAGIC, version, ..] if *version > VERSION => {
                return Err(TabletError::invalid(format!("an HLL has version {version}, newer than this")));
            }
            [MAGIC, VERSION, _, ..] if bytes.len() >= HEADER + SUM => {}
            _ => return Err(TabletError::corrupt("bytes that are no HLL")),
        }
        let (body, sum) = bytes.split_at(bytes.len() - SUM);
        if crc32c::crc32c(body).to_le_bytes() != sum {
            return corrupt("has another CRC-32C");
        }
        let (form, body) = (body[HEADER - 1], &body[HEADER..]);
        let kept = match form {
            HASHES => match body.as_chunks::<8>() {
                (hashes, []) if hashes.len() <= MOST_HASHES => {
                    Kept::Hashes(hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect())
                }
                _ => return corrupt("has no hashes where they should be"),
            },
            SPARSE => match body.as_chunks::<3>() {
                (places, []) => {
                    let mut registers = vec![0; REGISTERS].into_boxed_slice();
                    for [low, high, value] in places {
                        match registers.get_mut(usize::from(u16::from_le_bytes([*low, *high]))) {
                            Some(register) if *value <= HIGHEST => *register = *value,
                            _ => return corrupt("has a register that there is not"),
                        }
                    }
                    Kept::Registers(registers)
                }
                _ => return corrupt("ends within a register"),
            },
            DENSE if body.len() == REGISTERS && body.iter().all(|value| *value <= HIGHEST) => {
                Kept::Registers(body.into())
            }
            _ => return corrupt("has no registers where they should be"),
        };
        Ok(Hll { kept })
    }
}

fn registers(hashes: &BTreeSet<u64>) -> Box<[u8]> {
    let mut registers = vec![0; REGISTERS].into_boxed_slice();
    hashes.iter().for_each(|hash| raise(&mut registers, *hash));
    registers
}

/// A register is as high as the longest run of zeroes with which the rest of a hash ends, and one.
fn raise(registers: &mut [u8], hash: u64) {
    let place = (hash % REGISTERS as u64) as usize;
    let run = (hash >> PRECISION).trailing_zeros().min(REST) as u8 + 1;
    registers[place] = registers[place].max(run);
}

#[cfg(test)]
mod tests {
    use super::super::hash;
    use super::*;

    fn of_numbers(numbers: impl Iterator<Item = u64>) -> Hll {
        let mut hll = Hll::default();
        numbers.for_each(|number| hll.add(hash::of_bytes(number.to_string().as_bytes())));
        hll
    }

    #[test]
    fn estimates_are_within_a_percent_as_a_rule_and_never_far() {
        for count in [200_u64, 1_000, 5_000, 20_000, 60_000, 120_000] {
            let errors: Vec<f64> = (0..12)
                .map(|seed| {
                    let found = of_numbers((0..count).map(|n| seed * 1_000_000_000 + n * 7)).count();
                    (found as f64 - count as f64).abs() / count as f64
                })
                .collect();
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            assert!(mean < 0.01, "{count}: {mean}");
            assert!(errors.iter().all(|error| *error < 0.03), "{count}: {errors:?}");
        }
    }

    #[test]
    fn few_values_are_counted_exactly() {
        for count in [0, 1, 2, 159, 160] {
            assert_eq!(of_numbers((0..count).chain(0..count)).count(), count);
        }
    }

    #[test]
    fn parts_make_the_same_whole_in_whatever_form_they_are() {
        for count in [3, 200, 1_000, 40_000] {
            let whole = of_numbers(0..count);
            for cut in [0, 1, count / 3, count - 1, count] {
                let (first, second) = (of_numbers(0..cut), of_numbers(cut / 2..count));
                for (one, other) in [(&first, &second), (&second, &first)] {
                    let mut both = Hll::decode(&one.encode()).unwrap();
                    both.merge(&Hll::decode(&other.encode()).unwrap());
                    assert_eq!(both, whole, "{count} {cut}");
                    assert_eq!(Hll::decode(&both.encode()).unwrap(), whole);
                }
            }
        }
    }

    #[test]
    fn bytes_are_as_short_as_they_can_be_and_every_other_one_is_seen() {
        assert_eq!(Hll::default().encode().len(), HEADER + SUM);
        assert_eq!(of_numbers(0..10).encode().len(), HEADER + 80 + SUM);
        assert!(of_numbers(0..1_000).encode().len() < HEADER + 3_000 + SUM);
        assert_eq!(of_numbers(0..40_000).encode().len(), HEADER + REGISTERS + SUM);
        for hll in [Hll::default(), of_numbers(0..5), of_numbers(0..300)] {
            let bytes = hll.encode();
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 0x41;
                assert!(Hll::decode(&other).is_err(), "{at}");
            }
            assert!(Hll::decode(&bytes[..bytes.len() - 1]).is_err());
        }
        assert!(Hll::decode(b"").is_err());
        assert!(Hll::decode(&[MAGIC, 2, 0]).unwrap_err().to_string().contains("newer than this"));
    }
}
