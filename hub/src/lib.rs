//! Longhaul's reference server: topics over WebSocket, and HTTP for back ends.
//!
//! `core` decides and `api` says what HTTP means to it, and neither names a socket. The modules beside them drive both: `server` puts them together, `listener` accepts,
//! `shell` holds the core, `ws`, `events` and `posts` are what clients come over, `http` what back ends use.
//! docs/protocol.md has the wire. For wasm32 there are `api` and `core` alone, for `longhaul-testing`.

pub mod api;
pub mod core;

#[cfg(not(target_arch = "wasm32"))]
mod body;
#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
#[cfg(not(target_arch = "wasm32"))]
mod demo;
#[cfg(not(target_arch = "wasm32"))]
pub mod descriptors;
#[cfg(not(target_arch = "wasm32"))]
mod events;
#[cfg(not(target_arch = "wasm32"))]
mod http;
#[cfg(not(target_arch = "wasm32"))]
mod listener;
#[cfg(not(target_arch = "wasm32"))]
mod origin;
#[cfg(not(target_arch = "wasm32"))]
mod posts;
#[cfg(not(target_arch = "wasm32"))]
pub mod server;
#[cfg(not(target_arch = "wasm32"))]
mod shell;
#[cfg(not(target_arch = "wasm32"))]
mod site;
#[cfg(not(target_arch = "wasm32"))]
mod ws;
