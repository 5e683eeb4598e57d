//! The one error of this room: what was tried, on which object, and why it did not work.

use std::error::Error;

use storage_model::Kind;

/// Why something about a snapshot in the store did not work.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {object}{}", detail_text(.detail))]
pub struct SnapshotError {
    /// What a caller can do about it.
    pub kind: Kind,
    /// What was tried, as a verb: `read section`.
    pub operation: &'static str,
    /// On what: a path below the volume's location, or a snapshot's name.
    pub object: String,
    /// What was found; empty when the source says it.
    pub detail: String,
    /// What lies below.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

fn detail_text(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

impl SnapshotError {
    /// An error without anything below it.
    pub fn new(kind: Kind, operation: &'static str, object: impl Into<String>, detail: impl Into<String>) -> Self {
        SnapshotError { kind, operation, object: object.into(), detail: detail.into(), source: None }
    }

    /// An error because of another.
    pub fn because(
        kind: Kind,
        operation: &'static str,
        object: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        let (object, detail) = (object.into(), String::new());
        SnapshotError { kind, operation, object, detail, source: Some(Box::new(source)) }
    }

    pub(crate) fn corrupt(operation: &'static str, object: impl Into<String>, detail: impl Into<String>) -> Self {
        SnapshotError::new(Kind::Corrupt, operation, object, detail)
    }

    pub(crate) fn invalid(operation: &'static str, object: impl Into<String>, detail: impl Into<String>) -> Self {
        SnapshotError::new(Kind::Invalid, operation, object, detail)
    }

    pub(crate) fn internal(operation: &'static str, object: impl Into<String>, detail: impl Into<String>) -> Self {
        SnapshotError::new(Kind::Internal, operation, object, detail)
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message with everything below it, for ERROR_MESSAGE and for people.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut below = self.source();
        while let Some(error) = below {
            let message = error.to_string();
            // Some libraries repeat their source in their own message.
            if !text.ends_with(&message) {
                text.push_str(": ");
                text.push_str(&message);
            }
            below = error.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_says_everything_once() {
        let io = std::io::Error::other("no route to host");
        let below = SnapshotError::because(Kind::Unavailable, "open", "s3://b", io);
        let error = SnapshotError::because(Kind::Unavailable, "read section", "x/sections/1", below);
        assert_eq!(error.chain(), "cannot read section x/sections/1: cannot open s3://b: no route to host");
        let error = SnapshotError::corrupt("read manifest", "m", "it is empty");
        assert_eq!(error.chain(), "cannot read manifest m: it is empty");
    }
}
