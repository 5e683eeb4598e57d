//! test placeholder
