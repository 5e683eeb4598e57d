//! ALTER TABLE … COLUMN. Files are not touched where that can be: they hold their columns by id, and whoever reads them finds
//! there what the schema of today asks for. So a load that was planned before a change and is committed after it is as if it had
//! come before: what it wrote is read like any older file. Where values change, a job writes all rows anew.

use std::sync::Arc;

use storage_model::{
    Aggregation, AlterKind, AlterTarget, Column, ColumnId, DefaultValue, Distribution, Index, KeyModel, SchemaChange,
    Table, bloom_filter,
};

use super::column_types::{self, Rewriting, widened};
use crate::catalog::Catalog;
use crate::columns::{ColumnChange, ColumnPlace};
use crate::command::{Outcome, Rejection, Reply};

/// How many changes a table remembers.
const CHANGES_KEPT: usize = 10;

impl Catalog {
    pub(super) fn alter_columns(&mut self, database: &str, table: &str, changes: &[ColumnChange]) -> Reply {
        let old = self.find_table(database, table)?;
        let mut altered = Altered { table: old.as_ref().clone(), converted: Vec::new(), rewrites: false };
        for change in changes {
            alter(&mut altered, change)?;
        }
        let Altered { mut table, converted, rewrites } = altered;
        check_order(&table)?;
        if rewrites {
            return self.begin_alter(&old, AlterKind::Columns, AlterTarget { converted, ..AlterTarget::of(&table) });
        }
        // New names and comments are no jobs in StarRocks.
        if changes.iter().any(|c| !matches!(c, ColumnChange::Rename { .. } | ColumnChange::Comment { .. })) {
            let change = SchemaChange { id: self.draw_id(), at: self.header.clock, version: next_version(&table) };
            remember(&mut table, change);
        }
        self.forget_columns(&table);
        self.tables.insert(table.id, Arc::new(table));
        self.header.starmgr_id += 1;
        Ok(Outcome::Done)
    }
}

/// A table on its way through the changes of a statement.
struct Altered {
    table: Table,
    /// Columns that take the place of others and get their values, by their ids.
    converted: Vec<(ColumnId, ColumnId)>,
    /// Whether rows have to be written anew.
    rewrites: bool,
}

/// How often the columns will have changed after the next change.
pub(super) fn next_version(table: &Table) -> u64 {
    table.schema_changes.last().map_or(0, |last| last.version) + 1
}

pub(super) fn remember(table: &mut Table, change: SchemaChange) {
    if table.schema_changes.len() == CHANGES_KEPT {
        table.schema_changes.remove(0);
    }
    table.schema_changes.push(change);
}

fn alter(altered: &mut Altered, change: &ColumnChange) -> Result<(), Rejection> {
    let table = &mut altered.table;
    match change {
        ColumnChange::Add { column, place } => {
            altered.rewrites |= column.generated().is_some();
            add(table, column, place.as_ref())
        }
        ColumnChange::Drop { name } => {
            let is_key = table.schema.column(name).is_some_and(|column| column.key);
            altered.rewrites |= is_key && table.model == KeyModel::Aggregate;
            drop_(table, name)
        }
        ColumnChange::Modify { column, place } => modify(altered, column, place.as_ref()),
        ColumnChange::Comment { name, comment } => {
            let at = position(table, name)?;
            comment.clone_into(&mut table.schema.columns[at].comment);
            Ok(())
        }
        ColumnChange::Rename { name, new_name } => {
            let Some(at) = table.schema.position(name) else {
                return refuse(format!("Unknown column '{name}' in '{}'", table.name));
            };
            if table.schema.position(new_name).is_some() {
                return refuse(format!("Duplicate column name '{new_name}'"));
            }
            new_name.clone_into(&mut table.schema.columns[at].name);
            name_in_properties(table, name, Some(new_name));
            Ok(())
        }
        ColumnChange::Order { columns } => order(table, columns),
        ColumnChange::AddIndex { name, kind, columns, comment } => {
            let columns = columns.iter().map(|column| Ok(table.schema.columns[position(table, column)?].id));
            let columns = columns.collect::<Result<_, Rejection>>()?;
            let index = Index { name: name.clone(), kind: *kind, columns, comment: comment.clone() };
            index.check(&table.schema, table.model).map_err(Rejection::ColumnRule)?;
            table.schema.indexes.push(index);
            Ok(())
        }
        ColumnChange::DropIndex { name } => match table.schema.index(name) {
            Some(at) => {
                table.schema.indexes.remove(at);
                Ok(())
            }
            None => refuse(format!("index {name} does not exist")),
        },
    }
}

fn add(table: &mut Table, column: &Column, place: Option<&ColumnPlace>) -> Result<(), Rejection> {
    let name = &column.name;
    if table.schema.position(name).is_some() {
        return refuse(format!("Can not add column which already exists in base table: {name}"));
    }
    if column.is_auto_increment() {
        return refuse(format!("Column '{name}' can not be AUTO_INCREMENT when ADD COLUMN"));
    }
    if let Some(expression) = column.generated() {
        let is_known = |id: &ColumnId| table.schema.position_of(*id).is_some();
        if !expression.columns().all(|id| is_known(&id)) {
            return refuse(format!("Can not add generated column {name}: a column that it needs is gone"));
        }
    }
    if column.key && table.model == KeyModel::Primary {
        return refuse(format!("Can not add key column: {name} in primary key table: old rows would have it alike"));
    }
    if !column.nullable && column.initial.is_none() {
        return refuse(format!("Column '{name}' has no default value, NULL is not allowed"));
    }
    check_aggregation(table, column)?;
    let column = Column { id: table.schema.draw_id(), ..column.clone() };
    // A key column goes behind the others unless it is told where.
    let last_key = table.schema.columns.iter().rev().find(|other| other.key && column.key);
    let behind = last_key.map(|other| ColumnPlace::After(other.name.clone()));
    if column.key && !table.sort_key.is_empty() && table.model.merges() {
        table.sort_key.push(column.id);
    }
    put(table, column, place.or(behind.as_ref()))
}

/// ORDER BY: all columns are put in this order, or rows are sorted by those that are named. Files that are there stay as they
/// are: nobody who reads them counts on their order.
fn order(table: &mut Table, names: &[String]) -> Result<(), Rejection> {
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let Some(at) = table.schema.position(name) else {
            return refuse(format!("Column[{name}] not exists"));
        };
        if positions.contains(&at) {
            return refuse(format!("Duplicated column[{name}]"));
        }
        positions.push(at);
    }
    if positions.len() == table.schema.columns.len() && table.model != KeyModel::Primary {
        table.schema.columns = positions.iter().map(|at| table.schema.columns[*at].clone()).collect();
        return Ok(());
    }
    let keys = table.schema.key_positions();
    let is_key = positions.len() == keys.len() && positions.iter().all(|at| keys.contains(at));
    if matches!(table.model, KeyModel::Aggregate | KeyModel::Unique) && !is_key {
        let model = table.model.clause();
        return refuse(format!("The sort columns of {model} table must be same with key columns"));
    }
    if let Some(at) = positions.iter().find(|at| !table.schema.columns[**at].data_type.can_be_key()) {
        let Column { name, data_type, .. } = &table.schema.columns[*at];
        return refuse(format!("Type:{data_type} of column {name} can not be a sort key"));
    }
    table.sort_key = positions.iter().map(|at| table.schema.columns[*at].id).collect();
    Ok(())
}

/// Whether a new value column says how it combines where the key model wants that, and nowhere else.
fn check_aggregation(table: &Table, column: &Column) -> Result<(), Rejection> {
    let name = &column.name;
    if column.aggregation.is_some() != (table.model == KeyModel::Aggregate && !column.key) {
        return refuse(format!("Can not add column {name}: its aggregation type is not one of table {}", table.name));
    }
    // Each row of a key has what is there from the beginning, and how many those are nobody is to see.
    let is_zero = |text: &String| text.parse::<f64>() == Ok(0.0);
    if column.aggregation == Some(Aggregation::Sum) && column.initial.as_ref().is_some_and(|text| !is_zero(text)) {
        return refuse(format!("Can not add column {name}: a SUM begins at NULL or 0"));
    }
    Ok(())
}

fn drop_(table: &mut Table, name: &str) -> Result<(), Rejection> {
    let Some(at) = table.schema.position(name) else {
        return refuse(format!("Column does not exists: {name}"));
    };
    let column = &table.schema.columns[at];
    if let Some(role) = role(table, column.id) {
        return refuse(format!("{role} column[{name}] cannot be dropped. index[{}]", table.name));
    }
    if column.key && table.model != KeyModel::Duplicate {
        let replaces =
            |column: &Column| matches!(column.aggregation, Some(Aggregation::Replace | Aggregation::ReplaceIfNotNull));
        if table.model != KeyModel::Aggregate {
            let model = table.model.keys_type();
            return refuse(format!("Can not drop key column in {model} data model table"));
        }
        if table.schema.columns.iter().any(replaces) {
            let why = "Can not drop key column when table has value column with REPLACE aggregation method";
            return refuse(why.to_owned());
        }
    }
    if table.sort_key.contains(&column.id) {
        return refuse(format!("Can not drop sort column {name}: ALTER TABLE ... ORDER BY others first"));
    }
    let alike = table.schema.columns.iter().filter(|c| c.key == column.key).count();
    check_unneeded(table, column, "dropped")?;
    if alike == 1 && column.key {
        return refuse(format!("Can not drop column {name}: it is the only key column"));
    }
    if alike == 1 {
        return refuse(format!("Can not drop column {name}: it is the only one that is no key column"));
    }
    let id = column.id;
    table.schema.columns.remove(at);
    table.schema.indexes.retain(|index| !index.columns.contains(&id));
    name_in_properties(table, name, None);
    Ok(())
}

/// Where a property names the column, it names it by its new name from now on, or no more.
fn name_in_properties(table: &mut Table, name: &str, new_name: Option<&str>) {
    let Some(said) = table.properties.remove(bloom_filter::COLUMNS) else { return };
    let is_it = |other: &str| other.eq_ignore_ascii_case(name);
    let names = bloom_filter::named(&said).filter_map(|other| if is_it(other) { new_name } else { Some(other) });
    let names = names.collect::<Vec<_>>().join(", ");
    if !names.is_empty() {
        table.properties.insert(bloom_filter::COLUMNS.to_owned(), names);
    }
}

fn modify(altered: &mut Altered, wanted: &Column, place: Option<&ColumnPlace>) -> Result<(), Rejection> {
    let Altered { table, converted, rewrites } = altered;
    let at = position(table, &wanted.name)?;
    let old = table.schema.columns[at].clone();
    let (from, to) = (&old.data_type, &wanted.data_type);
    if old.is_auto_increment() || wanted.is_auto_increment() {
        return refuse("Can't not modify a AUTO_INCREMENT column".to_owned());
    }
    if old.generated() != wanted.generated() || (old.generated().is_some() && from != to) {
        return refuse(format!(
            "Can not modify generated column {}: that is not supported yet, as rows would have to be written anew",
            old.name
        ));
    }
    if from != to {
        check_unneeded(table, &old, "modified")?;
    }
    if let Some(role) = role(table, old.id).filter(|_| from != to || old.nullable != wanted.nullable) {
        let role = role.to_lowercase();
        return refuse(format!("Can not modify {role} column[{}]. index[{}]", old.name, table.name));
    }
    if wanted.key && !old.key {
        return refuse(format!(
            "Can not make {} a key column: that is not supported yet, as rows are sorted by the key",
            old.name
        ));
    }
    if old.nullable && !wanted.nullable {
        return refuse("Can not change from nullable to non-nullable".to_owned());
    }
    if !old.key && wanted.aggregation != old.aggregation {
        return refuse("Can not change aggregation type".to_owned());
    }
    if old.key && table.model == KeyModel::Primary && wanted.nullable {
        return refuse(format!("primary key column[{}] cannot be nullable", old.name));
    }
    if old.key && table.model == KeyModel::Primary && from != to {
        return refuse(format!("Can not modify key column: {} for primary key table", old.name));
    }
    let rewriting = column_types::check(from, to)?;
    if rewriting == Rewriting::Rows {
        check_converted(table, &old, wanted)?;
        *rewrites = true;
    }
    let initial = match rewriting {
        Rewriting::Nothing => old.initial.clone().map(|text| widened(text, from, to)),
        // Every file will have the column.
        Rewriting::Rows => None,
    };
    let comment = if wanted.comment.is_empty() { old.comment.clone() } else { wanted.comment.clone() };
    // The name stays as it was spelled.
    let (name, key, aggregation) = (old.name.clone(), old.key, old.aggregation);
    let id = match rewriting {
        Rewriting::Nothing => old.id,
        Rewriting::Rows => replaced(table, converted, old.id),
    };
    // What is not said stays; DEFAULT NULL takes it away.
    let default = wanted.default.clone().or_else(|| old.default.clone());
    let column = Column { id, name, key, comment, default, initial, aggregation, ..wanted.clone() };
    if place.is_none() {
        table.schema.columns[at] = column;
        return Ok(());
    }
    table.schema.columns.remove(at);
    put(table, column, place)
}

/// Whether a column can take the place of another by the values of which its own are made.
fn check_converted(table: &Table, old: &Column, wanted: &Column) -> Result<(), Rejection> {
    let name = &old.name;
    if old.key && table.model.merges_when_read() && !column_types::keeps_apart(&old.data_type, &wanted.data_type) {
        return refuse(format!(
            "Can not change key column {name} to {}: rows of a table of this model whose keys differ now could become one",
            wanted.data_type.to_sql().to_uppercase()
        ));
    }
    let is_sorted = old.key || table.sort_key.contains(&old.id);
    if is_sorted && !wanted.data_type.can_be_key() {
        return refuse(format!("Can not change key column {name} to {}", wanted.data_type.to_sql().to_uppercase()));
    }
    let has_default = old.default.as_ref().is_some_and(|default| *default != DefaultValue::Null);
    if has_default && wanted.default.is_none() {
        return refuse(format!("Can not change default value: column {name} has one, which must be said again"));
    }
    let is_indexed = table.schema.indexes.iter().any(|index| index.columns.contains(&old.id));
    if is_indexed && !wanted.data_type.can_have_bitmap_index() {
        return refuse(format!("{} is not supported in bitmap index. invalid column: {name}", wanted.data_type));
    }
    match old.aggregation {
        Some(aggregation) if !aggregation.takes(&wanted.data_type) => {
            refuse(format!("Invalid aggregate function '{aggregation}' for '{name}'"))
        }
        _ => Ok(()),
    }
}

/// The id of the column that takes the place of this one.
fn replaced(table: &mut Table, converted: &mut Vec<(ColumnId, ColumnId)>, old: ColumnId) -> ColumnId {
    let new = table.schema.draw_id();
    match converted.iter_mut().find(|(known, _)| *known == old) {
        Some((known, _)) => *known = new,
        None => converted.push((new, old)),
    }
    let indexed = table.schema.indexes.iter_mut().flat_map(|index| &mut index.columns);
    for known in table.sort_key.iter_mut().chain(indexed).filter(|id| **id == old) {
        *known = new;
    }
    new
}

/// No generated column is computed from it.
fn check_unneeded(table: &Table, column: &Column, what: &str) -> Result<(), Rejection> {
    let needs = |other: &&Column| other.generated().is_some_and(|expression| expression.needs(column.id));
    match table.schema.columns.iter().find(needs) {
        Some(other) => refuse(format!(
            "Column: {} can not be {what}, because expression of Generated Column: {} will refer to it",
            column.name, other.name
        )),
        None => Ok(()),
    }
}

fn put(table: &mut Table, column: Column, place: Option<&ColumnPlace>) -> Result<(), Rejection> {
    let at = match place {
        // Generated columns are behind all others.
        None if column.generated().is_none() => {
            let columns = &table.schema.columns;
            columns.iter().position(|c| c.generated().is_some()).unwrap_or(columns.len())
        }
        None => table.schema.columns.len(),
        Some(ColumnPlace::First) => 0,
        Some(ColumnPlace::After(other)) => position(table, other)? + 1,
    };
    table.schema.columns.insert(at, column);
    Ok(())
}

/// The key comes first.
fn check_order(table: &Table) -> Result<(), Rejection> {
    let columns = &table.schema.columns;
    let keys = columns.iter().filter(|c| c.key).count();
    if columns.iter().take(keys).any(|c| !c.key) {
        return refuse(format!("Invalid column order. value should be after key. index[{}]", table.name));
    }
    let plain = columns.iter().filter(|c| c.generated().is_none()).count();
    if columns.iter().take(plain).any(|c| c.generated().is_some()) {
        return refuse("All generated columns must be defined after ordinary columns".to_owned());
    }
    Ok(())
}

fn position(table: &Table, name: &str) -> Result<usize, Rejection> {
    let found = table.schema.position(name);
    found.ok_or_else(|| Rejection::ColumnRule(format!("Column[{name}] does not exists")))
}

/// What rows are placed by the column for, if they are.
fn role(table: &Table, id: ColumnId) -> Option<&'static str> {
    if table.partitioning.columns().contains(&id) {
        return Some("Partition");
    }
    match &table.distribution {
        Distribution::Hash { columns } if columns.contains(&id) => Some("Distribution"),
        _ => None,
    }
}

pub(super) fn refuse<T>(text: String) -> Result<T, Rejection> {
    Err(Rejection::ColumnRule(text))
}
