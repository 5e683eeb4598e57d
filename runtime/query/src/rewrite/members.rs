//! Forms of ARRAY, MAP, STRUCT and JSON as calls: literals, `a[1]`, `s.field`, `j -> '$.path'`, and `unnest` in FROM.

use datafusion::sql::sqlparser::ast::Select;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, ObjectName,
    Query, SelectFlavor, SelectItem, SetExpr, Subscript, TableAlias, TableAliasColumnDef, TableFactor, Value,
    ValueWithSpan,
};
use storage_model::DataType;

use super::build;
use crate::error::QueryError;
use crate::functions::{SUBDIVIDE, UNNEST, cast};
use crate::types;

/// The call that a form stands for; None: it is none of these forms.
pub(super) fn of(expr: &mut Expr) -> Result<Option<Expr>, QueryError> {
    Ok(Some(match expr {
        Expr::Array(array) => build::call("__array", std::mem::take(&mut array.elem)),
        Expr::Map(map) => {
            let entries = std::mem::take(&mut map.entries);
            build::call("__map", entries.into_iter().flat_map(|entry| [*entry.key, *entry.value]).collect())
        }
        Expr::BinaryOp { left, op: op @ (BinaryOperator::Arrow | BinaryOperator::LongArrow), right } => {
            let name = if matches!(op, BinaryOperator::Arrow) { "json_query" } else { "get_json_string" };
            build::call(name, vec![build::take(left), build::take(right)])
        }
        Expr::BinaryOp { left, op: BinaryOperator::Gt, right } => match typed_array(left) {
            Some(array) => cast::call(build::take(right), &array)?,
            None => return Ok(None),
        },
        Expr::CompoundFieldAccess { root, access_chain } => {
            let mut value = build::take(root);
            for access in std::mem::take(access_chain) {
                value = match access {
                    AccessExpr::Subscript(Subscript::Index { index }) => build::call("element_at", vec![value, index]),
                    AccessExpr::Dot(Expr::Identifier(field)) => {
                        build::call("get_field", vec![value, build::text(types::plan_name(&field.value))])
                    }
                    AccessExpr::Dot(Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(field), .. })) => {
                        build::call("get_field", vec![value, build::text(types::plan_name(&field))])
                    }
                    other => return Err(QueryError::analyzing(format!("not supported: '{other}' behind a value"))),
                };
            }
            value
        }
        _ => return Ok(None),
    }))
}

/// `array<float>[1, 2]` is read as two comparisons; the type, when the first of them is `array<float`.
fn typed_array(left: &Expr) -> Option<DataType> {
    let Expr::BinaryOp { left, op: BinaryOperator::Lt, right } = left else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Identifier(array), Expr::Identifier(element))
            if array.quote_style.is_none() && array.value.eq_ignore_ascii_case("array") =>
        {
            // A VARCHAR of any length.
            let element = if element.value.eq_ignore_ascii_case("varchar") { "string" } else { element.value.as_str() };
            runtime_sql::parse_type(&format!("array<{element}>"))
        }
        _ => None,
    }
}

/// Functions in FROM that make rows of what a value holds.
const SPREADING: [&str; 4] = ["unnest", "unnest_bitmap", "subdivide_bitmap", "json_each"];

/// The name of such a function, in lower case.
pub(super) fn spreading(name: &ObjectName) -> Option<&'static str> {
    let name = name.to_string();
    SPREADING.into_iter().find(|known| known.eq_ignore_ascii_case(&name))
}

/// `unnest_bitmap(b)` and `subdivide_bitmap(b, 3)` are `unnest` of the ARRAY that they make, `json_each(j)` of the keys and values of
/// a MAP.
pub(super) fn spread(
    name: &'static str,
    args: Vec<FunctionArg>,
    alias: Option<TableAlias>,
) -> Result<TableFactor, QueryError> {
    let array = match name {
        "unnest_bitmap" => "bitmap_to_array",
        "subdivide_bitmap" => SUBDIVIDE,
        "json_each" => return json_each(name, args, alias),
        _ => return unnest(name, args, alias),
    };
    let Expr::Function(mut call) = build::call(array, Vec::new()) else { return unnest(name, args, alias) };
    if let FunctionArguments::List(list) = &mut call.args {
        list.args = args;
    }
    unnest(name, vec![build::argument(Expr::Function(call))], alias)
}

fn json_each(name: &'static str, args: Vec<FunctionArg>, alias: Option<TableAlias>) -> Result<TableFactor, QueryError> {
    let Ok([FunctionArg::Unnamed(FunctionArgExpr::Expr(json))]) = <[FunctionArg; 1]>::try_from(args) else {
        return Err(QueryError::analyzing("No matching function with signature: json_each takes one argument"));
    };
    let text = DataType::Varchar(storage_model::schema::STRING_LENGTH);
    let map = cast::call(json, &DataType::Map(Box::new(text), Box::new(DataType::Json)))?;
    let mut alias = alias.unwrap_or_else(|| unnamed(name));
    if alias.columns.is_empty() {
        let column = |name| TableAliasColumnDef { name: Ident::new(name), data_type: None };
        alias.columns = ["key", "value"].map(column).into();
    }
    let parts = ["map_keys", "map_values"].map(|part| build::argument(build::call(part, vec![map.clone()])));
    unnest(name, parts.into(), Some(alias))
}

fn unnamed(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

/// `unnest(a, b) AS u(x, y)` in FROM: a subquery for each row before it.
fn unnest(called: &'static str, args: Vec<FunctionArg>, alias: Option<TableAlias>) -> Result<TableFactor, QueryError> {
    let mut arrays = Vec::with_capacity(args.len());
    for arg in args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arrays.push(expr),
            other => return Err(QueryError::analyzing(format!("unexpected argument '{other}'"))),
        }
    }
    if arrays.is_empty() {
        return Err(QueryError::analyzing("No matching function with signature: unnest()"));
    }
    let mut alias = alias.unwrap_or_else(|| unnamed(called));
    if alias.columns.len() > arrays.len() {
        return Err(QueryError::analyzing(format!(
            "unnest has {} columns available but {} columns specified",
            arrays.len(),
            alias.columns.len()
        )));
    }
    let mut names = std::mem::take(&mut alias.columns).into_iter().map(|column: TableAliasColumnDef| column.name);
    let item = |array| SelectItem::ExprWithAlias {
        expr: build::call(UNNEST, vec![array]),
        alias: names.next().unwrap_or_else(|| Ident::new(called)),
    };
    let items = arrays.into_iter().map(item).collect();
    Ok(TableFactor::Derived { lateral: true, subquery: Box::new(select(items)), alias: Some(alias), sample: None })
}

/// `SELECT items`.
pub(super) fn select(projection: Vec<SelectItem>) -> Query {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from: Vec::new(),
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}
