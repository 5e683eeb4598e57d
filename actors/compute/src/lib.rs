//! actors-compute
