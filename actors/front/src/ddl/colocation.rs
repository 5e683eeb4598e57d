//! `colocate_with`: tables of a group have their rows in buckets alike.

use runtime_mysql::MySqlError;
use storage_catalog::{Catalog, TableDraft};
use storage_model::{Column, ColumnId, DataType, Distribution, Table};

/// The property's key.
const COLOCATE_WITH: &str = "colocate_with";

/// Whether a new table has its rows in buckets as the tables of its group have.
pub(super) fn check(catalog: &Catalog, database: &str, draft: &TableDraft) -> Result<(), MySqlError> {
    let Some(group) = draft.properties.get(COLOCATE_WITH).filter(|group| !group.is_empty()) else { return Ok(()) };
    let Distribution::Hash { columns: by } = &draft.distribution else {
        return Err(MySqlError::analyzing("random distribution does not support 'colocate_with'"));
    };
    let Some(database) = catalog.database_by_name(database) else { return Ok(()) };
    let is_member = |table: &&Table| table.properties.get(COLOCATE_WITH) == Some(group);
    let mut tables = catalog.tables_of(database.id).map(AsRef::as_ref);
    let Some(member) = tables.find(is_member) else { return Ok(()) };
    let types = types_of(&draft.columns, by);
    let others = match &member.distribution {
        Distribution::Hash { columns } => types_of(&member.schema.columns, columns),
        Distribution::Random => Vec::new(),
    };
    if types.len() != others.len() {
        return Err(MySqlError::analyzing(format_args!(
            "Colocate tables distribution columns size must be the same : {}",
            others.len()
        )));
    }
    let buckets = |found: Option<u32>| found.unwrap_or_default();
    let own = buckets(draft.partitions.first().map(|partition| partition.buckets).or(draft.buckets_given));
    let theirs = member.partitions.first().and_then(|id| catalog.partition(*id)).map(|partition| partition.buckets);
    let theirs = buckets(theirs.or(member.buckets_given));
    if own != theirs && own != 0 && theirs != 0 {
        return Err(MySqlError::analyzing(format_args!("Colocate tables must have same bucket num: {theirs}")));
    }
    match types.iter().zip(&others).find(|(own, theirs)| own != theirs) {
        Some((_, theirs)) => Err(MySqlError::analyzing(format_args!(
            "Colocate tables distribution columns must have the same data type: current should be {}",
            theirs.to_sql()
        ))),
        None => Ok(()),
    }
}

/// The types of the distribution columns.
fn types_of(columns: &[Column], by: &[ColumnId]) -> Vec<DataType> {
    let data_type =
        |id: &ColumnId| columns.iter().find(|column| column.id == *id).map(|column| column.data_type.clone());
    by.iter().filter_map(data_type).collect()
}
