//! `cargo fuzz` over the decoders: see README.md. No part of the workspace: it is built with other flags.

pub mod targets;
