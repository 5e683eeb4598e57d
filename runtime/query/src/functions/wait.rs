//! `sleep(n)`: true after n seconds. The row waits, no thread does: a statement that is killed or out of time drops it.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Int64Type};
use async_trait::async_trait;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

const NAME: &str = "sleep";

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sleep(Signature);

/// The function.
pub(super) fn sleep() -> ScalarUDF {
    AsyncScalarUDF::new(Arc::new(Sleep(Signature::any(1, Volatility::Volatile)))).into_scalar_udf()
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{NAME} stands where a value must be known at once")
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Sleep {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let Some(arg) = args.args.first() else { return exec_err!("{NAME} needs seconds") };
        let seconds = arrow::compute::cast(&arg.to_array(rows)?, &DataType::Int64)?;
        let seconds = seconds.as_primitive::<Int64Type>();
        for wait in seconds.iter().flatten().filter_map(|s| u64::try_from(s).ok()).filter(|s| *s > 0) {
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
        let slept: BooleanArray = (0..rows).map(|row| seconds.is_valid(row).then_some(true)).collect();
        Ok(ColumnarValue::Array(Arc::new(slept)))
    }
}
