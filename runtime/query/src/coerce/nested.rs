//! Values that hold others, and JSON, beside each other: one type for all of them, as StarRocks has it. A STRUCT fits another by
//! the position of its fields, a text is read as JSON beside JSON. What does not fit is NULL.

use arrow::datatypes::DataType;
use datafusion::common::{ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Case, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, cast, not};

use crate::functions::cast::cast_to;
use crate::functions::{self, SAME, common};
use crate::types::{arrow_type, model_type};

/// Gives expressions, some of which hold others, the one type that all of them fit. False: there is none.
pub(super) fn alike(members: &mut [&mut Expr], schema: &dyn ExprSchema) -> bool {
    let types = members.iter().map(|member| member.get_type(schema)).collect::<Result<Vec<_>>>();
    let Some(types) = types.ok().filter(|types| types.iter().any(DataType::is_nested)) else { return false };
    let Some(wanted) = common(&types).filter(|wanted| !wanted.is_null()) else { return false };
    for (member, given) in members.iter_mut().zip(&types) {
        if given != &wanted && !given.is_null() && !fit(member, given, &wanted) {
            **member = cast(std::mem::take(&mut **member), wanted.clone());
        }
    }
    true
}

/// `x IN (a, b)` of values that hold others, which are compared within too; JSON among numbers makes JSON of them.
pub(super) fn among(subject: &mut Expr, list: &mut [Expr], negated: bool, schema: &dyn ExprSchema) -> Option<Expr> {
    let mut members: Vec<&mut Expr> = vec![subject];
    members.extend(list.iter_mut());
    if !alike(&mut members, schema) {
        numbers_as_json(&mut members, schema);
        return None;
    }
    let same = functions::own(SAME)?;
    let equal = list.iter().map(|member| same.call(vec![subject.clone(), member.clone()])).reduce(Expr::or)?;
    Some(if negated { not(equal) } else { equal })
}

fn numbers_as_json(members: &mut [&mut Expr], schema: &dyn ExprSchema) {
    let types = members.iter().map(|member| member.get_type(schema)).collect::<Result<Vec<_>>>();
    let Some(types) = types.ok().filter(|types| types.contains(&DataType::LargeUtf8)) else { return };
    for (member, given) in members.iter_mut().zip(&types) {
        if (given.is_numeric() || given == &DataType::Boolean)
            && let Ok(json) = cast_to(member.clone(), &storage_model::DataType::Json)
        {
            **member = json;
        }
    }
}

/// `nullif(a, b)` of values that hold others, which the function of the engine does not compare.
pub(super) fn null_if(args: &[Expr]) -> Option<Expr> {
    let [value, other] = args else { return None };
    let equal = Box::new(functions::own(SAME)?.call(vec![value.clone(), other.clone()]));
    let null = Box::new(Expr::Literal(ScalarValue::Null, None));
    let otherwise = Some(Box::new(value.clone()));
    Some(Expr::Case(Case { expr: None, when_then_expr: vec![(equal, null)], else_expr: otherwise }))
}

/// Gives the arguments of a function of this room, some of which hold others, the types that it takes.
pub(super) fn arguments(call: &mut ScalarFunction, schema: &dyn ExprSchema) -> bool {
    if functions::own(call.func.name()).is_none() {
        return false;
    }
    let types = call.args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>();
    let Some(types) = types.ok().filter(|types| types.iter().any(DataType::is_nested)) else { return false };
    let Ok(wanted) = call.func.coerce_types(&types) else { return false };
    let mut changed = false;
    for ((arg, given), wanted) in call.args.iter_mut().zip(&types).zip(&wanted) {
        changed |= fit(arg, given, wanted);
    }
    changed
}

/// Casts what the engine would cast otherwise than StarRocks, or not at all.
fn fit(expr: &mut Expr, given: &DataType, wanted: &DataType) -> bool {
    let is_struct = |t: &DataType| matches!(t, DataType::Struct(_));
    let is_json = |t: &DataType| t == &DataType::LargeUtf8;
    let is_text = |t: &DataType| t == &DataType::Utf8;
    let differs = |what: &dyn Fn(&DataType) -> bool| holds(given, what) != holds(wanted, what);
    let ours = holds(wanted, &is_struct) || holds(wanted, &is_json) || differs(&is_text);
    if given == wanted || given.is_null() || !ours {
        return false;
    }
    let Some(model) = model_type(wanted).filter(|model| &arrow_type(model) == wanted) else { return false };
    let Ok(fitting) = cast_to(expr.clone(), &model) else { return false };
    *expr = fitting;
    true
}

/// Whether a type or one within it is such.
fn holds(data_type: &DataType, what: &dyn Fn(&DataType) -> bool) -> bool {
    what(data_type)
        || match data_type {
            DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => {
                holds(inner.data_type(), what)
            }
            DataType::Struct(fields) => fields.iter().any(|field| holds(field.data_type(), what)),
            map @ DataType::Map(..) => {
                storage_tablet::map_parts(map).is_some_and(|(key, value)| holds(key, what) || holds(value, what))
            }
            _ => false,
        }
}
