//! The kit, tried out: crashes, budgets, deadlines, timers, stops, observation.

mod breaking;
mod kit;
mod living;
mod odd;
mod promises;
mod threads;
mod tracing;
