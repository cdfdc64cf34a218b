//! A TCP proxy that misbehaves on request: what stands between a browser and the hub in tests.
//!
//! `faults` says what can go wrong, `proxy` owns the connections, `relay` carries one of them, `sink` makes its bytes
//! late, slow or few, `http` reads just enough of HTTP/1.1 to know where a request begins, `control` is how tests ask.
//! It serves loopback only and keeps nothing of what passes.
//!
//! Memory is bounded: [`proxy::CONNECTIONS_MAX`] connections, each with at most [`sink::QUEUE_BYTES_MAX`] on their way and
//! [`http::HEAD_BYTES_MAX`] read ahead in each direction, and [`faults::HOLD_BYTES_MAX`] held back by a buffering rule.

pub mod control;
pub mod faults;
pub mod http;
pub mod proxy;
mod relay;
pub mod sink;

pub use faults::Faults;
pub use proxy::Proxy;
