//! Longhaul's reference server: topics over WebSocket, and HTTP for back ends.
//!
//! `core` has all rules, and `api` the meaning of HTTP requests. Neither names a socket. Around
//! them, `server` starts the hub, `listener` accepts connections, and `runtime` drives the core.
//! `http` routes requests to `websocket`, `events`, `posts` and `back_ends`. docs/protocol.md
//! defines the wire. For wasm32 the crate is only `api` and `core`, for `longhaul-testing`.

pub mod api;
pub mod core;

#[cfg(not(target_arch = "wasm32"))]
mod back_ends;
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
mod guards;
#[cfg(not(target_arch = "wasm32"))]
mod http;
#[cfg(not(target_arch = "wasm32"))]
mod listener;
#[cfg(not(target_arch = "wasm32"))]
mod origin;
#[cfg(not(target_arch = "wasm32"))]
mod posts;
#[cfg(not(target_arch = "wasm32"))]
mod runtime;
#[cfg(not(target_arch = "wasm32"))]
pub mod server;
#[cfg(not(target_arch = "wasm32"))]
mod site;
#[cfg(not(target_arch = "wasm32"))]
mod websocket;
