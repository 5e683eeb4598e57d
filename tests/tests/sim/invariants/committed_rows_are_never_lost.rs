//! Every table holds exactly the files and rows that were committed to it and not replaced, truncated or dropped, and the
//! version of each partition has counted what was done to it.

use std::collections::BTreeSet;

use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    let (catalog, model) = (&world.catalog, &world.model);
    let names: Vec<_> = catalog.databases().map(|d| d.name.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    if names != model.databases.keys().cloned().collect::<Vec<_>>() {
        return Err(format!("the databases are {names:?}"));
    }
    for (name, database) in &model.databases {
        let id = catalog.database_by_name(name).map(|d| d.id).ok_or("a database is missing")?;
        let found: Vec<_> = catalog.tables_of(id).map(|t| t.name.clone()).collect();
        if found != database.tables.keys().cloned().collect::<Vec<_>>() {
            return Err(format!("the tables of {name} are {found:?}"));
        }
        for (table_name, table) in &database.tables {
            let found = catalog.table_by_name(id, table_name).ok_or("a table is missing")?;
            let partitions: Vec<_> = catalog.partitions_of(found).collect();
            if partitions.len() != table.partitions.len() {
                return Err(format!("{name}.{table_name} has {} partitions", partitions.len()));
            }
            for (found, partition) in partitions.iter().zip(table.partitions.values()) {
                let objects: BTreeSet<String> =
                    found.rowsets.iter().filter_map(|r| catalog.file(r.file)).map(|f| f.object.to_string()).collect();
                let rows: u64 = partition.objects.iter().map(|o| model.files[o].rows).sum();
                if found.visible_version != partition.version {
                    let (expected, found) = (partition.version, found.visible_version);
                    return Err(format!("{name}.{table_name}.{} is at {found}, not {expected}", partition.name));
                }
                if found.name != partition.name || objects != partition.objects || found.rows() != rows {
                    return Err(format!(
                        "{name}.{table_name}.{} should hold {rows} rows in {:?}; {} holds {} in {objects:?}",
                        partition.name,
                        partition.objects,
                        found.name,
                        found.rows()
                    ));
                }
            }
        }
    }
    Ok(())
}
