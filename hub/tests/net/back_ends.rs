//! HTTP for back ends: publish, read, problems, CORS.

use longhaul_hub::core::Limits;
use longhaul_hub::server::Server;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::client::{Client, hub, hub_with, url, within};

fn post(hub: &Server, topic: &str, body: impl Into<String>) -> RequestBuilder {
    reqwest::Client::new()
        .post(format!("{}/v1/topics/{topic}", url(hub)))
        .header("content-type", "application/json")
        .body(body.into())
}

async fn send(request: RequestBuilder) -> Response {
    within(request.send()).await.unwrap()
}

async fn get(hub: &Server, path: &str) -> Response {
    send(reqwest::Client::new().get(format!("{}{path}", url(hub)))).await
}

async fn body(response: Response) -> Value {
    within(response.json()).await.unwrap()
}

/// Status and code of an answer that must be a problem in full form.
async fn problem(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let problem = body(response).await;
    assert_eq!(problem["status"], status);
    for member in ["type", "title", "detail"] {
        assert!(problem[member].is_string(), "{member} in {problem}");
    }
    (status, problem["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_posted_message_reaches_subscribers_and_readers() {
    let hub = hub().await;
    let mut client = Client::hello(hub.address()).await;
    client.ask("sub 1 orders/eu live").await;
    let published = body(send(post(&hub, "orders/eu", "{\"n\":\n1}")).await).await;
    assert_eq!(published["topic"], "orders/eu");
    assert_eq!(
        (&published["seq"], &published["duplicate"]),
        (&json!(1), &json!(false))
    );
    assert!(client.record().await.ends_with(" - {\"n\": 1}"));
    send(post(&hub, "orders/eu", "\"two\"").header("idempotency-key", "k:2")).await;
    assert!(client.record().await.ends_with(" k:2 \"two\""));

    let page = body(get(&hub, "/v1/topics/orders/eu?from=1").await).await;
    assert_eq!(page["epoch"], published["epoch"]);
    assert_eq!(page["epoch"].as_str().unwrap().len(), 16);
    let entries = page["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(
        (&entries[0]["seq"], &entries[0]["data"]),
        (&json!(1), &json!({ "n": 1 }))
    );
    assert!(entries[0]["publishedAtMs"].as_u64().unwrap() > 1_600_000_000_000);
    assert_eq!(
        (entries[0].get("id"), &entries[1]["id"]),
        (None, &json!("k:2"))
    );

    let page = body(get(&hub, "/v1/topics/orders/eu?from=1&limit=1").await).await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
    let page = body(get(&hub, "/v1/topics/orders/eu?from=3").await).await;
    assert_eq!(page["entries"], json!([]));
}

#[tokio::test]
async fn an_idempotency_key_takes_effect_once() {
    let hub = hub().await;
    let keyed = |body: &str| post(&hub, "t", body).header("idempotency-key", "order-1");
    let first = body(send(keyed("1")).await).await;
    let again = body(send(keyed("1")).await).await;
    assert_eq!(
        (&first["seq"], &first["duplicate"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        (&again["seq"], &again["duplicate"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        problem(send(keyed("2")).await).await,
        (409, "id_conflict".into())
    );
}

#[tokio::test]
async fn f33_p2_a_back_end_can_not_give_its_message_the_id_of_an_outboxs() {
    let hub = hub().await;
    let id = longhaul::wire::public_id::message_id("p", longhaul::ids::RowNo(7));
    let taken = post(&hub, "t", "1").header("idempotency-key", id);
    let expected = (400, "idempotency_key_invalid".into());
    assert_eq!(problem(send(taken).await).await, expected);
    let other = post(&hub, "t", "1").header("idempotency-key", "p:7");
    assert_eq!(send(other).await.status(), 200);
}

#[tokio::test]
async fn a_refusal_of_a_body_that_the_hub_has_not_read_announces_the_end_of_the_connection() {
    let hub = hub().await;
    let large = format!("\"{}\"", "x".repeat(300_000));
    let refused = send(post(&hub, "t", large)).await;
    assert_eq!(refused.status(), 413);
    assert_eq!(refused.headers()["connection"], "close");
}

#[tokio::test]
async fn a_publication_without_effect_gets_a_stable_code() {
    let hub = hub().await;
    let large = format!("\"{}\"", "x".repeat(65_536));
    let deep = "[".repeat(128) + &"]".repeat(128);
    for (request, expected) in [
        (post(&hub, "t", "{no"), (400, "payload_invalid")),
        (post(&hub, "t", ""), (400, "payload_invalid")),
        (post(&hub, "t", deep), (400, "payload_invalid")),
        (post(&hub, "t", large), (413, "payload_too_large")),
        (post(&hub, "a//b", "1"), (400, "topic_invalid")),
        (post(&hub, "a%20b", "1"), (400, "topic_invalid")),
        (
            post(&hub, "t", "1").header("idempotency-key", "a b"),
            (400, "idempotency_key_invalid"),
        ),
        (
            post(&hub, "t", "1").header("idempotency-key", "-"),
            (400, "idempotency_key_invalid"),
        ),
        (
            reqwest::Client::new()
                .post(format!("{}/v1/topics/t", url(&hub)))
                .body("1"),
            (415, "content_type_unsupported"),
        ),
        (
            reqwest::Client::new()
                .put(format!("{}/v1/topics/t", url(&hub)))
                .body("1"),
            (405, "method_not_allowed"),
        ),
    ] {
        let (status, code) = problem(send(request).await).await;
        assert_eq!((status, &*code), expected);
    }
    let page = body(get(&hub, "/v1/topics/t?from=1").await).await;
    assert_eq!(page["entries"], json!([]), "none took effect");
}

#[tokio::test]
async fn a_failed_read_gets_a_stable_code() {
    let hub = hub_with(Limits {
        retain_entries: 2,
        ..Limits::default()
    })
    .await;
    for n in 1..=5 {
        send(post(&hub, "t", n.to_string())).await;
    }
    for (path, expected) in [
        ("/v1/topics/t", (404, "no_document")),
        ("/v1/topics/t?from=0", (400, "query_invalid")),
        ("/v1/topics/t?from=01", (400, "query_invalid")),
        ("/v1/topics/t?from=%2B1", (400, "query_invalid")),
        ("/v1/topics/t?from=+1", (400, "query_invalid")),
        ("/v1/topics/t?from=1&limit=01", (400, "query_invalid")),
        ("/v1/topics/t?from=x", (400, "query_invalid")),
        ("/v1/topics/t?from=4&limit=0", (400, "query_invalid")),
        ("/v1/topics/%2F?from=1", (400, "topic_invalid")),
        ("/v1/topics/%ff?from=1", (400, "topic_invalid")),
        ("/v1/topics", (404, "not_found")),
        ("/v1/nothing", (404, "not_found")),
        ("/nothing", (404, "not_found")),
    ] {
        let (status, code) = problem(get(&hub, path).await).await;
        assert_eq!((status, &*code), expected, "{path}");
    }
    let gone = get(&hub, "/v1/topics/t?from=3").await;
    assert_eq!(gone.status(), 410);
    let gone = body(gone).await;
    assert_eq!(
        (&gone["code"], &gone["reason"]),
        (&json!("resume_failed"), &json!("trimmed"))
    );
    assert_eq!(
        (&gone["firstSeq"], &gone["headSeq"]),
        (&json!(4), &json!(5))
    );
}

#[tokio::test]
async fn operators_and_clients_can_read_the_limits_and_the_health() {
    let hub = hub().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&hub, path).await.status(), 200);
    }
    let known = body(get(&hub, "/.well-known/longhaul").await).await;
    assert_eq!(known["versions"], json!(["longhaul.v1"]));
    assert_eq!(
        known["transports"],
        json!(["websocket", "eventsource", "longpoll"])
    );
    assert_eq!(known["limits"]["payloadBytesMax"], 65_536);
    assert_eq!(known["limits"]["producersMs"], 691_200_000);
}

#[tokio::test]
async fn pages_of_loopback_origins_may_use_the_api_and_others_may_not() {
    let hub = hub().await;
    let preflight = |origin: &'static str| {
        reqwest::Client::new()
            .request(Method::OPTIONS, format!("{}/v1/topics/t", url(&hub)))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,idempotency-key",
            )
    };
    let ours = send(preflight("http://localhost:5173")).await;
    assert_eq!(
        ours.headers()["access-control-allow-origin"],
        "http://localhost:5173"
    );
    let allowed = ours.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap()
        .to_owned();
    for header in ["authorization", "content-type", "idempotency-key"] {
        assert!(allowed.contains(header), "{allowed}");
    }
    let theirs = send(preflight("https://example.com")).await;
    assert!(!theirs.headers().contains_key("access-control-allow-origin"));

    let ours = send(post(&hub, "t", "1").header("origin", "http://127.0.0.1:9")).await;
    assert_eq!(
        ours.headers()["access-control-allow-origin"],
        "http://127.0.0.1:9"
    );
    assert!(ours.headers()["vary"].to_str().unwrap().contains("origin"));
    let theirs = send(post(&hub, "t", "2").header("origin", "https://example.com")).await;
    assert_eq!(problem(theirs).await, (403, "origin_refused".into()));
    let page = body(get(&hub, "/v1/topics/t?from=1").await).await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn f29_an_image_of_a_foreign_page_reads_nothing() {
    let hub = hub().await;
    let image = reqwest::Client::new()
        .get(format!("{}/v1/topics/t?from=1", url(&hub)))
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "image");
    assert_eq!(
        problem(send(image).await).await,
        (403, "origin_refused".into())
    );
}
