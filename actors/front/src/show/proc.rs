//! SHOW PROC: the cluster as a tree of small tables.

use runtime_mysql::MySqlError;
use storage_catalog::{Catalog, Database};
use storage_model::{Partitioning, Table};

use super::partitions::{self, column_names, totals};
use super::{nodes, tables};
use crate::session::Session;
use crate::sheet::{Sheet, row};
use crate::volumes;

/// What stands in the root.
const ROOT: [&str; 8] =
    ["backends", "brokers", "compute_nodes", "dbs", "frontends", "statistic", "storage_volumes", "warehouses"];

/// Answers SHOW PROC 'path'.
pub(super) fn proc(session: &Session, path: &str) -> Result<Sheet, MySqlError> {
    let unknown = || MySqlError::unknown_proc_path(path);
    let catalog = session.catalog();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if !path.starts_with('/') {
        return Err(unknown());
    }
    match parts.as_slice() {
        [] => Ok(names(&ROOT)),
        ["frontends"] => Ok(nodes::frontends(session)),
        ["compute_nodes"] => Ok(nodes::compute_nodes(session)),
        ["backends"] => Ok(nodes::backends()),
        ["brokers"] => Ok(nodes::brokers()),
        ["warehouses"] => Ok(nodes::warehouses(session)),
        ["storage_volumes"] => Ok(volumes::list(&catalog)),
        ["statistic"] => Ok(statistic(&catalog)),
        ["dbs"] => Ok(databases(&catalog)),
        ["dbs", database, rest @ ..] => {
            let database = find_database(&catalog, database).ok_or_else(unknown)?;
            let [table, rest @ ..] = rest else { return Ok(tables_of(&catalog, database)) };
            let table = find_table(&catalog, database, table).ok_or_else(unknown)?;
            match rest {
                [] => Ok(names(&["partitions", "temp_partitions", "index_schema"])),
                ["partitions"] => partitions_of(&catalog, database, table, false),
                ["temp_partitions"] => partitions_of(&catalog, database, table, true),
                ["index_schema"] => tables::describe(&catalog, &qualified(database, table), false, None, None),
                _ => Err(unknown()),
            }
        }
        _ => Err(unknown()),
    }
}

fn names(names: &[&str]) -> Sheet {
    let mut sheet = Sheet::text(&["name"]);
    names.iter().for_each(|name| sheet.push(row![*name]));
    sheet
}

fn qualified(database: &Database, table: &Table) -> runtime_sql::QualifiedName {
    runtime_sql::QualifiedName { catalog: None, database: Some(database.name.clone()), name: table.name.clone() }
}

fn partitions_of(catalog: &Catalog, database: &Database, table: &Table, temporary: bool) -> Result<Sheet, MySqlError> {
    partitions::partitions(catalog, temporary, &qualified(database, table), None)
}

/// By id or by name.
fn find_database<'a>(catalog: &'a Catalog, text: &str) -> Option<&'a Database> {
    let by_id = |id: u64| catalog.database(storage_model::DatabaseId(id));
    text.parse().ok().and_then(by_id).or_else(|| catalog.database_by_name(text)).map(AsRef::as_ref)
}

fn find_table<'a>(catalog: &'a Catalog, database: &Database, text: &str) -> Option<&'a Table> {
    let is_it = |table: &&std::sync::Arc<Table>| table.id.to_string() == text || table.name == text;
    catalog.tables_of(database.id).find(is_it).map(AsRef::as_ref)
}

fn databases(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::text(&["DbId", "DbName", "TableNum", "Quota", "LastConsistencyCheckTime", "ReplicaQuota"]);
    for database in catalog.databases() {
        let tables = catalog.tables_of(database.id).count();
        sheet.push(row![
            database.id.to_string(),
            &database.name,
            tables.to_string(),
            "8388608.000 TB",
            "NULL",
            "9223372036854775807"
        ]);
    }
    sheet
}

fn tables_of(catalog: &Catalog, database: &Database) -> Sheet {
    let mut sheet = Sheet::text(&[
        "TableId",
        "TableName",
        "IndexNum",
        "PartitionColumnName",
        "PartitionNum",
        "State",
        "Type",
        "LastConsistencyCheckTime",
        "ReplicaCount",
        "PartitionType",
        "StoragePath",
    ]);
    for table in catalog.tables_of(database.id) {
        let kind = match table.partitioning {
            Partitioning::Unpartitioned => "UNPARTITIONED",
            Partitioning::Range { .. } => "RANGE",
            Partitioning::Expression { .. } => "EXPR_RANGE",
            Partitioning::List { .. } => "LIST",
        };
        let (_, _, tablets) = totals(catalog, table);
        let service = &catalog.identity().service_id;
        let root = catalog.volume(table.volume).map_or_else(String::new, |volume| {
            let location = volume.location.trim_end_matches('/');
            format!("{location}/{service}/db{}/{}", database.id, table.id)
        });
        sheet.push(row![
            table.id.to_string(),
            &table.name,
            "1",
            column_names(table, &table.partition_positions()),
            table.partitions.len().to_string(),
            "NORMAL",
            "CLOUD_NATIVE",
            "NULL",
            tablets.to_string(),
            kind,
            root,
        ]);
    }
    sheet
}

fn statistic(catalog: &Catalog) -> Sheet {
    let mut sheet = Sheet::text(&[
        "DbId",
        "DbName",
        "TableNum",
        "PartitionNum",
        "IndexNum",
        "TabletNum",
        "ReplicaNum",
        "UnhealthyTabletNum",
        "InconsistentTabletNum",
        "CloningTabletNum",
        "ErrorStateTabletNum",
    ]);
    let mut total = [0_u64; 3];
    for database in catalog.databases() {
        let mut counts = [0_u64; 3];
        for table in catalog.tables_of(database.id) {
            counts[0] += 1;
            counts[1] += table.partitions.len() as u64;
            counts[2] += totals(catalog, table).2;
        }
        total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        sheet.push(statistic_row(&database.id.to_string(), &database.name, counts));
    }
    let databases = catalog.databases().count().to_string();
    sheet.push(statistic_row("Total", &databases, total));
    sheet
}

fn statistic_row(id: &str, name: &str, [tables, partitions, tablets]: [u64; 3]) -> Vec<crate::sheet::Item> {
    let (tables, partitions, tablets) = (tables.to_string(), partitions.to_string(), tablets.to_string());
    row![id, name, tables, &partitions, &partitions, &tablets, &tablets, "0", "0", "0", "0"]
}
