//! CREATE TABLE and ALTER TABLE, as written.

use sqlparser::ast::Expr;
use storage_model::DataType;

use super::Properties;
use crate::names::QualifiedName;

/// CREATE TABLE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The table.
    pub name: QualifiedName,
    /// Its columns.
    pub columns: Vec<ColumnDefinition>,
    /// ENGINE = name.
    pub engine: Option<String>,
    /// `DUPLICATE KEY(a, b)` and its kin.
    pub key: Option<KeyClause>,
    /// COMMENT.
    pub comment: Option<String>,
    /// PARTITION BY.
    pub partition: PartitionClause,
    /// DISTRIBUTED BY.
    pub distribution: Option<DistributionClause>,
    /// ORDER BY (columns); empty when absent.
    pub order_by: Vec<String>,
    /// PROPERTIES.
    pub properties: Properties,
    /// INDEX among the columns.
    pub indexes: Vec<IndexDefinition>,
}

/// INDEX in CREATE TABLE, ADD INDEX and CREATE INDEX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDefinition {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// USING, upper case: BITMAP when nothing is said.
    pub kind: String,
    /// COMMENT 'text'.
    pub comment: Option<String>,
}

/// The key clause of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyClause {
    /// Which model.
    pub kind: KeyKind,
    /// The key columns.
    pub columns: Vec<String>,
}

/// What rows with equal keys mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// DUPLICATE KEY.
    Duplicate,
    /// AGGREGATE KEY.
    Aggregate,
    /// UNIQUE KEY.
    Unique,
    /// PRIMARY KEY.
    Primary,
}

/// A column of CREATE TABLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// As written.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// KEY behind the type.
    pub key: bool,
    /// SUM, REPLACE and so on, upper case.
    pub aggregate: Option<String>,
    /// NULL is Some(true), NOT NULL is Some(false).
    pub nullable: Option<bool>,
    /// DEFAULT.
    pub default: ColumnDefault,
    /// AUTO_INCREMENT.
    pub auto_increment: bool,
    /// COMMENT.
    pub comment: Option<String>,
}

/// The DEFAULT of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ColumnDefault {
    /// No DEFAULT.
    #[default]
    None,
    /// DEFAULT NULL.
    Null,
    /// DEFAULT 'text' or DEFAULT -1, as text.
    Literal(String),
    /// DEFAULT CURRENT_TIMESTAMP.
    CurrentTimestamp,
    /// Anything else, as written: `(uuid())`.
    Expression(String),
    /// AS expression, as written: no default, but what the column always is.
    Generated(String),
}

/// PARTITION BY.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PartitionClause {
    /// No PARTITION BY.
    #[default]
    None,
    /// PARTITION BY RANGE (columns) (...).
    Range {
        /// The columns.
        columns: Vec<String>,
        /// Partitions that are written one by one.
        partitions: Vec<RangePartition>,
        /// START (...) END (...) EVERY (...).
        batches: Vec<PartitionBatch>,
    },
    /// PARTITION BY expression, or RANGE (expression): a load makes the ranges that it needs.
    Expression {
        /// The expression.
        key: PartitionExpression,
        /// Ranges that are there from the beginning.
        partitions: Vec<RangePartition>,
        /// START (...) END (...) EVERY (...), likewise.
        batches: Vec<PartitionBatch>,
    },
    /// PARTITION BY LIST (columns) (...), and PARTITION BY of columns or of several expressions.
    List {
        /// What is listed.
        keys: Vec<PartitionExpression>,
        /// Lists that are there from the beginning.
        partitions: Vec<ListPartition>,
        /// Without LIST: a load makes the partitions that it needs.
        automatic: bool,
    },
    /// Any other expression, as written.
    Other(String),
}

/// A column, or a step of time that its values are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionExpression {
    /// The column.
    pub column: String,
    /// `date_trunc('unit', column)` is one unit, `time_slice(column, INTERVAL n unit)` several.
    pub step: Option<(u64, String)>,
}

/// A list partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPartition {
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its name.
    pub name: String,
    /// VALUES IN: for each combination a constant for each column; None is NULL.
    pub values: Vec<Vec<Option<String>>>,
    /// Properties behind the values.
    pub properties: Properties,
}

/// A range partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangePartition {
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its name.
    pub name: String,
    /// Its range.
    pub range: RangeClause,
    /// Properties behind the range.
    pub properties: Properties,
}

/// The range of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeClause {
    /// VALUES LESS THAN (...): from the end of the one before.
    LessThan(Vec<PartitionValue>),
    /// VALUES [(...), (...)): from and to, the latter not included.
    Between(Vec<PartitionValue>, Vec<PartitionValue>),
}

/// One value of a partition's bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionValue {
    /// MAXVALUE.
    Max,
    /// A constant, to be read by the type of its column.
    Text(String),
}

/// Partitions at even steps: START ("a") END ("b") EVERY (step).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionBatch {
    /// Included.
    pub start: String,
    /// Not included.
    pub end: String,
    /// Step.
    pub every: PartitionStep,
}

/// The step of a [`PartitionBatch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionStep {
    /// EVERY (10).
    Number(u64),
    /// EVERY (INTERVAL 1 DAY).
    Interval {
        /// How many.
        count: u64,
        /// Of what, upper case: `DAY`.
        unit: String,
    },
}

/// DISTRIBUTED BY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DistributionClause {
    /// HASH (columns).
    Hash {
        /// The columns.
        columns: Vec<String>,
        /// BUCKETS.
        buckets: Option<u32>,
    },
    /// RANDOM.
    Random {
        /// BUCKETS.
        buckets: Option<u32>,
    },
}

/// What ALTER TABLE does. What is not here parses to `Statement::Unsupported`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterTableAction {
    /// ADD PARTITION, ADD PARTITIONS.
    AddPartitions {
        /// TEMPORARY.
        temporary: bool,
        /// The partitions.
        partitions: NewPartitions,
        /// DISTRIBUTED BY of these partitions.
        distribution: Option<DistributionClause>,
        /// Properties behind them.
        properties: Properties,
    },
    /// DROP PARTITION, DROP PARTITIONS.
    DropPartitions {
        /// TEMPORARY.
        temporary: bool,
        /// IF EXISTS.
        if_exists: bool,
        /// Which.
        which: ChosenPartitions,
        /// FORCE: not to the recycle bin.
        force: bool,
    },
    /// TRUNCATE PARTITION.
    TruncatePartitions {
        /// Their names.
        partitions: Vec<String>,
    },
    /// REPLACE PARTITION ... WITH TEMPORARY PARTITION ...
    ReplacePartitions {
        /// What gives way.
        partitions: Vec<String>,
        /// What takes its place.
        temporary: Vec<String>,
        /// PROPERTIES.
        properties: Properties,
    },
    /// MODIFY PARTITION ... SET (...).
    ModifyPartitions {
        /// Their names; None: `(*)`, all of them.
        partitions: Option<Vec<String>>,
        /// What is set.
        properties: Properties,
    },
    /// SET (...).
    SetProperties {
        /// What is set.
        properties: Properties,
    },
    /// RENAME.
    Rename {
        /// The table's name from now on.
        new_name: String,
    },
    /// RENAME PARTITION.
    RenamePartition {
        /// The partition.
        name: String,
        /// Its name from now on.
        new_name: String,
    },
    /// SWAP WITH.
    Swap {
        /// A table of the same database.
        other: String,
    },
    /// COMMENT = 'text'.
    Comment {
        /// The table's comment from now on.
        comment: String,
    },
    /// AUTO_INCREMENT = n.
    AutoIncrement {
        /// The next number.
        next: u64,
    },
    /// ADD, DROP, MODIFY and RENAME COLUMN: one after the other.
    Columns(Vec<ColumnClause>),
    /// [PARTITIONS (...)] DISTRIBUTED BY ...
    Distribute {
        /// Which partitions; empty: all.
        partitions: Vec<String>,
        /// How their rows go to buckets from then on.
        distribution: DistributionClause,
    },
    /// [BASE | CUMULATIVE] COMPACT.
    Compact {
        /// Which partitions; empty: all.
        partitions: Vec<String>,
    },
}

/// Partitions to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewPartitions {
    /// One range.
    Range(RangePartition),
    /// One list.
    List(ListPartition),
    /// START ... END ... EVERY ...
    Batch(PartitionBatch),
}

/// Partitions that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChosenPartitions {
    /// These.
    Named(Vec<String>),
    /// All of them.
    All,
    /// Those that ADD PARTITIONS would name so.
    Batch(PartitionBatch),
    /// Those of whose rows it is true.
    Where(Box<Expr>),
}

/// One change of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnClause {
    /// ADD COLUMN; several in parentheses are several of these.
    Add {
        /// The column.
        definition: ColumnDefinition,
        /// FIRST or AFTER.
        position: Option<ColumnPosition>,
    },
    /// DROP COLUMN.
    Drop {
        /// Its name.
        name: String,
    },
    /// MODIFY COLUMN.
    Modify {
        /// The column as it shall be, by its name.
        definition: ColumnDefinition,
        /// FIRST or AFTER.
        position: Option<ColumnPosition>,
    },
    /// MODIFY COLUMN c COMMENT 'text'.
    Comment {
        /// Its name.
        name: String,
        /// Its comment from now on.
        comment: String,
    },
    /// RENAME COLUMN.
    Rename {
        /// Its name.
        name: String,
        /// Its name from now on.
        new_name: String,
    },
    /// ORDER BY (columns).
    Order {
        /// Their names.
        columns: Vec<String>,
    },
    /// ADD INDEX, CREATE INDEX.
    AddIndex(IndexDefinition),
    /// DROP INDEX.
    DropIndex {
        /// Its name.
        name: String,
    },
}

/// Where a column is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnPosition {
    /// FIRST.
    First,
    /// AFTER this column.
    After(String),
}
