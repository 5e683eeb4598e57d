//! What the catalog knows of the values of a stored table, for plans: how many differ, between what they lie, how large they
//! are. It is told to scans, by which DataFusion says which side of a join is built, and it is asked by
//! [`joins`](crate::joins).

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Schema, TimeUnit, i256};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{ColumnStatistics, Result, ScalarValue};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use storage_catalog::Catalog;
use storage_model::{Column, DataType, Table, TableStatistics};

use super::stored::StoredTable;
use crate::types;

/// Microseconds of a day: days and moments lie on one axis.
const MICROS_A_DAY: f64 = 86_400e6;

/// What is known of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Known {
    /// How many differ.
    pub distinct: Option<f64>,
    /// Which part of them is NULL.
    pub nulls: f64,
    /// The least and the greatest, where the type has an axis: numbers, and microseconds.
    pub range: Option<(f64, f64)>,
}

/// The statistics of a table, if they are of enough of its rows to say something: rows that came before there were
/// statistics, or with a table that was restored by itself, are in none until ANALYZE.
pub(crate) fn of_table(catalog: &Catalog, table: &Table) -> Option<Arc<TableStatistics>> {
    let known = catalog.statistics(table.id)?;
    let rows: u64 = catalog.partitions_of(table).map(|partition| partition.rows()).sum();
    let seen = known.columns.iter().map(|column| column.rows).max().unwrap_or(0);
    (seen.saturating_mul(2) >= rows).then(|| Arc::clone(known))
}

impl StoredTable {
    /// What is known of the column at a position; None: nothing.
    pub(crate) fn known(&self, position: usize) -> Option<Known> {
        let column = self.table.schema.columns.get(position)?;
        let known = self.statistics()?;
        let known = known.of(column.id)?;
        let on_axis = |value: i128| axis_of(value, &column.data_type);
        Some(Known {
            distinct: known.distinct_count().map(|count| count.max(1) as f64),
            nulls: share(known.nulls, known.rows),
            range: known.range.and_then(|(least, most)| on_axis(least).zip(on_axis(most))),
        })
    }
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// A value as statistics hold it, on the axis of its type.
fn axis_of(value: i128, data_type: &DataType) -> Option<f64> {
    let number = value as f64;
    match data_type {
        DataType::Date => Some(number * MICROS_A_DAY),
        DataType::DateTime => Some(number),
        DataType::Decimal { scale, .. } => Some(number / 10_f64.powi(i32::from(*scale))),
        other if other.is_integer() => Some(number),
        _ => None,
    }
}

/// A constant on the same axis.
pub(crate) fn axis(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Date32(Some(days)) => Some(f64::from(*days) * MICROS_A_DAY),
        ScalarValue::TimestampSecond(Some(seconds), None) => Some(*seconds as f64 * 1e6),
        ScalarValue::TimestampMillisecond(Some(millis), None) => Some(*millis as f64 * 1e3),
        ScalarValue::TimestampMicrosecond(Some(micros), None) => Some(*micros as f64),
        ScalarValue::TimestampNanosecond(Some(nanos), None) => Some(*nanos as f64 / 1e3),
        other if other.data_type().is_numeric() => match other.cast_to(&ArrowType::Float64) {
            Ok(ScalarValue::Float64(number)) => number,
            _ => None,
        },
        _ => None,
    }
}

/// The plan, with all of its scans of the table's files saying what is known of the columns that they read. None of it is
/// said to be exact, so that nothing is answered by it.
pub(crate) fn told(
    plan: Arc<dyn ExecutionPlan>,
    table: &Table,
    known: &TableStatistics,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|plan| {
        let scan = plan.downcast_ref::<DataSourceExec>().and_then(|s| s.downcast_to_file_source::<ParquetSource>());
        let Some((config, _)) = scan else { return Ok(Transformed::no(plan)) };
        let mut statistics = config.statistics();
        let rows = statistics.num_rows.get_value().copied().unwrap_or(0);
        let schema = config.file_source().table_schema().table_schema();
        statistics.column_statistics = of_columns(schema, table, known, rows);
        let config = FileScanConfigBuilder::from(config.clone()).with_statistics(statistics).build();
        Ok(Transformed::yes(DataSourceExec::from_data_source(config) as Arc<dyn ExecutionPlan>))
    })
    .data()
}

fn of_columns(schema: &Schema, table: &Table, known: &TableStatistics, rows: usize) -> Vec<ColumnStatistics> {
    let of_field = |name: &String| {
        let column = table.schema.columns.iter().find(|column| types::plan_name(&column.name) == *name)?;
        Some(of_column(column, known, rows))
    };
    schema.fields().iter().map(|field| of_field(field.name()).unwrap_or_default()).collect()
}

fn of_column(column: &Column, known: &TableStatistics, rows: usize) -> ColumnStatistics {
    let Some(known) = known.of(column.id) else { return ColumnStatistics::new_unknown() };
    let part = |of: u64| Precision::Inexact((share(of, known.rows) * rows as f64).ceil() as usize);
    let value = |value: i128| scalar(value, &column.data_type).map_or(Precision::Absent, Precision::Inexact);
    let (least, most) = known.range.map_or((Precision::Absent, Precision::Absent), |(a, b)| (value(a), value(b)));
    let distinct = known
        .distinct_count()
        .map_or(Precision::Absent, |count| Precision::Inexact(usize::try_from(count).unwrap_or(usize::MAX).min(rows)));
    ColumnStatistics::new_unknown()
        .with_null_count(part(known.nulls))
        .with_byte_size(part(known.bytes))
        .with_min_value(least)
        .with_max_value(most)
        .with_distinct_count(distinct)
}

/// A value as statistics hold it, as plans do.
fn scalar(value: i128, data_type: &DataType) -> Option<ScalarValue> {
    let arrow = storage_tablet::arrow_type(data_type);
    Some(match arrow {
        ArrowType::Int8 => ScalarValue::Int8(Some(value.try_into().ok()?)),
        ArrowType::Int16 => ScalarValue::Int16(Some(value.try_into().ok()?)),
        ArrowType::Int32 => ScalarValue::Int32(Some(value.try_into().ok()?)),
        ArrowType::Int64 => ScalarValue::Int64(Some(value.try_into().ok()?)),
        ArrowType::Date32 => ScalarValue::Date32(Some(value.try_into().ok()?)),
        ArrowType::Timestamp(TimeUnit::Microsecond, None) => {
            ScalarValue::TimestampMicrosecond(Some(value.try_into().ok()?), None)
        }
        ArrowType::Decimal128(precision, scale) => ScalarValue::Decimal128(Some(value), precision, scale),
        ArrowType::Decimal256(precision, scale) => {
            ScalarValue::Decimal256(Some(i256::from_i128(value)), precision, scale)
        }
        _ => return None,
    })
}

/// A line for EXPLAIN COSTS: `name-> [least, greatest, part that is NULL, bytes of a value, how many differ]`.
pub(crate) fn line(column: &Column, known: &TableStatistics) -> Option<String> {
    let of = known.of(column.id)?;
    let bound = |value: Option<i128>| value.and_then(|value| axis_of(value, &column.data_type));
    let text = |value: Option<f64>, none: &str| value.map_or_else(|| none.to_owned(), |value| format!("{value:?}"));
    Some(format!(
        "{}-> [{}, {}, {:?}, {:?}, {}] ESTIMATE",
        column.name,
        text(bound(of.range.map(|range| range.0)), "-Infinity"),
        text(bound(of.range.map(|range| range.1)), "Infinity"),
        share(of.nulls, of.rows),
        share(of.bytes, of.rows),
        of.distinct_count().map_or_else(|| "NaN".to_owned(), |count| format!("{:?}", count as f64)),
    ))
}
