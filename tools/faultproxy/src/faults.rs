//! The faults, as JSON that tests write. Every field has a default that means "no fault".

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// The longest latency or jitter, ms. Chosen: longer than any test waits.
pub const DELAY_MS_MAX: u64 = 600_000;

/// The largest answer of a rule, bytes. Chosen: a big error page.
pub const BODY_BYTES_MAX: usize = 65_536;

/// The most bytes of a response that a buffering rule may hold back. Chosen: nginx holds 64 KiB by
/// default.
pub const HOLD_BYTES_MAX: u32 = 1_048_576;

/// The most rules at a time. Chosen: small, because the proxy compares each request with all of
/// them.
pub const RULES_MAX: usize = 100;

/// All faults of the moment. A test replaces them as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Faults {
    /// The seed of the jitter. The same seed and connections give the same delays.
    pub seed: u64,
    /// What happens to a new connection.
    pub accept: Accept,
    /// How long a new connection waits, ms, like at a server that is slow to accept. To the client
    /// the connection may look open before, as with a full backlog.
    pub accept_after_ms: u64,
    /// The stopped directions, on new and open connections: no byte, FIN or RST passes. All of them
    /// wait, and pass when this ends, like TCP's retransmissions.
    pub stop: Stop,
    /// From the client to the upstream.
    pub up: Shape,
    /// From the upstream to the client.
    pub down: Shape,
    /// Rules for HTTP/1.1 requests. The first rule that fits counts. An open connection uses them
    /// from its next request on.
    pub http: Vec<Rule>,
}

/// What happens to a new connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Accept {
    /// The proxy relays it.
    #[default]
    Relay,
    /// The proxy accepts it and never answers, even when this ends. (A program can't drop a SYN.)
    BlackHole,
    /// The proxy resets it at once.
    Reset,
}

/// The stopped directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stop {
    /// None.
    #[default]
    Nothing,
    /// From the client to the upstream. The client still receives.
    Up,
    /// From the upstream to the client. The client can still send.
    Down,
    /// Both: a half-open connection.
    Both,
}

/// How the bytes of one direction pass, on new and open connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Shape {
    /// The delay of each byte, ms. Bytes that are already on their way keep their delay.
    pub latency_ms: u64,
    /// The most of an additional random delay, ms. Bytes stay in order.
    pub jitter_ms: u64,
    /// The bytes per second of a connection.
    pub bytes_per_sec: Option<NonZeroU32>,
    /// The bytes of each write.
    pub slice: Option<NonZeroU32>,
    /// The proxy resets a connection in both directions after this many bytes. If more have passed
    /// already, it does so at the next byte.
    pub reset_after_bytes: Option<u64>,
}

/// What happens to some requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Requests whose path has this prefix. Default: all.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// Requests with this method. Default: all.
    #[serde(default)]
    pub method: Option<String>,
    /// Requests with (true) or without (false) `Upgrade: websocket`. Default: both.
    #[serde(default)]
    pub upgrade: Option<bool>,
    /// The number of requests that the rule concerns. Default: all.
    #[serde(default)]
    pub times: Option<NonZeroU32>,
    /// What happens.
    pub action: Action,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// The proxy answers by itself, and the connection stays open.
    Answer(Answer),
    /// The proxy refuses an upgrade with 400. Other requests pass.
    BlockUpgrade,
    /// The proxy removes `Sec-WebSocket-Protocol` from the 101 response.
    StripSubprotocol,
    /// The proxy swallows the request, and everything behind it on its connection.
    Swallow,
    /// The proxy buffers the response body, and relays it in pieces of at least this size.
    Buffer(Buffer),
}

/// An answer of the proxy's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// 200 to 599.
    pub status: u16,
    /// The proxy adds Content-Length, and `Content-Type: text/html` to a body without a type.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// At most [`BODY_BYTES_MAX`].
    #[serde(default)]
    pub body: String,
}

/// How much of a response body the proxy holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Buffer {
    /// 1 to [`HOLD_BYTES_MAX`].
    pub bytes: NonZeroU32,
}

/// Why a JSON text does not describe faults.
#[derive(Debug)]
pub struct BadFaults(String);

impl fmt::Display for BadFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadFaults {}

impl Faults {
    /// Reads faults.
    ///
    /// # Errors
    /// Names the field or the position, and the valid values.
    pub fn from_json(json: &[u8]) -> Result<Self, BadFaults> {
        let faults: Self =
            serde_json::from_slice(json).map_err(|error| BadFaults(error.to_string()))?;
        if faults.accept_after_ms > DELAY_MS_MAX {
            let ms = faults.accept_after_ms;
            let message = format!("acceptAfterMs is {ms}, limit {DELAY_MS_MAX}");
            return Err(BadFaults(message));
        }
        faults.up.check("up")?;
        faults.down.check("down")?;
        if faults.http.len() > RULES_MAX {
            let count = faults.http.len();
            return Err(BadFaults(format!("http: {count} rules, limit {RULES_MAX}")));
        }
        for (index, rule) in faults.http.iter().enumerate() {
            rule.check()
                .map_err(|fault| BadFaults(format!("http[{index}].{fault}")))?;
        }
        Ok(faults)
    }
}

impl Stop {
    pub(crate) fn up(self) -> bool {
        matches!(self, Self::Up | Self::Both)
    }

    pub(crate) fn down(self) -> bool {
        matches!(self, Self::Down | Self::Both)
    }
}

impl Shape {
    fn check(&self, name: &str) -> Result<(), BadFaults> {
        for (field, ms) in [("latencyMs", self.latency_ms), ("jitterMs", self.jitter_ms)] {
            if ms > DELAY_MS_MAX {
                let message = format!("{name}.{field} is {ms}, limit {DELAY_MS_MAX}");
                return Err(BadFaults(message));
            }
        }
        Ok(())
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        if let Some(prefix) = &self.path_prefix
            && !prefix.starts_with('/')
        {
            return Err(format!(
                "pathPrefix is {prefix:?}, and a path begins with /"
            ));
        }
        match &self.action {
            Action::Answer(answer) => answer.check(),
            Action::Buffer(Buffer { bytes }) if bytes.get() > HOLD_BYTES_MAX => Err(format!(
                "action.buffer.bytes is {bytes}, limit {HOLD_BYTES_MAX}"
            )),
            _ => Ok(()),
        }
    }
}

impl Answer {
    fn check(&self) -> Result<(), String> {
        if !(200..=599).contains(&self.status) {
            return Err(format!(
                "action.answer.status is {}, want 200 to 599",
                self.status
            ));
        }
        if self.body.len() > BODY_BYTES_MAX {
            let bytes = self.body.len();
            return Err(format!(
                "action.answer.body is {bytes} bytes, limit {BODY_BYTES_MAX}"
            ));
        }
        for (name, value) in &self.headers {
            let is_token = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_token || value.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(format!("action.answer.headers: {name:?} can't be a header"));
            }
            let ours = ["content-length", "transfer-encoding", "connection"];
            if ours.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                return Err(format!("action.answer.headers: {name} is the proxy's own"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(json: &str) -> String {
        Faults::from_json(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_no_faults() {
        assert_eq!(Faults::from_json(b"{}").unwrap(), Faults::default());
    }

    #[test]
    fn faults_survive_writing_and_reading() {
        let json = r#"{ "seed": 7, "accept": "blackHole", "acceptAfterMs": 9, "stop": "up",
            "down": { "latencyMs": 5, "jitterMs": 6, "bytesPerSec": 7, "slice": 1, "resetAfterBytes": 0 },
            "http": [
              { "action": "stripSubprotocol" },
              { "pathPrefix": "/v1/", "method": "GET", "upgrade": true, "times": 5,
                "action": { "answer": { "status": 503, "headers": { "Retry-After": "7" }, "body": "no" } } },
              { "action": { "buffer": { "bytes": 4096 } } }
            ] }"#;
        let faults = Faults::from_json(json.as_bytes()).unwrap();
        assert_eq!(
            (faults.accept, faults.accept_after_ms),
            (Accept::BlackHole, 9)
        );
        assert_eq!(faults.down.reset_after_bytes, Some(0));
        let again = serde_json::to_vec(&faults).unwrap();
        assert_eq!(Faults::from_json(&again).unwrap(), faults);
    }

    #[test]
    fn a_mistake_is_named() {
        for (json, part) in [
            ("", "EOF"),
            (r#"{ "latencyMs": 5 }"#, "unknown field `latencyMs`"),
            (r#"{ "up": { "latency": 5 } }"#, "unknown field `latency`"),
            (
                r#"{ "stop": "sideways" }"#,
                "expected one of `nothing`, `up`, `down`, `both`",
            ),
            (
                r#"{ "accept": "blackhole" }"#,
                "unknown variant `blackhole`",
            ),
            (r#"{ "up": { "slice": 0 } }"#, "a nonzero u32"),
            (
                r#"{ "down": { "jitterMs": 600001 } }"#,
                "down.jitterMs is 600001, limit 600000",
            ),
            (
                r#"{ "acceptAfterMs": 600001 }"#,
                "acceptAfterMs is 600001, limit 600000",
            ),
            (r#"{ "http": [{}] }"#, "missing field `action`"),
            (
                r#"{ "http": [{ "action": { "buffer": { "bytes": 1048577 } } }] }"#,
                "limit 1048576",
            ),
            (
                r#"{ "http": [{ "pathPrefix": "v1", "action": "swallow" }] }"#,
                "http[0].pathPrefix",
            ),
            (
                r#"{ "http": [{ "action": { "answer": { "status": 101 } } }] }"#,
                "want 200 to 599",
            ),
            (
                r#"{ "http": [{ "action": { "answer": { "status": 200, "headers": { "a b": "" } } } }] }"#,
                "can't be a header",
            ),
            (
                r#"{ "http": [{ "action": { "answer": { "status": 200, "headers": { "a": "\r\n" } } } }] }"#,
                "can't be a header",
            ),
            (
                r#"{ "http": [{ "action": { "answer": { "status": 200, "headers": { "Connection": "close" } } } }] }"#,
                "the proxy's own",
            ),
        ] {
            let message = complaint(json);
            assert!(message.contains(part), "{json}: {message}");
        }
        let big = format!(
            r#"{{ "http": [{{ "action": {{ "answer": {{ "status": 200, "body": "{}" }} }} }}] }}"#,
            "x".repeat(BODY_BYTES_MAX + 1)
        );
        assert!(complaint(&big).contains("65537 bytes, limit 65536"));
        let many = format!(
            r#"{{ "http": [{}] }}"#,
            vec![r#"{"action":"swallow"}"#; RULES_MAX + 1].join(",")
        );
        assert!(complaint(&many).contains("101 rules, limit 100"));
    }
}
