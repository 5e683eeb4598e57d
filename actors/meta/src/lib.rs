//! actors-meta
