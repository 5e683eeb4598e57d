//! runtime-http
