//! The browser: drives the core, and is what JavaScript sees of it.
//!
//! Owns the effects and the exported class; connections, the timer and the page's life cycle are JavaScript's. Holds no rule of the protocol.

mod bindings;
mod driver;
mod host;
