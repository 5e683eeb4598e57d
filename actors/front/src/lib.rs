//! actors-front
