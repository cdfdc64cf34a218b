//! Requests of a page's fetch and EventSource, on the routes of hub/src/http.rs.
//! `longhaul_hub::api` answers them.

use std::cell::RefCell;

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use longhaul_hub::api::documents::{self, DocumentChange};
use longhaul_hub::api::origin::{PageOrigin, origin};
use longhaul_hub::api::problem::Problem;
use longhaul_hub::api::topics::{self, Publication};
use longhaul_hub::api::{Access, Answer, events, posts, well_known};
use longhaul_hub::core::{ConnId, Effect, Hub, Limits, Now, Transport};
use serde_json::{Map, Value, json};

/// A request, complete.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Decoded.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    /// A JSON array of names and values by turns.
    pub(crate) headers: &'a str,
    pub(crate) body: &'a [u8],
    /// Whether the hub serves pages of its origin.
    pub(crate) origin: PageOrigin,
}

/// What comes of it.
pub(crate) enum Outcome {
    Answer(Answer),
    /// A poll: its answer is there once the connection is woken.
    Poll(ConnId),
    /// An event stream, whose first piece is the body.
    Stream(ConnId, Answer),
}

/// A hub for the time of one request.
pub(crate) struct Visit<'a> {
    pub(crate) hub: RefCell<(&'a mut Hub, &'a mut Vec<Effect>)>,
    pub(crate) limits: Limits,
    pub(crate) now: Now,
    /// The number of a connection that the request may open.
    pub(crate) conn: ConnId,
    /// What a ticket is made of.
    pub(crate) ticket: u128,
}

impl Access for Visit<'_> {
    fn with<T>(&self, act: impl FnOnce(&mut Hub, Now, &mut Vec<Effect>) -> T) -> T {
        let (hub, effects) = &mut *self.hub.borrow_mut();
        act(hub, self.now, effects)
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl Visit<'_> {
    /// Answers a request, or opens what will.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Outcome {
        if request.path == "/v1/events" && request.method == "GET" {
            return self.stream(request);
        }
        match self.route(request) {
            Ok(outcome) => outcome,
            Err(problem) => Outcome::Answer(problem.into()),
        }
    }

    fn route(&self, request: &Request<'_>) -> Result<Outcome, Problem> {
        let headers = headers(request.headers);
        let is_post = request.method == "POST";
        if matches!(request.path, "/v1/publish" | "/v1/session" | "/v1/poll") {
            request.origin.check()?;
            if !is_post {
                return Err(Problem::method_not_allowed("POST"));
            }
            return self.post(request, &headers);
        }
        let answer = match (request.method, request.path) {
            ("GET", "/.well-known/longhaul") => {
                request.origin.check()?;
                well_known::well_known(self)
            }
            ("GET", "/healthz") => well_known::healthy(self)?,
            ("GET", "/readyz") => well_known::ready(self)?,
            (_, "/v1/events") => return Err(Problem::method_not_allowed("GET")),
            (_, "/v1/connect") => {
                return Err(Problem::upgrade_required(StatusCode::UPGRADE_REQUIRED));
            }
            (_, path) => {
                let topic = path
                    .strip_prefix("/v1/topics/")
                    .filter(|topic| !topic.is_empty());
                request.origin.check()?;
                self.topic(request, topic.ok_or_else(Problem::not_found)?, &headers)?
            }
        };
        Ok(Outcome::Answer(answer))
    }

    fn post(&self, request: &Request<'_>, headers: &HeaderMap) -> Result<Outcome, Problem> {
        let limits = &self.limits;
        let (transport, bytes_max) = match request.path {
            "/v1/session" => (Some(Transport::EventSource), limits.subs_bytes_max),
            "/v1/poll" => (Some(Transport::LongPoll), limits.subs_bytes_max),
            _ => (None, limits.frame_bytes_max),
        };
        if let Some(transport) = transport {
            posts::check_transport(limits, transport)?;
        }
        posts::check_type(headers)?;
        if request.body.len() > bytes_max {
            return Err(posts::too_large(bytes_max));
        }
        let text = posts::text(request.body.to_vec())?;
        let answer = match transport {
            None => posts::publish(self, headers, &text)?,
            Some(Transport::EventSource) => {
                let ticket = format!("{:032x}", self.ticket);
                posts::session(self, headers, &ticket, &text)?
            }
            Some(_) => {
                let opened =
                    self.with(|hub, now, effects| hub.open_poll(now, self.conn, &text, effects));
                match opened {
                    Ok(()) => return Ok(Outcome::Poll(self.conn)),
                    Err(refusal) => posts::refuse(&refusal)?,
                }
            }
        };
        Ok(Outcome::Answer(answer))
    }

    fn topic(
        &self,
        request: &Request<'_>,
        topic: &str,
        headers: &HeaderMap,
    ) -> Result<Answer, Problem> {
        let body = || {
            let bytes_max = self.limits.payload_bytes_max;
            if request.body.len() > bytes_max {
                return Err(topics::too_large(bytes_max));
            }
            Ok(request.body)
        };
        match request.method {
            "GET" => topics::read(self, topic, request.query, headers),
            "POST" => Publication::read(topic, headers)?.publish(self, body()?),
            "PATCH" => {
                let outcome = DocumentChange::read(topic, headers)
                    .and_then(|change| change.apply(self, body()?));
                Ok(documents::answered(outcome))
            }
            _ => Err(Problem::method_not_allowed("GET, POST and PATCH")),
        }
    }

    fn stream(&self, request: &Request<'_>) -> Outcome {
        let headers = headers(request.headers);
        let opened = match events::refusal(request.origin, &self.limits) {
            Some(refusal) => Err(refusal),
            None => self.with(|hub, now, effects| {
                let origin = origin(&headers);
                let ticket = events::ticket(request.query);
                hub.open_stream(now, self.conn, ticket, origin.as_deref(), effects)
            }),
        };
        let stream = |text: &str| {
            let mut answer = Answer::new(text.to_owned());
            answer.headers_mut().extend(events::headers());
            answer
        };
        match opened {
            Ok(()) => Outcome::Stream(self.conn, stream(events::OPENING)),
            Err(refusal) => Outcome::Answer(stream(&events::refused(&refusal))),
        }
    }
}

impl Outcome {
    /// As JSON: `status`, `headers` (names and values by turns), `body`; `conn` and `kind` of what
    /// it has opened.
    pub(crate) fn told(self) -> String {
        match self {
            Self::Answer(answer) => told(answer),
            Self::Poll(conn) => json!({ "kind": "poll", "conn": conn.0 }).to_string(),
            Self::Stream(conn, answer) => {
                let mut told = members(answer);
                told.insert("kind".to_owned(), "stream".into());
                told.insert("conn".to_owned(), conn.0.into());
                Value::Object(told).to_string()
            }
        }
    }
}

/// An answer that opens nothing, as `Outcome::told`.
pub(crate) fn told(answer: Answer) -> String {
    Value::Object(members(answer)).to_string()
}

fn members(answer: Answer) -> Map<String, Value> {
    let (head, body) = answer.into_parts();
    let headers = head.headers.iter().flat_map(|(name, value)| {
        let value = value.to_str().unwrap_or_default();
        [name.as_str().into(), value.into()]
    });
    let members = [
        ("status", head.status.as_u16().into()),
        ("headers", Value::Array(headers.collect())),
        ("body", body.into()),
    ];
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn headers(json: &str) -> HeaderMap {
    let pairs: Vec<String> = serde_json::from_str(json).unwrap_or_default();
    let pairs = pairs.chunks_exact(2).filter_map(|pair| {
        let [name, value] = pair else { return None };
        Some((
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_str(value).ok()?,
        ))
    });
    pairs.collect()
}
