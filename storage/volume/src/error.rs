//! What goes wrong with a volume: which volume, which object, the whole chain of causes, and never a secret.

use serde::{Deserialize, Serialize};
use storage_model::Kind;
use thiserror::Error;

/// Longer causes (a store that answers with a web page) are cut here, in bytes.
const LONGEST_CAUSE: usize = 2000;

/// An error of a storage volume. Plain values: it may travel in messages and be kept in the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum VolumeError {
    /// The definition (type, location, properties) is wrong; the text is for the user as it stands.
    #[error("{message}")]
    Definition {
        /// What is wrong.
        message: String,
    },
    /// The store was asked and did not do it.
    #[error("storage volume '{volume}': cannot {operation} '{path}': {cause}")]
    Operation {
        /// What a caller can do about it.
        kind: Kind,
        /// An imperative: `write`, `read`, `list`, `delete`, `open`.
        operation: String,
        /// The volume's name.
        volume: String,
        /// Below the volume's location; empty for the location itself.
        path: String,
        /// The chain of causes, outermost first, without secrets.
        cause: String,
    },
}

impl VolumeError {
    /// A definition that is wrong.
    pub fn definition(message: impl Into<String>) -> VolumeError {
        VolumeError::Definition { message: message.into() }
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> Kind {
        match self {
            VolumeError::Definition { .. } => Kind::Invalid,
            VolumeError::Operation { kind, .. } => *kind,
        }
    }

    /// Whether the store said, for sure, that there is no such object.
    pub fn is_not_found(&self) -> bool {
        self.kind() == Kind::NotFound
    }
}

/// The texts of an error and all its sources, outermost first, joined by `: `; what a text already says is not repeated.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// The kind of an error of the store.
pub(crate) fn kind_of(error: &object_store::Error) -> Kind {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => Kind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => Kind::Conflict,
        Error::InvalidPath { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::UnknownConfigurationKey { .. } => Kind::Invalid,
        Error::JoinError { .. } => Kind::Internal,
        // Refused credentials too: the request is right, a person mends the store, then it works.
        _ => Kind::Unavailable,
    }
}

/// The chain of causes without `secrets`, on one line and not endless.
pub(crate) fn cause_text(error: &(dyn std::error::Error + 'static), secrets: &[String]) -> String {
    let mut text = error_chain(error);
    for secret in secrets {
        text = text.replace(secret.as_str(), "******");
    }
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.len() > LONGEST_CAUSE {
        let end = (0..=LONGEST_CAUSE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Error)]
    #[error("outer says: {0}")]
    struct Repeats(#[source] Inner);

    #[derive(Debug, Error)]
    #[error("outer")]
    struct Silent(#[source] Inner);

    #[derive(Debug, Error)]
    #[error("key hush-hush refused")]
    struct Inner;

    #[test]
    fn the_chain_says_everything_once() {
        assert_eq!(error_chain(&Repeats(Inner)), "outer says: key hush-hush refused");
        assert_eq!(error_chain(&Silent(Inner)), "outer: key hush-hush refused");
    }

    #[test]
    fn secrets_and_endless_texts_are_cut() {
        assert_eq!(cause_text(&Silent(Inner), &["hush-hush".to_owned()]), "outer: key ****** refused");
        let long = VolumeError::definition("ü".repeat(5000));
        assert!(cause_text(&long, &[]).len() <= LONGEST_CAUSE + 4);
    }
}
