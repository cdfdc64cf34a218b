//! The listener and its connections: who is open, what is wrong now, and ending them.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::faults::{Accept, Action, Faults, Rule, Shape};
use crate::http::Request;
use crate::relay::relay;
use crate::sink::{Direction, Reset};

/// The most connections at a time; the next one is reset. Chosen: a test's browsers open dozens.
pub const CONNECTIONS_MAX: usize = 1_000;

/// The wait after an accept that failed. Chosen: no busy loop, and no test notices.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// A running proxy. Dropping it stops listening; open connections go on until [`Proxy::cut`].
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    connections_max: usize,
    state: watch::Sender<State>,
    open: watch::Sender<BTreeSet<u64>>,
    counters: Counters,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    opened: AtomicU64,
    refused: AtomicU64,
    ruled: AtomicU64,
    pub(crate) bytes_up: Arc<AtomicU64>,
    pub(crate) bytes_down: Arc<AtomicU64>,
}

impl Counters {
    pub(crate) fn ruled(&self) {
        self.ruled.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the proxy has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Connections accepted, those that were reset at once included.
    pub opened: u64,
    /// Connections open now.
    pub open: usize,
    /// Connections refused because [`CONNECTIONS_MAX`] were open.
    pub refused: u64,
    /// Requests that met a rule.
    pub ruled: u64,
    /// Bytes that the upstream was given.
    pub bytes_up: u64,
    /// Bytes that clients were given, answers of rules included.
    pub bytes_down: u64,
}

/// What is wrong now, with all connections and with some.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    faults: Arc<Live>,
    is_frozen: bool,
    cuts: u64,
    strandings: u64,
}

#[derive(Debug, Default)]
struct Live {
    faults: Faults,
    /// How often each rule was used.
    used: Vec<AtomicU32>,
}

/// When a connection began: what came later concerns it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Born {
    /// From 1.
    pub(crate) number: u64,
    cuts: u64,
    strandings: u64,
}

impl State {
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults.faults
    }

    pub(crate) fn shape(&self, direction: Direction) -> Shape {
        match direction {
            Direction::Up => self.faults().up,
            Direction::Down => self.faults().down,
        }
    }

    pub(crate) fn is_stopped(&self, direction: Direction, born: Born) -> bool {
        let stop = self.faults().stop;
        let is_asked = match direction {
            Direction::Up => stop.up(),
            Direction::Down => stop.down(),
        };
        is_asked || self.is_frozen || self.strandings != born.strandings
    }

    fn is_cut(&self, born: Born) -> bool {
        self.cuts != born.cuts
    }

    /// What the first rule that fits does to this request. Counts as a use of it.
    pub(crate) fn action(&self, request: &Request) -> Option<Action> {
        let rules = self.faults().http.iter().zip(&self.faults.used);
        rules
            .filter(|(rule, _)| fits(rule, request))
            .find(|(rule, used)| {
                let limit = rule.times.map_or(u32::MAX, std::num::NonZero::get);
                used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                    (used < limit).then(|| used.saturating_add(1))
                })
                .is_ok()
            })
            .map(|(rule, _)| rule.action.clone())
    }

    #[cfg(test)]
    pub(crate) fn with(faults: Faults) -> Self {
        Self {
            faults: Arc::new(Live::new(faults)),
            ..Self::default()
        }
    }

    #[cfg(test)]
    pub(crate) fn frozen() -> Self {
        Self {
            is_frozen: true,
            ..Self::default()
        }
    }

    #[cfg(test)]
    pub(crate) fn born(number: u64) -> Born {
        Born {
            number,
            cuts: 0,
            strandings: 0,
        }
    }
}

fn fits(rule: &Rule, request: &Request) -> bool {
    let is_path = rule
        .path_prefix
        .as_ref()
        .is_none_or(|prefix| request.path.starts_with(prefix));
    let is_kind = rule
        .upgrade
        .is_none_or(|upgrade| upgrade == request.is_upgrade);
    let is_method = rule
        .method
        .as_ref()
        .is_none_or(|method| *method == request.method);
    let is_meant = rule.action != Action::BlockUpgrade || request.is_upgrade;
    is_path && is_method && is_kind && is_meant
}

impl Live {
    fn new(faults: Faults) -> Self {
        let used = faults.http.iter().map(|_| AtomicU32::new(0)).collect();
        Self { faults, used }
    }
}

impl Proxy {
    /// Listens, with nothing wrong.
    ///
    /// # Errors
    /// The address can't be had, or is not loopback: a proxy that breaks things is for this machine's tests.
    pub async fn start(listen: SocketAddr, upstream: SocketAddr) -> io::Result<Self> {
        Self::start_with(listen, upstream, CONNECTIONS_MAX).await
    }

    /// The same with another limit than [`CONNECTIONS_MAX`].
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub async fn start_with(
        listen: SocketAddr,
        upstream: SocketAddr,
        connections_max: usize,
    ) -> io::Result<Self> {
        check_loopback(listen)?;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            connections_max,
            state: watch::Sender::default(),
            open: watch::Sender::default(),
            counters: Counters::default(),
        });
        let listening = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            listening,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces what is wrong. Counts of rules begin again.
    pub fn set(&self, faults: Faults) {
        let live = Arc::new(Live::new(faults));
        self.shared.state.send_modify(|state| state.faults = live);
    }

    /// What is wrong.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.state.borrow().faults().clone()
    }

    /// Resets all connections that are open now, both ways. Gives their number when they are gone.
    pub async fn cut(&self) -> usize {
        let open = self.shared.open.borrow().clone();
        self.shared.state.send_modify(|state| state.cuts += 1);
        // The sender is ours, so this can't fail.
        let _ = self
            .shared
            .open
            .subscribe()
            .wait_for(|left| left.is_disjoint(&open))
            .await;
        open.len()
    }

    /// Leaves all connections that are open now half-open for good, as a router does that forgot them. New ones work.
    /// Gives their number.
    pub fn strand(&self) -> usize {
        self.shared.state.send_modify(|state| state.strandings += 1);
        self.shared.open.borrow().len()
    }

    /// Everything stands still until [`Proxy::thaw`].
    pub fn freeze(&self) {
        self.shared
            .state
            .send_modify(|state| state.is_frozen = true);
    }

    /// Ends [`Proxy::freeze`].
    pub fn thaw(&self) {
        self.shared
            .state
            .send_modify(|state| state.is_frozen = false);
    }

    /// What it has seen.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        Stats {
            opened: counters.opened.load(Ordering::Relaxed),
            open: self.shared.open.borrow().len(),
            refused: counters.refused.load(Ordering::Relaxed),
            ruled: counters.ruled.load(Ordering::Relaxed),
            bytes_up: counters.bytes_up.load(Ordering::Relaxed),
            bytes_down: counters.bytes_down.load(Ordering::Relaxed),
        }
    }

    /// Waits until so many connections are open.
    pub async fn until_open(&self, count: usize) {
        let mut open = self.shared.open.subscribe();
        let _ = open.wait_for(|open| open.len() == count).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

pub(crate) fn check_loopback(address: SocketAddr) -> io::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let told =
        format!("{address} is not a loopback address; the fault proxy serves this machine only");
    Err(io::Error::new(io::ErrorKind::InvalidInput, told))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of file descriptors: others must end first.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        if shared.open.borrow().len() >= shared.connections_max {
            shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            let _ = client.set_zero_linger();
            continue;
        }
        let number = shared.counters.opened.fetch_add(1, Ordering::Relaxed) + 1;
        let (accept, born) = {
            let state = shared.state.borrow();
            let born = Born {
                number,
                cuts: state.cuts,
                strandings: state.strandings,
            };
            (state.faults().accept, born)
        };
        if accept == Accept::Reset {
            let _ = client.set_zero_linger();
            continue;
        }
        shared.open.send_modify(|open| {
            open.insert(number);
        });
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            serve(client, accept, born, &shared).await;
            shared.open.send_modify(|open| {
                open.remove(&born.number);
            });
        });
    }
}

async fn serve(mut client: TcpStream, accept: Accept, born: Born, shared: &Shared) {
    let state = shared.state.subscribe();
    let late = Duration::from_millis(state.borrow().faults().accept_after_ms);
    let mut upstream = None;
    let carry = async {
        if accept == Accept::BlackHole {
            return swallow(&mut client).await;
        }
        tokio::time::sleep(late).await;
        let upstream = upstream.insert(connect(shared.upstream).await?);
        let _ = client.set_nodelay(true);
        relay(&mut client, upstream, born, &state, &shared.counters).await
    };
    let mut cut = shared.state.subscribe();
    let end = tokio::select! {
        end = carry => end,
        _ = cut.wait_for(|state| state.is_cut(born)) => Err(Reset),
    };
    if end.is_err() {
        for socket in [Some(client), upstream].into_iter().flatten() {
            let _ = socket.set_zero_linger();
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Reset> {
    let upstream = TcpStream::connect(address).await.map_err(|_| Reset)?;
    let _ = upstream.set_nodelay(true);
    Ok(upstream)
}

async fn swallow(client: &mut TcpStream) -> Result<(), Reset> {
    let mut nothing = vec![0; 4_096];
    loop {
        match client.read(&mut nothing).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(_) => return Err(Reset),
        }
    }
}
