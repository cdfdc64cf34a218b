//! The options of a client.
//!
//! Owns their translation into the core's `Config`. The wrapper has checked the numbers.

use wasm_bindgen::prelude::*;

use super::driver::number_of;
use crate::Transport;
use crate::boundary;
use crate::config::{BackoffPolicy, Config, HeartbeatPolicy, Inherited, Jitter, OutboxLimits};
use crate::ids::RowNo;

/// The options of a client. JavaScript sets them one by one, because a derived reader would cost
/// kilobytes.
#[wasm_bindgen]
pub struct CoreOptions {
    pub(super) config: Config,
    pub(super) bases: Vec<String>,
    pub(super) database: Option<String>,
}

#[wasm_bindgen]
impl CoreOptions {
    /// Creates options with all defaults.
    #[wasm_bindgen(constructor)]
    pub fn new(seed: f64) -> Self {
        Self {
            config: Config {
                seed: seed as u64,
                ..Config::default()
            },
            bases: Vec::new(),
            database: None,
        }
    }

    /// Adds an address of the hub, with a slash at its end. The calls follow the order of
    /// preference.
    pub fn address(&mut self, base: String) {
        self.bases.push(base);
        self.config.addresses = self.bases.len();
    }

    /// Stores the outbox in this database of the browser. The host names the partition.
    pub fn durable(&mut self, database: String) {
        self.config.is_durable = true;
        self.database = Some(database);
    }

    /// Sets the backoff. `jitter` is one of `boundary::jitter`.
    pub fn backoff(
        &mut self,
        base_ms: f64,
        factor: f64,
        cap_ms: f64,
        jitter: u32,
        attempts_max: u32,
    ) {
        self.config.backoff = BackoffPolicy {
            base_ms: base_ms as u64,
            factor,
            cap_ms: cap_ms as u64,
            jitter: match jitter {
                boundary::jitter::FULL => Jitter::Full,
                boundary::jitter::HALF => Jitter::Half,
                _ => Jitter::None,
            },
            attempts_max,
        };
    }

    /// Sets the client's own heartbeat, which overrides the hub's.
    pub fn heartbeat(&mut self, interval_ms: f64, timeout_ms: f64) {
        self.config.heartbeat = Some(HeartbeatPolicy {
            interval_ms: interval_ms as u64,
            timeout_ms: timeout_ms as u64,
        });
    }

    /// Adds a transport that the user permits and the browser supports. The calls follow the order
    /// of preference.
    pub fn transport(&mut self, number: u32) {
        self.config.transports.extend(transport_of(number));
    }

    /// Makes the client ask the app for tokens.
    #[wasm_bindgen(js_name = hasTokens)]
    pub fn has_tokens(&mut self) {
        self.config.has_tokens = true;
    }

    /// Sets the transport that worked on this network before.
    pub fn worked(&mut self, number: u32) {
        self.config.worked = transport_of(number);
    }

    /// Makes a final nack pause its topic.
    pub fn pauses(&mut self) {
        self.config.is_pausing = true;
    }

    /// Continues the outbox of an earlier instance. `producer` and `last` describe its memory
    /// outbox, and `stored` is the durable outbox's identity.
    pub fn inherit(&mut self, producer: String, last: f64, stored: String) {
        self.config.inherited = Some(Inherited {
            producer,
            last: RowNo(last as u64),
            stored,
        });
    }

    /// Sets the limits of the outbox.
    pub fn outbox(&mut self, rows_max: u32, bytes_max: f64) {
        self.config.outbox = OutboxLimits {
            rows_max: rows_max as usize,
            bytes_max: bytes_max as u64,
        };
    }
}

fn transport_of(number: u32) -> Option<Transport> {
    Transport::ALL
        .into_iter()
        .find(|transport| number_of(*transport) == number)
}
