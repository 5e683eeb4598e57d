//! The kit of the suites.
