//! Rows gathered into what is known of the values of a column: for ANALYZE.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use storage_model::{ColumnId, ColumnStatistics};
use storage_tablet::{TabletError, statistics};

use super::COLUMN_STATISTICS;

/// See the words of this file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Statistics {
    signature: Signature,
}

impl Statistics {
    pub(super) fn new() -> Statistics {
        Statistics { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Statistics {
    fn name(&self) -> &'static str {
        COLUMN_STATISTICS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [_] => Ok(given.to_vec()),
            _ => plan_err!("{COLUMN_STATISTICS} takes one column"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "statistics"), DataType::Utf8, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = args.exprs.first().map(|expr| expr.data_type(args.schema)).transpose()?;
        // Which column it is says whoever asks.
        Ok(Box::new(Gathered(statistics::of_none(ColumnId(0), &data_type.unwrap_or(DataType::Null)))))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// Of all rows so far.
#[derive(Debug)]
struct Gathered(ColumnStatistics);

fn external(error: TabletError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl Gathered {
    fn text(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::from(statistics::encode(&self.0).map_err(external)?))
    }
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        statistics::add(&mut self.0, &values[0]);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for text in states[0].as_string::<i32>().iter().flatten() {
            self.0.merge(&statistics::decode(text).map_err(external)?);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.text()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.text()
    }

    fn size(&self) -> usize {
        size_of_val(self) + 512
    }
}
