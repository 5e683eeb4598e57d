//! Partitions of ranges and of lists: bounds and values read by the types of their columns, and the chain of LESS THAN.

use runtime_mysql::MySqlError;
use runtime_sql::statement::table::{
    DistributionClause, ListPartition, NewPartitions, PartitionBatch, PartitionClause, PartitionExpression,
    PartitionValue, RangeClause, RangePartition,
};
use storage_catalog::{Catalog, PartitionDraft};
use storage_model::value::integer_range;
use storage_model::{
    Bound, Column, DataType, Distribution, PartitionKey, PartitionRange, PartitionValues, Partitioning, Step, StepUnit,
    Table, Value,
};

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
    match clause {
        PartitionClause::None => {
            let whole = PartitionDraft { name: table.to_owned(), range: PartitionRange::everything(), buckets };
            Ok((Partitioning::Unpartitioned, vec![whole]))
        }
        PartitionClause::Range { columns: named, partitions, batches } => {
            let mut keys: Vec<&Column> = Vec::with_capacity(named.len());
            for name in named {
                let column = find(columns, name)?;
                if !column.data_type.can_partition_by_range() {
                    return Err(wrong_key(column, "range"));
                }
                if keys.iter().any(|known| known.id == column.id) {
                    return Err(MySqlError::duplicate_column(name));
                }
                keys.push(column);
            }
            let drafts = ranges(partitions, batches, &keys, buckets)?;
            Ok((Partitioning::Range { columns: keys.iter().map(|c| c.id).collect() }, drafts))
        }
        PartitionClause::Expression { key, partitions, batches } => {
            let (key, column) = partition_key(key, columns)?;
            let Some(step) = key.step else { return Err(wrong_key(column, "range")) };
            let drafts = ranges(partitions, batches, &[column], buckets)?;
            Ok((Partitioning::Expression { column: key.column, step }, drafts))
        }
        PartitionClause::List { keys: written, partitions, automatic } => {
            let mut keys: Vec<(PartitionKey, &Column)> = Vec::with_capacity(written.len());
            for expression in written {
                let (key, column) = partition_key(expression, columns)?;
                if !can_be_listed(&column.data_type) {
                    return Err(wrong_key(column, "list"));
                }
                // Once by its values and once by steps of them would be two answers to one question.
                if keys.iter().any(|(known, _)| known.column == key.column) {
                    return Err(MySqlError::duplicate_column(&column.name));
                }
                keys.push((key, column));
            }
            let drafts =
                partitions.iter().map(|partition| list_draft(partition, &keys, buckets)).collect::<Result<_, _>>()?;
            let keys = keys.into_iter().map(|(key, _)| key).collect();
            Ok((Partitioning::List { keys, automatic: *automatic }, drafts))
        }
        PartitionClause::Other(text) => Err(errors::unsupported(format_args!("PARTITION BY {text}"))),
    }
}

fn find<'a>(columns: &'a [Column], name: &str) -> Result<&'a Column, MySqlError> {
    let found = columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| MySqlError::analyzing(format_args!("Partition column[{name}] does not exist in column list")))
}

fn wrong_key(column: &Column, kind: &str) -> MySqlError {
    let (name, data_type) = (&column.name, &column.data_type);
    MySqlError::analyzing(format_args!("Column[{name}] type[{data_type}] cannot be a {kind} partition key"))
}

fn can_be_listed(data_type: &DataType) -> bool {
    data_type.can_partition_by_range() || data_type.is_text() || *data_type == DataType::Boolean
}

/// A column, or steps of one that is a date or a moment.
fn partition_key<'a>(
    expression: &PartitionExpression,
    columns: &'a [Column],
) -> Result<(PartitionKey, &'a Column), MySqlError> {
    let column = find(columns, &expression.column)?;
    let Some((count, unit)) = &expression.step else {
        return Ok((PartitionKey { column: column.id, step: None }, column));
    };
    let function = if *count == 1 { "date_trunc" } else { "time_slice" };
    let units = StepUnit::parse(unit).ok_or_else(|| {
        MySqlError::analyzing(format_args!(
            "{function} function can't support argument other than year|quarter|month|week|day|hour|minute|second"
        ))
    })?;
    let count = u32::try_from(*count).ok().filter(|count| *count > 0).ok_or_else(|| {
        MySqlError::analyzing(format_args!("{function} requires second parameter must be greater than 0"))
    })?;
    let step = Step { count, unit: units };
    if !step.takes(&column.data_type) {
        let data_type = &column.data_type;
        return Err(MySqlError::analyzing(match data_type {
            DataType::Date => format!("The {unit} of {function} is not supported for the date column {}", column.name),
            _ => format!("Unsupported partition type {data_type} for function {function}"),
        }));
    }
    Ok((PartitionKey { column: column.id, step: Some(step) }, column))
}

/// The ranges of a new table.
fn ranges(
    written: &[RangePartition],
    at_steps: &[PartitionBatch],
    keys: &[&Column],
    buckets: u32,
) -> Result<Vec<PartitionDraft>, MySqlError> {
    let mut drafts = batches::partitions(at_steps, keys, buckets)?;
    for partition in written {
        let range = range(partition, keys, drafts.iter().map(|d| &d.range))?;
        drafts.push(draft(partition, range, buckets)?);
    }
    Ok(drafts)
}

fn list_draft(
    partition: &ListPartition,
    keys: &[(PartitionKey, &Column)],
    buckets: u32,
) -> Result<PartitionDraft, MySqlError> {
    names::check_new("partition", &partition.name, LONGEST_NAME)?;
    properties::of_partition(&partition.properties)?;
    let values = |written: &Vec<Option<String>>| {
        if written.len() != keys.len() {
            let text = written.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(",");
            return Err(MySqlError::analyzing(format_args!(
                "({text}) size should be equal to partition column size {}",
                keys.len()
            )));
        }
        written.iter().zip(keys).map(|(text, key)| listed(&partition.name, text.as_deref(), key)).collect()
    };
    let values: Vec<PartitionValues> = partition.values.iter().map(values).collect::<Result<_, _>>()?;
    Ok(PartitionDraft { name: partition.name.clone(), range: PartitionRange::among(values), buckets })
}

/// A constant of a list, as the rows are told apart.
fn listed(
    partition: &str,
    text: Option<&str>,
    (key, column): &(PartitionKey, &Column),
) -> Result<Option<Value>, MySqlError> {
    let Some(text) = text else { return Ok(None) };
    let value = Value::parse(text, &column.data_type).ok_or_else(|| {
        let (data_type, name) = (&column.data_type, &column.name);
        MySqlError::analyzing(format_args!("partition {partition}: '{text}' is no {data_type} (column '{name}')"))
    })?;
    Ok(Some(match key.step {
        Some(step) => step.floor(&value),
        None => value,
    }))
}

/// What ALTER TABLE ... ADD [TEMPORARY] PARTITION(S) adds, and whether it may be there already.
pub(super) fn to_add(
    catalog: &Catalog,
    table: &Table,
    partitions: &NewPartitions,
    distribution: Option<&DistributionClause>,
    (temporary, alive): (bool, usize),
) -> Result<(Vec<PartitionDraft>, bool), MySqlError> {
    let keys = keys_of(table)?;
    let buckets = buckets_to_add(table, distribution, alive)?;
    let kind = |is_list: bool| match table.partitioning.is_list() == is_list {
        true => Ok(()),
        false => {
            let kind = if is_list { "LIST" } else { "RANGE" };
            Err(MySqlError::analyzing(format_args!("table {} is not partitioned by {kind}", table.name)))
        }
    };
    match partitions {
        NewPartitions::Range(partition) => {
            kind(false)?;
            let range = match temporary {
                true => range(partition, &keys, catalog.temporary_partitions_of(table).map(|p| &p.range))?,
                false => range(partition, &keys, catalog.partitions_of(table).map(|p| &p.range))?,
            };
            Ok((vec![draft(partition, range, buckets)?], partition.if_not_exists))
        }
        NewPartitions::List(partition) => {
            kind(true)?;
            Ok((vec![list_draft(partition, &list_keys(table), buckets)?], partition.if_not_exists))
        }
        NewPartitions::Batch(batch) => {
            kind(false)?;
            Ok((batches::partitions(std::slice::from_ref(batch), &keys, buckets)?, false))
        }
    }
}

/// The names that the partitions of a batch have in this table.
pub(super) fn names_of(table: &Table, batch: &PartitionBatch) -> Result<Vec<String>, MySqlError> {
    let drafts = batches::partitions(std::slice::from_ref(batch), &keys_of(table)?, 1)?;
    Ok(drafts.into_iter().map(|draft| draft.name).collect())
}

fn list_keys(table: &Table) -> Vec<(PartitionKey, &Column)> {
    let steps = table.partitioning.steps();
    let columns = table.partition_positions().into_iter().map(|at| &table.schema.columns[at]);
    columns.zip(steps).map(|(column, step)| (PartitionKey { column: column.id, step }, column)).collect()
}

/// What the partition columns of a table hold in `PARTITION (column = value, ...)`.
pub(crate) fn values_of(table: &Table, given: &[(String, Option<String>)]) -> Result<PartitionValues, MySqlError> {
    let keys = list_keys(table);
    let unknown = given.iter().find(|(name, _)| !keys.iter().any(|(_, c)| c.name.eq_ignore_ascii_case(name)));
    if let Some((name, _)) = unknown {
        return Err(MySqlError::analyzing(format_args!("Column '{name}' is not a partition column")));
    }
    let value = |key: &(PartitionKey, &Column)| {
        let found = given.iter().find(|(name, _)| key.1.name.eq_ignore_ascii_case(name));
        let (name, text) = found
            .ok_or_else(|| MySqlError::analyzing(format_args!("The partition column '{}' has no value", key.1.name)))?;
        listed(name, text.as_deref(), key)
    };
    keys.iter().map(value).collect()
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
            Ok(PartitionRange::between(lower.unwrap_or(Bound::Min), upper))
        }
        RangeClause::Between(from, to) => {
            let lower = from_the_least(bound(&partition.name, from, keys)?, keys);
            Ok(PartitionRange::between(lower, bound(&partition.name, to, keys)?))
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
    if values.is_empty() || values.len() > keys.len() {
        return wrong(format!("a bound has {} values for {} partition columns", values.len(), keys.len()));
    }
    let mut constants = Vec::with_capacity(values.len());
    for (value, column) in values.iter().zip(keys) {
        let text = match value {
            PartitionValue::Text(text) => text,
            PartitionValue::Max => {
                constants.push(Value::Max);
                continue;
            }
        };
        match Value::parse(text, &column.data_type) {
            Some(constant) => constants.push(constant),
            None => return wrong(format!("'{text}' is no {} (column '{}')", column.data_type, column.name)),
        }
    }
    // What a bound leaves out is the least.
    constants.extend(keys.iter().skip(values.len()).filter_map(|column| least(&column.data_type)));
    Ok(Bound::At(constants))
}

fn is_least(values: &[Value], keys: &[&Column]) -> bool {
    values.iter().zip(keys).all(|(value, column)| least(&column.data_type).as_ref() == Some(value))
}

pub(super) fn least(data_type: &DataType) -> Option<Value> {
    match data_type {
        DataType::Date | DataType::DateTime => Value::parse("0000-01-01", data_type),
        integer => Some(Value::Integer(integer_range(integer).0)),
    }
}
