//! Posts, answers and event streams, in the form of a browser.

use std::net::SocketAddr;
use std::time::Duration;

use longhaul_hub::server::Server;
use reqwest::{RequestBuilder, Response};

use crate::client::within;

pub(crate) const FRAME: &str = "application/vnd.longhaul.v1";
pub(crate) const PAGE: &str = "http://localhost:5173";
pub(crate) const FOREIGN: &str = "https://example.com";

pub(crate) fn post(address: SocketAddr, path: &str, frame: impl Into<String>) -> RequestBuilder {
    reqwest::Client::new()
        .post(format!("http://{address}/v1/{path}"))
        .header("content-type", FRAME)
        .body(frame.into())
}

pub(crate) async fn send(request: RequestBuilder) -> Response {
    within(request.send()).await.unwrap()
}

/// The records of an answer.
pub(crate) async fn ask(address: SocketAddr, path: &str, frame: impl Into<String>) -> Vec<String> {
    let response = send(post(address, path, frame)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], FRAME);
    let cache = &response.headers()["cache-control"];
    assert_eq!(cache, "no-store, no-transform");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let text = within(response.text()).await.unwrap();
    text.split('\n').map(str::to_owned).collect()
}

pub(crate) async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let body: serde_json::Value = within(response.json()).await.unwrap();
    (status, body["code"].as_str().unwrap().to_owned())
}

pub(crate) async fn ticket(address: SocketAddr, subs: &str) -> String {
    let frame = format!("hello 1\n{subs}");
    let answer = ask(address, "session", frame).await;
    let fields: Vec<&str> = answer[0].split(' ').collect();
    assert_eq!((answer.len(), fields[0], fields[2]), (1, "ticket", "30000"));
    assert_eq!(fields[1].len(), 32);
    fields[1].to_owned()
}

/// An event stream, read like a browser.
pub(crate) struct Stream {
    pub(crate) response: Response,
    text: String,
    events: std::collections::VecDeque<String>,
}

impl Stream {
    pub(crate) async fn open(url: &str, query: &str, origin: Option<&str>) -> Self {
        let request = reqwest::Client::new().get(format!("{url}/v1/events{query}"));
        let response = send(
            origin
                .into_iter()
                .fold(request, |request, origin| request.header("origin", origin)),
        )
        .await;
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-store, no-transform"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        if let Some(origin) = origin {
            assert_eq!(response.headers()["access-control-allow-origin"], origin);
            assert_eq!(response.headers()["vary"], "origin");
        }
        Self {
            response,
            text: String::new(),
            events: std::collections::VecDeque::new(),
        }
    }

    /// The records of the next event; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Vec<String>> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let data: Vec<&str> = block
                    .split('\n')
                    .filter_map(|line| line.strip_prefix("data: "))
                    .collect();
                if !data.is_empty() {
                    self.events.push_back(data.join("\n"));
                }
                self.text = rest.to_owned();
            }
            if let Some(frame) = self.events.pop_front() {
                return Some(frame.split('\n').map(str::to_owned).collect());
            }
            let chunk = within(self.response.chunk()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The only record of a refused or ending stream.
    pub(crate) async fn close(&mut self) -> String {
        let records = self.event().await.unwrap();
        assert_eq!(records.len(), 1, "{records:?}");
        assert_eq!(self.event().await, None, "and the stream ends");
        records[0].clone()
    }
}

pub(crate) async fn until_free(hub: &Server) {
    within(async {
        while hub.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

pub(crate) fn field(record: &str, index: usize) -> &str {
    record.split(' ').nth(index).unwrap()
}

/// The cursor after an answer's messages of one topic.
pub(crate) fn cursor_after(records: &[String], epoch: &str) -> String {
    let last = records.last().unwrap();
    match field(last, 0) {
        "m" => format!("{epoch}/{}/{}", field(last, 2), field(last, 3)),
        "b" => {
            let (first, count) = (field(last, 2), field(last, 3));
            let end = first.parse::<u64>().unwrap() + count.parse::<u64>().unwrap() - 1;
            format!("{epoch}/{end}/{}", field(last, 4))
        }
        _ => format!("{epoch}/{}/{}", field(last, 3), field(last, 4)),
    }
}
