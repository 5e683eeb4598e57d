//! CREATE TABLE … LIKE: a table that is defined as another one, without its rows.

use runtime_mysql::MySqlError;
use runtime_sql::QualifiedName;
use runtime_sql::statement::Properties;
use runtime_sql::statement::table::DistributionClause;
use storage_catalog::{Catalog, PartitionDraft, TableDraft};
use storage_model::{Column, ColumnId, DefaultValue, Distribution, Index, PartitionKey, Partitioning, Table};

use super::{LONGEST_NAME, bloom_filters, properties, table};
use crate::names;

/// The draft of a table like `source`.
pub(super) fn draft(
    catalog: &Catalog,
    name: &QualifiedName,
    source: &Table,
    distribution: Option<&DistributionClause>,
    given: &Properties,
) -> Result<TableDraft, MySqlError> {
    names::check_new("table", &name.name, LONGEST_NAME)?;
    // Ids begin anew, and so does what old rows would have.
    let renumbered = |id: &ColumnId| {
        let at = source.schema.position_of(*id);
        at.map_or(*id, |at| ColumnId(at as u64 + 1))
    };
    let columns: Vec<Column> = source
        .schema
        .columns
        .iter()
        .map(|column| {
            let default = column.default.as_ref().map(|default| match default {
                DefaultValue::AutoIncrement { .. } => DefaultValue::AutoIncrement { next: 1 },
                DefaultValue::Generated(expression) => {
                    DefaultValue::Generated(expression.renumbered(|id| renumbered(&id)))
                }
                other => other.clone(),
            });
            Column { id: renumbered(&column.id), initial: None, default, ..column.clone() }
        })
        .collect();
    let partitioning = match &source.partitioning {
        Partitioning::Unpartitioned => Partitioning::Unpartitioned,
        Partitioning::Range { columns } => Partitioning::Range { columns: columns.iter().map(renumbered).collect() },
        Partitioning::Expression { column, step } => {
            Partitioning::Expression { column: renumbered(column), step: *step }
        }
        Partitioning::List { keys, automatic } => {
            let key = |key: &PartitionKey| PartitionKey { column: renumbered(&key.column), ..*key };
            Partitioning::List { keys: keys.iter().map(key).collect(), automatic: *automatic }
        }
    };
    let unpartitioned = partitioning == Partitioning::Unpartitioned;
    let (distribution, buckets_given, buckets) = match distribution {
        None => {
            let same = match &source.distribution {
                Distribution::Random => Distribution::Random,
                Distribution::Hash { columns } => {
                    Distribution::Hash { columns: columns.iter().map(renumbered).collect() }
                }
            };
            (same, source.buckets_given, None)
        }
        Some(clause) => {
            let (own, given) = table::distribution(Some(clause), &columns)?;
            table::check_distribution(source.model, &own, Some(clause), &columns)?;
            (own, given, given)
        }
    };
    let partitions = catalog.partitions_of(source).map(|partition| PartitionDraft {
        name: if unpartitioned { name.name.clone() } else { partition.name.clone() },
        range: partition.range.clone(),
        buckets: buckets.unwrap_or(partition.buckets),
    });
    let (volume, own) = properties::of_table(given)?;
    let mut properties = source.properties.clone();
    properties.extend(own);
    bloom_filters::check(&mut properties, &columns, source.model)?;
    let index = |index: &Index| {
        let columns = index.columns.iter().map(renumbered).collect();
        Index { columns, ..index.clone() }
    };
    Ok(TableDraft {
        name: name.name.clone(),
        model: source.model,
        partitioning,
        distribution,
        buckets_given,
        volume: volume.or_else(|| catalog.volume(source.volume).map(|volume| volume.name.clone())),
        comment: source.comment.clone(),
        properties,
        partitions: partitions.collect(),
        sort_key: source.sort_key.iter().map(renumbered).collect(),
        indexes: source.schema.indexes.iter().map(index).collect(),
        columns,
    })
}
