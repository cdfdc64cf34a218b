//! The options of the hub. Each is also an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::core::{Limits, Transports};
use crate::descriptors::Plan;

/// Longhaul's hub: realtime topics over WebSocket, with HTTP for back ends.
///
/// Without a key it serves this machine only: it listens on loopback addresses, serves pages of
/// loopback origins, and lets everyone there read and write. When it is ready, it prints one line
/// with its URL on standard output. Everything else goes to standard error (RUST_LOG chooses how
/// much).
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Address and port to listen on; port 0 picks a free one. Loopback only.
    #[arg(long, env = "LONGHAUL_LISTEN", default_value = "127.0.0.1:4400")]
    pub listen: SocketAddr,

    /// Keep topics in memory only. This version has no other storage.
    #[arg(long, env = "LONGHAUL_MEMORY", value_parser = clap::builder::FalseyValueParser::new())]
    pub memory: bool,

    /// Messages that a topic retains, at least 1. Clients can't resume from before them
    /// (`trimmed`). A topic never retains more than 16 MiB of messages.
    #[arg(long, env = "LONGHAUL_RETAIN_ENTRIES", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub retain_entries: u32,

    /// How long a topic retains a message, in milliseconds. Clients can't resume from before that
    /// (`expired`).
    #[arg(long, env = "LONGHAUL_RETAIN_MS", default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub retain_ms: u64,

    /// How long a topic remembers a client's outbox after its last publication, in milliseconds. A
    /// publication that is repeated within this time takes effect once. A client may keep a
    /// publication for 7 days, so with a smaller value late ones may take effect twice.
    #[arg(long, env = "LONGHAUL_PRODUCERS_MS", default_value_t = 691_200_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub producers_ms: u64,

    /// WebSockets, event streams and polls at a time. Clients beyond it get a retry time. Default:
    /// 10,000, or as many as the limit of file descriptors allows (docs/operations.md).
    #[arg(long, env = "LONGHAUL_CONNECTIONS_MAX", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_max: Option<u32>,

    /// New connections per second. Clients beyond it get a retry time. The hub sends clients a
    /// reconnect window in which this rate is not exceeded (docs/operations.md).
    #[arg(long, env = "LONGHAUL_ADMIT_PER_SECOND", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub admit_per_second: u32,

    /// Connections that the hub had before its restart, or expects. For the first 5 to 10 minutes
    /// the hub sends the reconnect window of so many. It does not remember the number by itself.
    #[arg(long, env = "LONGHAUL_EXPECT_CONNECTIONS", default_value_t = 0)]
    pub expect_connections: u32,

    /// How long a drain takes to close all connections one after another, in milliseconds. 0 closes
    /// all at once, with a wide reconnect window. Default: so long that the clients come back
    /// elsewhere no faster than --admit-per-second. A second signal stops at once.
    #[arg(long, env = "LONGHAUL_DRAIN_MS")]
    pub drain_ms: Option<u64>,

    /// The time between two pings of clients and hub, in milliseconds.
    #[arg(long, env = "LONGHAUL_HEARTBEAT_MS", default_value_t = 25_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub heartbeat_ms: u64,

    /// How long an answer to a ping may take, in milliseconds.
    #[arg(long, env = "LONGHAUL_HEARTBEAT_WAIT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub heartbeat_wait_ms: u64,

    /// The longest poll timeout, in milliseconds. It must be shorter than the timeouts of all
    /// proxies between the hub and its clients.
    #[arg(long, env = "LONGHAUL_HOLD_MS", default_value_t = 25_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub hold_ms: u64,

    /// The transports that the hub serves, as names with commas. A client leaves a transport that
    /// the hub no longer serves.
    #[arg(long, env = "LONGHAUL_TRANSPORTS", default_value_t = Transports::ALL)]
    pub transports: Transports,

    /// Publish figures of this machine (CPU, memory, network, load) ten times a second on topic
    /// demo/host.
    #[arg(long, env = "LONGHAUL_DEMO", value_parser = clap::builder::FalseyValueParser::new())]
    pub demo: bool,

    /// Serve a single-page app from this folder at /.
    #[arg(long = "static", env = "LONGHAUL_STATIC", value_name = "DIR")]
    pub static_dir: Option<PathBuf>,
}

impl Args {
    /// The number of connections that fit a limit of file descriptors.
    ///
    /// # Errors
    /// A text for the operator: the limit is too low.
    pub fn plan(&self, descriptors: Option<u64>) -> Result<Plan, String> {
        let wanted = self.connections_max.map(u64::from);
        let usual = u64::try_from(Limits::default().connections_max).unwrap_or(u64::MAX);
        Plan::new(wanted, usual, descriptors)
    }

    /// The limits of the core by these options.
    #[must_use]
    pub fn limits(&self, plan: Plan) -> Limits {
        Limits {
            connections_max: usize::try_from(plan.connections_max).unwrap_or(usize::MAX),
            retain_entries: usize::try_from(self.retain_entries).unwrap_or(usize::MAX),
            retain_ms: self.retain_ms,
            producers_ms: self.producers_ms,
            ping_ms: self.heartbeat_ms,
            wait_ms: self.heartbeat_wait_ms,
            hold_ms: self.hold_ms,
            admit_per_s: self.admit_per_second.into(),
            expect_connections: usize::try_from(self.expect_connections).unwrap_or(usize::MAX),
            drain_ms: self.drain_ms,
            transports: self.transports,
            ..Limits::default()
        }
    }
}
