//! Requests and responses that meet a rule.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_answer_is_the_proxys_and_the_next_request_has_its_own_rule() {
    let mut it = bench(
        r#"{ "http": [{ "pathPrefix": "/v1/", "times": 2,
             "action": { "answer": { "status": 503, "headers": { "Retry-After": "7" }, "body": "away" } } }] }"#,
    );
    let refusal = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\
        Content-Type: text/html; charset=utf-8\r\nContent-Length: 4\r\n\r\naway";
    // One with a body, two at once, and the rule is used up by the third.
    let body = "4\r\nbody\r\n0\r\n\r\n";
    let post = format!("POST /v1/poll HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let get = b"GET /v1/x HTTP/1.1\r\n\r\n";
    it.client.write_all(post.as_bytes()).await.unwrap();
    it.client.write_all(get).await.unwrap();
    receives(&mut it.client, refusal).await;
    receives(&mut it.client, refusal).await;
    it.client.write_all(get).await.unwrap();
    receives(&mut it.upstream, get).await;
    it.upstream.write_all(OK).await.unwrap();
    receives(&mut it.client, OK).await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_of_one_method_leaves_the_others() {
    let mut it =
        bench(r#"{ "http": [{ "method": "POST", "action": { "answer": { "status": 429 } } }] }"#);
    let preflight = b"OPTIONS /v1/publish HTTP/1.1\r\n\r\n";
    it.client.write_all(preflight).await.unwrap();
    receives(&mut it.upstream, preflight).await;
    it.upstream.write_all(OK).await.unwrap();
    receives(&mut it.client, OK).await;
    let post = b"POST /v1/publish HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    it.client.write_all(post).await.unwrap();
    receives(&mut it.client, b"HTTP/1.1 429 Too Many Requests\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn rules_come_to_a_connection_that_is_open() {
    let mut it = bench("{}");
    let get = b"GET /v1/x HTTP/1.1\r\n\r\n";
    it.client.write_all(get).await.unwrap();
    receives(&mut it.upstream, get).await;
    it.upstream.write_all(OK).await.unwrap();
    receives(&mut it.client, OK).await;
    it.set(r#"{ "http": [{ "action": { "answer": { "status": 429 } } }] }"#);
    it.client.write_all(get).await.unwrap();
    receives(&mut it.client, b"HTTP/1.1 429 Too Many Requests\r\n").await;
    is_silent(&mut it.upstream).await;
}

#[tokio::test(start_paused = true)]
async fn the_subprotocol_is_stripped_and_then_bytes_pass() {
    let mut it = bench(r#"{ "http": [{ "upgrade": true, "action": "stripSubprotocol" }] }"#);
    it.client.write_all(UPGRADE).await.unwrap();
    receives(&mut it.upstream, UPGRADE).await;
    it.upstream.write_all(SWITCHED).await.unwrap();
    it.upstream.write_all(b"\x81\x02hi").await.unwrap();
    receives(
        &mut it.client,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02hi",
    )
    .await;
    // Bytes that look like a request are only bytes now.
    it.client.write_all(UPGRADE).await.unwrap();
    receives(&mut it.upstream, UPGRADE).await;
    it.upstream.write_all(SWITCHED).await.unwrap();
    receives(&mut it.client, SWITCHED).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_blocked_and_other_requests_pass() {
    let mut it = bench(r#"{ "http": [{ "action": "blockUpgrade" }] }"#);
    it.client.write_all(UPGRADE).await.unwrap();
    receives(
        &mut it.client,
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let get = b"GET /v1/connect HTTP/1.1\r\n\r\n";
    it.client.write_all(get).await.unwrap();
    receives(&mut it.upstream, get).await;
}

#[tokio::test(start_paused = true)]
async fn a_swallowed_path_is_silent_and_the_others_are_not() {
    let faults = r#"{ "http": [{ "pathPrefix": "/v1/connect", "action": "swallow" }] }"#;
    let mut it = bench(faults);
    it.client.write_all(UPGRADE).await.unwrap();
    is_silent(&mut it.client).await;
    is_silent(&mut it.upstream).await;
    drop(it.client);
    assert_eq!(it.upstream.read(&mut [0]).await.unwrap(), 0);
    let mut it = bench(faults);
    it.client
        .write_all(b"GET /v1/poll HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    receives(&mut it.upstream, b"GET /v1/poll HTTP/1.1\r\n\r\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_buffered_body_comes_when_the_buffer_is_full_or_it_ends() {
    let mut it = bench(
        r#"{ "http": [{ "pathPrefix": "/v1/events", "action": { "buffer": { "bytes": 10 } } }] }"#,
    );
    let get = b"GET /v1/events HTTP/1.1\r\n\r\n";
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    it.client.write_all(get).await.unwrap();
    receives(&mut it.upstream, get).await;
    it.upstream.write_all(head).await.unwrap();
    it.upstream.write_all(b"3\r\none\r\n").await.unwrap();
    receives(&mut it.client, head).await;
    is_silent(&mut it.client).await;
    it.upstream.write_all(b"3\r\ntwo\r\n").await.unwrap();
    receives(&mut it.client, b"3\r\none\r\n3\r\ntwo\r\n").await;
    it.upstream.write_all(b"1\r\n3\r\n").await.unwrap();
    is_silent(&mut it.client).await;
    it.upstream.write_all(b"0\r\n\r\n").await.unwrap();
    receives(&mut it.client, b"1\r\n3\r\n0\r\n\r\n").await;
    // And the connection goes on.
    it.client.write_all(get).await.unwrap();
    receives(&mut it.upstream, get).await;
}

#[tokio::test(start_paused = true)]
async fn a_response_without_an_end_of_its_own_lasts_as_long_as_its_connection() {
    let mut it = bench("{}");
    let get = b"GET / HTTP/1.0\r\n\r\n";
    it.client.write_all(get).await.unwrap();
    receives(&mut it.upstream, get).await;
    it.upstream
        .write_all(b"HTTP/1.0 200 OK\r\n\r\nso it")
        .await
        .unwrap();
    receives(&mut it.client, b"HTTP/1.0 200 OK\r\n\r\nso it").await;
    it.upstream.write_all(b" goes").await.unwrap();
    it.upstream.shutdown().await.unwrap();
    receives(&mut it.client, b" goes").await;
    assert_eq!(it.client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_heads_only_announce_are_not_waited_for() {
    let mut it = bench("{}");
    for (request, response) in [
        (
            "HEAD / HTTP/1.1",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        ),
        (
            "GET / HTTP/1.1",
            "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n",
        ),
        ("GET / HTTP/1.1", "HTTP/1.1 204 N\r\n\r\n"),
    ] {
        let request = format!("{request}\r\n\r\n");
        it.client.write_all(request.as_bytes()).await.unwrap();
        receives(&mut it.upstream, request.as_bytes()).await;
        it.upstream.write_all(response.as_bytes()).await.unwrap();
        receives(&mut it.client, response.as_bytes()).await;
    }
    // An early word, and an answer before the request has ended.
    let head = b"POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    it.client.write_all(head).await.unwrap();
    receives(&mut it.upstream, head).await;
    it.upstream
        .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        .await
        .unwrap();
    receives(&mut it.client, b"HTTP/1.1 100 Continue\r\n\r\n").await;
    it.upstream.write_all(OK).await.unwrap();
    receives(&mut it.client, OK).await;
    // The rest of its body is not a request. The relay finds the next request behind it.
    it.set(r#"{ "http": [{ "pathPrefix": "/2", "action": { "answer": { "status": 429 } } }] }"#);
    it.client
        .write_all(b"bodyGET /2 HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    receives(&mut it.client, b"HTTP/1.1 429 Too Many Requests\r\n").await;
    receives(&mut it.upstream, b"body").await;
    is_silent(&mut it.upstream).await;
}
