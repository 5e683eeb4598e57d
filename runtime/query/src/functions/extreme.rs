//! `max_by(x, y)` and `min_by(x, y)`: the x, NULL too, of the row with the greatest or the least y that is not NULL; of several
//! such rows the first.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

/// See the words of this file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct By {
    name: &'static str,
    wanted: Ordering,
    signature: Signature,
}

impl By {
    /// Both of them.
    pub(super) fn all() -> [By; 2] {
        [("max_by", Ordering::Greater), ("min_by", Ordering::Less)].map(|(name, wanted)| By {
            name,
            wanted,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }
}

impl AggregateUDFImpl for By {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [_, by] if !by.is_nested() && !super::sketches::is_sketch(by) => Ok(given.to_vec()),
            _ => {
                let types: Vec<String> = given.iter().map(super::type_text).collect();
                plan_err!("No matching function with signature: {}({})", self.name, types.join(", "))
            }
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given.first().cloned().unwrap_or(DataType::Null))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |part: &str, field: &FieldRef| {
            Arc::new(Field::new(format_state_name(args.name, part), field.data_type().clone(), true))
        };
        Ok(args.input_fields.iter().zip(["value", "by"]).map(|(of, part)| field(part, of)).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let null = |at: usize| match args.expr_fields.get(at) {
            Some(field) => ScalarValue::try_from(field.data_type()),
            None => Ok(ScalarValue::Null),
        };
        Ok(Box::new(Extreme { wanted: self.wanted, value: null(0)?, by: null(1)? }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

#[derive(Debug)]
struct Extreme {
    wanted: Ordering,
    value: ScalarValue,
    by: ScalarValue,
}

impl Extreme {
    fn best(&self, by: &ArrayRef) -> Result<Option<usize>> {
        let compare = make_comparator(by, by, SortOptions::default())?;
        let rows = (0..by.len()).filter(|row| by.is_valid(*row));
        Ok(rows.reduce(|best, row| if compare(row, best) == self.wanted { row } else { best }))
    }
}

impl Accumulator for Extreme {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values, by] = values else { return Ok(()) };
        if by.data_type().is_null() {
            return Ok(());
        }
        let Some(row) = self.best(by)? else { return Ok(()) };
        let found = ScalarValue::try_from_array(by, row)?;
        if self.by.is_null() || found.partial_cmp(&self.by) == Some(self.wanted) {
            self.value = ScalarValue::try_from_array(values, row)?;
            self.by = found;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.by.clone()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size() + self.by.size()
    }
}
