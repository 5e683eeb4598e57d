//! A real server, asked over real sockets.

mod kit;
mod living;
mod login;
mod open;
