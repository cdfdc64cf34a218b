//! H8 over real connections: several senders of one outbox at once, like tabs and a worker without
//! a lock.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use longhaul::ids::NUMBER_MAX;
use serde_json::Value;

use crate::client::{Client, hub, url, within};
use crate::http::{ask, field};

const ROWS: u64 = 200;

/// The rows of one batch. Chosen: several rounds, with holes in nearly all of them.
const BATCH: usize = 12;

/// The record of row `n`: two of three rows are of topic a, the others of topic b.
fn row(n: u64) -> String {
    let before = |topic| (1..n).rev().find(|m| topic_of(*m) == topic).unwrap_or(0);
    let topic = topic_of(n);
    format!("pub outbox {n} {} {topic} {n}", before(topic))
}

fn topic_of(n: u64) -> &'static str {
    if n.is_multiple_of(3) { "b" } else { "a" }
}

/// A sender that repeats each row until it has a verdict, in any order.
struct Flusher {
    rng: fastrand::Rng,
    /// The epoch and seq of each row's ack.
    acks: BTreeMap<u64, String>,
    firsts: usize,
    holes: usize,
}

impl Flusher {
    fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            acks: BTreeMap::new(),
            firsts: 0,
            holes: 0,
        }
    }

    /// The oldest rows without a verdict, shuffled. None when all have one.
    fn batch(&mut self) -> Vec<String> {
        let open = (1..=ROWS).filter(|n| !self.acks.contains_key(n));
        let mut rows: Vec<String> = open.take(BATCH).map(row).collect();
        self.rng.shuffle(&mut rows);
        rows
    }

    fn hear(&mut self, verdict: &str) {
        let n: u64 = field(verdict, 2).parse().unwrap();
        if field(verdict, 0) == "ack" {
            let place = format!("{} {}", field(verdict, 3), field(verdict, 4));
            self.acks.insert(n, place);
            self.firsts += usize::from(field(verdict, 5) == "0");
        } else {
            assert_eq!(field(verdict, 3), "out_of_order", "{verdict}");
            self.holes += 1;
        }
    }

    /// One post for each batch.
    async fn flush_by_posts(mut self, address: SocketAddr) -> Self {
        loop {
            let rows = self.batch();
            if rows.is_empty() {
                return self;
            }
            let frame = format!("hello 1\n{}", rows.join("\n"));
            for verdict in ask(address, "publish", frame).await {
                self.hear(&verdict);
            }
        }
    }

    /// One frame for each row. All leave before the first answer.
    async fn flush_by_socket(mut self, address: SocketAddr) -> Self {
        let mut client = Client::hello(address).await;
        loop {
            let rows = self.batch();
            if rows.is_empty() {
                return self;
            }
            for row in &rows {
                client.send(row).await;
            }
            for _ in &rows {
                let verdict = client.record().await;
                self.hear(&verdict);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn s22_i4_three_flushers_of_200_rows_make_200_entries_in_order() {
    let hub = hub().await;
    let address = hub.address();
    let flushers = [
        tokio::spawn(Flusher::new(1).flush_by_posts(address)),
        tokio::spawn(Flusher::new(2).flush_by_posts(address)),
        tokio::spawn(Flusher::new(3).flush_by_socket(address)),
    ];
    let mut done = Vec::new();
    for flusher in flushers {
        done.push(within(flusher).await.unwrap());
    }
    assert_eq!(done[0].acks.len() as u64, ROWS);
    assert!(
        done.iter().all(|flusher| flusher.acks == done[0].acks),
        "each row has one place, whoever asks"
    );
    let firsts: usize = done.iter().map(|flusher| flusher.firsts).sum();
    assert_eq!(firsts as u64, ROWS, "all other acks say duplicate");
    let holes: usize = done.iter().map(|flusher| flusher.holes).sum();
    assert!(holes > 0, "rows that came before their time were refused");
    for topic in ["a", "b"] {
        let page = reqwest::get(format!("{}/v1/topics/{topic}?from=1", url(&hub)));
        let page: Value = within(within(page).await.unwrap().json()).await.unwrap();
        let entries = page["entries"].as_array().unwrap();
        let rows: Vec<u64> = entries
            .iter()
            .map(|it| it["data"].as_u64().unwrap())
            .collect();
        let expected: Vec<u64> = (1..=ROWS).filter(|n| topic_of(*n) == topic).collect();
        assert_eq!(rows, expected);
        let id = longhaul::wire::public_id::message_id("outbox", longhaul::ids::RowNo(expected[0]));
        assert_eq!(entries[0]["id"], id);
    }
}

#[tokio::test]
async fn s30_a_row_that_overtakes_the_one_before_it_on_another_connection_waits() {
    let hub = hub().await;
    let mut page = Client::hello(hub.address()).await;
    let worker = async |record: &str| {
        let frame = format!("hello 1\n{record}");
        ask(hub.address(), "publish", frame).await.remove(0)
    };
    assert!(page.ask("pub outbox 4 0 t 4").await.ends_with(" 1 0"));
    let early = worker("pub outbox 6 5 t 6").await;
    assert!(early.starts_with("nack outbox 6 out_of_order "), "{early}");
    assert!(page.ask("pub outbox 5 4 t 5").await.ends_with(" 2 0"));
    assert!(worker("pub outbox 6 5 t 6").await.ends_with(" 3 0"));
    assert!(page.ask("pub outbox 6 5 t 6").await.ends_with(" 3 1"));
}

#[tokio::test]
async fn c10_c11_a_worker_and_a_page_agree_on_expired_and_cancelled_rows() {
    let hub = hub().await;
    let mut page = Client::hello(hub.address()).await;
    let worker = async |records: &str| {
        let frame = format!("hello 1\n{records}");
        ask(hub.address(), "publish", frame).await
    };
    let first = worker("until 1\npub p 1 0 t 1\npub p 2 1 t 2").await;
    assert!(first[0].starts_with("nack p 1 expired "), "{first:?}");
    assert!(first[1].ends_with(" 1 0"), "{first:?}");
    assert!(
        page.ask("pub p 1 0 t 1")
            .await
            .starts_with("nack p 1 expired ")
    );
    assert!(
        page.ask("skip p 2 1 t").await.ends_with(" 1 1"),
        "too late to give up"
    );
    assert!(
        page.ask("skip p 3 2 t")
            .await
            .starts_with("nack p 3 expired ")
    );
    let late = worker(&format!("pub p 3 2 t 3\nuntil {NUMBER_MAX}\npub p 4 3 t 4")).await;
    assert!(late[0].starts_with("nack p 3 expired "), "{late:?}");
    assert!(late[1].ends_with(" 2 0"), "{late:?}");
}
