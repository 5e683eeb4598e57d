//! Rows gathered into what is known of how their values are spread.

use arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use datafusion_functions_aggregate_common::tdigest::TDigest;

use crate::functions::percentiles::{digest_at, encode, merged};

/// One PERCENTILE of all rows; None: no row had one.
#[derive(Debug, Default)]
pub(super) struct Digest(Option<TDigest>);

impl Digest {
    fn encoded(&self) -> ScalarValue {
        ScalarValue::Binary(self.0.as_ref().map(encode))
    }
}

impl Accumulator for Digest {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let digests = (0..values[0].len()).map(|row| digest_at(&values[0], row)).collect::<Result<Vec<_>>>()?;
        if digests.iter().any(Option::is_some) {
            self.0 = Some(merged(self.0.iter().chain(digests.iter().flatten())));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.encoded()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.encoded())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.as_ref().map_or(0, TDigest::size)
    }
}
