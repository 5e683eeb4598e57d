//! RANGE partitions: bounds read by the types of their columns, and the chain of LESS THAN.

use runtime_mysql::MySqlError;
use runtime_sql::statement::table::{
    DistributionClause, PartitionBatch, PartitionClause, PartitionValue, RangeClause, RangePartition,
};
use storage_catalog::{Catalog, PartitionDraft};
use storage_model::value::integer_range;
use storage_model::{Bound, Column, DataType, Distribution, PartitionRange, Partitioning, Table, Value};

use super::table::{bucket_number, default_buckets};
use super::{LONGEST_NAME, batches, properties};
use crate::{errors, names};

/// How a new table is partitioned, and its first partitions.
pub(super) fn of_table(
    clause: &PartitionClause,
    table: &str,
    columns: &[Column],
    buckets: u32,
) -> Result<(Partitioning, Vec<PartitionDraft>), MySqlError> {
    let (named, written, at_steps) = match clause {
        PartitionClause::None => {
            let whole = PartitionDraft { name: table.to_owned(), range: PartitionRange::everything(), buckets };
            return Ok((Partitioning::Unpartitioned, vec![whole]));
        }
        PartitionClause::Range { columns, partitions, batches } => (columns, partitions, batches),
        PartitionClause::Other(text) => return Err(errors::unsupported(format_args!("PARTITION BY {text}"))),
    };
    let mut keys: Vec<&Column> = Vec::with_capacity(named.len());
    for name in named {
        let found = columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
        let column = found.ok_or_else(|| {
            MySqlError::analyzing(format_args!("Partition column[{name}] does not exist in column list"))
        })?;
        if !column.data_type.can_partition_by_range() {
            let data_type = &column.data_type;
            return Err(MySqlError::analyzing(format_args!(
                "Column[{name}] type[{data_type}] cannot be a range partition key"
            )));
        }
        if keys.iter().any(|known| known.id == column.id) {
            return Err(MySqlError::duplicate_column(name));
        }
        keys.push(column);
    }
    let mut drafts = batches::partitions(at_steps, &keys, buckets)?;
    for partition in written {
        let range = range(partition, &keys, drafts.iter().map(|d| &d.range))?;
        drafts.push(draft(partition, range, buckets)?);
    }
    Ok((Partitioning::Range { columns: keys.iter().map(|c| c.id).collect() }, drafts))
}

/// ALTER TABLE ... ADD PARTITION.
pub(super) fn to_add(
    catalog: &Catalog,
    table: &Table,
    partition: &RangePartition,
    distribution: Option<&DistributionClause>,
    alive: usize,
) -> Result<PartitionDraft, MySqlError> {
    let keys = keys_of(table)?;
    let buckets = buckets_to_add(table, distribution, alive)?;
    let range = range(partition, &keys, catalog.partitions_of(table).map(|p| &p.range))?;
    draft(partition, range, buckets)
}

/// ALTER TABLE ... ADD PARTITIONS.
pub(super) fn batch_to_add(
    table: &Table,
    batch: &PartitionBatch,
    distribution: Option<&DistributionClause>,
    alive: usize,
) -> Result<Vec<PartitionDraft>, MySqlError> {
    let keys = keys_of(table)?;
    let buckets = buckets_to_add(table, distribution, alive)?;
    batches::partitions(std::slice::from_ref(batch), &keys, buckets)
}

/// The partition columns of a table that partitions can be added to.
fn keys_of(table: &Table) -> Result<Vec<&Column>, MySqlError> {
    let positions = table.partition_positions();
    if positions.is_empty() {
        let name = &table.name;
        return Err(MySqlError::analyzing(format_args!(
            "table {name} is not partitioned: a partition cannot be added"
        )));
    }
    Ok(positions.iter().map(|at| &table.schema.columns[*at]).collect())
}

/// How many buckets a new partition of a table has.
fn buckets_to_add(table: &Table, distribution: Option<&DistributionClause>, alive: usize) -> Result<u32, MySqlError> {
    let given = match (distribution, &table.distribution) {
        (None, _) => None,
        (Some(DistributionClause::Random { buckets }), Distribution::Random) => *buckets,
        (Some(DistributionClause::Hash { columns, buckets }), Distribution::Hash { .. })
            if is_distributed_by(table, columns) =>
        {
            *buckets
        }
        _ => {
            return Err(MySqlError::analyzing(
                "Cannot assign hash distribution with different distribution cols: a partition is distributed as its table",
            ));
        }
    };
    Ok(bucket_number(given)?.or(table.buckets_given).unwrap_or_else(|| default_buckets(alive)))
}

fn is_distributed_by(table: &Table, columns: &[String]) -> bool {
    let own: Vec<String> =
        table.distribution_positions().iter().map(|at| table.schema.columns[*at].name.to_lowercase()).collect();
    own == columns.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>()
}

fn draft(partition: &RangePartition, range: PartitionRange, buckets: u32) -> Result<PartitionDraft, MySqlError> {
    names::check_new("partition", &partition.name, LONGEST_NAME)?;
    properties::of_partition(&partition.properties)?;
    Ok(PartitionDraft { name: partition.name.clone(), range, buckets })
}

/// The range of a partition beside those that are there. LESS THAN begins where the nearest lower one ends.
fn range<'a>(
    partition: &RangePartition,
    keys: &[&Column],
    others: impl Iterator<Item = &'a PartitionRange>,
) -> Result<PartitionRange, MySqlError> {
    match &partition.range {
        RangeClause::LessThan(values) => {
            let upper = bound(&partition.name, values, keys)?;
            let lower = others.map(|range| &range.upper).filter(|end| **end < upper).max().cloned();
            Ok(PartitionRange { lower: lower.unwrap_or(Bound::Min), upper })
        }
        RangeClause::Between(from, to) => {
            let lower = from_the_least(bound(&partition.name, from, keys)?, keys);
            Ok(PartitionRange { lower, upper: bound(&partition.name, to, keys)? })
        }
    }
}

/// A range that begins with the smallest value there is: NULL belongs there too.
pub(super) fn from_the_least(lower: Bound, keys: &[&Column]) -> Bound {
    match lower {
        Bound::At(values) if is_least(&values, keys) => Bound::Min,
        other => other,
    }
}

fn bound(partition: &str, values: &[PartitionValue], keys: &[&Column]) -> Result<Bound, MySqlError> {
    let wrong = |why: String| Err(MySqlError::analyzing(format_args!("partition {partition}: {why}")));
    if values.iter().all(|value| *value == PartitionValue::Max) {
        return Ok(Bound::Max);
    }
    if values.len() != keys.len() {
        return wrong(format!("a bound has {} values for {} partition columns", values.len(), keys.len()));
    }
    let mut constants = Vec::with_capacity(values.len());
    for (value, column) in values.iter().zip(keys) {
        let text = match value {
            PartitionValue::Text(text) => text,
            PartitionValue::Max => return Err(errors::unsupported("MAXVALUE beside other values of a bound")),
        };
        match Value::parse(text, &column.data_type) {
            Some(constant) => constants.push(constant),
            None => return wrong(format!("'{text}' is no {} (column '{}')", column.data_type, column.name)),
        }
    }
    Ok(Bound::At(constants))
}

fn is_least(values: &[Value], keys: &[&Column]) -> bool {
    values.iter().zip(keys).all(|(value, column)| least(&column.data_type).as_ref() == Some(value))
}

fn least(data_type: &DataType) -> Option<Value> {
    match data_type {
        DataType::Date | DataType::DateTime => Value::parse("0000-01-01", data_type),
        integer => Some(Value::Integer(integer_range(integer).0)),
    }
}
