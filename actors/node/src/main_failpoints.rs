//! `starkeep-failpoints`: the same executable for the chaos harness, with places where it may be broken.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Err(error) = actors_node::failpoints::start() {
        eprintln!("starkeep-failpoints: {error}");
        return ExitCode::FAILURE;
    }
    actors_node::cli::main()
}
