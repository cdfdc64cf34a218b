//! Clients of one kind, the answers of the hub to them, and the hints that the hub sends.

/// The outcome of an attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The hub has sent its welcome.
    Admitted {
        /// The reconnect window in the welcome.
        spread_ms: Option<u64>,
    },
    /// The hub has accepted the socket and closed it with 1013.
    Refused {
        /// The close reason, with the hints.
        reason: String,
    },
    /// No server listens at the address.
    NoServer,
    /// The packets vanish.
    Silence,
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It makes an attempt.
    Attempt {
        /// ms since the scenario began.
        at_ms: u64,
    },
    /// It is connected.
    Back {
        /// ms since the scenario began.
        at_ms: u64,
    },
    /// It makes no more attempts.
    GivesUp,
}

/// Clients of one kind, numbered from 0.
pub trait Fleet {
    /// A client notices that its connection is gone.
    fn lose(&mut self, no: u32, now_ms: u64, code: u16, reason: &str) -> Next;
    /// A connected client gets another reconnect window.
    fn spread_changed(&mut self, _no: u32, _now_ms: u64, _spread_ms: u64) {}
    /// A client gets this answer to the attempt that it began at `at_ms`.
    fn answer(&mut self, no: u32, at_ms: u64, rtt_ms: u64, answer: &Answer) -> Next;
}

/// The hints that the hub sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// None.
    None,
    /// Refusals contain a retry time.
    Refusals,
    /// Also, each welcome contains the reconnect window of the present connections.
    All,
    /// Also, the hub sends the reconnect window again with each pong, every 25 s.
    Repeated,
    /// As `All`, but for the connections of before the restart (`expect_connections`).
    Expected,
}
