//! The error of one request, told to everybody who waited for it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use object_store::Error;

/// The cause of an error that others have too.
#[derive(Debug)]
struct Cause(Arc<Error>);

impl Cause {
    fn inner(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner()?.source()
    }
}

/// The error again, of the same kind.
pub(crate) fn again(error: &Arc<Error>) -> Error {
    let source: Box<dyn StdError + Send + Sync> = Box::new(Cause(Arc::clone(error)));
    match &**error {
        Error::NotFound { path, .. } => Error::NotFound { path: path.clone(), source },
        Error::PermissionDenied { path, .. } => Error::PermissionDenied { path: path.clone(), source },
        Error::Unauthenticated { path, .. } => Error::Unauthenticated { path: path.clone(), source },
        Error::Precondition { path, .. } => Error::Precondition { path: path.clone(), source },
        Error::NotSupported { .. } => Error::NotSupported { source },
        Error::Generic { store, .. } => Error::Generic { store, source },
        _ => Error::Generic { store: "data cache", source },
    }
}

/// An error of the cache's own.
pub(crate) fn odd(what: impl Into<String>) -> Error {
    Error::Generic { store: "data cache", source: what.into().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_the_same_again() {
        let missing = Error::NotFound { path: "a/b".into(), source: "gone".into() };
        let generic = Error::Generic { store: "S3", source: "no answer".into() };
        for error in [missing, generic, Error::NotImplemented { operation: "x".into(), implementer: "y".into() }] {
            let (said, is_missing) = (error.to_string(), matches!(error, Error::NotFound { .. }));
            let told = again(&Arc::new(error));
            assert_eq!(matches!(told, Error::NotFound { .. }), is_missing);
            assert!(told.to_string().contains(&said), "{told}");
        }
    }
}
