//! The part of `information_schema` that the catalog itself answers. What only a running frontend knows comes through
//! [`crate::VirtualTables`], which is asked first.

mod specs;
mod views;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef, TimeUnit};
use runtime_sql::quote_identifier;
use storage_catalog::Database;
use storage_model::{
    Column, DataType, DefaultValue, Distribution, KeyModel, Partition, PartitionRange, Table, Value, View,
};

use crate::context::{DEFAULT_CATALOG, PlanContext};
use crate::error::QueryError;
use crate::zone::Zone;
use specs::Kind::{self, Number, Text, Time, Unsigned};
use specs::{ALL, Spec};

/// The database.
pub(crate) const NAME: &str = "information_schema";

/// A value on its way into such a column.
enum Cell {
    Null,
    Text(String),
    Number(i64),
    /// Milliseconds since the epoch.
    Time(u64),
}

/// The names of the tables that this room answers.
pub fn tables() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

fn specs(table: &str) -> Option<&'static [Spec]> {
    ALL.iter().find(|(name, _)| *name == table).map(|(_, specs)| *specs)
}

/// The columns of a table, by its name in lower case.
pub(crate) fn schema(table: &str) -> Option<SchemaRef> {
    let field = |(name, kind): &Spec| {
        let data_type = match kind {
            Text => ArrowType::Utf8,
            Number => ArrowType::Int64,
            Unsigned => ArrowType::UInt64,
            Time => ArrowType::Timestamp(TimeUnit::Microsecond, None),
        };
        Field::new(*name, data_type, true)
    };
    specs(table).map(|specs| Arc::new(Schema::new(specs.iter().map(field).collect::<Vec<_>>())))
}

/// The rows of a table, by its name in lower case.
pub(crate) fn rows(table: &str, cx: &PlanContext) -> Result<RecordBatch, QueryError> {
    let (Some(specs), Some(schema)) = (specs(table), schema(table)) else {
        return Err(QueryError::unknown_table(NAME, table));
    };
    let rows: Vec<Vec<Cell>> = match table {
        "schemata" => database_names(cx).map(schemata_row).collect(),
        "tables" => {
            let stored = each_table(cx).map(|(database, table)| tables_row(cx, database, table));
            let views = each_view(cx).map(|(database, view)| views::view_row(&database.name, view));
            let computed = computed(cx);
            let computed = computed.iter().map(|(database, table)| views::tables_row(database, table));
            stored.chain(views).chain(computed).collect()
        }
        "columns" => {
            let stored = each_table(cx).flat_map(|(d, t)| column_rows(d, t));
            let known = |(d, t): &(String, String)| computed_schema(cx, d, t).map(|s| views::column_rows(d, t, &s));
            let views = each_view(cx).flat_map(|(database, view)| views::view_column_rows(&database.name, view));
            stored.chain(views).chain(computed(cx).iter().filter_map(known).flatten()).collect()
        }
        "tables_config" => each_table(cx).map(|(d, t)| tables_config_row(cx, d, t)).collect(),
        "partitions_meta" => each_table(cx)
            .flat_map(|(d, t)| cx.catalog.partitions_of(t).map(move |p| partitions_meta_row(d, t, p)))
            .collect(),
        "views" => each_view(cx).map(|(database, view)| views::definition_row(&database.name, view)).collect(),
        "engines" => vec![texts(["OLAP", "DEFAULT", "Default storage engine", "YES", "NO", "NO"])],
        "character_sets" => {
            let mut row = texts(["utf8mb4", "utf8mb4_general_ci", "UTF-8 Unicode"]);
            row.push(Cell::Number(4));
            vec![row]
        }
        "collations" => vec![collation("utf8mb4_general_ci", 45, "Yes"), collation("utf8mb4_unicode_ci", 224, "")],
        _ => Vec::new(),
    };
    let zone = cx.session.zone();
    let columns = specs.iter().enumerate().map(|(at, (_, kind))| column(*kind, rows.iter().map(|r| &r[at]), &zone));
    Ok(RecordBatch::try_new(schema, columns.collect())?)
}

fn column<'a>(kind: Kind, cells: impl Iterator<Item = &'a Cell>, zone: &Zone) -> ArrayRef {
    let number = |cell: &Cell| match cell {
        Cell::Number(number) => Some(*number),
        _ => None,
    };
    match kind {
        Text => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
            Cell::Text(text) => Some(text.as_str()),
            _ => None,
        }))),
        Number => Arc::new(Int64Array::from_iter(cells.map(number))),
        Unsigned => Arc::new(UInt64Array::from_iter(cells.map(|c| number(c).and_then(|n| u64::try_from(n).ok())))),
        Time => Arc::new(TimestampMicrosecondArray::from_iter(cells.map(|cell| match cell {
            Cell::Time(millis) => Some(zone.to_local((*millis / 1000) as i64 * 1_000_000)),
            _ => None,
        }))),
    }
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn texts<const N: usize>(values: [&str; N]) -> Vec<Cell> {
    values.map(text).into_iter().collect()
}

fn number(value: impl TryInto<i64>) -> Cell {
    value.try_into().map_or(Cell::Null, Cell::Number)
}

fn each_table(cx: &PlanContext) -> impl Iterator<Item = (&Database, &Table)> {
    let tables = |d: &Arc<Database>| d.id;
    cx.catalog.databases().flat_map(move |d| cx.catalog.tables_of(tables(d)).map(move |t| (d.as_ref(), t.as_ref())))
}

fn each_view(cx: &PlanContext) -> impl Iterator<Item = (&Database, &View)> {
    let views = |d: &Arc<Database>| d.id;
    cx.catalog.databases().flat_map(move |d| cx.catalog.views_of(views(d)).map(move |v| (d.as_ref(), v.as_ref())))
}

fn database_names(cx: &PlanContext) -> impl Iterator<Item = String> {
    let mut names: Vec<String> = cx.catalog.databases().map(|d| d.name.clone()).collect();
    names.push(NAME.to_owned());
    for (name, _) in cx.virtual_tables.names() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter()
}

/// The computed tables, by database and name.
fn computed(cx: &PlanContext) -> Vec<(String, String)> {
    let mut named = cx.virtual_tables.names();
    if !named.iter().any(|(database, _)| database == NAME) {
        named.push((NAME.to_owned(), tables().map(str::to_owned).collect()));
    }
    named.into_iter().flat_map(|(d, names)| names.into_iter().map(move |t| (d.clone(), t))).collect()
}

fn computed_schema(cx: &PlanContext, database: &str, table: &str) -> Option<SchemaRef> {
    let own = || (database == NAME).then(|| schema(table)).flatten();
    cx.virtual_tables.schema(database, table).or_else(own)
}

fn schemata_row(name: String) -> Vec<Cell> {
    vec![text(DEFAULT_CATALOG), text(name), text("utf8mb4"), text("utf8mb4_general_ci"), Cell::Null]
}

fn tables_row(cx: &PlanContext, database: &Database, table: &Table) -> Vec<Cell> {
    let partitions: Vec<_> = cx.catalog.partitions_of(table).collect();
    let rows: u64 = partitions.iter().map(|p| p.rows()).sum();
    let bytes: u64 = partitions.iter().map(|p| p.bytes()).sum();
    let updated = partitions.iter().map(|p| p.visible_at).max();
    vec![
        text(DEFAULT_CATALOG),
        text(&database.name),
        text(&table.name),
        text("BASE TABLE"),
        text("StarRocks"),
        Cell::Null,
        Cell::Null,
        number(rows),
        number(bytes.checked_div(rows).unwrap_or(0)),
        number(bytes),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Time(table.created_at.0),
        updated.map_or(Cell::Null, |at| Cell::Time(at.0)),
        Cell::Null,
        text("utf8mb4_general_ci"),
        Cell::Null,
        text(""),
        text(&table.comment),
    ]
}

/// Where the last column but one stands in a row of `columns`.
const GENERATION_EXPRESSION: usize = 22;

fn column_rows(database: &Database, table: &Table) -> Vec<Vec<Cell>> {
    let row = |(at, column): (usize, &Column)| {
        let mut row = column_row(&database.name, &table.name, at, column, table.model);
        if let Some(expression) = column.generated() {
            let shown = table.schema.text_of(expression, quote_identifier).unwrap_or_default();
            row.splice(GENERATION_EXPRESSION..=GENERATION_EXPRESSION, [text(shown)]);
        }
        row
    };
    table.schema.columns.iter().enumerate().map(row).collect()
}

fn column_row(database: &str, table: &str, at: usize, column: &Column, model: KeyModel) -> Vec<Cell> {
    let length = match &column.data_type {
        DataType::Char(n) | DataType::Varchar(n) => number(*n),
        _ => Cell::Null,
    };
    let (precision, scale) = match &column.data_type {
        DataType::Decimal { precision, scale } => (number(*precision), number(*scale)),
        DataType::TinyInt => (number(3), number(0)),
        DataType::SmallInt => (number(5), number(0)),
        DataType::Int => (number(10), number(0)),
        DataType::BigInt => (number(19), number(0)),
        DataType::LargeInt => (number(38), number(0)),
        DataType::Float => (number(7), number(7)),
        DataType::Double => (number(15), number(15)),
        _ => (Cell::Null, Cell::Null),
    };
    let same = |cell: &Cell| match cell {
        Cell::Number(n) => Cell::Number(*n),
        _ => Cell::Null,
    };
    let (octets, digits) = (same(&length), same(&scale));
    let size = if column.data_type.is_text() { same(&length) } else { same(&precision) };
    let default = match &column.default {
        Some(DefaultValue::Literal(literal)) => text(literal),
        Some(DefaultValue::CurrentTimestamp) => text("CURRENT_TIMESTAMP"),
        Some(DefaultValue::Uuid) => text("uuid()"),
        Some(DefaultValue::UuidNumeric) => text("uuid_numeric()"),
        Some(DefaultValue::Null | DefaultValue::AutoIncrement { .. } | DefaultValue::Generated(_)) | None => Cell::Null,
    };
    let extra = match column.default {
        Some(DefaultValue::Generated(_)) => "STORED GENERATED",
        Some(DefaultValue::AutoIncrement { .. }) => "auto_increment",
        _ => "",
    };
    vec![
        text(DEFAULT_CATALOG),
        text(database),
        text(table),
        text(&column.name),
        number(at + 1),
        default,
        text(if column.nullable { "YES" } else { "NO" }),
        text(column.data_type.name()),
        length,
        octets,
        precision,
        scale,
        Cell::Null,
        if column.data_type.is_text() { text("utf8mb4") } else { Cell::Null },
        if column.data_type.is_text() { text("utf8mb4_general_ci") } else { Cell::Null },
        text(column.data_type.to_sql()),
        text(if column.key { column_key(model) } else { "" }),
        text(extra),
        text(""),
        text(&column.comment),
        size,
        digits,
        text(""),
        Cell::Null,
    ]
}

fn quoted_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn keys(table: &Table, positions: Vec<usize>) -> String {
    quoted_list(positions.iter().map(|at| table.schema.columns[*at].name.as_str()))
}

/// As `tables_config` says it.
fn table_model(model: KeyModel) -> &'static str {
    match model {
        KeyModel::Duplicate => "DUP_KEYS",
        KeyModel::Aggregate => "AGG_KEYS",
        KeyModel::Unique => "UNQ_KEYS",
        KeyModel::Primary => "PRI_KEYS",
    }
}

/// What a key column is called.
fn column_key(model: KeyModel) -> &'static str {
    match model {
        KeyModel::Duplicate => "DUP",
        KeyModel::Aggregate => "AGG",
        KeyModel::Unique => "UNI",
        KeyModel::Primary => "PRI",
    }
}

fn tables_config_row(cx: &PlanContext, database: &Database, table: &Table) -> Vec<Cell> {
    let kind = match table.distribution {
        Distribution::Hash { .. } => "HASH",
        Distribution::Random => "RANDOM",
    };
    let buckets = cx.catalog.partitions_of(table).map(|p| p.buckets).max().unwrap_or(0);
    vec![
        text(&database.name),
        text(&table.name),
        text("OLAP"),
        text(table_model(table.model)),
        text(match table.model {
            KeyModel::Primary | KeyModel::Unique => keys(table, table.schema.key_positions()),
            KeyModel::Duplicate | KeyModel::Aggregate => String::new(),
        }),
        text(keys(table, table.partition_positions())),
        text(keys(table, table.distribution_positions())),
        text(kind),
        number(buckets),
        text(keys(table, table.sort_positions())),
        text(serde_json::to_string(&table.properties).unwrap_or_default()),
        number(table.id.0),
    ]
}

/// `((a, 1), (b, NULL))`
fn listed(range: &PartitionRange) -> String {
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "NULL".to_owned(), Value::to_string);
    let values = range.values.iter();
    let values = values.map(|values| format!("({})", values.iter().map(value).collect::<Vec<_>>().join(", ")));
    format!("({})", values.collect::<Vec<_>>().join(", "))
}

fn partitions_meta_row(database: &Database, table: &Table, partition: &Partition) -> Vec<Cell> {
    let range = &partition.range;
    vec![
        text(&database.name),
        text(&table.name),
        text(&partition.name),
        number(partition.id.0),
        number(partition.visible_version),
        Cell::Time(partition.visible_at.0),
        text(keys(table, table.partition_positions())),
        text(match table.partitioning.is_list() {
            true => listed(range),
            false => format!("[{}, {})", range.lower, range.upper),
        }),
        text(keys(table, table.distribution_positions())),
        number(partition.buckets),
        text(format!("{}B", partition.bytes())),
        number(partition.rows()),
    ]
}

fn collation(name: &str, id: i64, default: &str) -> Vec<Cell> {
    vec![text(name), text("utf8mb4"), Cell::Number(id), text(default), text("Yes"), Cell::Number(1)]
}
