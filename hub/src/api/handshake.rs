//! What a WebSocket's handshake must offer, and whom the hub turns away right after it (rule W1).

use http::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL};
use longhaul::wire::SUBPROTOCOL;

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

/// Ours of those that are offered, else the first of another version. `None` if there is neither.
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

/// Why the socket is closed as soon as it is open: a browser can't read a refused handshake.
#[must_use]
pub fn refusal(chosen: &str, is_origin_served: bool, limits: &Limits) -> Option<Refusal> {
    if !is_origin_served {
        return Some(origin_refused());
    }
    if chosen != SUBPROTOCOL {
        let message = format!("the hub speaks {SUBPROTOCOL}");
        return Some(Refusal::new(Close::VersionUnsupported, message));
    }
    disabled(Transport::WebSocket, limits)
}

pub(super) fn disabled(transport: Transport, limits: &Limits) -> Option<Refusal> {
    let message = format!("the hub serves {}", limits.transports);
    (!limits.transports.has(transport)).then(|| Refusal::new(Close::TransportDisabled, message))
}

pub(super) fn origin_refused() -> Refusal {
    let message = "pages of this origin are not served; add it to the allowed origins";
    Refusal::new(Close::OriginRefused, message)
}
