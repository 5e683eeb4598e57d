//! The `starkeep` executable: one binary, roles as subcommands (or as the name of the link it is called through).

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    actors_node::cli::main()
}
