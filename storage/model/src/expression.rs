//! An expression over the columns of a table, as text in which columns stand by their ids: it means the same when they are
//! renamed.

use serde::{Deserialize, Serialize};

use crate::ids::ColumnId;
use crate::schema::{Column, DefaultValue, Schema};

/// A part of an expression. Variants are positional in stored bytes: append only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExpressionPart {
    /// As it was written.
    Text(String),
    /// The name of this column.
    Column(ColumnId),
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Expression {
    /// One behind the other, nothing between them.
    pub parts: Vec<ExpressionPart>,
}

impl Expression {
    /// As it is written with these names; None when a column has none.
    pub fn text(&self, name_of: impl Fn(ColumnId) -> Option<String>) -> Option<String> {
        let text = |part: &ExpressionPart| match part {
            ExpressionPart::Text(text) => Some(text.clone()),
            ExpressionPart::Column(id) => name_of(*id),
        };
        self.parts.iter().map(text).collect()
    }

    /// Whether it needs the column.
    pub fn needs(&self, column: ColumnId) -> bool {
        self.parts.contains(&ExpressionPart::Column(column))
    }

    /// The columns that it needs.
    pub fn columns(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.parts.iter().filter_map(|part| match part {
            ExpressionPart::Column(id) => Some(*id),
            ExpressionPart::Text(_) => None,
        })
    }

    /// The same over columns with other ids.
    pub fn renumbered(&self, id: impl Fn(ColumnId) -> ColumnId) -> Expression {
        let part = |part: &ExpressionPart| match part {
            ExpressionPart::Text(text) => ExpressionPart::Text(text.clone()),
            ExpressionPart::Column(old) => ExpressionPart::Column(id(*old)),
        };
        Expression { parts: self.parts.iter().map(part).collect() }
    }
}

impl Column {
    /// The expression of a generated column.
    pub fn generated(&self) -> Option<&Expression> {
        match &self.default {
            Some(DefaultValue::Generated(expression)) => Some(expression),
            _ => None,
        }
    }

    /// Whether rows that say nothing of it get a number of their own.
    pub fn is_auto_increment(&self) -> bool {
        matches!(self.default, Some(DefaultValue::AutoIncrement { .. }))
    }
}

impl Schema {
    /// The position of the AUTO_INCREMENT column.
    pub fn auto_increment(&self) -> Option<usize> {
        self.columns.iter().position(Column::is_auto_increment)
    }

    /// An expression over these columns as it is written now; `quote` makes a name an identifier. None: a column is gone.
    pub fn text_of(&self, expression: &Expression, quote: impl Fn(&str) -> String) -> Option<String> {
        expression.text(|id| self.position_of(id).map(|at| quote(&self.columns[at].name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_stands_by_its_id() {
        let parts = vec![ExpressionPart::Column(ColumnId(3)), ExpressionPart::Text(" + 1".to_owned())];
        let expression = Expression { parts };
        let named = |name: &'static str| move |id| (id == ColumnId(3)).then(|| name.to_owned());
        assert_eq!(expression.text(named("a")).as_deref(), Some("a + 1"));
        assert_eq!(expression.text(named("b")).as_deref(), Some("b + 1"));
        assert_eq!(expression.text(|_| None), None);
        assert!(expression.needs(ColumnId(3)) && !expression.needs(ColumnId(1)));
        let moved = expression.renumbered(|id| ColumnId(id.0 - 2));
        assert!(moved.needs(ColumnId(1)) && !moved.needs(ColumnId(3)));
    }
}
