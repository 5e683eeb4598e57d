//! Rows gathered into an estimate of how many different values they have.

use arrow::array::{Array, ArrayRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use storage_tablet::sketch::{Hll, hash};

use crate::functions::sketches::hll_at;
use crate::functions::text::bytes_of_rows;

/// One HLL of all rows.
#[derive(Debug)]
pub(super) struct Sketch {
    reads_values: bool,
    counts: bool,
    /// None: no row had anything.
    hll: Option<Hll>,
}

impl Sketch {
    pub(super) fn of_hlls(counts: bool) -> Sketch {
        Sketch { reads_values: false, counts, hll: None }
    }

    pub(super) fn of_values() -> Sketch {
        Sketch { reads_values: true, counts: true, hll: None }
    }

    fn encoded(&self) -> ScalarValue {
        ScalarValue::BinaryView(self.hll.as_ref().map(Hll::encode))
    }
}

impl Accumulator for Sketch {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if !self.reads_values {
            return self.merge_batch(values);
        }
        let values = &values[0];
        for hash in bytes_of_rows(values, values.len(), hash::of_bytes).into_iter().flatten() {
            self.hll.get_or_insert_default().add(hash);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let hlls = &states[0];
        for row in 0..hlls.len() {
            match (hll_at(hlls, row)?, &mut self.hll) {
                (Some(hll), Some(known)) => known.merge(&hll),
                (Some(hll), none) => *none = Some(hll),
                (None, _) => {}
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.encoded()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.counts {
            return Ok(ScalarValue::from(self.hll.as_ref().map_or(0, Hll::count).cast_signed()));
        }
        Ok(self.encoded())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.hll.as_ref().map_or(0, Hll::size)
    }
}
