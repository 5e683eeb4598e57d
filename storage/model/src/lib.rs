//! storage-model
