//! What outlives the states of a connection: everything that decides how to connect next.
//!
//! Owns the ids and the count of attempts, the credentials, the backoff and the negotiation.

use crate::backoff::Backoff;
use crate::config::{Config, HeartbeatPolicy, PING_MS_MIN};
use crate::connection::attempt::Attempt;
use crate::connection::hello::Credentials;
use crate::connection::negotiation::Negotiation;
use crate::connection::token::Tokens;
use crate::context::Context;
use crate::ids::ConnectionId;
use crate::subscription::Subscriptions;
use crate::transport::Transport;
use crate::wire::Welcome;

/// The client tries one address this often before it tries the next one.
const RACES_EACH: u32 = 2;

#[derive(Debug)]
pub(super) struct Connector {
    /// The number of the race under way or waited for, from 1; 0 while connected.
    pub(super) race_no: u32,
    last_id: ConnectionId,
    pub(super) backoff: Backoff,
    pub(super) negotiation: Negotiation,
    pub(super) credentials: Credentials,
    own_heartbeat: Option<HeartbeatPolicy>,
    races_max: u32,
    addresses: usize,
    pub(super) is_online: bool,
}

impl Connector {
    pub(super) fn new(config: &Config) -> Self {
        let wanted = if config.transports.is_empty() {
            Transport::ALL.to_vec()
        } else {
            config.transports.clone()
        };
        Self {
            race_no: 1,
            last_id: ConnectionId(0),
            backoff: Backoff::new(config.backoff),
            negotiation: Negotiation::new(wanted, config.worked),
            credentials: Credentials {
                session: None,
                tokens: Tokens::new(config.has_tokens),
            },
            own_heartbeat: config.heartbeat,
            races_max: config.backoff.attempts_max,
            addresses: config.addresses.max(1),
            is_online: true,
        }
    }

    /// Opens a transport.
    pub(super) fn open(
        &mut self,
        context: &mut Context<'_>,
        subscriptions: &Subscriptions,
        transport: Transport,
    ) -> Attempt {
        let id = self.last_id.next();
        self.last_id = id;
        let turns = usize::try_from(self.failed_races() / RACES_EACH).unwrap_or(0);
        let hello = self.credentials.hello(subscriptions);
        Attempt::open(context, &hello, id, transport, turns % self.addresses)
    }

    /// The transports of the next race, in order.
    pub(super) fn order(&self) -> Vec<Transport> {
        self.negotiation.order(self.failed_races())
    }

    pub(super) fn first_choice(&self) -> Transport {
        let order = self.order();
        order.first().copied().unwrap_or(Transport::WebSocket)
    }

    fn failed_races(&self) -> u32 {
        self.race_no.saturating_sub(1)
    }

    /// Whether more races have failed than the user should wait through without a message.
    pub(super) fn is_exhausted(&self) -> bool {
        self.race_no > self.races_max
    }

    /// Options win over the hub's wishes, and those win over the defaults.
    pub(super) fn heartbeat_policy(&self, welcome: &Welcome<'_>) -> HeartbeatPolicy {
        let default = HeartbeatPolicy::default();
        self.own_heartbeat.unwrap_or(HeartbeatPolicy {
            interval_ms: welcome
                .ping_ms
                .unwrap_or(default.interval_ms)
                .max(PING_MS_MIN),
            timeout_ms: welcome.wait_ms.unwrap_or(default.timeout_ms).max(1),
        })
    }
}
