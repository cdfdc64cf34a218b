//! W1 and origins: which clients the hub serves, and how it refuses others.

use tokio_tungstenite::tungstenite::Error;

use crate::client::{assert_alive, handshake, hub, url, within};

const OURS: (&str, &str) = ("sec-websocket-protocol", "longhaul.v1");

#[tokio::test]
async fn w1_the_hub_echoes_its_subprotocol_wherever_it_stands_in_the_offer() {
    let hub = hub().await;
    for offer in [
        "longhaul.v1",
        "longhaul.v2, longhaul.v1",
        "other,longhaul.v1",
    ] {
        let headers = [("sec-websocket-protocol", offer)];
        let (chosen, _) = handshake(hub.address(), &headers).await.unwrap();
        assert_eq!(chosen.as_deref(), Some("longhaul.v1"), "{offer}");
    }
}

#[tokio::test]
async fn w1_another_version_alone_is_echoed_and_closed_with_4500() {
    let hub = hub().await;
    let headers = [("sec-websocket-protocol", "longhaul.v9, other")];
    let (chosen, mut client) = handshake(hub.address(), &headers).await.unwrap();
    assert_eq!(chosen.as_deref(), Some("longhaul.v9"));
    let (code, reason) = client.close().await;
    assert_eq!(
        (code, &*reason),
        (4500, "version_unsupported the hub speaks longhaul.v1")
    );
    assert_alive(&hub).await;
}

#[tokio::test]
async fn w1_no_subprotocol_of_ours_is_a_problem_over_http() {
    let hub = hub().await;
    for headers in [&[][..], &[("sec-websocket-protocol", "graphql-ws")]] {
        let Err(Error::Http(response)) = handshake(hub.address(), headers).await else {
            panic!("let in");
        };
        assert_eq!(response.status(), 400);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}

#[tokio::test]
async fn connect_without_an_upgrade_is_a_problem_over_http() {
    let hub = hub().await;
    let response = within(reqwest::get(format!("{}/v1/connect", url(&hub))))
        .await
        .unwrap();
    assert!(response.status().is_client_error());
    let problem: serde_json::Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "upgrade_required");
}

#[tokio::test]
async fn pages_of_loopback_origins_and_programs_are_let_in() {
    let hub = hub().await;
    handshake(hub.address(), &[OURS]).await.unwrap();
    for origin in [
        "http://localhost:5173",
        "http://127.0.0.1:1",
        "https://app.localhost",
        "http://[::1]",
    ] {
        let (_, mut client) = handshake(hub.address(), &[OURS, ("origin", origin)])
            .await
            .unwrap();
        assert!(
            client.ask("hello 1").await.starts_with("welcome "),
            "{origin}"
        );
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_closed_with_4503_and_get_nothing_else() {
    let hub = hub().await;
    for origin in [
        "https://example.com",
        "null",
        "http://localhost.example.com",
    ] {
        let (_, mut client) = handshake(hub.address(), &[OURS, ("origin", origin)])
            .await
            .unwrap();
        let (code, reason) = client.close().await;
        assert_eq!(code, 4503, "{origin}");
        assert!(reason.starts_with("origin_refused "), "{reason}");
    }
    assert_alive(&hub).await;
}

#[tokio::test]
async fn a_name_that_was_made_to_resolve_to_loopback_is_not_served() {
    let hub = hub().await;
    for host in [
        "rebound.example.com",
        "rebound.example.com:80",
        "127.0.0.1.example.com",
    ] {
        let Err(Error::Http(response)) = handshake(hub.address(), &[OURS, ("host", host)]).await
        else {
            panic!("let in {host}");
        };
        assert_eq!(response.status(), 421);
    }
    let request = reqwest::Client::new()
        .get(format!("{}/v1/topics/t?from=1", url(&hub)))
        .header("host", "rebound.example.com");
    assert_eq!(within(request.send()).await.unwrap().status(), 421);
    handshake(hub.address(), &[OURS, ("host", "localhost:1")])
        .await
        .unwrap();
}
