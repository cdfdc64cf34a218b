//! The browser: drives the core, and is what JavaScript sees of it.
//!
//! Owns the timer, the page's life cycle and the exported class; connections are JavaScript's. Holds no rule of the protocol.

mod bindings;
mod driver;
mod host;
mod lifecycle;
