//! What only the session knows, as constants: `@@x`, `@x`, `database()`, `now()`.

use datafusion::sql::sqlparser::ast::{DataType as SqlType, Expr, Function, Ident, ObjectName, Value};
use storage_model::DataType;
use storage_model::value::{format_date, format_datetime};

use super::{build, calls};
use crate::context::{Constant, DEFAULT_CATALOG, MYSQL_VERSION, PlanContext, SessionFacts};
use crate::error::QueryError;
use crate::functions::cast;

const MICROS_A_DAY: i64 = 86_400_000_000;

/// `@x`, `@@x`, `@@session.x`, `@@global.x`.
pub(super) fn variable(path: &[Ident], session: &SessionFacts) -> Result<Expr, QueryError> {
    let parts: Vec<String> = path.iter().map(|p| p.value.to_ascii_lowercase()).collect();
    let first = parts.first().map(String::as_str).unwrap_or_default();
    let value = match first.strip_prefix("@@") {
        None => session.variables.user(&parts.join(".")[1..]),
        Some(head) => {
            let (global, name) = match (head, parts.get(1)) {
                ("session" | "local", Some(name)) => (false, name.as_str()),
                ("global", Some(name)) => (true, name.as_str()),
                (name, _) => (false, name),
            };
            session.variables.system(name, global).ok_or_else(|| {
                let message = format!("Unknown system variable '{name}', the most similar variables are {{}}");
                QueryError::new(1193, storage_model::Kind::NotFound, message)
            })?
        }
    };
    constant(value)
}

fn constant(value: Constant) -> Result<Expr, QueryError> {
    Ok(match value {
        Constant::Null => build::null(),
        Constant::Integer(number) => build::integer(number),
        Constant::Text(text) => build::text(text),
        Constant::Typed { text, data_type: DataType::Decimal { .. } } => build::number(&text),
        Constant::Typed { text, data_type } => match sql_type(&data_type) {
            Some(sql_type) => build::cast(build::text(text), sql_type),
            None => build::text(text),
        },
        Constant::Nested { json, data_type } => cast::call(build::text(json), &data_type)?,
    })
}

/// The types of constants that no literal says.
fn sql_type(data_type: &DataType) -> Option<SqlType> {
    Some(match data_type {
        DataType::Float => SqlType::Real,
        DataType::Double => SqlType::DoublePrecision,
        DataType::Date => SqlType::Date,
        DataType::DateTime => SqlType::Datetime(None),
        DataType::LargeInt => SqlType::Custom(ObjectName::from(vec![Ident::new("largeint")]), Vec::new()),
        _ => return None,
    })
}

/// The constant that a function of the session stands for.
pub(super) fn function(name: &str, function: &Function, cx: &PlanContext) -> Result<Option<Expr>, QueryError> {
    let session = &cx.session;
    let arguments = calls::argument_count(function);
    let micros = session.local_micros();
    let client = || format!("'{}'@'{}'", session.user, session.host);
    Ok(Some(match (name, arguments) {
        ("user" | "session_user" | "system_user", 0) => build::text(client()),
        ("current_user", 0) => build::text(session.account.clone()),
        ("database" | "schema", 0) => cx.database.as_ref().map_or_else(build::null, build::text),
        ("connection_id", 0) => build::integer(session.connection_id as i64),
        ("version", 0) => build::text(MYSQL_VERSION),
        ("current_version", 0) => build::text(session.version.clone()),
        ("catalog", 0) => build::text(DEFAULT_CATALOG),
        ("current_role", 0) => build::text(session.roles.clone()),
        ("current_warehouse", 0) => build::text("default_warehouse"),
        ("now" | "current_timestamp" | "localtime" | "localtimestamp" | "sysdate", 0) => {
            build::datetime(format_datetime(micros - micros.rem_euclid(1_000_000)))
        }
        ("now" | "current_timestamp" | "localtime" | "localtimestamp" | "sysdate", 1) => {
            build::datetime(format_datetime(micros))
        }
        ("utc_timestamp", _) => {
            let micros = session.now_ms as i64 * 1000;
            build::datetime(format_datetime(micros - micros.rem_euclid(1_000_000)))
        }
        ("curdate" | "current_date", 0) => build::cast(build::text(today(micros)), SqlType::Date),
        ("curtime" | "current_time", 0) => {
            let whole = format_datetime(micros - micros.rem_euclid(1_000_000));
            build::text(whole.split_once(' ').map_or("", |(_, clock)| clock))
        }
        ("utc_time", 0) => {
            let micros = session.now_ms as i64 * 1000;
            let whole = format_datetime(micros - micros.rem_euclid(1_000_000));
            build::text(whole.split_once(' ').map_or("", |(_, clock)| clock))
        }
        ("last_query_id", 0) if session.last_query.is_empty() => build::null(),
        ("last_query_id", 0) => build::text(session.last_query.clone()),
        ("get_query_profile", 1) => profile(function, session)?,
        ("unix_timestamp", 0) => build::integer((session.now_ms / 1000) as i64),
        _ => return Ok(None),
    }))
}

/// `get_query_profile('id')`, `get_query_profile(last_query_id())`
fn profile(function: &Function, session: &SessionFacts) -> Result<Expr, QueryError> {
    let [argument] = calls::take(&mut function.clone())?;
    let query_id = match &argument {
        Expr::Value(value) if value.value == Value::Null => return Ok(build::null()),
        Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    };
    let query_id =
        query_id.ok_or_else(|| QueryError::analyzing("get_query_profile() takes a query id as a literal"))?;
    Ok((session.profile_of)(&query_id).map_or_else(build::null, build::text))
}

fn today(micros: i64) -> String {
    format_date(i32::try_from(micros.div_euclid(MICROS_A_DAY)).unwrap_or_default())
}
