//! A complete hub: the listener, the routes, the ticker and the demo. Stops with a close for each
//! client.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::core::{Event, Limits};
use crate::runtime::Runtime;
use crate::{demo, guards, http, listener, site};

/// How long a stop waits for connections to end, ms. Chosen: container platforms wait 10 s,
/// developers less.
const STOP_MS: u64 = 1_500;

/// The configuration of a hub.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on. It must be loopback.
    pub listen: SocketAddr,
    /// The limits of the core.
    pub limits: Limits,
    /// TCP connections at a time: at least one more than the connections in `limits`. Beyond it
    /// requests get 503.
    pub sockets_max: usize,
    /// Whether to publish the figures of this machine.
    pub demo: bool,
    /// A folder with the files of an app.
    pub static_dir: Option<PathBuf>,
}

/// A running hub.
#[derive(Debug)]
pub struct Server {
    runtime: Arc<Runtime>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens and serves.
    ///
    /// # Errors
    /// `InvalidInput` if the address is not loopback, or if the limits contradict each other. The
    /// system's error if it can't listen.
    pub async fn start(config: Config) -> io::Result<Self> {
        if !config.listen.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{} is not a loopback address; a hub without a key serves this machine only, so listen on 127.0.0.1 or [::1]",
                    config.listen.ip()
                ),
            ));
        }
        if let Some(misfit) = config.limits.misfit() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, misfit));
        }
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let runtime = Runtime::new(config.limits);
        let site = match &config.static_dir {
            Some(dir) => site::router(dir),
            None => Router::new().fallback(http::not_found),
        };
        let app = http::router(Arc::clone(&runtime))
            .fallback_service(site)
            .layer(middleware::from_fn(guards::check_host));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = vec![tokio::spawn(Arc::clone(&runtime).run_ticker())];
        if config.demo {
            tasks.push(tokio::spawn(demo::run(Arc::clone(&runtime))));
        }
        Ok(Self {
            runtime,
            address,
            stop,
            serving: tokio::spawn(listener::run(listener, app, config.sockets_max, stopped)),
            tasks,
        })
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of sockets, event streams and polls that have not ended.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.runtime.open_connections()
    }

    /// Closes all connections, one after another. Meanwhile `/readyz` reports that the hub drains,
    /// and the hub refuses new clients.
    pub async fn drain(&self) {
        self.runtime.drain().await;
    }

    /// Drains, and then stops.
    pub async fn stop(self) {
        self.drain().await;
        self.end().await;
    }

    /// Stops: refuses new connections, closes the others, and waits a short time for them to end.
    pub async fn end(mut self) {
        let _ = self.stop.send(true);
        self.runtime.handle(Event::Stop);
        let all_ended = async {
            self.runtime.all_closed().await;
            let _ = (&mut self.serving).await;
        };
        let _ = tokio::time::timeout(Duration::from_millis(STOP_MS), all_ended).await;
        self.serving.abort();
        for task in self.tasks {
            task.abort();
        }
    }
}
