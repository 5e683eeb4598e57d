//! Small pieces of syntax tree.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, LimitClause, ObjectName, ObjectNamePart, Offset, OffsetRows, TableAlias,
    TableAliasColumnDef, TableFactor, TableFunctionArgs, UnaryOperator, Value,
};

use crate::functions::READ_TIME;

/// A text constant.
pub(crate) fn text(text: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(text.into()))
}

/// A whole number.
pub(crate) fn integer(value: i64) -> Expr {
    let digits = Expr::value(Value::Number(value.unsigned_abs().to_string(), false));
    if value < 0 { Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(digits) } } else { digits }
}

/// A number by its digits, with a sign.
pub(crate) fn number(digits: &str) -> Expr {
    let plain = Expr::value(Value::Number(digits.trim_start_matches('-').to_owned(), false));
    if digits.starts_with('-') { Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(plain) } } else { plain }
}

/// NULL.
pub(crate) fn null() -> Expr {
    Expr::value(Value::Null)
}

/// NOT.
pub(crate) fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }
}

/// The expression out of its box.
pub(crate) fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, null())
}

/// A cast that gives NULL where there is no value.
pub(crate) fn cast(expr: Expr, data_type: SqlType) -> Expr {
    Expr::Cast { kind: CastKind::TryCast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// A constant DATETIME, from its text.
pub(crate) fn datetime(time: String) -> Expr {
    cast(text(time), SqlType::Datetime(None))
}

/// A value read as DATETIME.
pub(crate) fn datetime_of(expr: Expr) -> Expr {
    cast(call(READ_TIME, vec![expr]), SqlType::Datetime(None))
}

/// A call.
pub(crate) fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(argument).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// An argument of a call.
pub(crate) fn argument(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

/// The alias of a table function: one column, named like it.
pub(crate) fn series_alias(name: &str) -> TableAlias {
    let name = name.to_ascii_lowercase();
    let column = TableAliasColumnDef { name: Ident::new(name.clone()), data_type: None };
    TableAlias { explicit: true, name: Ident::new(name), columns: vec![column], at: None }
}

/// A table of which some partitions are read is known by the name that it would have with all of them.
pub(crate) fn name_as_table(factor: &mut TableFactor) {
    let TableFactor::Table { name, alias: alias @ None, .. } = factor else { return };
    let Some(ObjectNamePart::Identifier(last)) = name.0.last() else { return };
    if let (table, Some(_)) = runtime_sql::partition_names::split(&last.value) {
        let name = Ident::with_quote('`', table);
        *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
    }
}

/// A table function in FROM.
pub(crate) fn table_call(name: &str, args: Vec<Expr>, alias: TableAlias) -> TableFactor {
    TableFactor::Table {
        name: ObjectName::from(vec![Ident::new(name)]),
        alias: Some(alias),
        args: Some(TableFunctionArgs { args: args.into_iter().map(argument).collect(), settings: None }),
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// OFFSET without a limit.
pub(crate) fn offset_only(offset: Expr) -> LimitClause {
    LimitClause::LimitOffset {
        limit: None,
        offset: Some(Offset { value: offset, rows: OffsetRows::None }),
        limit_by: Vec::new(),
    }
}
