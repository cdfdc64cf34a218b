//! A TCP proxy that misbehaves on request. Tests put it between a browser and the hub.
//!
//! - `faults`: what can go wrong. `state`: the faults of the moment.
//! - `proxy`: the connections. `relay`: one connection. `sink`: the delays and rates of its bytes.
//! - `http`: where requests begin and end. `control`: the interface for tests.
//!
//! It serves loopback only, and stores none of the bytes. Limits bound its memory:
//! [`proxy::CONNECTIONS_MAX`], and in each direction [`sink::QUEUE_BYTES_MAX`],
//! [`http::HEAD_BYTES_MAX`] and [`faults::HOLD_BYTES_MAX`].

pub mod control;
pub mod faults;
mod flow;
pub mod http;
pub mod proxy;
mod relay;
pub mod sink;
mod state;

pub use faults::Faults;
pub use proxy::Proxy;
