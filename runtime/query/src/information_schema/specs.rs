//! The columns of each table, as MySQL and StarRocks name them.

/// A column of a table here: its name and what it holds.
pub(super) type Spec = (&'static str, Kind);

/// What a column here holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    Unsigned,
    Time,
}

use Kind::{Number, Text, Time, Unsigned};

const SCHEMATA: &[Spec] = &[
    ("CATALOG_NAME", Text),
    ("SCHEMA_NAME", Text),
    ("DEFAULT_CHARACTER_SET_NAME", Text),
    ("DEFAULT_COLLATION_NAME", Text),
    ("SQL_PATH", Text),
];
const TABLES: &[Spec] = &[
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("TABLE_TYPE", Text),
    ("ENGINE", Text),
    ("VERSION", Number),
    ("ROW_FORMAT", Text),
    ("TABLE_ROWS", Unsigned),
    ("AVG_ROW_LENGTH", Unsigned),
    ("DATA_LENGTH", Unsigned),
    ("MAX_DATA_LENGTH", Unsigned),
    ("INDEX_LENGTH", Unsigned),
    ("DATA_FREE", Unsigned),
    ("AUTO_INCREMENT", Unsigned),
    ("CREATE_TIME", Time),
    ("UPDATE_TIME", Time),
    ("CHECK_TIME", Time),
    ("TABLE_COLLATION", Text),
    ("CHECKSUM", Number),
    ("CREATE_OPTIONS", Text),
    ("TABLE_COMMENT", Text),
];
const COLUMNS: &[Spec] = &[
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("COLUMN_NAME", Text),
    ("ORDINAL_POSITION", Unsigned),
    ("COLUMN_DEFAULT", Text),
    ("IS_NULLABLE", Text),
    ("DATA_TYPE", Text),
    ("CHARACTER_MAXIMUM_LENGTH", Number),
    ("CHARACTER_OCTET_LENGTH", Number),
    ("NUMERIC_PRECISION", Number),
    ("NUMERIC_SCALE", Number),
    ("DATETIME_PRECISION", Number),
    ("CHARACTER_SET_NAME", Text),
    ("COLLATION_NAME", Text),
    ("COLUMN_TYPE", Text),
    ("COLUMN_KEY", Text),
    ("EXTRA", Text),
    ("PRIVILEGES", Text),
    ("COLUMN_COMMENT", Text),
    ("COLUMN_SIZE", Number),
    ("DECIMAL_DIGITS", Number),
    ("GENERATION_EXPRESSION", Text),
    ("SRS_ID", Number),
];
const TABLES_CONFIG: &[Spec] = &[
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("TABLE_ENGINE", Text),
    ("TABLE_MODEL", Text),
    ("PRIMARY_KEY", Text),
    ("PARTITION_KEY", Text),
    ("DISTRIBUTE_KEY", Text),
    ("DISTRIBUTE_TYPE", Text),
    ("DISTRIBUTE_BUCKET", Number),
    ("SORT_KEY", Text),
    ("PROPERTIES", Text),
    ("TABLE_ID", Number),
];
const PARTITIONS_META: &[Spec] = &[
    ("DB_NAME", Text),
    ("TABLE_NAME", Text),
    ("PARTITION_NAME", Text),
    ("PARTITION_ID", Number),
    ("VISIBLE_VERSION", Number),
    ("VISIBLE_VERSION_TIME", Time),
    ("PARTITION_KEY", Text),
    ("PARTITION_VALUE", Text),
    ("DISTRIBUTION_KEY", Text),
    ("BUCKETS", Number),
    ("DATA_SIZE", Text),
    ("ROW_COUNT", Number),
];
const VIEWS: &[Spec] = &[
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("VIEW_DEFINITION", Text),
    ("CHECK_OPTION", Text),
    ("IS_UPDATABLE", Text),
    ("DEFINER", Text),
    ("SECURITY_TYPE", Text),
    ("CHARACTER_SET_CLIENT", Text),
    ("COLLATION_CONNECTION", Text),
];
const MATERIALIZED_VIEWS: &[Spec] = &[
    ("MATERIALIZED_VIEW_ID", Number),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("REFRESH_TYPE", Text),
    ("IS_ACTIVE", Text),
    ("TABLE_ROWS", Number),
    ("MATERIALIZED_VIEW_DEFINITION", Text),
];
const ENGINES: &[Spec] = &[
    ("ENGINE", Text),
    ("SUPPORT", Text),
    ("COMMENT", Text),
    ("TRANSACTIONS", Text),
    ("XA", Text),
    ("SAVEPOINTS", Text),
];
const CHARACTER_SETS: &[Spec] =
    &[("CHARACTER_SET_NAME", Text), ("DEFAULT_COLLATE_NAME", Text), ("DESCRIPTION", Text), ("MAXLEN", Number)];
const COLLATIONS: &[Spec] = &[
    ("COLLATION_NAME", Text),
    ("CHARACTER_SET_NAME", Text),
    ("ID", Number),
    ("IS_DEFAULT", Text),
    ("IS_COMPILED", Text),
    ("SORTLEN", Number),
];
const KEY_COLUMN_USAGE: &[Spec] = &[
    ("CONSTRAINT_CATALOG", Text),
    ("CONSTRAINT_SCHEMA", Text),
    ("CONSTRAINT_NAME", Text),
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("COLUMN_NAME", Text),
    ("ORDINAL_POSITION", Number),
    ("POSITION_IN_UNIQUE_CONSTRAINT", Number),
    ("REFERENCED_TABLE_SCHEMA", Text),
    ("REFERENCED_TABLE_NAME", Text),
    ("REFERENCED_COLUMN_NAME", Text),
];
const ROUTINES: &[Spec] = &[
    ("SPECIFIC_NAME", Text),
    ("ROUTINE_CATALOG", Text),
    ("ROUTINE_SCHEMA", Text),
    ("ROUTINE_NAME", Text),
    ("ROUTINE_TYPE", Text),
    ("ROUTINE_COMMENT", Text),
];
const TRIGGERS: &[Spec] = &[
    ("TRIGGER_CATALOG", Text),
    ("TRIGGER_SCHEMA", Text),
    ("TRIGGER_NAME", Text),
    ("EVENT_OBJECT_SCHEMA", Text),
    ("EVENT_OBJECT_TABLE", Text),
];

/// The tables by their names.
pub(super) const ALL: &[(&str, &[Spec])] = &[
    ("character_sets", CHARACTER_SETS),
    ("collations", COLLATIONS),
    ("columns", COLUMNS),
    ("engines", ENGINES),
    ("key_column_usage", KEY_COLUMN_USAGE),
    ("materialized_views", MATERIALIZED_VIEWS),
    ("partitions_meta", PARTITIONS_META),
    ("routines", ROUTINES),
    ("schemata", SCHEMATA),
    ("tables", TABLES),
    ("tables_config", TABLES_CONFIG),
    ("triggers", TRIGGERS),
    ("views", VIEWS),
];
