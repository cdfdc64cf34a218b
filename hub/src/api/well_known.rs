//! What a hub tells of itself (rules P5 and P7).

use http::StatusCode;
use longhaul::wire::SUBPROTOCOL;
use serde_json::json;

use super::problem::Problem;
use super::{Access, Answer};
use crate::core::{Readiness, Transport};

/// How late the hub may be with what is due and still be called healthy, ms. Chosen: above any load
/// that it should bear.
const LATE_MS_MAX: u64 = 5_000;

/// `GET /.well-known/longhaul`.
pub fn well_known(hub: &impl Access) -> Answer {
    let limits = hub.limits();
    let transports: Vec<&str> = limits.transports.iter().map(Transport::name).collect();
    super::json(&json!({
        "versions": [SUBPROTOCOL],
        "transports": transports,
        "limits": {
            "frameBytesMax": limits.frame_bytes_max,
            "payloadBytesMax": limits.payload_bytes_max,
            "subscriptionsMax": limits.subscriptions_max,
            "subscriptionsBytesMax": limits.subs_bytes_max,
            "connectionsMax": limits.connections_max,
            "admitPerSecond": limits.admit_per_s,
            "topicsMax": limits.topics_max,
            "retainEntries": limits.retain_entries,
            "retainMs": limits.retain_ms,
            "retainBytes": limits.retain_bytes,
            "topicIdleMs": limits.topic_idle_ms,
            "producersMs": limits.producers_ms,
            "producersMax": limits.producers_max,
            "idempotencyKeysMax": limits.keys_max,
            "pageEntriesMax": limits.page_entries_max,
            "pageBytesMax": limits.page_bytes_max,
            "heartbeatMs": limits.ping_ms,
            "heartbeatWaitMs": limits.wait_ms,
            "holdMs": limits.hold_ms,
        },
    }))
}

/// `GET /healthz`: whether the hub does what is due.
///
/// # Errors
/// It is late.
pub fn healthy(hub: &impl Access) -> Result<Answer, Problem> {
    let late_ms = hub.with(|hub, now, _| hub.late_ms(now.time));
    if late_ms > LATE_MS_MAX {
        let detail = format!("what was due {late_ms} ms ago is not done");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(Problem::new(status, "hub_error", detail));
    }
    Ok(super::json(&json!({ "status": "ok" })))
}

/// `GET /readyz`: whether it makes sense to send clients here.
///
/// # Errors
/// It does not.
pub fn ready(hub: &impl Access) -> Result<Answer, Problem> {
    let (code, detail) = match hub.with(|hub, _, _| hub.readiness()) {
        Readiness::Ready => return Ok(super::json(&json!({ "status": "ok" }))),
        Readiness::Full => ("full", "all connections are taken"),
        Readiness::Draining => ("draining", "the hub lets its clients go and stops"),
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail))
}
