//! `__latest(value, sequence)`: of the values of a group the one with the greatest sequence. What REPLACE means where rows of
//! several rowsets are merged. The rows stay in the batches that they came in until there are too many of them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, FieldRef, UInt64Type};
use datafusion::common::{Result, exec_datafusion_err, not_impl_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};

/// Rows that nobody needs any more are let go of when there are more of them than groups and this.
const MOST_SPARE_ROWS: usize = 64 * 1024;

/// See the words of this file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Latest {
    name: &'static str,
    /// Whether NULL counts as a value.
    takes_null: bool,
    signature: Signature,
}

impl Latest {
    pub fn new(name: &'static str, takes_null: bool) -> Latest {
        Latest { name, takes_null, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Latest {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        arguments.first().cloned().ok_or_else(|| exec_datafusion_err!("{} of nothing", self.name))
    }

    /// A group has a row at least, so it can be NULL only where a value can.
    fn return_field(&self, arguments: &[FieldRef]) -> Result<FieldRef> {
        let value = arguments.first().ok_or_else(|| exec_datafusion_err!("{} of nothing", self.name))?;
        Ok(Arc::new(value.as_ref().clone().with_name(self.name)))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("{} without groups", self.name)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |part: &str, data_type| Arc::new(Field::new(format_state_name(args.name, part), data_type, true));
        Ok(vec![field("value", args.return_type().clone()), field("sequence", DataType::UInt64)])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(args.return_field.data_type(), self.takes_null)))
    }
}

struct Groups {
    takes_null: bool,
    /// Batches with rows that are wanted; the first is a NULL for groups that have none.
    batches: Vec<ArrayRef>,
    rows: usize,
    /// Batch and row of each group.
    chosen: Vec<(usize, usize)>,
    /// One more than the sequence of each group's row; 0: it has none.
    ranks: Vec<u64>,
}

impl Groups {
    fn new(data_type: &DataType, takes_null: bool) -> Groups {
        let (batches, chosen, ranks) = (vec![new_null_array(data_type, 1)], Vec::new(), Vec::new());
        Groups { takes_null, batches, rows: 0, chosen, ranks }
    }

    fn gather(&self, chosen: &[(usize, usize)]) -> Result<ArrayRef> {
        let batches: Vec<&dyn Array> = self.batches.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&batches, chosen)?)
    }

    /// Keeps the chosen rows only.
    fn tidy(&mut self) -> Result<()> {
        let values = self.gather(&self.chosen)?;
        self.chosen = (0..self.chosen.len()).map(|row| (1, row)).collect();
        self.rows = values.len();
        self.batches.truncate(1);
        self.batches.push(values);
        Ok(())
    }

    /// The rows of the groups that are given away.
    fn emit(&mut self, groups: EmitTo) -> Result<(ArrayRef, Vec<u64>)> {
        let chosen = groups.take_needed(&mut self.chosen);
        let values = self.gather(&chosen)?;
        let ranks = groups.take_needed(&mut self.ranks);
        self.tidy()?;
        Ok((values, ranks))
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        let [values, sequences] = values else { return not_impl_err!("a value and its sequence are needed") };
        let sequences = sequences.as_primitive::<UInt64Type>();
        self.chosen.resize(count, (0, 0));
        self.ranks.resize(count, 0);
        let batch = self.batches.len();
        let mut is_wanted = false;
        for (row, group) in groups.iter().enumerate() {
            let is_out = filter.is_some_and(|filter| !filter.is_valid(row) || !filter.value(row));
            if is_out || sequences.is_null(row) || (!self.takes_null && values.is_null(row)) {
                continue;
            }
            let rank = sequences.value(row) + 1;
            if rank >= self.ranks[*group] {
                self.ranks[*group] = rank;
                self.chosen[*group] = (batch, row);
                is_wanted = true;
            }
        }
        if is_wanted {
            self.rows += values.len();
            self.batches.push(Arc::clone(values));
        }
        if self.rows > 2 * count + MOST_SPARE_ROWS { self.tidy() } else { Ok(()) }
    }

    fn merge_batch(&mut self, state: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.update_batch(state, groups, None, count)
    }

    fn evaluate(&mut self, groups: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(groups)?.0)
    }

    fn state(&mut self, groups: EmitTo) -> Result<Vec<ArrayRef>> {
        let (values, ranks) = self.emit(groups)?;
        let sequences: UInt64Array = ranks.into_iter().map(|rank| rank.checked_sub(1)).collect();
        Ok(vec![values, Arc::new(sequences)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let [values, sequences] = values else { return not_impl_err!("a value and its sequence are needed") };
        let known = sequences.as_primitive::<UInt64Type>();
        let counts = |row: &usize| {
            let is_out = filter.is_some_and(|filter| !filter.is_valid(*row) || !filter.value(*row));
            !is_out && known.is_valid(*row) && (self.takes_null || values.is_valid(*row))
        };
        let counted: UInt64Array = (0..known.len()).map(|row| counts(&row).then(|| known.value(row))).collect();
        Ok(vec![Arc::clone(values), Arc::new(counted)])
    }

    fn size(&self) -> usize {
        let places = self.chosen.capacity() * size_of::<(usize, usize)>() + self.ranks.capacity() * size_of::<u64>();
        self.batches.iter().map(|batch| batch.get_array_memory_size()).sum::<usize>() + places
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    /// Feeds batches of (group, sequence, text) and gives what each group has.
    fn latest(takes_null: bool, batches: &[&[(usize, u64, Option<&str>)]], groups: usize) -> Groups {
        let mut latest = Groups::new(&DataType::Utf8, takes_null);
        for batch in batches {
            let values: ArrayRef = Arc::new(batch.iter().map(|row| row.2).collect::<StringArray>());
            let sequences: ArrayRef = Arc::new(UInt64Array::from_iter_values(batch.iter().map(|row| row.1)));
            let places: Vec<usize> = batch.iter().map(|row| row.0).collect();
            latest.update_batch(&[values, sequences], &places, None, groups).unwrap();
        }
        latest
    }

    fn texts(array: &ArrayRef) -> Vec<Option<&str>> {
        array.as_string::<i32>().iter().collect()
    }

    const BATCHES: [&[(usize, u64, Option<&str>)]; 3] = [
        &[(0, 3, Some("c")), (1, 0, Some("x")), (0, 1, Some("a"))],
        &[(0, 2, Some("b")), (1, 5, None)],
        &[(2, 0, None), (0, 0, None)],
    ];

    #[test]
    fn the_greatest_sequence_wins_in_whatever_order_rows_come() {
        let found = latest(true, &BATCHES, 3).evaluate(EmitTo::All).unwrap();
        assert_eq!(texts(&found), [Some("c"), None, None]);
        let found = latest(false, &BATCHES, 3).evaluate(EmitTo::All).unwrap();
        assert_eq!(texts(&found), [Some("c"), Some("x"), None]);
    }

    #[test]
    fn groups_go_one_by_one_and_come_back_as_state() {
        let mut first = latest(false, &BATCHES[..2], 3);
        assert_eq!(texts(&first.evaluate(EmitTo::First(1)).unwrap()), [Some("c")]);
        let mut rest = latest(false, &[&[(0, 9, Some("z")), (1, 1, Some("y"))]], 2);
        let state = first.state(EmitTo::All).unwrap();
        rest.merge_batch(&state, &[1, 0], 2).unwrap();
        assert_eq!(texts(&rest.evaluate(EmitTo::All).unwrap()), [Some("z"), Some("y")]);
    }

    #[test]
    fn rows_that_nobody_needs_are_let_go_of() {
        let mut groups = Groups::new(&DataType::Utf8, true);
        for n in 0..200_u64 {
            let values: ArrayRef = Arc::new(StringArray::from(vec![format!("text {n}"); 8192]));
            let sequences: ArrayRef = Arc::new(UInt64Array::from(vec![n; 8192]));
            groups.update_batch(&[values, sequences], &vec![0; 8192], None, 1).unwrap();
            assert!(groups.rows <= MOST_SPARE_ROWS + 8192);
        }
        assert_eq!(texts(&groups.evaluate(EmitTo::All).unwrap()), [Some("text 199")]);
    }
}
