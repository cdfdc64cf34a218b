//! The hub's core in the page or in Node, for tests of apps: `longhaul/testing` puts a network
//! around it.
//!
//! A thin shell around `longhaul_hub::core`. `set_time` comes before other calls; what follows from
//! them is asked for with `effects`.
#![cfg(target_arch = "wasm32")]
#![expect(
    clippy::as_conversions,
    reason = "JavaScript's numbers are f64; float-to-integer `as` saturates, and no number here exceeds 2^53"
)]

mod limits;
mod requests;

use std::cell::RefCell;

use longhaul_hub::api::frame::{self, close_record};
use longhaul_hub::api::origin::PageOrigin;
use longhaul_hub::api::{events, handshake, posts};
use longhaul_hub::core::{Close, ConnId, Effect, Event, Hub, Now, Refusal, Time};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::requests::{Request, Visit};

/// A hub. Times are in ms: `now` of a clock that only goes forward, `wall` since 1970.
#[wasm_bindgen]
pub struct HubCore {
    hub: Hub,
    last_conn: u64,
    effects: Vec<Effect>,
    now: Now,
    rng: fastrand::Rng,
}

#[wasm_bindgen]
impl HubCore {
    /// An empty hub. Epochs and sessions come from the seed; `limits` is a JSON object, see
    /// `limits.rs`.
    ///
    /// # Errors
    /// The name of a limit that there is not, or that has another kind of value.
    #[wasm_bindgen(constructor)]
    pub fn new(seed: f64, limits: &str) -> Result<HubCore, String> {
        std::panic::set_hook(Box::new(|info| wasm_bindgen::throw_str(&info.to_string())));
        Ok(Self {
            hub: Hub::new(limits::read(limits)?, seed as u64),
            last_conn: 0,
            effects: Vec::new(),
            now: Now::default(),
            rng: fastrand::Rng::with_seed(!(seed as u64)),
        })
    }

    /// What time it is from here on.
    #[wasm_bindgen(js_name = setTime)]
    pub fn set_time(&mut self, now: f64, wall: f64) {
        self.now = Now {
            time: Time(now as u64),
            wall_ms: wall as u64,
        };
    }

    /// The subprotocol that a handshake gets of those that it offers, with commas. None if the
    /// handshake is refused.
    pub fn subprotocol(&self, offers: &str) -> Option<String> {
        let chosen = handshake::chosen(offers.split(',').map(str::trim));
        chosen.map(str::to_owned)
    }

    /// Why a socket with this subprotocol is closed as soon as it is open: JSON of code and reason.
    /// None if it is served.
    pub fn refusal(&self, chosen: &str, is_origin_served: bool) -> Option<String> {
        let refusal = handshake::refusal(chosen, page_origin(is_origin_served), self.hub.limits())?;
        Some(closing(&refusal))
    }

    /// A request of HTTP: what `requests::Outcome` tells. `headers` is a JSON array of names and
    /// values by turns.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        headers: &str,
        body: &[u8],
        is_origin_served: bool,
    ) -> String {
        self.last_conn += 1;
        let visit = Visit {
            limits: *self.hub.limits(),
            hub: RefCell::new((&mut self.hub, &mut self.effects)),
            now: self.now,
            conn: ConnId(self.last_conn),
            ticket: self.rng.u128(..),
        };
        let request = Request {
            method,
            path,
            query,
            headers,
            body,
            origin: page_origin(is_origin_served),
        };
        visit.answer(&request).told()
    }

    /// The answer to a post whose token is not accepted (rule C9), as `request` tells it.
    pub fn unauthorized(&self) -> String {
        let answer = posts::refuse(&unauthorized()).unwrap_or_else(Into::into);
        requests::told(answer)
    }

    /// Why a socket is closed whose token is not accepted, as JSON of code and reason.
    #[wasm_bindgen(js_name = unauthorizedClose)]
    pub fn unauthorized_close(&self) -> String {
        closing(&unauthorized())
    }

    /// The answer of a poll, once it is due, as `request` tells it. The connection is over then.
    #[wasm_bindgen(js_name = takeAnswer)]
    pub fn take_answer(&mut self, conn: f64) -> Option<String> {
        let answer = self.hub.take_answer(self.now, ConnId(conn as u64))?;
        Some(requests::told(frame::answer(answer)))
    }

    /// The answer of a poll that the hub has closed.
    #[wasm_bindgen(js_name = closedAnswer)]
    pub fn closed_answer(&self, code: u16, reason: &str) -> String {
        requests::told(frame::answer(closing_frame(code, reason)))
    }

    /// The next event of a stream; after none an effect `wake` tells when to ask again.
    #[wasm_bindgen(js_name = takeEvent)]
    pub fn take_event(&mut self, conn: f64) -> Option<String> {
        self.take_frame(conn).map(|frame| events::event(&frame))
    }

    /// The last event of a stream that the hub has closed.
    #[wasm_bindgen(js_name = closedEvent)]
    pub fn closed_event(&self, code: u16, reason: &str) -> String {
        events::event(&closing_frame(code, reason))
    }

    /// How often a silent stream gets a comment, ms, and how long a transport may take for a frame.
    #[wasm_bindgen(js_name = pacesMs)]
    pub fn paces_ms(&self) -> Vec<f64> {
        let times = [events::COMMENT_MS, self.hub.limits().write_ms];
        times.iter().map(|ms| *ms as f64).collect()
    }

    /// A WebSocket is there: the number of its connection.
    pub fn opened(&mut self) -> f64 {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.handle(Event::Opened(conn));
        conn.0 as f64
    }

    /// A text frame came.
    pub fn frame(&mut self, conn: f64, text: &str) {
        self.handle(Event::Frame(ConnId(conn as u64), text));
    }

    /// A frame came that is not text.
    #[wasm_bindgen(js_name = notText)]
    pub fn not_text(&mut self, conn: f64) {
        self.handle(Event::NotText(ConnId(conn as u64)));
    }

    /// A frame for the connection was not taken in time.
    pub fn stalled(&mut self, conn: f64) {
        self.handle(Event::Stalled(ConnId(conn as u64)));
    }

    /// The connection is gone.
    pub fn closed(&mut self, conn: f64) {
        self.handle(Event::Closed(ConnId(conn as u64)));
    }

    /// The deadline is reached.
    pub fn tick(&mut self) {
        self.handle(Event::Tick);
    }

    /// The hub is to stop once its clients are let go.
    pub fn drain(&mut self) {
        self.handle(Event::Drain);
    }

    /// When `tick` is due.
    pub fn deadline(&self) -> Option<f64> {
        self.hub.deadline().map(|Time(ms)| ms as f64)
    }

    /// The next frame for a connection; after none an effect `wake` tells when to ask again.
    #[wasm_bindgen(js_name = takeFrame)]
    pub fn take_frame(&mut self, conn: f64) -> Option<String> {
        let bytes_max = self.hub.limits().frame_bytes_aim;
        self.hub
            .take_frame(self.now, ConnId(conn as u64), bytes_max)
    }

    /// Connections at present.
    pub fn connections(&self) -> u32 {
        self.hub.connections() as u32
    }

    /// What is to be done since the last time that this was asked, in order, as JSON: `["wake",
    /// conn]`, `["close", conn, code, reason]`, `["drained"]`. None if there is nothing.
    pub fn effects(&mut self) -> Option<String> {
        if self.effects.is_empty() {
            return None;
        }
        let effects = self.effects.drain(..).map(|effect| match effect {
            Effect::Wake(conn) => json!(["wake", conn.0]),
            Effect::Close {
                conn,
                close,
                reason,
            } => json!(["close", conn.0, close.number(), reason]),
            Effect::Drained => json!(["drained"]),
        });
        Some(Value::Array(effects.collect()).to_string())
    }
}

fn unauthorized() -> Refusal {
    Refusal::new(Close::Unauthorized, "the hub does not accept this token")
}

fn closing(refusal: &Refusal) -> String {
    json!([refusal.close.number(), refusal.reason()]).to_string()
}

fn page_origin(is_served: bool) -> PageOrigin {
    if is_served {
        PageOrigin::Served
    } else {
        PageOrigin::Refused
    }
}

fn closing_frame(code: u16, reason: &str) -> String {
    let close = Close::ALL.iter().find(|close| close.number() == code);
    close.map_or_else(String::new, |close| close_record(*close, reason))
}

impl HubCore {
    fn handle(&mut self, event: Event<'_>) {
        self.hub.handle(self.now, event, &mut self.effects);
    }
}
