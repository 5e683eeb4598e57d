//! A file's life is `[created, removed)`: from the commit that named it to the drop of its last reference.

use crate::sim::world::World;

pub fn check(world: &World) -> Result<(), String> {
    let (catalog, model) = (&world.catalog, &world.model);
    if catalog.file_count() != model.files.len() {
        return Err(format!("{} files, {} in the model", catalog.file_count(), model.files.len()));
    }
    for file in catalog.files() {
        let Some(expected) = model.files.get(&file.object.to_string()) else {
            return Err(format!("{} is unknown", file.object));
        };
        let found =
            (file.created_at.0, file.removed_at().map(|(r, t)| (r.0, t.0)), file.condemned_at().is_some(), file.rows);
        if found != (expected.created, expected.removed, expected.condemned, expected.rows) {
            return Err(format!("{}: {found:?}, the model has {expected:?}", file.object));
        }
    }
    Ok(())
}
