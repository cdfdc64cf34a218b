//! A hub in this process and a plain WebSocket client, both with a limit on how long a test waits.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use longhaul::wire::{Parts, records};
use longhaul_hub::core::Limits;
use longhaul_hub::server::{Config, Server};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long a test waits.
const WAIT: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT, future).await.expect("in time")
}

pub(crate) async fn hub() -> Server {
    hub_with(Limits::default()).await
}

pub(crate) async fn hub_with(limits: Limits) -> Server {
    hub_of(limits, 1_000).await
}

pub(crate) async fn hub_of(limits: Limits, sockets_max: usize) -> Server {
    Server::start(Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        limits,
        sockets_max,
        demo: false,
        static_dir: None,
    })
    .await
    .unwrap()
}

pub(crate) fn url(hub: &Server) -> String {
    format!("http://{}", hub.address())
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    records: std::collections::VecDeque<String>,
    parts: Parts,
}

/// The subprotocol that the hub chose, and the client.
pub(crate) async fn handshake(
    address: SocketAddr,
    headers: &[(&'static str, &str)],
) -> Result<(Option<String>, Client), Error> {
    let mut request = format!("ws://{address}/v1/connect").into_client_request()?;
    for (name, value) in headers {
        request
            .headers_mut()
            .insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let (socket, response) = within(connect_async(request)).await?;
    let chosen = response
        .headers()
        .get("sec-websocket-protocol")
        .map(|value| value.to_str().unwrap().to_owned());
    let client = Client {
        socket,
        records: std::collections::VecDeque::new(),
        parts: Parts::default(),
    };
    Ok((chosen, client))
}

impl Client {
    /// A connection that has sent nothing.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let headers = [("sec-websocket-protocol", "longhaul.v1")];
        handshake(address, &headers).await.unwrap().1
    }

    /// A welcomed connection.
    pub(crate) async fn hello(address: SocketAddr) -> Self {
        let mut client = Self::open(address).await;
        client.send("hello 1").await;
        assert!(client.record().await.starts_with("welcome "));
        client
    }

    pub(crate) async fn send(&mut self, text: &str) {
        within(self.socket.send(Message::text(text))).await.unwrap();
    }

    /// The next record, without parts.
    pub(crate) async fn record(&mut self) -> String {
        loop {
            if let Some(record) = self.records.pop_front() {
                return record;
            }
            match within(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    let frame = self.parts.frame(&text).unwrap();
                    self.records.extend(records(&frame).map(str::to_owned));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no record but {other:?}"),
            }
        }
    }

    /// Sends a frame and takes the next record.
    pub(crate) async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.record().await
    }

    /// Sends a frame and takes the next record or the close. The hub may have closed before the
    /// frame.
    pub(crate) async fn try_ask(&mut self, text: &str) -> Result<String, (u16, String)> {
        let _ = within(self.socket.send(Message::text(text))).await;
        match within(self.socket.next()).await {
            Some(Ok(Message::Text(text))) => Ok(text.to_string()),
            Some(Ok(Message::Close(Some(frame)))) => {
                Err((frame.code.into(), frame.reason.to_string()))
            }
            other => panic!("no record and no close but {other:?}"),
        }
    }

    /// The code and reason of the close, after any other frames.
    pub(crate) async fn close(&mut self) -> (u16, String) {
        loop {
            match within(self.socket.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => panic!("no close frame"),
                Some(Ok(_)) => {}
            }
        }
    }
}

/// A hub with a limit of two connections has forgotten one, and accepts another.
pub(crate) async fn until_forgotten(hub: &Server) {
    within(async {
        loop {
            let mut third = Client::open(hub.address()).await;
            if third.try_ask("hello 1").await.is_ok() {
                break;
            }
        }
    })
    .await;
}

/// The hub still serves a subscription and a publication.
pub(crate) async fn assert_alive(hub: &Server) {
    let mut client = Client::hello(hub.address()).await;
    assert!(
        client
            .ask("sub 1 alive live")
            .await
            .starts_with("subscribed 1 ")
    );
    client.send("pub alive 1 0 alive/2 1").await;
    assert!(client.record().await.starts_with("ack alive 1 "));
}
