//! The rows of INSERT ... VALUES, packed: twelve bytes a value beside its text.
//!
//! As syntax trees the values of a 60 MB statement would take gigabytes.

use sqlparser::ast::{Expr, UnaryOperator, Value};

/// A table of values, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueRows {
    /// The text of all numbers and strings, one behind the other.
    arena: String,
    cells: Vec<Cell>,
    /// Where each row ends in `cells`.
    row_ends: Vec<u32>,
    /// What is no plain literal.
    expressions: Vec<Expr>,
}

/// One value. For numbers and text `start` and `length` say where in the arena it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    kind: CellKind,
    start: u32,
    length: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CellKind {
    Default,
    Null,
    False,
    True,
    Number,
    Text,
    /// `start` is its number, from 1.
    Placeholder,
    /// `start` is its index in `expressions`.
    Expression,
}

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowValue<'a> {
    /// DEFAULT.
    Default,
    /// NULL.
    Null,
    /// TRUE or FALSE.
    Boolean(bool),
    /// A number as written, with its sign.
    Number(&'a str),
    /// A string, its escapes resolved.
    Text(&'a str),
    /// `?`, numbered from 1 over the whole statement.
    Placeholder(u32),
    /// Anything else.
    Expression(&'a Expr),
}

impl RowValue<'_> {
    /// The value as a syntax tree; None for DEFAULT, which only the table can tell.
    pub fn to_expr(&self) -> Option<Expr> {
        Some(match self {
            RowValue::Default => return None,
            RowValue::Null => Expr::value(Value::Null),
            RowValue::Boolean(b) => Expr::value(Value::Boolean(*b)),
            RowValue::Number(text) => match text.strip_prefix('-') {
                Some(positive) => {
                    let expr = Box::new(Expr::value(Value::Number(positive.to_owned(), false)));
                    Expr::UnaryOp { op: UnaryOperator::Minus, expr }
                }
                None => Expr::value(Value::Number((*text).to_owned(), false)),
            },
            RowValue::Text(text) => Expr::value(Value::SingleQuotedString((*text).to_owned())),
            RowValue::Placeholder(number) => Expr::value(Value::Placeholder(format!("${number}"))),
            RowValue::Expression(expr) => (*expr).clone(),
        })
    }
}

/// The statement has more values or text than can be counted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl ValueRows {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.row_ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.row_ends.is_empty()
    }

    /// The values of a row; none when there is no such row.
    pub fn row(&self, index: usize) -> impl ExactSizeIterator<Item = RowValue<'_>> {
        let ends = |at: usize| self.row_ends.get(at).map_or(self.cells.len(), |end| *end as usize);
        let start = if index == 0 { 0 } else { ends(index - 1) };
        let cells = if index < self.len() { &self.cells[start..ends(index)] } else { &[] };
        cells.iter().map(|cell| self.value(*cell))
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = impl ExactSizeIterator<Item = RowValue<'_>>> {
        (0..self.len()).map(|index| self.row(index))
    }

    /// How many values every row has; the first row whose number differs and that number, if there is one.
    pub fn width(&self) -> Result<usize, (usize, usize)> {
        let width = self.row(0).len();
        match (1..self.len()).map(|index| (index, self.row(index).len())).find(|(_, other)| *other != width) {
            Some(different) => Err(different),
            None => Ok(width),
        }
    }

    /// Bytes that the rows take, without what their expressions own.
    pub fn memory_size(&self) -> usize {
        self.arena.capacity()
            + self.cells.capacity() * size_of::<Cell>()
            + self.row_ends.capacity() * size_of::<u32>()
            + self.expressions.capacity() * size_of::<Expr>()
    }

    fn value(&self, cell: Cell) -> RowValue<'_> {
        let text = || &self.arena[cell.start as usize..(cell.start + cell.length) as usize];
        match cell.kind {
            CellKind::Default => RowValue::Default,
            CellKind::Null => RowValue::Null,
            CellKind::False => RowValue::Boolean(false),
            CellKind::True => RowValue::Boolean(true),
            CellKind::Number => RowValue::Number(text()),
            CellKind::Text => RowValue::Text(text()),
            CellKind::Placeholder => RowValue::Placeholder(cell.start),
            CellKind::Expression => RowValue::Expression(&self.expressions[cell.start as usize]),
        }
    }

    /// Appends a value to the row that is being built.
    pub(crate) fn push(&mut self, value: RowValue<'_>) -> Result<(), TooLong> {
        let cell = self.pack(value)?;
        self.cells.push(cell);
        Ok(())
    }

    /// Appends a number in two parts, so that a sign needs no copy.
    pub(crate) fn push_number(&mut self, sign: &str, digits: &str) -> Result<(), TooLong> {
        let start = self.place()?;
        self.arena.push_str(sign);
        self.arena.push_str(digits);
        self.cells.push(self.cell_from(CellKind::Number, start)?);
        Ok(())
    }

    /// Appends what is no plain literal.
    pub(crate) fn push_expression(&mut self, expr: Expr) -> Result<(), TooLong> {
        let start = u32::try_from(self.expressions.len()).map_err(|_| TooLong)?;
        self.expressions.push(expr);
        self.cells.push(Cell { kind: CellKind::Expression, start, length: 0 });
        Ok(())
    }

    /// The row is complete.
    pub(crate) fn end_row(&mut self) -> Result<(), TooLong> {
        self.row_ends.push(u32::try_from(self.cells.len()).map_err(|_| TooLong)?);
        Ok(())
    }

    /// Gives back what growing has left over.
    pub(crate) fn shrink(&mut self) {
        self.arena.shrink_to_fit();
        self.cells.shrink_to_fit();
        self.row_ends.shrink_to_fit();
    }

    /// The expressions that are no plain literals.
    pub(crate) fn expressions(&self) -> &[Expr] {
        &self.expressions
    }

    /// The expressions that are no plain literals.
    pub(crate) fn expressions_mut(&mut self) -> &mut [Expr] {
        &mut self.expressions
    }

    /// The placeholders that stand as whole values.
    pub(crate) fn placeholders(&self) -> impl Iterator<Item = u32> {
        self.cells.iter().filter(|c| c.kind == CellKind::Placeholder).map(|c| c.start)
    }

    /// Puts values in the place of placeholders.
    pub(crate) fn replace_placeholders(&mut self, values: &[Value]) -> Result<(), TooLong> {
        for at in 0..self.cells.len() {
            let cell = self.cells[at];
            if cell.kind != CellKind::Placeholder {
                continue;
            }
            let Some(value) = (cell.start as usize).checked_sub(1).and_then(|n| values.get(n)) else { continue };
            let replacement = match value {
                Value::Null => RowValue::Null,
                Value::Boolean(b) => RowValue::Boolean(*b),
                Value::Number(digits, _) => RowValue::Number(digits),
                Value::SingleQuotedString(text) => RowValue::Text(text),
                other => {
                    self.push_expression(Expr::value(other.clone()))?;
                    self.cells[at] = self.cells.pop().ok_or(TooLong)?;
                    continue;
                }
            };
            self.cells[at] = self.pack(replacement)?;
        }
        Ok(())
    }

    fn pack(&mut self, value: RowValue<'_>) -> Result<Cell, TooLong> {
        let plain = |kind| Ok(Cell { kind, start: 0, length: 0 });
        match value {
            RowValue::Default => plain(CellKind::Default),
            RowValue::Null => plain(CellKind::Null),
            RowValue::Boolean(false) => plain(CellKind::False),
            RowValue::Boolean(true) => plain(CellKind::True),
            RowValue::Number(text) => self.pack_text(CellKind::Number, text),
            RowValue::Text(text) => self.pack_text(CellKind::Text, text),
            RowValue::Placeholder(start) => Ok(Cell { kind: CellKind::Placeholder, start, length: 0 }),
            RowValue::Expression(expr) => {
                let start = u32::try_from(self.expressions.len()).map_err(|_| TooLong)?;
                self.expressions.push(expr.clone());
                Ok(Cell { kind: CellKind::Expression, start, length: 0 })
            }
        }
    }

    fn pack_text(&mut self, kind: CellKind, text: &str) -> Result<Cell, TooLong> {
        let start = self.place()?;
        self.arena.push_str(text);
        self.cell_from(kind, start)
    }

    fn place(&self) -> Result<u32, TooLong> {
        u32::try_from(self.arena.len()).map_err(|_| TooLong)
    }

    /// A cell for what the arena holds from `start` on.
    fn cell_from(&self, kind: CellKind, start: u32) -> Result<Cell, TooLong> {
        Ok(Cell { kind, start, length: self.place()? - start })
    }
}
