//! Longhaul's reference server: topics over WebSocket, and HTTP for back ends.
//!
//! `core` decides and names no socket; the modules beside it drive it: `server` puts them together, `shell` holds the
//! core, `ws` is a connection, `http` what back ends use. docs/protocol.md has the wire.

pub mod cli;
pub mod core;
mod demo;
mod http;
mod origin;
mod problem;
pub mod server;
mod shell;
mod site;
mod ws;
