//! storage-catalog
