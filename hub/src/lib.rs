//! Longhaul's reference server: topics over WebSocket, and HTTP for back ends.
//!
//! `core` decides and names no socket; the modules beside it drive it: `server` puts them together, `listener` accepts,
//! `shell` holds the core, `ws`, `events` and `posts` are what clients come over, `http` what back ends use.
//! docs/protocol.md has the wire.

pub mod cli;
pub mod core;
mod demo;
mod documents;
mod events;
mod http;
mod listener;
mod origin;
mod posts;
mod problem;
pub mod server;
mod shell;
mod site;
mod ws;
