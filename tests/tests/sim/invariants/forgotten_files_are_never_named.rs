//! What is deleted from the store is named by no partition, live or in the recycle bin, and what is forgotten is not in
//! the catalog at all.

use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    let catalog = &world.catalog;
    for rowset in catalog.partitions().flat_map(|p| &p.rowsets) {
        let file = catalog.file(rowset.file).ok_or_else(|| format!("file {} is named and unknown", rowset.file))?;
        if !world.store.objects.contains(&file.object.to_string()) {
            return Err(format!("{} is named and deleted", file.object));
        }
    }
    match catalog.files().find(|f| world.forgotten.contains(&f.object.to_string())) {
        Some(file) => Err(format!("{} was forgotten and is in the catalog again", file.object)),
        None => Ok(()),
    }
}
