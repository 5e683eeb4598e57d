//! Rows gathered into sets of numbers.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use roaring::RoaringTreemap;

use crate::functions::sketches::{encoded, numbers, set_at};
use crate::functions::texts;

/// How a row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Bitmaps,
    Numbers,
    Integers,
}

/// One set of all rows.
#[derive(Debug)]
pub(super) struct Sets {
    reads: Reads,
    intersects: bool,
    counts: bool,
    /// None: no row had anything.
    set: Option<RoaringTreemap>,
}

impl Sets {
    pub(super) fn of_bitmaps(intersects: bool, counts: bool) -> Sets {
        Sets { reads: Reads::Bitmaps, intersects, counts, set: None }
    }

    pub(super) fn of_numbers(with_negative: bool, counts: bool) -> Sets {
        let reads = if with_negative { Reads::Integers } else { Reads::Numbers };
        Sets { reads, intersects: false, counts, set: None }
    }

    fn gather(&mut self, bitmaps: &ArrayRef) -> Result<()> {
        for row in 0..bitmaps.len() {
            let Some(set) = set_at(bitmaps, row)? else { continue };
            self.set = Some(match self.set.take() {
                None => set,
                Some(known) if self.intersects => known & set,
                Some(known) => known | set,
            });
        }
        Ok(())
    }
}

impl Accumulator for Sets {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = &values[0];
        let numbers = match (self.reads, values.as_primitive_opt::<Int64Type>()) {
            (Reads::Bitmaps, _) => return self.gather(values),
            (Reads::Integers, Some(whole)) => whole.iter().map(|number| number.map(i64::cast_unsigned)).collect(),
            _ => numbers(values)?,
        };
        if values.null_count() < values.len() {
            self.set.get_or_insert_default().extend(numbers.into_iter().flatten());
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.gather(&states[0])
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::LargeBinary(self.set.as_ref().map(encoded).transpose()?)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.counts {
            return Ok(ScalarValue::from(self.set.as_ref().map_or(0, RoaringTreemap::len).cast_signed()));
        }
        Ok(ScalarValue::LargeBinary(self.set.as_ref().map(encoded).transpose()?))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.set.as_ref().map_or(0, RoaringTreemap::serialized_size)
    }
}

/// For each of some values of a column, the set of the rows that have it; what counts is what is in all of them.
#[derive(Debug)]
pub(super) struct Common {
    sets: Vec<RoaringTreemap>,
}

impl Common {
    pub(super) fn new(chosen: usize) -> Common {
        Common { sets: vec![RoaringTreemap::new(); chosen] }
    }
}

impl Accumulator for Common {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [bitmaps, column, chosen @ ..] = values else { return Ok(()) };
        let rows = bitmaps.len();
        let column = texts(column, rows)?;
        for (wanted, set) in chosen.iter().zip(&mut self.sets) {
            let wanted = texts(wanted, rows)?;
            for row in (0..rows).filter(|row| column.is_valid(*row) && wanted.is_valid(*row)) {
                if column.value(row) == wanted.value(row)
                    && let Some(found) = set_at(bitmaps, row)?
                {
                    *set |= found;
                }
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (state, set) in states.iter().zip(&mut self.sets) {
            for row in 0..state.len() {
                if let Some(found) = set_at(state, row)? {
                    *set |= found;
                }
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.sets.iter().map(|set| Ok(ScalarValue::LargeBinary(Some(encoded(set)?)))).collect()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let common = self.sets.iter().cloned().reduce(|common, set| common & set);
        Ok(ScalarValue::from(common.map_or(0, |set| set.len()).cast_signed()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sets.iter().map(RoaringTreemap::serialized_size).sum::<usize>()
    }
}
