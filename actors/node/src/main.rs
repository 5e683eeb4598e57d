//! The `starkeep` executable.
fn main() {}
