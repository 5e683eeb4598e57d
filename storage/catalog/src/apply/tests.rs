//! Pairs of command and catalog.
