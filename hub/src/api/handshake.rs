//! The handshake of a WebSocket: its subprotocol, and the refusals right after it (rule W1).

use http::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL};
use longhaul::wire::SUBPROTOCOL;

use super::origin::PageOrigin;
use crate::core::{Close, Limits, Refusal, Transport};

/// The subprotocols that a handshake offers.
pub fn offers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The hub's subprotocol if the client offers it, or else the first one of another version. `None`
/// if the client offers neither.
pub fn chosen<'a>(offers: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let offers: Vec<&str> = offers
        .filter(|offer| offer.starts_with("longhaul."))
        .collect();
    offers
        .iter()
        .find(|offer| **offer == SUBPROTOCOL)
        .or(offers.first())
        .copied()
}

/// Why the hub closes a socket as soon as it is open. A browser can't read a refused handshake.
#[must_use]
pub fn refusal(chosen: &str, origin: PageOrigin, limits: &Limits) -> Option<Refusal> {
    let other_version = || {
        let message = format!("the hub speaks {SUBPROTOCOL}");
        (chosen != SUBPROTOCOL).then(|| Refusal::new(Close::VersionUnsupported, message))
    };
    origin
        .refusal()
        .or_else(other_version)
        .or_else(|| disabled(Transport::WebSocket, limits))
}

pub(super) fn disabled(transport: Transport, limits: &Limits) -> Option<Refusal> {
    let message = format!("the hub serves {}", limits.transports);
    (!limits.transports.has(transport)).then(|| Refusal::new(Close::TransportDisabled, message))
}
