//! What a table leases next is behind all that it has leased, in this timeline and in those that it comes from.

use storage_model::DefaultValue;

use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    for (database, name, table) in world.model.tables() {
        let found = world.catalog.database_by_name(database);
        let found = found.and_then(|found| world.catalog.table_by_name(found.id, name));
        let mut columns = found.iter().flat_map(|found| &found.schema.columns);
        let next = columns.find_map(|column| match column.default {
            Some(DefaultValue::AutoIncrement { next }) => Some(next),
            _ => None,
        });
        if next != Some(table.next_id) {
            return Err(format!("{database}.{name} leases from {next:?} next, the model says {}", table.next_id));
        }
    }
    Ok(())
}
