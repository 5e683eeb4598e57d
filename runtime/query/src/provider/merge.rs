//! Rows of several rowsets of one tablet become one a key, as the key model of the table says. A single rowset never holds a
//! key twice, so a tablet that has but one is read as it is.
//!
//! ```text
//!   tablets with one rowset:   scan ───────────────────────────────────────────────┐
//!                                                                                   ├─ union
//!   all others:                scan (+ SEQUENCE) ── aggregate by key ── projection ──┘
//! ```
//!
//! Filters stand above. Those on key columns may sink to the scan, for they keep all rows of a key or none; others may not.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Schema};
use datafusion::catalog::Session;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::AggregateUDF;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column as PhysicalColumn, cast, lit};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use storage_model::{Aggregation, Column, PartitionId, Table};

use super::scan::{Piece, SEQUENCE, scan_plan, with_constant};
use crate::functions::merged::{MERGED, described};
use crate::functions::{BITMAP_UNION, HLL_UNION, LATEST, LATEST_NOT_NULL, own, own_aggregate};

/// A sum of so many digits needs more than 128 bits.
const MOST_DIGITS_IN_128_BITS: u8 = 28;

/// How many of the pieces each tablet has.
pub(crate) fn tablets(pieces: &[Piece]) -> BTreeMap<(PartitionId, u32), usize> {
    let mut tablets = BTreeMap::new();
    for piece in pieces {
        *tablets.entry((piece.partition, piece.bucket)).or_default() += 1;
    }
    tablets
}

/// The plan that reads the pieces, the rows of each tablet merged where the key model says so.
pub(crate) fn rows_plan(
    state: &dyn Session,
    table: &Table,
    schema: &TableSchema,
    pieces: Vec<Piece>,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if !table.model.merges_when_read() {
        return scan_plan(state, schema, pieces, projection, limit);
    }
    let tablets = tablets(&pieces);
    let is_alone = |piece: &Piece| tablets.get(&(piece.partition, piece.bucket)) == Some(&1);
    let (plain, several): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(is_alone);
    if several.is_empty() {
        return scan_plan(state, schema, plain, projection, limit);
    }
    let merged = merge(state, table, schema, several, projection)?;
    if plain.is_empty() {
        return Ok(merged);
    }
    UnionExec::try_new(vec![scan_plan(state, schema, plain, projection, limit)?, merged])
}

/// The plan that merges the rows of all pieces by key, the greatest sequence being the newest.
pub(crate) fn merge(
    state: &dyn Session,
    table: &Table,
    schema: &TableSchema,
    pieces: Vec<Piece>,
    projection: Option<&Vec<usize>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let all = schema.table_schema();
    let wanted = projection.cloned().unwrap_or_else(|| (0..all.fields().len()).collect());
    let stored = table.schema.columns.len();
    // The partition of a row follows from its key.
    let by = |at: &usize| *at >= stored || table.schema.columns[*at].key;
    let mut read = table.schema.key_positions();
    read.extend(wanted.iter().copied().filter(|at| *at >= stored));
    let keys = read.len();
    read.extend(wanted.iter().copied().filter(|at| !by(at)));
    let values = read[keys..].to_vec();
    // The sequence stands behind all columns.
    read.push(all.fields().len());
    let scan = scan_plan(state, &with_constant(schema, SEQUENCE), pieces, Some(&read), None)?;
    let input = scan.schema();

    let group = read[..keys].iter().enumerate().map(|(at, of)| {
        let name = all.field(*of).name();
        (column(name, at), name.clone())
    });
    let group = PhysicalGroupBy::new_single(group.collect());
    let sequence = column(SEQUENCE, read.len() - 1);
    let combined = values.iter().enumerate().map(|(at, of)| {
        let value = column(all.field(*of).name(), keys + at);
        combination(table, &table.schema.columns[*of], value, &sequence, &input)
    });
    let combined = combined.collect::<Result<Vec<_>>>()?;
    let filters = vec![None; combined.len()];
    let mode = AggregateMode::SinglePartitioned;
    let merged: Arc<dyn ExecutionPlan> =
        Arc::new(AggregateExec::try_new(mode, group, combined, filters, scan, Arc::clone(&input))?);

    let output = merged.schema();
    let expressions = wanted.iter().map(|of| {
        let at = read.iter().position(|known| known == of);
        let at = at.ok_or_else(|| internal_datafusion_err!("column {of} is not read"))?;
        let name = all.field(*of).name();
        let value = column(name, at);
        let is_value = (keys..keys + values.len()).contains(&at);
        let expression =
            if is_value { result(state, table, &table.schema.columns[*of], value, &output)? } else { value };
        Ok((expression, name.clone()))
    });
    let expressions = expressions.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(expressions, merged)?))
}

fn column(name: &str, at: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(PhysicalColumn::new(name, at))
}

/// How the values of a column are combined.
fn combination(
    table: &Table,
    column: &Column,
    value: Arc<dyn PhysicalExpr>,
    sequence: &Arc<dyn PhysicalExpr>,
    input: &Arc<Schema>,
) -> Result<Arc<AggregateFunctionExpr>> {
    let by_name = |name| own_aggregate(name).ok_or_else(|| internal_datafusion_err!("{name} is unknown"));
    let (function, arguments): (Arc<AggregateUDF>, _) = match table.aggregation_of(column) {
        Some(Aggregation::Sum) => (sum_udaf(), vec![widened(value, input)?]),
        Some(Aggregation::Max) => (max_udaf(), vec![value]),
        Some(Aggregation::Min) => (min_udaf(), vec![value]),
        Some(Aggregation::ReplaceIfNotNull) => (by_name(LATEST_NOT_NULL)?, vec![value, Arc::clone(sequence)]),
        Some(Aggregation::BitmapUnion) => (by_name(BITMAP_UNION)?, vec![value]),
        Some(Aggregation::HllUnion) => (by_name(HLL_UNION)?, vec![value]),
        Some(Aggregation::Replace) | None => (by_name(LATEST)?, vec![value, Arc::clone(sequence)]),
    };
    let name = column.name.to_lowercase();
    let built = AggregateExprBuilder::new(function, arguments).schema(Arc::clone(input)).alias(name).build()?;
    Ok(Arc::new(built))
}

/// The value in a type in which no sum goes wrong unseen.
fn widened(value: Arc<dyn PhysicalExpr>, input: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let wide = match value.data_type(input)? {
        ArrowType::Int64 => ArrowType::Decimal128(20, 0),
        ArrowType::Decimal128(precision, scale) if precision > MOST_DIGITS_IN_128_BITS => {
            ArrowType::Decimal256(precision, scale)
        }
        ArrowType::Float32 => ArrowType::Float64,
        narrow if narrow.is_signed_integer() => ArrowType::Int64,
        as_it_is => as_it_is,
    };
    cast(value, input, wide)
}

/// What was combined, as the column has it.
fn result(
    state: &dyn Session,
    table: &Table,
    column: &Column,
    value: Arc<dyn PhysicalExpr>,
    input: &Schema,
) -> Result<Arc<dyn PhysicalExpr>> {
    if matches!(table.aggregation_of(column), Some(Aggregation::Replace | Aggregation::ReplaceIfNotNull)) {
        return Ok(value);
    }
    let function = own(MERGED).ok_or_else(|| internal_datafusion_err!("{MERGED} is unknown"))?;
    let arguments = vec![value, lit(described(column)?)];
    let options = Arc::clone(state.config().options());
    Ok(Arc::new(ScalarFunctionExpr::try_new(function, arguments, input, options)?))
}
