//! Drives the core in the browser with web-sys, and exports it to JavaScript.
//!
//! Owns connections, timers, IndexedDB and the exported classes. Contains no rule of the protocol.

mod bindings;
mod delegate;
mod driver;
mod effects;
mod eventsource;
mod fetch;
mod handles;
mod host;
mod lifecycle;
mod longpoll;
mod options;
mod store;
mod tab_messages;
mod upstream;
mod websocket;
