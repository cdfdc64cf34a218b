//! The browser: drives the core over web-sys, and is what JavaScript sees of it.
//!
//! Owns the socket, the timer and the exported class. Holds no rule of the protocol.

mod bindings;
mod driver;
mod eventsource;
mod fetch;
mod handles;
mod host;
mod lifecycle;
mod longpoll;
mod store;
mod upstream;
mod websocket;
