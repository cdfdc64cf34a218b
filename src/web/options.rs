//! The options with which JavaScript creates a client.
//!
//! Owns their translation into the core's `Config`. The wrapper has checked the numbers.

use wasm_bindgen::prelude::*;

use super::driver::number_of;
use crate::Transport;
use crate::boundary;
use crate::config::{BackoffPolicy, Config, HeartbeatPolicy, Inherited, Jitter, OutboxLimits};
use crate::ids::RowNo;

/// The options of a client, set one by one, because a derived reader would cost kilobytes.
#[wasm_bindgen]
pub struct CoreOptions {
    pub(super) config: Config,
    pub(super) bases: Vec<String>,
    pub(super) database: Option<String>,
}

#[wasm_bindgen]
impl CoreOptions {
    /// All defaults.
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

    /// An address of the hub, with a slash at its end; called in order of preference.
    pub fn address(&mut self, base: String) {
        self.bases.push(base);
        self.config.addresses = self.bases.len();
    }

    /// The outbox is in this database of the browser, in the partition that the host names.
    pub fn durable(&mut self, database: String) {
        self.config.is_durable = true;
        self.database = Some(database);
    }

    /// Backoff; `jitter` is one of `boundary::jitter`.
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

    /// Heartbeat of the client's own, whatever the hub says.
    pub fn heartbeat(&mut self, interval_ms: f64, timeout_ms: f64) {
        self.config.heartbeat = Some(HeartbeatPolicy {
            interval_ms: interval_ms as u64,
            timeout_ms: timeout_ms as u64,
        });
    }

    /// A transport that the user wants and the browser has, by number; called in order of
    /// preference.
    pub fn transport(&mut self, number: u32) {
        self.config.transports.extend(transport_of(number));
    }

    /// The app gives tokens.
    #[wasm_bindgen(js_name = hasTokens)]
    pub fn has_tokens(&mut self) {
        self.config.has_tokens = true;
    }

    /// The transport that worked here before.
    pub fn worked(&mut self, number: u32) {
        self.config.worked = transport_of(number);
    }

    /// A publication that the hub refuses for good stops its topic.
    pub fn pauses(&mut self) {
        self.config.is_pausing = true;
    }

    /// The outbox of an instance that is gone: in memory, the last row that it had numbered there,
    /// and in storage.
    pub fn inherit(&mut self, producer: String, last: f64, stored: String) {
        self.config.inherited = Some(Inherited {
            producer,
            last: RowNo(last as u64),
            stored,
        });
    }

    /// Limits of the outbox.
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
