//! storage-volume
