//! The proxy: its listener, its connections, and the faults that tests set.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::faults::{Accept, Faults};
use crate::flow::Reset;
use crate::relay::relay;
use crate::state::{ActiveFaults, Counters, Start, State};

/// The most connections at a time. The proxy resets the next one. Chosen: a test's browsers open
/// dozens.
pub const CONNECTIONS_MAX: usize = 1_000;

/// The pause after a failed accept. Chosen: no busy loop, and short enough for all tests.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// A running proxy. The drop closes its listener. Open connections continue until [`Proxy::cut`].
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

/// The counters of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Accepted connections, including those that the proxy reset at once.
    pub opened: u64,
    /// Open connections.
    pub open: usize,
    /// Connections refused because [`CONNECTIONS_MAX`] were open.
    pub refused: u64,
    /// Requests that met a rule.
    pub ruled: u64,
    /// Bytes that the proxy has written to the upstream.
    pub bytes_up: u64,
    /// Bytes that the proxy has written to clients, including the answers of rules.
    pub bytes_down: u64,
}

impl Proxy {
    /// Listens, without faults.
    ///
    /// # Errors
    /// The address is in use, or is not loopback: the proxy is only for tests on this machine.
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

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the faults. The counts of rules begin again.
    pub fn set(&self, faults: Faults) {
        let active = Arc::new(ActiveFaults::new(faults));
        self.shared.state.send_modify(|state| state.faults = active);
    }

    /// The faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.state.borrow().faults().clone()
    }

    /// Resets all open connections in both directions. Returns their number when they have ended.
    pub async fn cut(&self) -> usize {
        let open = self.shared.open.borrow().clone();
        self.shared.state.send_modify(|state| state.cuts += 1);
        // This proxy owns the sender, so this can't fail.
        let _ = self
            .shared
            .open
            .subscribe()
            .wait_for(|left| left.is_disjoint(&open))
            .await;
        open.len()
    }

    /// Leaves all open connections half-open for good, like a router that forgot them. New ones
    /// work. Returns their number.
    pub fn strand(&self) -> usize {
        self.shared.state.send_modify(|state| state.strandings += 1);
        self.shared.open.borrow().len()
    }

    /// Stops all bytes until [`Proxy::thaw`].
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

    /// The counters.
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

    /// Waits until `count` connections are open.
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
    let message =
        format!("{address} is not a loopback address; the fault proxy serves this machine only");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // The proxy has no file descriptors left. Other connections must end first.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        if shared.open.borrow().len() >= shared.connections_max {
            shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            let _ = client.set_zero_linger();
            continue;
        }
        let number = shared.counters.opened.fetch_add(1, Ordering::Relaxed) + 1;
        let (accept, start) = {
            let state = shared.state.borrow();
            let start = Start {
                number,
                cuts: state.cuts,
                strandings: state.strandings,
            };
            (state.faults().accept, start)
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
            serve(client, accept, start, &shared).await;
            shared.open.send_modify(|open| {
                open.remove(&start.number);
            });
        });
    }
}

async fn serve(mut client: TcpStream, accept: Accept, start: Start, shared: &Shared) {
    let state = shared.state.subscribe();
    let delay = Duration::from_millis(state.borrow().faults().accept_after_ms);
    let mut upstream = None;
    let carry = async {
        if accept == Accept::BlackHole {
            return swallow(&mut client).await;
        }
        tokio::time::sleep(delay).await;
        let upstream = upstream.insert(connect(shared.upstream).await?);
        let _ = client.set_nodelay(true);
        relay(&mut client, upstream, start, &state, &shared.counters).await
    };
    let mut cut = shared.state.subscribe();
    let end = tokio::select! {
        end = carry => end,
        _ = cut.wait_for(|state| state.is_cut(start)) => Err(Reset),
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
