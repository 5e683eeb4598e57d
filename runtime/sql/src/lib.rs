//! runtime-sql
