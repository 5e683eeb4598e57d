//! The kit, tried out.
