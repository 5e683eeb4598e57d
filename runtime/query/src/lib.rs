//! runtime-query
