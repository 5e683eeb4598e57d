//! storage-tablet
