//! The client core of Longhaul: realtime topics that survive the network.
//!
//! The core is sans-I/O. It uses no clock, socket, browser or runtime. [`Client::handle`] takes the
//! time and an [`Event`], and appends [`Effect`]s. The caller executes them in their order. The
//! same seed and events give the same effects.
//!
//! # Example
//!
//! Two clients and a hub. The caller plays the network: it passes each effect on by hand.
//!
//! ```
//! use longhaul::config::Config;
//! use longhaul::ids::{Chain, ConnectionId, Epoch, From, Seq, TopicNo};
//! use longhaul::wire::{Kind, ToClient, ToHub, records};
//! use longhaul::{Client, Effect, Event, Publication, Run, Time};
//!
//! let (now, connection) = (Time(0), ConnectionId(1));
//! let mut effects = Vec::new();
//!
//! // Both open a socket. The hub answers each hello with a welcome.
//! let mut ann = Client::new(&Config { seed: 1, ..Config::default() });
//! let mut ben = Client::new(&Config { seed: 2, ..Config::default() });
//! for client in [&mut ann, &mut ben] {
//!     client.handle(now, Event::Start, &mut effects); // Effect::Open
//!     client.handle(now, Event::Opened { connection }, &mut effects); // Effect::Send: the hello
//!     let text = "welcome session-1 1763779200000";
//!     client.handle(now, Event::Record { connection, text }, &mut effects);
//!     assert!(client.is_established(connection));
//! }
//!
//! // Ben subscribes, and the hub answers.
//! let (no, topic) = (TopicNo(1), "news");
//! let subscribe = Event::Subscribe { no, topic, from: From::Live, is_passive: false };
//! ben.handle(now, subscribe, &mut effects);
//! let Some(Effect::Send { records: sent, .. }) = effects.last() else { panic!() };
//! assert_eq!(sent, "sub 1 news live");
//! let text = "subscribed 1 00c0ffee00c0ffee 0 0 0";
//! ben.handle(now, Event::Record { connection, text }, &mut effects);
//!
//! // Ann publishes. The core never sees the payload: the caller writes it behind the head.
//! let (request, kind, bytes, machine_ms) = (1, Kind::Message, 4, 0);
//! let (ttl_ms, key, is_repeated) = (None, None, false);
//! let new = Publication { request, topic, kind, bytes, ttl_ms, machine_ms, key, is_repeated };
//! ann.handle(now, Event::Publish(new), &mut effects);
//! let Some(Effect::SendPublication { head, .. }) = effects.last() else { panic!() };
//! let frame = format!("{head}\"hi\"");
//!
//! // The hub acks the publication to Ann, and sends the message to Ben.
//! let record = records(&frame).last().map(ToHub::decode);
//! let Some(Ok(ToHub::Publish(publish))) = record else { panic!() };
//! let (epoch, seq) = (Epoch(0xc0ffee), Seq(1));
//! let mut text = String::new();
//! ToClient::Ack { producer: publish.producer, n: publish.n, epoch, seq, duplicate: false }
//!     .encode(&mut text);
//! ann.handle(now, Event::Record { connection, text: &text }, &mut effects);
//! assert_eq!(ann.outbox_rows(), 0);
//! let run = Run { id: 7, first: seq, count: 1, chain: Chain(42), chars: 4 };
//! ben.handle(now, Event::Messages { connection, no, run }, &mut effects);
//! assert_eq!(effects.last(), Some(&Effect::Deliver { no, run: 7, skip: 0 }));
//! ```
//!
//! # A tour, in the order of the flow
//!
//! 1. `interface` lists what enters and leaves the core: [`Event`], [`Effect`], and the requests to
//!    storage with their answers ([`StoreRequest`], [`StoreAnswer`]).
//! 2. `client` is the only entry. It makes one `Context` for each event (the time, random numbers,
//!    counters and effects) and routes the event to its part.
//! 3. `connection` is a state machine from `Unstarted` to `ClosedByUser`. It races the transports,
//!    detects dead connections, and upgrades to a better transport. `backoff` says when to try
//!    again. [`Status`] is a function of the state.
//! 4. [`wire`] encodes and decodes frames. The hub uses the same code. [`ids`] gives each kind of
//!    number its own type, and [`codes`] has the close codes.
//! 5. `subscription` delivers each seq once and in order, and asks the hub for what is missing.
//! 6. `publish` is the outbox. It gives each publication a row, stores it or keeps it in memory,
//!    and sends it until the hub's verdict.
//! 7. [`document`] has JSON values, patches and merges. It does not use the rest of the core.
//!
//! `web` drives the core in the browser, and is compiled for wasm32 only. Tests and simulations
//! drive it natively, in virtual time.

mod backoff;
pub mod boundary;
mod client;
pub mod codes;
pub mod config;
mod connection;
mod context;
pub mod document;
pub mod ids;
mod interface;
mod metrics;
mod publish;
mod subscription;
mod time;
mod transport;
#[cfg(all(target_arch = "wasm32", feature = "web"))]
#[expect(
    clippy::as_conversions,
    reason = "JavaScript's numbers are f64; float-to-integer `as` saturates, and no number here exceeds 2^53"
)]
mod web;
pub mod wire;

pub use backoff::hint::{HINT_MS_MAX, Hint};
pub use client::Client;
pub use connection::{Reason, Status, Tried, TriedOutcome};
pub use interface::effect::{Effect, TokenReason};
pub use interface::event::{Event, Run};
pub use interface::publication::{
    DeadLetter, NewRow, Outcome, Publication, PublishRefusal, RowOutcome, RowUpdate, SavedRow,
    StoredRow, Until,
};
pub use interface::storage::{Batch, LoadQuery, StoreAnswer, StoreFault, StoreRequest};
pub use interface::tab_message::TabMessage;
pub use metrics::{Histogram, Metrics, Summary};
pub use publish::outbox::MEMORY_ROWS;
pub use time::Time;
pub use transport::{Transport, TransportSet};
