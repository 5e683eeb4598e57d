//! Functions whose types follow from those of their arguments: what all functions on ARRAY, MAP, STRUCT and JSON are made of.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, UInt32Array, new_null_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use storage_tablet::map_parts;

use crate::nested;

/// Digits of a LARGEINT.
const LARGE: DataType = DataType::Decimal256(storage_tablet::types::LARGEINT_PRECISION, 0);

/// Over arrays of one length, and the type of the result.
pub(super) type Body = fn(&[ArrayRef], usize, &DataType) -> Result<ArrayRef>;

/// A function over arrays of one length.
pub(super) struct Typed {
    name: &'static str,
    /// What the arguments are cast to; None: it takes no such arguments.
    accepts: fn(&[DataType]) -> Option<Vec<DataType>>,
    /// What it gives for arguments that are cast.
    returns: fn(&[DataType]) -> DataType,
    body: Body,
    /// Whether a first argument that is constant comes as one value, not as one for each row.
    once: bool,
    signature: Signature,
}

impl Typed {
    pub(super) fn new(
        name: &'static str,
        accepts: fn(&[DataType]) -> Option<Vec<DataType>>,
        returns: fn(&[DataType]) -> DataType,
        body: Body,
    ) -> Typed {
        let signature = Signature::user_defined(Volatility::Immutable);
        Typed { name, accepts, returns, body, once: false, signature }
    }

    /// A first argument that is constant comes as one value.
    pub(super) fn once(mut self) -> Typed {
        self.once = true;
        self
    }
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Typed").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Typed {
    fn eq(&self, other: &Typed) -> bool {
        self.name == other.name
    }
}

impl Eq for Typed {}

impl Hash for Typed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Typed {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok((self.returns)(arguments))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.name, (self.returns)(&types), true)))
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match (self.accepts)(arguments) {
            Some(types) => Ok(types),
            None => {
                let types: Vec<String> = arguments.iter().map(type_text).collect();
                let name = self.name.trim_start_matches("__");
                plan_err!("No matching function with signature: {name}({})", types.join(", "))
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let array = |(at, arg): (usize, &ColumnarValue)| match arg {
            ColumnarValue::Scalar(_) if self.once && at == 0 => arg.to_array(1),
            _ => arg.to_array(rows),
        };
        let arrays = args.args.iter().enumerate().map(array).collect::<Result<Vec<_>>>()?;
        let array = (self.body)(&arrays, rows, args.return_field.data_type())?;
        if array.data_type() != args.return_field.data_type() {
            return exec_err!("{} gave {} for {}", self.name, array.data_type(), args.return_field.data_type());
        }
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// A type in memory as StarRocks names it.
pub(crate) fn type_text(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "null_type".to_owned(),
        map @ DataType::Map(..) => match map_parts(map) {
            Some((key, value)) => format!("map<{},{}>", type_text(key), type_text(value)),
            None => map.to_string(),
        },
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|f| format!("{} {}", f.name(), type_text(f.data_type()))).collect();
            format!("struct<{}>", fields.join(", "))
        }
        other => match (element(other), crate::plan::result_type(other)) {
            (Some(element), _) => format!("array<{}>", type_text(&element)),
            (None, crate::plan::ResultType::Column(data_type)) => data_type.to_sql(),
            (None, crate::plan::ResultType::Binary) => "varbinary".to_owned(),
            (None, _) => other.to_string(),
        },
    }
}

/// The type of the elements of an ARRAY; None: the type is of none.
pub(super) fn element(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(field.data_type().clone())
        }
        _ => None,
    }
}

/// The same where NULL is an ARRAY too.
pub(super) fn element_or_null(data_type: &DataType) -> Option<DataType> {
    if data_type.is_null() { Some(DataType::Null) } else { element(data_type) }
}

/// ARRAY of a type.
pub(super) fn list(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

/// Keys and values of a MAP.
pub(super) fn pair(data_type: &DataType) -> Option<(DataType, DataType)> {
    map_parts(data_type).map(|(key, value)| (key.clone(), value.clone()))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Utf8View)
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(_, _))
}

/// The one type that values of all these types become beside each other.
pub(crate) fn common(types: &[DataType]) -> Option<DataType> {
    let known: Vec<&DataType> = types.iter().filter(|t| !t.is_null()).collect();
    let first = match known.split_first() {
        None => return Some(DataType::Null),
        Some((first, rest)) if rest.iter().all(|t| t == first) => return Some((*first).clone()),
        Some((first, _)) => *first,
    };
    if known.iter().all(|t| element(t).is_some()) {
        let elements: Vec<DataType> = known.iter().filter_map(|t| element(t)).collect();
        return common(&elements).map(list);
    }
    if known.iter().all(|t| pair(t).is_some()) {
        let (keys, values): (Vec<_>, Vec<_>) = known.iter().filter_map(|t| pair(t)).unzip();
        return Some(storage_tablet::map_type(common(&keys)?, common(&values)?));
    }
    if let DataType::Struct(fields) = first {
        return common_struct(fields, &known);
    }
    if known.iter().any(|t| t.is_nested()) {
        return None;
    }
    if known.iter().any(|t| is_time(t)) && known.iter().all(|t| is_time(t) || is_text(t)) {
        let days_only = known.iter().all(|t| is_text(t) || **t == DataType::Date32);
        return Some(if days_only { DataType::Date32 } else { super::DATETIME });
    }
    if known.iter().any(|t| **t == DataType::LargeUtf8) {
        return Some(DataType::LargeUtf8);
    }
    if known.iter().any(|t| is_text(t)) {
        return Some(DataType::Utf8);
    }
    let numbers: Vec<DataType> =
        known.iter().map(|t| if **t == DataType::Boolean { DataType::Int8 } else { (*t).clone() }).collect();
    let is_whole =
        |t: &DataType| t.is_integer() || matches!(t, DataType::Decimal128(_, 0) | DataType::Decimal256(_, 0));
    if numbers.contains(&LARGE) && numbers.iter().all(is_whole) {
        return Some(LARGE);
    }
    // A FLOAT has no digits to spare for a DECIMAL.
    if numbers.contains(&DataType::Float32) && numbers.iter().any(DataType::is_decimal) {
        return Some(DataType::Float64);
    }
    type_union_resolution(&numbers)
}

fn common_struct(fields: &arrow::datatypes::Fields, known: &[&DataType]) -> Option<DataType> {
    let mut merged = Vec::with_capacity(fields.len());
    for (at, field) in fields.iter().enumerate() {
        let part = |data_type: &&DataType| match data_type {
            DataType::Struct(other) if other.len() == fields.len() => Some(other[at].data_type().clone()),
            _ => None,
        };
        let parts = known.iter().map(part).collect::<Option<Vec<DataType>>>()?;
        merged.push(Field::new(field.name(), common(&parts)?, true));
    }
    Some(DataType::Struct(merged.into()))
}

/// The lists of an argument. NULL is a list of nothing.
pub(super) fn lists(array: &ArrayRef) -> Result<ListArray> {
    if array.data_type().is_null() {
        return Ok(nested::plain_list(&new_null_array(&list(DataType::Null), array.len()))?);
    }
    Ok(nested::plain_list(array)?)
}

/// Where the elements of a list are; None: it is NULL.
pub(super) fn places(lists: &ListArray, row: usize) -> Option<std::ops::Range<usize>> {
    let offsets = lists.value_offsets();
    lists.is_valid(row).then(|| offsets[row] as usize..offsets[row + 1] as usize)
}

/// Lists of chosen values, row by row; a place that is None is NULL, and so is a row.
pub(super) struct Chosen {
    places: Vec<Option<u32>>,
    offsets: Vec<i32>,
    valid: Vec<bool>,
}

impl Chosen {
    pub(super) fn with_capacity(rows: usize) -> Chosen {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Chosen { places: Vec::new(), offsets, valid: Vec::with_capacity(rows) }
    }

    /// One more value of the row that is being chosen.
    pub(super) fn push(&mut self, place: Option<usize>) {
        self.places.push(place.and_then(|place| u32::try_from(place).ok()));
    }

    /// The row is complete.
    pub(super) fn end_row(&mut self, is_valid: bool) -> Result<()> {
        let Ok(end) = i32::try_from(self.places.len()) else {
            return exec_err!("too many values in the arrays of a batch");
        };
        self.offsets.push(end);
        self.valid.push(is_valid);
        Ok(())
    }

    /// A row of these values; None: it is NULL.
    pub(super) fn row(&mut self, places: Option<impl IntoIterator<Item = usize>>) -> Result<()> {
        let is_valid = places.is_some();
        places.into_iter().flatten().for_each(|place| self.push(Some(place)));
        self.end_row(is_valid)
    }

    /// Where the values of the rows are, and which rows are NULL.
    pub(super) fn parts(self) -> (UInt32Array, OffsetBuffer<i32>, NullBuffer) {
        (self.places.into_iter().collect(), OffsetBuffer::new(self.offsets.into()), NullBuffer::from(self.valid))
    }

    /// The lists.
    pub(super) fn finish(self, values: &ArrayRef) -> Result<ArrayRef> {
        let (places, offsets, nulls) = self.parts();
        let values = take(values, &places, None)?;
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        Ok(Arc::new(ListArray::try_new(field, offsets, values, Some(nulls))?))
    }
}

/// The one type of some arguments' elements: every argument an ARRAY of it.
pub(super) fn same_arrays(types: &[DataType]) -> Option<Vec<DataType>> {
    let elements = types.iter().map(element_or_null).collect::<Option<Vec<_>>>()?;
    let element = common(&elements)?;
    (!types.is_empty()).then(|| vec![list(element); types.len()])
}

/// One ARRAY.
pub(super) fn one_array(types: &[DataType]) -> Option<Vec<DataType>> {
    if types.len() == 1 { same_arrays(types) } else { None }
}

/// Two ARRAYs of one type.
pub(super) fn two_arrays(types: &[DataType]) -> Option<Vec<DataType>> {
    if types.len() == 2 { same_arrays(types) } else { None }
}

/// An ARRAY and a value that could be its element.
pub(super) fn array_and_element(types: &[DataType]) -> Option<Vec<DataType>> {
    let [array, value] = types else { return None };
    let element = common(&[element_or_null(array)?, value.clone()])?;
    Some(vec![list(element.clone()), element])
}

/// Gives what the first argument is.
pub(super) fn like_first(types: &[DataType]) -> DataType {
    types.first().cloned().unwrap_or(DataType::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beside_each_other_have_one_type() {
        let decimal = |precision, scale| DataType::Decimal128(precision, scale);
        for (types, expected) in [
            (vec![DataType::Int8, DataType::Null], Some(DataType::Int8)),
            (vec![DataType::Int8, DataType::Int64], Some(DataType::Int64)),
            (vec![DataType::Boolean, DataType::Int32], Some(DataType::Int32)),
            (vec![DataType::Int64, DataType::Utf8], Some(DataType::Utf8)),
            (vec![DataType::Date32, DataType::Utf8], Some(DataType::Date32)),
            (vec![DataType::Date32, super::super::DATETIME], Some(super::super::DATETIME)),
            (vec![LARGE, DataType::Int64, decimal(30, 0)], Some(LARGE)),
            (vec![list(DataType::Int8), list(DataType::Float64)], Some(list(DataType::Float64))),
            (vec![list(DataType::Null), list(list(DataType::Int8))], Some(list(list(DataType::Int8)))),
            (vec![list(DataType::Int8), DataType::Int8], None),
            (vec![DataType::LargeUtf8, DataType::Utf8], Some(DataType::LargeUtf8)),
            (vec![DataType::Float32, decimal(3, 2)], Some(DataType::Float64)),
            (vec![DataType::Float32, DataType::Int64], Some(DataType::Float32)),
            (vec![], Some(DataType::Null)),
        ] {
            assert_eq!(common(&types), expected, "{types:?}");
        }
    }

    #[test]
    fn types_are_named_as_starrocks_names_them() {
        let pair = vec![Field::new("a", DataType::Int32, true), Field::new("b", list(DataType::LargeUtf8), true)];
        let nested = storage_tablet::map_type(DataType::Utf8, DataType::Struct(pair.into()));
        assert_eq!(type_text(&nested), "map<varchar(65533),struct<a int(11), b array<json>>>");
        assert_eq!(type_text(&LARGE), "largeint(40)");
    }
}
