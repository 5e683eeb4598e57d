//! Tests over a real volume.
