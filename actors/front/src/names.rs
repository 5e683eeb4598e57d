//! What a name in a statement means in this session: which database, which table of the catalog.

use std::sync::Arc;

use runtime_mysql::MySqlError;
use runtime_sql::{DEFAULT_CATALOG, QualifiedName};
use storage_catalog::access::{object_of, object_of_view};
use storage_catalog::{Catalog, Database};
use storage_model::{GrantObject, Table, View};

/// Databases that are computed and cannot be changed.
pub(crate) const VIRTUAL_DATABASES: [&str; 2] = ["information_schema", "sys"];

/// Whether a database is computed. Their names answer to any case.
pub(crate) fn is_virtual(database: &str) -> bool {
    VIRTUAL_DATABASES.iter().any(|name| name.eq_ignore_ascii_case(database))
}

/// There is one catalog.
pub(crate) fn check_catalog(catalog: Option<&str>) -> Result<(), MySqlError> {
    match catalog {
        Some(name) if !name.eq_ignore_ascii_case(DEFAULT_CATALOG) => Err(MySqlError::unknown_catalog(name)),
        _ => Ok(()),
    }
}

/// The database to enter by USE or at login, spelled as it is.
pub(crate) fn enter(catalog: &Catalog, named: Option<&str>, database: &str) -> Result<String, MySqlError> {
    check_catalog(named)?;
    if is_virtual(database) {
        return Ok(database.to_ascii_lowercase());
    }
    match (catalog.database_by_name(database), named) {
        (Some(found), _) => Ok(found.name.clone()),
        (None, Some(named)) => Err(MySqlError::unknown_catalog_database(format_args!("{named}.{database}"))),
        (None, None) => Err(MySqlError::unknown_database(database)),
    }
}

/// The name of the database that a name lies in: named, or that of USE.
pub(crate) fn database_name(name: &QualifiedName, current: Option<&str>) -> Result<String, MySqlError> {
    check_catalog(name.catalog.as_deref())?;
    let database = name.database.as_deref().or(current);
    database.map(str::to_owned).ok_or_else(MySqlError::no_database_selected)
}

/// The database whose contents a statement changes.
pub(crate) fn writable_database(name: &QualifiedName, current: Option<&str>) -> Result<String, MySqlError> {
    let database = database_name(name, current)?;
    if is_virtual(&database) {
        return Err(MySqlError::analyzing(format_args!("database '{database}' is computed and can not be changed")));
    }
    Ok(database)
}

/// What has a name in a database.
pub(crate) enum Named {
    /// A table.
    Table(Arc<Table>),
    /// A view.
    View(Arc<View>),
}

impl Named {
    /// What privileges on it are granted on.
    pub(crate) fn object(&self) -> GrantObject {
        match self {
            Named::Table(table) => object_of(table),
            Named::View(view) => object_of_view(view),
        }
    }
}

/// What has the name, and its database.
pub(crate) fn named(
    catalog: &Catalog,
    name: &QualifiedName,
    current: Option<&str>,
) -> Result<(Arc<Database>, Named), MySqlError> {
    let database = database_name(name, current)?;
    let found = catalog.database_by_name(&database).ok_or_else(|| MySqlError::unknown_database(&database))?;
    if let Some(table) = catalog.table_by_name(found.id, &name.name) {
        return Ok((Arc::clone(found), Named::Table(Arc::clone(table))));
    }
    let view = catalog.view_by_name(found.id, &name.name);
    let view = view.ok_or_else(|| MySqlError::unknown_table(format_args!("{database}.{}", name.name)))?;
    Ok((Arc::clone(found), Named::View(Arc::clone(view))))
}

/// A stored table and its database.
pub(crate) fn stored_table(
    catalog: &Catalog,
    name: &QualifiedName,
    current: Option<&str>,
) -> Result<(Arc<Database>, Arc<Table>), MySqlError> {
    match named(catalog, name, current)? {
        (database, Named::Table(table)) => Ok((database, table)),
        (database, Named::View(view)) => {
            let text = format!("'{}.{}' is not BASE TABLE", database.name, view.name);
            Err(MySqlError::new(1347, *b"HY000", text))
        }
    }
}

/// Whether a name may be given to something new: not empty, not too long, nothing that cannot be typed.
pub(crate) fn check_new(what: &str, name: &str, longest: usize) -> Result<(), MySqlError> {
    let length = name.chars().count();
    let sane = (1..=longest).contains(&length) && name.trim() == name && !name.chars().any(char::is_control);
    if sane { Ok(()) } else { Err(MySqlError::wrong_name(what, name)) }
}
