//! Values that no other row has: `uuid()` and `uuid_numeric()`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal256Array, StringArray};
use arrow::datatypes::{DataType, i256};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use uuid::Uuid;

/// As it is written: `6d7a1f0e-…`.
pub(crate) const UUID: &str = "uuid";
/// A LARGEINT, not negative.
pub(crate) const UUID_NUMERIC: &str = "uuid_numeric";

/// See the module.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Fresh {
    name: &'static str,
    signature: Signature,
}

impl Fresh {
    /// Both of them.
    pub(super) fn all() -> [Fresh; 2] {
        [UUID, UUID_NUMERIC].map(|name| Fresh { name, signature: Signature::nullary(Volatility::Volatile) })
    }
}

/// A number that is drawn at random.
pub(crate) fn number() -> i128 {
    // The sign is not its own.
    (Uuid::new_v4().as_u128() >> 1) as i128
}

impl ScalarUDFImpl for Fresh {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.name {
            UUID => DataType::Utf8,
            _ => crate::types::arrow_type(&storage_model::DataType::LargeInt),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let array: ArrayRef = match self.return_type(&[])? {
            DataType::Utf8 => Arc::new(StringArray::from_iter_values((0..rows).map(|_| Uuid::new_v4().to_string()))),
            other => {
                let numbers = (0..rows).map(|_| i256::from_i128(number()));
                Arc::new(Decimal256Array::from_iter_values(numbers).with_data_type(other))
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}
