//! See `targets.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| starkeep_fuzz::targets::run("sql_statements", bytes));
