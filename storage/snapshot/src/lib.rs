//! storage-snapshot
