//! `__distinct_ordered(value, how, key, …)`: the different values of a group in an ARRAY, in the order of the keys that each had
//! first. What `array_agg(DISTINCT x ORDER BY y)` and `group_concat` of the same kind are made of. `how` has a word for each
//! key: `a` or `d` for ascending or descending, `f` or `l` for NULL first or last.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use super::DISTINCT_ORDERED;
use super::text::texts;
use super::typed::list;

/// See the words of this file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Ordered(Signature);

impl Ordered {
    pub(super) fn new() -> Ordered {
        Ordered(Signature::user_defined(Volatility::Immutable))
    }
}

impl AggregateUDFImpl for Ordered {
    fn name(&self) -> &str {
        DISTINCT_ORDERED
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() < 3 { plan_err!("{DISTINCT_ORDERED} needs a key") } else { Ok(given.to_vec()) }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(list(given.first().cloned().unwrap_or(DataType::Null)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |(at, of): (usize, &FieldRef)| {
            let data_type = if at == 1 { DataType::Utf8 } else { list(of.data_type().clone()) };
            Arc::new(Field::new(format_state_name(args.name, &format!("part{at}")), data_type, true))
        };
        Ok(args.input_fields.iter().enumerate().map(field).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let types = args.expr_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Box::new(Rows { types, how: None, seen: HashSet::new(), rows: Vec::new() }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// The different values, each with its keys.
#[derive(Debug)]
struct Rows {
    /// Of the arguments.
    types: Vec<DataType>,
    how: Option<String>,
    seen: HashSet<ScalarValue>,
    /// A value and its keys.
    rows: Vec<Vec<ScalarValue>>,
}

impl Rows {
    fn add(&mut self, columns: &[&ArrayRef], row: usize) -> Result<()> {
        let cells = columns.iter().map(|column| ScalarValue::try_from_array(column, row));
        let cells = cells.collect::<Result<Vec<_>>>()?;
        if self.seen.insert(cells[0].clone()) {
            self.rows.push(cells);
        }
        Ok(())
    }

    fn compare(&self, one: &[ScalarValue], other: &[ScalarValue]) -> Ordering {
        let words = self.how.as_deref().unwrap_or_default().split(' ');
        let keys = one.iter().zip(other).skip(1).zip(words);
        let by_key = keys.map(|((one, other), word)| {
            let nulls = if word.ends_with('f') { Ordering::Less } else { Ordering::Greater };
            match (one.is_null(), other.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) => nulls,
                (false, true) => nulls.reverse(),
                _ => {
                    let order = one.partial_cmp(other).unwrap_or(Ordering::Equal);
                    if word.starts_with('d') { order.reverse() } else { order }
                }
            }
        });
        by_key.fold(Ordering::Equal, Ordering::then)
    }

    /// The cells of all rows at a place, as an ARRAY.
    fn column(&self, at: usize, data_type: &DataType) -> ScalarValue {
        let cells: Vec<ScalarValue> = self.rows.iter().map(|row| row[at].clone()).collect();
        ScalarValue::List(ScalarValue::new_list(&cells, data_type, true))
    }
}

/// The arguments that are kept: all but the second.
fn kept<T>(parts: &[T]) -> Vec<&T> {
    parts.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, part)| part).collect()
}

impl Accumulator for Rows {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values[0].len();
        if self.how.is_none() && rows > 0 {
            self.how = texts(&values[1], rows)?.iter().next().flatten().map(str::to_owned);
        }
        let columns = kept(values);
        (0..rows).try_for_each(|row| self.add(&columns, row))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in 0..states[0].len() {
            let how = states[1].as_string::<i32>();
            if how.is_null(state) {
                continue;
            }
            self.how = Some(how.value(state).to_owned());
            let columns: Vec<ArrayRef> =
                kept(states).into_iter().map(|column| column.as_list::<i32>().value(state)).collect();
            let columns: Vec<&ArrayRef> = columns.iter().collect();
            (0..columns[0].len()).try_for_each(|row| self.add(&columns, row))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let types = kept(&self.types);
        let mut parts: Vec<ScalarValue> = types.iter().enumerate().map(|(at, of)| self.column(at, of)).collect();
        parts.insert(1, ScalarValue::Utf8(self.how.clone()));
        Ok(parts)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.rows.is_empty() {
            return ScalarValue::try_from(list(self.types[0].clone()));
        }
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by(|one, other| self.compare(one, other));
        self.rows = rows;
        Ok(self.column(0, &self.types[0]))
    }

    fn size(&self) -> usize {
        let cells = self.rows.iter().flatten().map(ScalarValue::size).sum::<usize>();
        size_of_val(self) + 2 * cells
    }
}
