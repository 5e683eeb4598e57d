//! What a query can fail with, in the words and codes that MySQL clients of StarRocks know. DataFusion's own texts
//! are cleaned here and nowhere else.

use std::fmt;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use serde::{Deserialize, Serialize};
use storage_model::Kind;

/// What the text of an error begins with that another compute node tells.
const TOLD: &str = "another compute node tells: ";

/// An error that another compute node tells.
#[derive(Serialize, Deserialize)]
struct Told {
    code: u16,
    kind: Kind,
    lost: Option<String>,
    message: String,
}

impl Told {
    fn of(text: &str) -> Option<QueryError> {
        let (_, told) = text.split_once(TOLD)?;
        let told = serde_json::Deserializer::from_str(told).into_iter::<Told>().next()?.ok()?;
        let Told { code, kind, lost, message } = told;
        Some(QueryError { code, message, kind, lost })
    }
}

/// The code of nearly every semantic error in StarRocks.
pub const ANALYZE_ERROR: u16 = 1064;

/// A failed query: a MySQL error code, a text for the user, and what a caller can do about it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// The MySQL error code.
    pub code: u16,
    /// What is wrong, for the user.
    pub message: String,
    /// What a caller can do about it.
    pub kind: Kind,
    /// The data plane of another compute node, when that was lost while it worked for the query.
    pub lost: Option<String>,
}

impl QueryError {
    /// An error with its code and kind.
    pub fn new(code: u16, kind: Kind, message: impl Into<String>) -> QueryError {
        QueryError { code, message: message.into(), kind, lost: None }
    }

    /// A semantic error: `Getting analyzing error. Detail message: …`.
    pub fn analyzing(detail: impl AsRef<str>) -> QueryError {
        let detail = detail.as_ref().trim_end().trim_end_matches('.');
        let message = format!("Getting analyzing error. Detail message: {detail}.");
        QueryError::new(ANALYZE_ERROR, Kind::Invalid, message)
    }

    /// A value or a row that cannot be computed or stored.
    pub fn invalid(message: impl Into<String>) -> QueryError {
        QueryError::new(ANALYZE_ERROR, Kind::Invalid, message)
    }

    /// No USE and no database in the name.
    pub fn no_database() -> QueryError {
        QueryError::new(1046, Kind::Invalid, "No database selected")
    }

    /// The database is not there.
    pub fn unknown_database(name: &str) -> QueryError {
        QueryError::new(5501, Kind::NotFound, format!("Unknown database '{name}'"))
    }

    /// The table is not there.
    pub fn unknown_table(database: &str, name: &str) -> QueryError {
        QueryError::new(5502, Kind::NotFound, format!("Unknown table '{database}.{name}'"))
    }

    /// The partition is not there.
    pub fn unknown_partition(name: &str, table: &str) -> QueryError {
        QueryError::new(1735, Kind::NotFound, format!("Unknown partition '{name}' in table '{table}'"))
    }

    /// The column is not there.
    pub fn unknown_column(name: &str) -> QueryError {
        QueryError::analyzing(format!("Column '{name}' cannot be resolved"))
    }

    /// A compute node that worked for the query is not there any more.
    pub fn lost(address: &str, cause: impl fmt::Display) -> QueryError {
        let message = format!("compute node {address} was lost while it worked for the query: {cause}");
        QueryError { lost: Some(address.to_owned()), ..QueryError::new(ANALYZE_ERROR, Kind::Unavailable, message) }
    }

    /// As an error that comes whole through streams between compute nodes, which keep of most errors only the text.
    pub(crate) fn told(&self) -> DataFusionError {
        let told = Told { code: self.code, kind: self.kind, lost: self.lost.clone(), message: self.message.clone() };
        match serde_json::to_string(&told) {
            Ok(told) => DataFusionError::Execution(format!("{TOLD}{told}")),
            Err(_) => DataFusionError::Execution(self.message.clone()),
        }
    }

    /// A bug: something that cannot be.
    pub fn internal(message: impl Into<String>) -> QueryError {
        QueryError::new(ANALYZE_ERROR, Kind::Internal, message)
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> QueryError {
        translate(&error)
    }
}

impl From<QueryError> for DataFusionError {
    fn from(error: QueryError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

impl From<arrow::error::ArrowError> for QueryError {
    fn from(error: arrow::error::ArrowError) -> QueryError {
        translate(&DataFusionError::ArrowError(Box::new(error), None))
    }
}

/// The query error that a DataFusion error stands for.
fn translate(error: &DataFusionError) -> QueryError {
    if let Some(own) = own_error(error) {
        return own;
    }
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => translate(inner),
        DataFusionError::Shared(inner) => translate(inner),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => translate(first),
            None => QueryError::internal("the query failed without a reason"),
        },
        DataFusionError::SchemaError(schema, _) => schema_error(schema),
        DataFusionError::Plan(text) => QueryError::analyzing(plan_text(text)),
        DataFusionError::NotImplemented(text) => QueryError::analyzing(format!("not supported: {}", clean(text))),
        DataFusionError::SQL(parse, _) => {
            QueryError::invalid(format!("Getting syntax error. Detail message: {}", clean(&parse.to_string())))
        }
        DataFusionError::Configuration(text) => QueryError::invalid(clean(text)),
        DataFusionError::Execution(text) => Told::of(text).unwrap_or_else(|| QueryError::invalid(clean(text))),
        DataFusionError::ArrowError(arrow, _) => arrow_error(arrow),
        // The pool's own words.
        DataFusionError::ResourcesExhausted(text) if text.starts_with("Memory of ") => {
            QueryError::new(ANALYZE_ERROR, Kind::Unavailable, clean(text))
        }
        DataFusionError::ResourcesExhausted(text) => {
            QueryError::new(ANALYZE_ERROR, Kind::Unavailable, format!("Memory limit exceeded: {}", clean(text)))
        }
        DataFusionError::ObjectStore(store) => store_error(store),
        DataFusionError::IoError(io) => {
            QueryError::new(ANALYZE_ERROR, Kind::Unavailable, format!("reading or writing failed: {io}"))
        }
        DataFusionError::ParquetError(parquet) => {
            QueryError::new(ANALYZE_ERROR, Kind::Corrupt, format!("a data file cannot be read: {parquet}"))
        }
        DataFusionError::External(inner) => external(inner.as_ref()),
        // What a join says that may spill and could not hold even the first rows of its smaller side.
        DataFusionError::Internal(text) if text.contains("produced no data to spill") => QueryError::new(
            ANALYZE_ERROR,
            Kind::Unavailable,
            "Memory of query pool exceed limit. A join has no room for its smaller side",
        ),
        DataFusionError::Internal(text) => QueryError::internal(format!("internal error: {}", clean(text))),
        other => QueryError::internal(clean(&other.strip_backtrace())),
    }
}

/// A [`QueryError`] of ours somewhere in the chain of causes.
fn own_error(error: &DataFusionError) -> Option<QueryError> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(own) = current.downcast_ref::<QueryError>() {
            return Some(own.clone());
        }
        if let Some(DataFusionError::External(inner)) = current.downcast_ref::<DataFusionError>()
            && let Some(own) = inner.downcast_ref::<QueryError>()
        {
            return Some(own.clone());
        }
        if let Some(DataFusionError::Collection(errors)) = current.downcast_ref::<DataFusionError>() {
            return errors.first().and_then(own_error);
        }
        cause = current.source();
    }
    None
}

fn external(inner: &(dyn std::error::Error + 'static)) -> QueryError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(inner);
    while let Some(current) = cause {
        if let Some(store) = current.downcast_ref::<object_store::Error>() {
            return store_error(store);
        }
        if let Some(nested) = current.downcast_ref::<DataFusionError>() {
            return translate(nested);
        }
        cause = current.source();
    }
    let text = inner.to_string();
    Told::of(&text).unwrap_or_else(|| QueryError::invalid(clean(&text)))
}

fn schema_error(error: &SchemaError) -> QueryError {
    match error {
        SchemaError::FieldNotFound { field, .. } => QueryError::unknown_column(&field.flat_name()),
        SchemaError::AmbiguousReference { field } => {
            QueryError::analyzing(format!("Column '{}' is ambiguous", field.name()))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            QueryError::analyzing(format!("Duplicate column name '{name}'"))
        }
    }
}

fn store_error(error: &object_store::Error) -> QueryError {
    let kind = match error {
        object_store::Error::NotFound { .. } => Kind::Corrupt,
        _ => Kind::Unavailable,
    };
    QueryError::new(ANALYZE_ERROR, kind, format!("the object store failed: {error}"))
}

fn arrow_error(error: &arrow::error::ArrowError) -> QueryError {
    use arrow::error::ArrowError;
    match error {
        ArrowError::ExternalError(inner) => external(inner.as_ref()),
        ArrowError::CastError(text) | ArrowError::ComputeError(text) | ArrowError::InvalidArgumentError(text) => {
            QueryError::invalid(clean(text))
        }
        ArrowError::ArithmeticOverflow(text) => QueryError::invalid(format!("numeric overflow: {}", clean(text))),
        ArrowError::DivideByZero => QueryError::invalid("division by zero"),
        ArrowError::ParseError(text) => QueryError::invalid(clean(text)),
        other => QueryError::invalid(clean(&other.to_string())),
    }
}

/// Planner messages, said as StarRocks says them where it has words of its own.
fn plan_text(text: &str) -> String {
    let text = clean(text);
    if let Some(rest) = text.strip_prefix("Invalid function '")
        && let Some((name, _)) = rest.split_once('\'')
    {
        return format!("No matching function with signature: {name}");
    }
    if let Some((head, _)) = text.split_once(" You might need to add explicit type casts") {
        return head.to_owned();
    }
    text
}

/// Without back traces, links, prefixes that name the engine's insides, and hints over several lines.
fn clean(text: &str) -> String {
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let text = text.split("\nThis issue was likely caused by a bug").next().unwrap_or(text);
    let mut text = text.trim();
    const PREFIXES: [&str; 8] = [
        "Error during planning: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
        "Parser error: ",
        "External error: ",
        "Optimizer rule 'simplify_expressions' failed",
    ];
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest.trim_start_matches("caused by").trim();
    }
    text.lines().next().unwrap_or(text).trim().to_owned()
}
