//! CREATE TABLE: from what was written to a draft that the catalog can take.

use std::collections::BTreeMap;

use runtime_mysql::MySqlError;
use runtime_sql::statement::CreateTable;
use runtime_sql::statement::table::DistributionClause;
use storage_catalog::TableDraft;
use storage_model::{
    Column, ColumnId, DatabaseId, Distribution, KeyModel, Partitioning, Schema, Table, TableId, UnixMillis, VolumeId,
};

use super::{LONGEST_NAME, bloom_filters, columns, indexes, partitions, properties};
use crate::names;

/// The most buckets that a partition may be given.
const MOST_BUCKETS: u32 = 1024;
/// The most buckets that a partition gets unasked.
const MOST_DEFAULT_BUCKETS: usize = 16;

/// The draft of a table. `alive`: how many compute nodes there are to spread buckets over.
pub(crate) fn analyze(create: &CreateTable, alive: usize) -> Result<TableDraft, MySqlError> {
    names::check_new("table", &create.name.name, LONGEST_NAME)?;
    if let Some(engine) =
        create.engine.as_deref().filter(|e| !["olap", "starrocks"].contains(&e.to_lowercase().as_str()))
    {
        return Err(MySqlError::unknown_storage_engine(engine));
    }
    let (model, columns) = columns::columns(&create.columns, create.key.as_ref())?;
    let sort_key = sort_key(&create.order_by, model, &columns)?;
    let (distribution, given) = distribution(create.distribution.as_ref(), &columns)?;
    check_distribution(model, &distribution, create.distribution.as_ref(), &columns)?;
    let buckets = given.unwrap_or_else(|| default_buckets(alive));
    let (partitioning, partitions) = partitions::of_table(&create.partition, &create.name.name, &columns, buckets)?;
    if model.merges() && partition_columns(&partitioning, &columns).any(|column| !column.key) {
        return Err(MySqlError::analyzing("The partition column could not be aggregated column"));
    }
    let (volume, properties) = properties::of_table(&create.properties)?;
    let mut properties = properties::kept(properties, model, &distribution);
    bloom_filters::check(&mut properties, &columns, model)?;
    check_rolling(&columns, &partitioning, &properties)?;
    Ok(TableDraft {
        name: create.name.name.clone(),
        indexes: indexes::of_table(&create.indexes, &columns)?,
        columns,
        model,
        partitioning,
        distribution,
        buckets_given: given,
        volume,
        comment: create.comment.clone().unwrap_or_default(),
        properties,
        partitions,
        sort_key,
    })
}

fn partition_columns<'a>(partitioning: &Partitioning, columns: &'a [Column]) -> impl Iterator<Item = &'a Column> {
    let by = partitioning.columns();
    columns.iter().filter(move |column| by.contains(&column.id))
}

/// The partitions of the table can come and go with the time as its properties say.
fn check_rolling(
    columns: &[Column],
    partitioning: &Partitioning,
    properties: &BTreeMap<String, String>,
) -> Result<(), MySqlError> {
    properties::check_rolling(&Table {
        id: TableId(0),
        database: DatabaseId(0),
        name: String::new(),
        schema: Schema::new(columns.to_vec()),
        model: KeyModel::Duplicate,
        partitioning: partitioning.clone(),
        distribution: Distribution::Random,
        buckets_given: None,
        volume: VolumeId(0),
        comment: String::new(),
        properties: properties.clone(),
        partitions: Vec::new(),
        created_at: UnixMillis(0),
        schema_changes: Vec::new(),
        sort_key: Vec::new(),
        temporary: Vec::new(),
    })
}

/// Rows with equal keys must meet in one bucket where they become one.
pub(super) fn check_distribution(
    model: KeyModel,
    distribution: &Distribution,
    clause: Option<&DistributionClause>,
    columns: &[Column],
) -> Result<(), MySqlError> {
    if !model.merges() {
        return Ok(());
    }
    let Distribution::Hash { columns: by } = distribution else {
        return Err(match clause {
            None => MySqlError::analyzing(format_args!(
                "Currently not support default distribution in {}",
                model.keys_type()
            )),
            Some(_) => MySqlError::analyzing(format_args!("{} must use hash distribution", model.clause())),
        });
    };
    match columns.iter().find(|column| by.contains(&column.id) && !column.key) {
        Some(column) => {
            Err(MySqlError::analyzing(format_args!("Distribution column[{}] is not key column", column.name)))
        }
        None => Ok(()),
    }
}

/// ORDER BY, checked; empty when nothing is said.
fn sort_key(named: &[String], model: KeyModel, columns: &[Column]) -> Result<Vec<ColumnId>, MySqlError> {
    let error = |text: String| MySqlError::new(1064, *b"HY000", text);
    let mut ids = Vec::with_capacity(named.len());
    for name in named {
        let found = columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
        let column = found.ok_or_else(|| error(format!("The sort column[{name}] does not exist")))?;
        if !column.data_type.can_be_key() {
            return Err(error(format!("Type:{} of column {name} can not be a sort key", column.data_type)));
        }
        if ids.contains(&column.id) {
            return Err(error(format!("Duplicate sort key column {name} is not allowed.")));
        }
        ids.push(column.id);
    }
    let keys = columns.iter().filter(|c| c.key).count();
    let are_keys = ids.len() == keys && columns.iter().take(keys).all(|c| ids.contains(&c.id));
    if !named.is_empty() && matches!(model, KeyModel::Aggregate | KeyModel::Unique) && !are_keys {
        let model = model.clause();
        return Err(MySqlError::analyzing(format_args!(
            "The sort columns of {model} table must be same with key columns."
        )));
    }
    Ok(ids)
}

pub(super) fn distribution(
    clause: Option<&DistributionClause>,
    columns: &[Column],
) -> Result<(Distribution, Option<u32>), MySqlError> {
    match clause {
        None => Ok((Distribution::Random, None)),
        Some(DistributionClause::Random { buckets }) => Ok((Distribution::Random, bucket_number(*buckets)?)),
        Some(DistributionClause::Hash { columns: named, buckets }) => {
            let mut ids = Vec::with_capacity(named.len());
            for name in named {
                let found = columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
                let column = found
                    .ok_or_else(|| MySqlError::analyzing(format_args!("Distribution column({name}) doesn't exist")))?;
                if !column.data_type.can_be_key() {
                    let data_type = &column.data_type;
                    return Err(MySqlError::analyzing(format_args!(
                        "{data_type} column can not be distribution column: {name}"
                    )));
                }
                if ids.contains(&column.id) {
                    return Err(MySqlError::duplicate_column(name));
                }
                ids.push(column.id);
            }
            Ok((Distribution::Hash { columns: ids }, bucket_number(*buckets)?))
        }
    }
}

/// BUCKETS n, checked.
pub(super) fn bucket_number(given: Option<u32>) -> Result<Option<u32>, MySqlError> {
    match given {
        Some(0) => Err(MySqlError::analyzing("Number of hash distribution should be greater than zero")),
        Some(n) if n > MOST_BUCKETS => Err(MySqlError::analyzing(format_args!(
            "The number of buckets is {n}, which exceeds the maximum of {MOST_BUCKETS}"
        ))),
        other => Ok(other),
    }
}

/// Two tablets a compute node.
pub(super) fn default_buckets(alive: usize) -> u32 {
    (2 * alive).clamp(1, MOST_DEFAULT_BUCKETS) as u32
}

#[cfg(test)]
mod tests;
