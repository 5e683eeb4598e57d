//! runtime-rpc
