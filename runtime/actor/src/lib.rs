//! runtime-actor
