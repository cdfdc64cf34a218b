//! The parts put together: a listener, the routes, the ticker, the demo, and a stop that says goodbye.

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
use crate::shell::Shell;
use crate::{demo, http, listener, site};

/// How long a stop waits for connections to end, ms. Chosen: a container's patience is 10 s, a developer's less.
const STOP_MS: u64 = 1_500;

/// How often a stop looks whether all have ended, ms.
const STOP_LOOK_MS: u64 = 10;

/// What a hub is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on, loopback.
    pub listen: SocketAddr,
    /// The core's limits.
    pub limits: Limits,
    /// TCP connections at a time, at least one more than the limits' connections. Beyond it requests are answered 503.
    pub sockets_max: usize,
    /// Whether to publish the host's figures.
    pub demo: bool,
    /// Folder with an app's files.
    pub static_dir: Option<PathBuf>,
}

/// A running hub.
#[derive(Debug)]
pub struct Server {
    shell: Arc<Shell>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens and serves.
    ///
    /// # Errors
    /// `InvalidInput` if the address is not loopback or the limits do not fit together; what the system says if it can't be listened on.
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
        let shell = Shell::new(config.limits);
        let site = match &config.static_dir {
            Some(dir) => site::router(dir),
            None => Router::new().fallback(http::not_found),
        };
        let app = http::router(Arc::clone(&shell))
            .fallback_service(site)
            .layer(middleware::from_fn(http::serve_host));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = vec![tokio::spawn(Arc::clone(&shell).run_ticker())];
        if config.demo {
            tasks.push(tokio::spawn(demo::run(Arc::clone(&shell))));
        }
        Ok(Self {
            shell,
            address,
            stop,
            serving: tokio::spawn(listener::run(listener, app, config.sockets_max, stopped)),
            tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sockets, event streams and polls that have not ended.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shell.links()
    }

    /// Lets the clients go in turn, until all are. Meanwhile `/readyz` says so, and nobody new comes in.
    pub async fn drain(&self) {
        self.shell.drain().await;
    }

    /// Drains and ends.
    pub async fn stop(self) {
        self.drain().await;
        self.end().await;
    }

    /// Takes no more connections, tells whoever is left goodbye, and waits a moment for them to go.
    pub async fn end(mut self) {
        let _ = self.stop.send(true);
        self.shell.handle(Event::Stop);
        let goodbyes = async {
            while self.shell.links() > 0 {
                tokio::time::sleep(Duration::from_millis(STOP_LOOK_MS)).await;
            }
            let _ = (&mut self.serving).await;
        };
        let _ = tokio::time::timeout(Duration::from_millis(STOP_MS), goodbyes).await;
        self.serving.abort();
        for task in self.tasks {
            task.abort();
        }
    }
}
