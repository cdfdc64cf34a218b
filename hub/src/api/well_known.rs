//! The hub's limits and its health (rules P5 and P7).

use http::StatusCode;
use longhaul::wire::SUBPROTOCOL;
use serde_json::json;

use super::access::Access;
use super::answer::{Answer, json as answer_json};
use super::problem::{Problem, ProblemCode};
use crate::core::{Close, Readiness, Transport};

/// A healthy hub handles its timers within this time, ms. Chosen: more than any normal load causes.
const LATE_MS_MAX: u64 = 5_000;

/// `GET /.well-known/longhaul`.
pub fn well_known(hub: &impl Access) -> Answer {
    let limits = hub.limits();
    let transports: Vec<&str> = limits.transports.iter().map(Transport::name).collect();
    answer_json(&json!({
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

/// `GET /healthz`: whether the hub handles its timers in time.
///
/// # Errors
/// It does not.
pub fn healthy(hub: &impl Access) -> Result<Answer, Problem> {
    let late_ms = hub.with(|hub, now, _| hub.late_ms(now.time));
    if late_ms > LATE_MS_MAX {
        let detail = format!("a timer has been due for {late_ms} ms");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let code = ProblemCode::Close(Close::HubError);
        return Err(Problem::new(status, code, detail));
    }
    Ok(answer_json(&json!({ "status": "ok" })))
}

/// `GET /readyz`: whether a load balancer should send clients here.
///
/// # Errors
/// It should not.
pub fn ready(hub: &impl Access) -> Result<Answer, Problem> {
    let (code, detail) = match hub.with(|hub, _, _| hub.readiness()) {
        Readiness::Ready => return Ok(answer_json(&json!({ "status": "ok" }))),
        Readiness::Full => (ProblemCode::Full, "the hub has its maximum of connections"),
        Readiness::Draining => (
            ProblemCode::Draining,
            "the hub closes its connections and stops",
        ),
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail))
}
