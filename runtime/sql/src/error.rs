//! What is wrong with a text, and where: StarRocks' form of a syntax error.

use storage_model::Kind;

/// A text that is no statement.
///
/// Lines count from 1 and columns from 0, as StarRocks counts them; columns are characters, not bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Getting syntax error at line {line}, column {column}. Detail message: {message}")]
pub struct SyntaxError {
    /// Line of the offending token, from 1.
    pub line: u32,
    /// Column of the offending token, from 0.
    pub column: u32,
    /// What was found there and what could have stood there.
    pub message: String,
}

impl SyntaxError {
    /// What a caller can do about it: nothing, the request is wrong.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}
