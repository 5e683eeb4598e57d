//! SHOW CATALOGS, DATABASES, TABLES, TABLE STATUS.

use std::sync::Arc;

use runtime_mysql::MySqlError;
use runtime_sql::statement::show::DatabaseName;
use runtime_sql::{DEFAULT_CATALOG, quote_identifier, quote_string};
use storage_catalog::{Catalog, Database};
use storage_model::{Table, View};

use crate::information_schema;
use crate::names;
use crate::sheet::{Item, Kind, Sheet, row};

pub(super) fn catalogs() -> Sheet {
    let comment = "An internal catalog contains this cluster's self-managed tables.";
    Sheet::text(&["Catalog", "Type", "Comment"]).with(row![DEFAULT_CATALOG, "Internal", comment])
}

pub(super) fn databases(catalog: &Catalog, named: Option<&str>) -> Result<Sheet, MySqlError> {
    names::check_catalog(named)?;
    let mut all: Vec<String> = catalog.databases().map(|d| d.name.clone()).collect();
    all.extend(names::VIRTUAL_DATABASES.map(str::to_owned));
    all.sort_unstable();
    let mut sheet = Sheet::text(&["Database"]);
    all.into_iter().for_each(|name| sheet.push(row![name]));
    Ok(sheet)
}

pub(super) fn create_database(catalog: &Catalog, name: &str) -> Result<Sheet, MySqlError> {
    let sheet = Sheet::text(&["Database", "Create Database"]);
    if names::is_virtual(name) {
        let name = name.to_ascii_lowercase();
        let text = format!("CREATE DATABASE {}", quote_identifier(&name));
        return Ok(sheet.with(row![name, text]));
    }
    let database = catalog.database_by_name(name).ok_or_else(|| MySqlError::unknown_database(name))?;
    let mut text = format!("CREATE DATABASE {}", quote_identifier(&database.name));
    if let Some(volume) = database.volume.and_then(|id| catalog.volume(id)) {
        text.push_str(&format!("\nPROPERTIES (\"storage_volume\" = {})", quote_string(&volume.name)));
    }
    Ok(sheet.with(row![&database.name, text]))
}

/// A database that is shown: stored, or computed with the names of its tables.
enum Place<'a> {
    Stored(&'a Arc<Database>),
    Computed(String),
}

fn place<'a>(
    catalog: &'a Catalog,
    database: Option<&DatabaseName>,
    current: Option<&str>,
) -> Result<Place<'a>, MySqlError> {
    names::check_catalog(database.and_then(|d| d.catalog.as_deref()))?;
    let name = database.map(|d| d.database.as_str()).or(current).ok_or_else(MySqlError::no_database_selected)?;
    if names::is_virtual(name) {
        return Ok(Place::Computed(name.to_ascii_lowercase()));
    }
    catalog.database_by_name(name).map(Place::Stored).ok_or_else(|| MySqlError::unknown_database(name))
}

/// The stored database that is named or that of USE; None: it is computed.
pub(super) fn stored<'a>(
    catalog: &'a Catalog,
    database: Option<&DatabaseName>,
    current: Option<&str>,
) -> Result<Option<&'a Arc<Database>>, MySqlError> {
    match place(catalog, database, current)? {
        Place::Stored(database) => Ok(Some(database)),
        Place::Computed(_) => Ok(None),
    }
}

pub(super) fn tables(
    catalog: &Catalog,
    full: bool,
    database: Option<&DatabaseName>,
    current: Option<&str>,
) -> Result<Sheet, MySqlError> {
    let (name, tables) = match place(catalog, database, current)? {
        Place::Stored(database) => {
            let tables = catalog.tables_of(database.id).map(|t| (t.name.clone(), "BASE TABLE"));
            let mut all: Vec<_> =
                tables.chain(catalog.views_of(database.id).map(|v| (v.name.clone(), "VIEW"))).collect();
            all.sort_unstable();
            (database.name.clone(), all)
        }
        Place::Computed(name) => {
            let tables = information_schema::table_names(&name);
            (name, tables.into_iter().map(|table| (table, "SYSTEM VIEW")).collect())
        }
    };
    let first = format!("Tables_in_{name}");
    let mut sheet = if full { Sheet::text(&[&first, "Table_type"]) } else { Sheet::text(&[&first]) };
    for (table, kind) in tables {
        sheet.push(if full { row![table, kind] } else { row![table] });
    }
    Ok(sheet)
}

/// `catalog`: where the database is found, and what is shown of it.
pub(super) fn table_status(
    (catalog, seen): (&Catalog, &Catalog),
    database: Option<&DatabaseName>,
    current: Option<&str>,
) -> Result<Sheet, MySqlError> {
    use Kind::{BigInt, DateTime, Text};
    let mut sheet = Sheet::new(&[
        ("Name", Text),
        ("Engine", Text),
        ("Version", BigInt),
        ("Row_format", Text),
        ("Rows", BigInt),
        ("Avg_row_length", BigInt),
        ("Data_length", BigInt),
        ("Max_data_length", BigInt),
        ("Index_length", BigInt),
        ("Data_free", BigInt),
        ("Auto_increment", BigInt),
        ("Create_time", DateTime),
        ("Update_time", DateTime),
        ("Check_time", DateTime),
        ("Collation", Text),
        ("Checksum", BigInt),
        ("Create_options", Text),
        ("Comment", Text),
    ]);
    if let Place::Stored(database) = place(catalog, database, current)? {
        seen.tables_of(database.id).for_each(|table| sheet.push(status_row(seen, table)));
        seen.views_of(database.id).for_each(|view| sheet.push(view_status_row(view)));
    }
    Ok(sheet)
}

fn view_status_row(view: &View) -> Vec<Item> {
    let mut row = vec![(&view.name).into()];
    // No engine, no rows, no sizes.
    row.extend((0..10).map(|_| Item::Null));
    row.push(Item::at(view.created_at));
    row.extend((0..5).map(|_| Item::Null));
    row.push("VIEW".into());
    row
}

fn status_row(catalog: &Catalog, table: &Table) -> Vec<Item> {
    let rows: u64 = catalog.partitions_of(table).map(|p| p.rows()).sum();
    let bytes: u64 = catalog.partitions_of(table).map(|p| p.bytes()).sum();
    let changed = catalog.partitions_of(table).map(|p| p.visible_at).max().unwrap_or(table.created_at);
    vec![
        (&table.name).into(),
        "StarRocks".into(),
        Item::Null,
        "".into(),
        rows.into(),
        bytes.checked_div(rows).unwrap_or(0).into(),
        bytes.into(),
        Item::Null,
        Item::Null,
        Item::Null,
        Item::Null,
        Item::at(table.created_at),
        Item::at(changed),
        Item::Null,
        "utf8mb4_general_ci".into(),
        Item::Null,
        "".into(),
        (&table.comment).into(),
    ]
}
