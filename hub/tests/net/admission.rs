//! Admission and drain for a client: 1013 and 503 with retry times, probes, and a drain.

use longhaul_hub::core::Limits;

use crate::client::{Client, hub, hub_with, url, within};
use crate::http::{FOREIGN, PAGE, ask, post, problem, send, ticket};

#[tokio::test]
async fn r1_a_refusal_has_a_retry_time_on_every_transport() {
    let hub = hub_with(Limits {
        admit_per_s: 1,
        ..Limits::default()
    })
    .await;
    // On a slow machine the hub may admit another one.
    let mut admitted = Vec::new();
    let (code, reason) = loop {
        let mut client = Client::open(hub.address()).await;
        match client.try_ask("hello 1").await {
            Ok(_) => admitted.push(client),
            Err(close) => break close,
        }
    };
    assert_eq!(code, 1013);
    assert!(
        reason.ends_with(" connections, 1 more a second retry=2000 spread=1000"),
        "{reason}"
    );
    for path in ["poll", "session"] {
        let response = loop {
            let response = send(post(hub.address(), path, "hello 1 hold=0")).await;
            if response.status() != 200 {
                break response;
            }
        };
        assert_eq!(response.status(), 503);
        let after_s = response.headers()["retry-after"].to_str().unwrap();
        let after_s: u64 = after_s.parse().unwrap();
        let body: serde_json::Value = within(response.json()).await.unwrap();
        assert_eq!(body["code"], "try_again_later");
        let detail = body["detail"].as_str().unwrap();
        let hint = longhaul::Hint::of(detail);
        assert_eq!(hint.retry_ms.unwrap().div_ceil(1_000), after_s, "{detail}");
        assert!(after_s > 1 && hint.spread_ms == Some(1_000), "{detail}");
    }
    let acks = ask(hub.address(), "publish", "hello 1\npub p 1 0 t 1").await;
    assert!(acks[0].starts_with("ack "));
}

#[tokio::test]
async fn r2_the_welcome_carries_the_spread() {
    let hub = hub_with(Limits {
        expect_connections: 8_000,
        ..Limits::default()
    })
    .await;
    let mut client = Client::open(hub.address()).await;
    let welcome = client.ask("hello 1").await;
    assert!(welcome.contains(" spread=4000 "), "{welcome}");
}

#[tokio::test]
async fn probes_report_whether_the_hub_is_full() {
    let hub = hub_with(Limits {
        connections_max: 1,
        ..Limits::default()
    })
    .await;
    let probe = async |path: &str| send(reqwest::Client::new().get(url(&hub) + path)).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(probe(path).await.status(), 200, "{path}");
    }
    let _client = Client::hello(hub.address()).await;
    assert_eq!(problem(probe("/readyz").await).await, (503, "full".into()));
    assert_eq!(probe("/healthz").await.status(), 200, "and it is well");
}

#[tokio::test]
async fn pages_that_are_served_may_see_the_timing_of_their_requests() {
    let hub = hub().await;
    let ticket = ticket(hub.address(), "").await;
    for path in [
        "/.well-known/longhaul",
        "/v1/topics/t?from=1",
        "/v1/events?ticket=1",
        &format!("/v1/events?ticket={ticket}"),
    ] {
        let get = async |origin| {
            let request = reqwest::Client::new().get(url(&hub) + path);
            send(request.header("origin", origin)).await
        };
        let response = get(PAGE).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["timing-allow-origin"], PAGE, "{path}");
        let foreign = get(FOREIGN).await;
        assert!(!foreign.headers().contains_key("timing-allow-origin"));
    }
    for path in ["poll", "session", "publish"] {
        let response =
            send(post(hub.address(), path, "hello 1 hold=0").header("origin", PAGE)).await;
        assert_eq!(response.headers()["timing-allow-origin"], PAGE, "{path}");
    }
    let well_known = send(reqwest::Client::new().get(url(&hub) + "/.well-known/longhaul")).await;
    let limits: serde_json::Value = within(well_known.json()).await.unwrap();
    assert_eq!(limits["limits"]["admitPerSecond"], 2_000);
}
