//! SHOW CREATE TABLE, DESC, SHOW COLUMNS, SHOW INDEX.

use std::fmt::Write;

use runtime_mysql::MySqlError;
use runtime_sql::statement::show::ShownObject;
use runtime_sql::{QualifiedName, quote_identifier, quote_string};
use storage_catalog::Catalog;
use storage_model::{
    Aggregation, Bound, Column, DefaultValue, Distribution, Index, KeyModel, Partition, PartitionValues, Partitioning,
    Schema, Step, Table, Value, View, ViewColumn,
};

use crate::ddl;
use crate::names::{self, Named};
use crate::sheet::{Sheet, row};

/// SHOW CREATE TABLE.
pub(super) fn create_table(
    catalog: &Catalog,
    object: ShownObject,
    name: &QualifiedName,
    current: Option<&str>,
) -> Result<Sheet, MySqlError> {
    match (object, names::named(catalog, name, current)?.1) {
        (ShownObject::Table, Named::Table(table)) => {
            let text = create_table_text(catalog, &table);
            Ok(Sheet::text(&["Table", "Create Table"]).with(row![&table.name, text]))
        }
        (ShownObject::View | ShownObject::Table, Named::View(view)) => {
            let columns = ["View", "Create View", "character_set_client", "collation_connection"];
            Ok(Sheet::text(&columns).with(row![&view.name, create_view_text(&view), "utf8", "utf8_general_ci"]))
        }
        (ShownObject::View, _) => Err(MySqlError::analyzing(format_args!("Table {} is not VIEW", name.name))),
        (ShownObject::MaterializedView, _) => {
            Err(MySqlError::analyzing(format_args!("Table {} is not MATERIALIZED VIEW", name.name)))
        }
    }
}

/// The statement that would create this view.
fn create_view_text(view: &View) -> String {
    let column = |column: &ViewColumn| match column.comment.as_str() {
        "" => quote_identifier(&column.name),
        comment => format!("{} COMMENT {}", quote_identifier(&column.name), quote_string(comment)),
    };
    let columns: Vec<String> = view.columns.iter().map(column).collect();
    let mut text = format!("CREATE VIEW {} ({})", quote_identifier(&view.name), columns.join(", "));
    if !view.comment.is_empty() {
        let _ = write!(text, "\nCOMMENT {}", quote_string(&view.comment));
    }
    let security = if view.invoker { "INVOKER" } else { "NONE" };
    let _ = write!(text, "\nSECURITY {security}\nAS {};", view.query);
    text
}

/// The statement that would create this table: it reads back as the same draft.
pub(crate) fn create_table_text(catalog: &Catalog, table: &Table) -> String {
    let mut text = format!("CREATE TABLE {} (\n", quote_identifier(&table.name));
    let columns: Vec<String> = table.schema.columns.iter().map(|column| column_text(&table.schema, column)).collect();
    let indexes = table.schema.indexes.iter().map(|index| index_text(table, index));
    text.push_str(&columns.into_iter().chain(indexes).collect::<Vec<_>>().join(",\n"));
    text.push_str("\n) ENGINE=OLAP ");
    let keys = quoted(table.schema.columns.iter().filter(|c| c.key).map(|c| c.name.as_str()));
    if !keys.is_empty() {
        let _ = write!(text, "\n{}({keys})", table.model.clause());
    }
    if !table.comment.is_empty() {
        let _ = write!(text, "\nCOMMENT {}", quote_string(&table.comment));
    }
    text.push_str(&partitions_text(catalog, table));
    match &table.distribution {
        Distribution::Random => text.push_str("\nDISTRIBUTED BY RANDOM"),
        Distribution::Hash { .. } => {
            let keys = names_at(table, &table.distribution_positions());
            let _ = write!(text, "\nDISTRIBUTED BY HASH({keys})");
        }
    }
    if let Some(buckets) = table.buckets_given {
        // StarRocks has a blank behind the one and not behind the other.
        let blank = if table.distribution == Distribution::Random { "" } else { " " };
        let _ = write!(text, " BUCKETS {buckets}{blank}");
    }
    if !table.sort_key.is_empty() {
        let _ = write!(text, "\nORDER BY({})", names_at(table, &table.sort_positions()));
    }
    let mut properties = ddl::shown_properties(table);
    if let Some(volume) = catalog.volume(table.volume) {
        properties.insert("storage_volume".to_owned(), volume.name.clone());
    }
    let properties: Vec<String> =
        properties.iter().map(|(key, value)| format!("{} = {}", quote_string(key), quote_string(value))).collect();
    let _ = write!(text, "\nPROPERTIES (\n{}\n);", properties.join(",\n"));
    text
}

fn column_text(schema: &Schema, column: &Column) -> String {
    let null = if column.nullable { "NULL" } else { "NOT NULL" };
    let combined = column.aggregation.map_or_else(String::new, |aggregation| format!("{aggregation} "));
    let mut text = format!("  {} {} {combined}{null}", quote_identifier(&column.name), column.data_type.to_sql());
    match &column.default {
        None => {}
        Some(DefaultValue::Null) => text.push_str(" DEFAULT NULL"),
        Some(DefaultValue::Literal(literal)) => {
            let _ = write!(text, " DEFAULT {}", quote_string(literal));
        }
        Some(DefaultValue::CurrentTimestamp) => text.push_str(" DEFAULT CURRENT_TIMESTAMP"),
        Some(DefaultValue::AutoIncrement { .. }) => text.push_str(" AUTO_INCREMENT"),
        Some(DefaultValue::Uuid) => text.push_str(" DEFAULT (uuid())"),
        Some(DefaultValue::UuidNumeric) => text.push_str(" DEFAULT (uuid_numeric())"),
        Some(DefaultValue::Generated(expression)) => {
            let _ = write!(text, " AS {}", schema.text_of(expression, quote_identifier).unwrap_or_default());
        }
    }
    let _ = write!(text, " COMMENT {}", quote_string(&column.comment));
    text
}

fn index_text(table: &Table, index: &Index) -> String {
    let (name, kind, comment) = (quote_identifier(&index.name), index.kind.name(), quote_string(&index.comment));
    format!("  INDEX {name} ({}) USING {kind} COMMENT {comment}", names_at(table, &positions(table, index)))
}

/// Where the columns of an index are.
fn positions(table: &Table, index: &Index) -> Vec<usize> {
    index.columns.iter().filter_map(|column| table.schema.position_of(*column)).collect()
}

/// PARTITION BY, empty when unpartitioned. Partitions that loads make are not written: they are made again.
fn partitions_text(catalog: &Catalog, table: &Table) -> String {
    let partitions = || catalog.partitions_of(table).map(|p| partition_text(p)).collect::<Vec<_>>().join(",\n");
    let names = table.partition_positions().into_iter().map(|at| quote_identifier(&table.schema.columns[at].name));
    let key = |(name, step): (String, Option<Step>)| step.map_or_else(|| name.clone(), |step| step.expression(&name));
    let keys: Vec<String> = names.zip(table.partitioning.steps()).map(key).collect();
    let keys = keys.join(", ");
    match &table.partitioning {
        Partitioning::Unpartitioned => String::new(),
        Partitioning::Range { .. } => format!("\nPARTITION BY RANGE({keys})\n({})", partitions()),
        Partitioning::Expression { .. } => format!("\nPARTITION BY {keys}"),
        Partitioning::List { automatic: true, .. } => format!("\nPARTITION BY ({keys})"),
        Partitioning::List { automatic: false, .. } => format!("\nPARTITION BY LIST({keys})\n({})", partitions()),
    }
}

/// A constant of a list, or NULL.
fn listed_text(value: Option<&Value>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |value| quote_string(&value.to_string()))
}

fn partition_text(partition: &Partition) -> String {
    let name = quote_identifier(&partition.name);
    if !partition.range.values.is_empty() {
        let one = |values: &PartitionValues| match values.as_slice() {
            [only] => listed_text(only.as_ref()),
            several => {
                let texts: Vec<String> = several.iter().map(|value| listed_text(value.as_ref())).collect();
                format!("({})", texts.join(", "))
            }
        };
        let values: Vec<String> = partition.range.values.iter().map(one).collect();
        return format!("PARTITION {name} VALUES IN ({})", values.join(", "));
    }
    let upper = bound_text(&partition.range.upper);
    match &partition.range.lower {
        // Only LESS THAN reads back as "from below everything".
        Bound::Min => format!("PARTITION {name} VALUES LESS THAN {upper}"),
        lower => format!("PARTITION {name} VALUES [{}, {upper})", bound_text(lower)),
    }
}

fn bound_text(bound: &Bound) -> String {
    match bound {
        Bound::At(values) => {
            let text = |value: &Value| match value {
                Value::Max => value.to_string(),
                value => quote_string(&value.to_string()),
            };
            let values: Vec<String> = values.iter().map(text).collect();
            format!("({})", values.join(", "))
        }
        Bound::Min | Bound::Max => "(MAXVALUE)".to_owned(),
    }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(quote_identifier).collect::<Vec<_>>().join(", ")
}

fn names_at(table: &Table, positions: &[usize]) -> String {
    quoted(positions.iter().map(|at| table.schema.columns[*at].name.as_str()))
}

/// What DESC and SHOW COLUMNS say of a column.
struct Described {
    name: String,
    data_type: String,
    nullable: bool,
    key: bool,
    default: Option<String>,
    /// How its values are combined.
    extra: &'static str,
    comment: String,
}

/// The columns of a stored table, or those that were computed.
fn described(
    catalog: &Catalog,
    name: &QualifiedName,
    current: Option<&str>,
    computed: Option<Vec<(String, String)>>,
) -> Result<Vec<Described>, MySqlError> {
    if let Some(columns) = computed {
        let column = |(name, data_type): (String, String)| Described {
            name,
            data_type,
            nullable: true,
            key: false,
            default: None,
            extra: "",
            comment: String::new(),
        };
        return Ok(columns.into_iter().map(column).collect());
    }
    let table = match names::named(catalog, name, current)?.1 {
        Named::Table(table) => table,
        Named::View(view) => return Ok(view.columns.iter().map(view_column).collect()),
    };
    let column = |column: &Column| Described {
        name: column.name.clone(),
        data_type: column.data_type.to_sql(),
        nullable: column.nullable,
        key: column.key,
        default: match &column.default {
            None | Some(DefaultValue::Null) => None,
            Some(DefaultValue::Literal(text)) => Some(text.clone()),
            Some(DefaultValue::CurrentTimestamp) => Some("CURRENT_TIMESTAMP".to_owned()),
            Some(DefaultValue::Uuid) => Some("uuid()".to_owned()),
            Some(DefaultValue::UuidNumeric) => Some("uuid_numeric()".to_owned()),
            Some(DefaultValue::AutoIncrement { .. } | DefaultValue::Generated(_)) => None,
        },
        extra: extra(&table, column),
        comment: column.comment.clone(),
    };
    Ok(table.schema.columns.iter().map(column).collect())
}

/// How the values of a column come about, or are combined.
fn extra(table: &Table, column: &Column) -> &'static str {
    match table.model {
        _ if column.generated().is_some() => "STORED GENERATED",
        _ if column.is_auto_increment() => "auto_increment",
        // That is what a primary key means.
        KeyModel::Primary => "",
        _ => table.aggregation_of(column).map_or("", Aggregation::name),
    }
}

fn view_column(column: &ViewColumn) -> Described {
    let ViewColumn { name, data_type, nullable, comment, .. } = column;
    Described {
        name: name.clone(),
        data_type: data_type.to_sql(),
        nullable: *nullable,
        key: false,
        default: None,
        extra: "",
        comment: comment.clone(),
    }
}

fn yes(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}

pub(super) fn describe(
    catalog: &Catalog,
    name: &QualifiedName,
    all: bool,
    current: Option<&str>,
    computed: Option<Vec<(String, String)>>,
) -> Result<Sheet, MySqlError> {
    let keys_type = match computed {
        Some(_) => KeyModel::Duplicate.keys_type(),
        None => match names::named(catalog, name, current)?.1 {
            Named::Table(table) => table.model.keys_type(),
            Named::View(_) => "",
        },
    };
    let columns = described(catalog, name, current, computed)?;
    let plain = ["Field", "Type", "Null", "Key", "Default", "Extra"];
    let mut sheet = match all {
        true => Sheet::text(&[&["IndexName", "IndexKeysType"][..], &plain[..]].concat()),
        false => Sheet::text(&plain),
    };
    for (at, c) in columns.into_iter().enumerate() {
        let mut row = row![c.name, c.data_type, yes(c.nullable), c.key, c.default, c.extra];
        if all {
            // The table itself is the only index; its name stands in the first row.
            let (index, kind) = if at == 0 { (name.name.as_str(), keys_type) } else { ("", "") };
            row.splice(0..0, row![index, kind]);
        }
        sheet.push(row);
    }
    Ok(sheet)
}

pub(super) fn columns(
    catalog: &Catalog,
    full: bool,
    name: &QualifiedName,
    current: Option<&str>,
    computed: Option<Vec<(String, String)>>,
) -> Result<Sheet, MySqlError> {
    let columns = described(catalog, name, current, computed)?;
    let mut sheet = match full {
        true => {
            let names = ["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"];
            Sheet::text(&names)
        }
        false => Sheet::text(&["Field", "Type", "Null", "Key", "Default", "Extra"]),
    };
    for c in columns {
        let (null, key) = (yes(c.nullable), yes(c.key));
        sheet.push(match full {
            true => row![c.name, c.data_type, "", null, key, c.default, c.extra, "", c.comment],
            false => row![c.name, c.data_type, null, key, c.default, c.extra],
        });
    }
    Ok(sheet)
}

/// SHOW INDEX.
pub(super) fn index(catalog: &Catalog, name: &QualifiedName, current: Option<&str>) -> Result<Sheet, MySqlError> {
    let found = match names::is_virtual(&names::database_name(name, current)?) {
        true => None,
        false => Some(names::named(catalog, name, current)?),
    };
    let mut sheet = Sheet::text(&[
        "Table",
        "Non_unique",
        "Key_name",
        "Seq_in_index",
        "Column_name",
        "Collation",
        "Cardinality",
        "Sub_part",
        "Packed",
        "Null",
        "Index_type",
        "Comment",
    ]);
    let Some((database, Named::Table(table))) = found else { return Ok(sheet) };
    for index in &table.schema.indexes {
        let columns: Vec<&str> =
            positions(&table, index).into_iter().map(|at| table.schema.columns[at].name.as_str()).collect();
        let of = format!("{}.{}", database.name, table.name);
        let (columns, kind, comment) = (columns.join(","), index.kind.name(), &index.comment);
        sheet.push(row![of, "", &index.name, "", columns, "", "", "", "", "", kind, comment]);
    }
    Ok(sheet)
}

/// SHOW MATERIALIZED VIEWS: there are none.
pub(super) fn materialized_views() -> Sheet {
    Sheet::text(&[
        "id",
        "database_name",
        "name",
        "refresh_type",
        "is_active",
        "inactive_reason",
        "partition_type",
        "task_id",
        "task_name",
        "last_refresh_start_time",
        "last_refresh_finished_time",
        "last_refresh_duration",
        "last_refresh_state",
        "last_refresh_force_refresh",
        "last_refresh_start_partition",
        "last_refresh_end_partition",
        "last_refresh_base_refresh_partitions",
        "last_refresh_mv_refresh_partitions",
        "last_refresh_error_code",
        "last_refresh_error_message",
        "rows",
        "text",
        "extra_message",
        "query_rewrite_status",
        "creator",
    ])
}
