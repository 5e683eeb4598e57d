//! PERCENTILE: about how many values are below which, kept as a t-digest. Values of it are VARBINARY here.
//!
//! ```text
//!   50  version  least  greatest  (mean, weight) …  CRC-32 of all before it (4 bytes); numbers of 8 bytes, by rising mean
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion_functions_aggregate_common::tdigest::{Centroid, TDigest};

use super::sketches::{Want, wanted};
use super::typed::Typed;

const MAGIC: u8 = 0x50;
const VERSION: u8 = 1;
const HEADER: usize = 2;
const SUM: usize = 4;
/// Values beside which others are counted, at most about: what is known of a share is right to a thousandth of all values.
const CENTROIDS: usize = 1000;

pub(super) fn functions() -> Vec<Typed> {
    vec![
        Typed::new("percentile_hash", one_number, |_| DataType::Binary, of_numbers),
        Typed::new(
            "percentile_empty",
            |types| wanted(types, &[]),
            |_| DataType::Binary,
            |_, rows, _| {
                let empty = encode(&TDigest::new(CENTROIDS));
                Ok(Arc::new(BinaryArray::from_iter_values((0..rows).map(|_| &empty))))
            },
        ),
        Typed::new("percentile_approx_raw", digest_and_share, |_| DataType::Float64, values_at),
    ]
}

fn is_number(given: &DataType) -> bool {
    given.is_numeric() || given.is_null() || given == &DataType::Boolean
}

fn one_number(types: &[DataType]) -> Option<Vec<DataType>> {
    matches!(types, [only] if is_number(only) || only.is_string()).then(|| vec![DataType::Float64])
}

fn digest_and_share(types: &[DataType]) -> Option<Vec<DataType>> {
    let [digest, share] = types else { return None };
    let digest = wanted(std::slice::from_ref(digest), &[Want::Percentile])?;
    is_number(share).then(|| [digest, vec![DataType::Float64]].concat())
}

/// The bytes of a digest.
pub(super) fn encode(digest: &TDigest) -> Vec<u8> {
    let mut bytes = vec![MAGIC, VERSION];
    if digest.count() > 0.0 {
        let numbers = digest.centroids().iter().flat_map(|centroid| [centroid.mean(), centroid.weight()]);
        for number in [digest.min(), digest.max()].into_iter().chain(numbers) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The digest of bytes.
///
/// # Errors
/// When they are of none, or of a version that is newer than this.
pub(super) fn decode(bytes: &[u8]) -> Result<TDigest> {
    match bytes {
        [MAGIC, version, ..] if *version > VERSION => {
            return exec_err!("a PERCENTILE has version {version}, newer than this");
        }
        [MAGIC, VERSION, ..] if bytes.len() >= HEADER + SUM => {}
        _ => return exec_err!("bytes that are no PERCENTILE"),
    }
    let (body, sum) = bytes.split_at(bytes.len() - SUM);
    if crc32fast::hash(body).to_le_bytes() != sum {
        return exec_err!("a PERCENTILE has another CRC-32");
    }
    let (numbers, rest) = body[HEADER..].as_chunks::<8>();
    let numbers: Vec<f64> = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
    let (pairs, []) = numbers.as_chunks::<2>() else { return exec_err!("a PERCENTILE ends within a number") };
    if !rest.is_empty() || numbers.iter().any(|number| !number.is_finite()) {
        return exec_err!("a PERCENTILE has no numbers where they should be");
    }
    let Some(([least, greatest], pairs)) = pairs.split_first() else { return Ok(TDigest::new(CENTROIDS)) };
    let centroids: Vec<Centroid> = pairs.iter().map(|[mean, weight]| Centroid::new(*mean, *weight)).collect();
    let (sum, count) =
        pairs.iter().fold((0.0, 0.0), |(sum, count), [mean, weight]| (sum + mean * weight, count + weight));
    TDigest::try_from_parts(CENTROIDS, sum, count, *greatest, *least, centroids)
}

/// What all of these have counted.
pub(super) fn merged<'a>(digests: impl IntoIterator<Item = &'a TDigest>) -> TDigest {
    let counted: Vec<&TDigest> = digests.into_iter().filter(|digest| digest.count() > 0.0).collect();
    if counted.is_empty() { TDigest::new(CENTROIDS) } else { TDigest::merge_digests(counted) }
}

/// NULL, and what is no number, counts as nothing.
fn of_numbers(args: &[ArrayRef], _: usize, _: &DataType) -> Result<ArrayRef> {
    let numbers = args[0].as_primitive::<Float64Type>();
    let digest = |number: Option<f64>| match number.filter(|number| number.is_finite()) {
        Some(number) => TDigest::new_with_centroid(CENTROIDS, Centroid::new(number, 1.0)),
        None => TDigest::new(CENTROIDS),
    };
    Ok(Arc::new(BinaryArray::from_iter_values(numbers.iter().map(|number| encode(&digest(number))))))
}

/// The digest in a row; None: it is NULL.
pub(super) fn digest_at(digests: &ArrayRef, row: usize) -> Result<Option<TDigest>> {
    let digests = digests.as_binary::<i32>();
    digests.is_valid(row).then(|| decode(digests.value(row))).transpose()
}

/// The value below which a share of all are; NULL of none.
fn values_at(args: &[ArrayRef], rows: usize, _: &DataType) -> Result<ArrayRef> {
    let shares = args[1].as_primitive::<Float64Type>();
    let mut found = Vec::with_capacity(rows);
    for row in 0..rows {
        let digest = digest_at(&args[0], row)?;
        let Some((digest, share)) = digest.zip(shares.is_valid(row).then(|| shares.value(row))) else {
            found.push(None);
            continue;
        };
        if !(0.0..=1.0).contains(&share) {
            return exec_err!("percentile_approx_raw: the second parameter must be between 0 and 1");
        }
        found.push((digest.count() > 0.0).then(|| digest.estimate_quantile(share)));
    }
    Ok(Arc::new(Float64Array::from(found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_what_they_were_or_refused() {
        let digest = TDigest::new(CENTROIDS).merge_unsorted_f64((0..5000).map(f64::from).collect());
        let bytes = encode(&digest);
        assert!(bytes.len() < 32 << 10, "{}", bytes.len());
        let again = decode(&bytes).unwrap();
        assert_eq!((again.count(), again.centroids()), (digest.count(), digest.centroids()));
        assert_eq!((again.min(), again.max()), (0.0, 4999.0));
        assert_eq!(decode(&encode(&TDigest::new(CENTROIDS))).unwrap().count(), 0.0);
        let sealed = |body: &[u8]| [body, &crc32fast::hash(body).to_le_bytes()].concat();
        let pair = |mean: f64, weight: f64| [mean.to_le_bytes(), weight.to_le_bytes()].concat();
        for (bytes, expected) in [
            (Vec::new(), "no PERCENTILE"),
            (b"text".to_vec(), "no PERCENTILE"),
            (bytes[..bytes.len() - 1].to_vec(), "another CRC-32"),
            (sealed(&[MAGIC, VERSION + 1]), "newer than this"),
            (sealed(&[MAGIC, VERSION, 1]), "no numbers where"),
            (sealed(&[&[MAGIC, VERSION][..], &1_f64.to_le_bytes()].concat()), "ends within a number"),
            (sealed(&[vec![MAGIC, VERSION], pair(0.0, 1.0), pair(0.5, f64::NAN)].concat()), "no numbers where"),
            (sealed(&[vec![MAGIC, VERSION], pair(0.0, 1.0), pair(0.5, -1.0)].concat()), "weight must be"),
            (sealed(&[vec![MAGIC, VERSION], pair(2.0, 1.0)].concat()), "less than min"),
        ] {
            let error = decode(&bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn parts_make_the_whole() {
        let part = |from: i32| {
            TDigest::new(CENTROIDS).merge_unsorted_f64((0..10_000).map(|n| f64::from(n * 4 + from)).collect())
        };
        let parts: Vec<TDigest> = (0..4).map(|from| decode(&encode(&part(from))).unwrap()).collect();
        let whole = merged(&parts);
        assert_eq!(whole.count(), 40_000.0);
        for share in [0.01, 0.25, 0.5, 0.9, 0.999] {
            assert!((whole.estimate_quantile(share) - share * 40_000.0).abs() < 40.0, "{share}");
        }
    }
}
