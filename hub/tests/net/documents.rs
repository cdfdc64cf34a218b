//! Documents over HTTP: the vectors through PATCH, entity tags, conditions, and errors.

use longhaul_hub::core::Limits;
use longhaul_hub::server::Server;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::client::{Client, hub, hub_with, url, within};
use crate::vectors::{self, Vector};

const PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";

struct Api {
    hub: Server,
    client: reqwest::Client,
}

impl Api {
    async fn start() -> Self {
        Self {
            hub: hub().await,
            client: reqwest::Client::new(),
        }
    }

    fn request(&self, method: Method, topic: &str) -> RequestBuilder {
        let url = format!("{}/v1/topics/{topic}", url(&self.hub));
        self.client.request(method, url)
    }

    fn patch(&self, topic: &str, kind: &str, body: impl Into<String>) -> RequestBuilder {
        let request = self.request(Method::PATCH, topic);
        request.header("content-type", kind).body(body.into())
    }

    async fn put(&self, topic: &str, value: &str) {
        let set = format!(r#"[{{"op":"add","path":"","value":{value}}}]"#);
        assert_eq!(send(self.patch(topic, PATCH, set)).await.status(), 200);
    }

    async fn text(&self, topic: &str) -> String {
        let response = send(self.request(Method::GET, topic)).await;
        assert_eq!(response.status(), 200);
        within(response.text()).await.unwrap()
    }
}

async fn send(request: RequestBuilder) -> Response {
    within(request.send()).await.unwrap()
}

async fn body(response: Response) -> Value {
    within(response.json()).await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

/// Runs every vector on a topic of its own.
async fn hold(all: Vec<Vector>, kind: &str) {
    let api = Api::start().await;
    for (index, vector) in all.into_iter().enumerate() {
        let (name, topic) = (
            format!("{} {}", vector.comment, vector.patch),
            format!("v/{index}"),
        );
        api.put(&topic, vector.doc.get()).await;
        let before = api.text(&topic).await;
        let response = send(api.patch(&topic, kind, vector.patch.get())).await;
        let status = response.status().as_u16();
        let answer = body(response).await;
        let after = longhaul::document::value::read(&api.text(&topic).await).unwrap();
        match vector.error {
            None => {
                assert_eq!(status, 200, "{name}: {answer}");
                if let Some(expected) = vector.expected {
                    let expected = longhaul::document::value::read(expected.get()).unwrap();
                    assert_eq!(after, expected, "{name}");
                }
            }
            Some(error) => {
                assert!([400, 409, 422].contains(&status), "{name}: {answer}");
                assert_eq!(after.to_json(), before, "{name}");
                if error.contains('_') {
                    assert_eq!(answer["code"], error, "{name}");
                }
            }
        }
    }
    api.hub.stop().await;
}

#[tokio::test]
async fn d4_the_public_test_suite_of_rfc_6902_passes_over_http() {
    hold(vectors::suite(), PATCH).await;
}

#[tokio::test]
async fn d4_our_patches_and_the_merges_of_rfc_7396_pass_over_http() {
    hold(vectors::patches(), PATCH).await;
    hold(vectors::merges(), MERGE).await;
}

#[tokio::test]
async fn p8_a_document_has_a_tag_that_changes_with_it() {
    let api = Api::start().await;
    let missing = send(api.request(Method::GET, "d")).await;
    assert_eq!(missing.status(), 404);
    assert_eq!(body(missing).await["code"], "no_document");

    api.put("d", r#"{"b":9007199254740993,"a":1.0}"#).await;
    let first = send(api.request(Method::GET, "d")).await;
    assert_eq!(header(&first, "content-type"), "application/json");
    let tag = header(&first, "etag").to_owned();
    assert_eq!(
        within(first.text()).await.unwrap(),
        r#"{"b":9007199254740993,"a":1.0}"#
    );
    for known in [tag.clone(), format!("\"x\", W/{tag}")] {
        let again = send(api.request(Method::GET, "d").header("if-none-match", known)).await;
        assert_eq!(again.status(), 304);
        assert_eq!(header(&again, "etag"), tag);
    }

    let changed = send(api.patch("d", MERGE, r#"{"a":null}"#)).await;
    let new = header(&changed, "etag").to_owned();
    assert_ne!(new, tag);
    assert_eq!(body(changed).await["seq"], 2);
    let other = send(api.request(Method::GET, "d").header("if-none-match", &tag)).await;
    assert_eq!(
        (other.status().as_u16(), header(&other, "etag")),
        (200, &*new)
    );
}

#[tokio::test]
async fn p9_a_condition_that_is_not_met_changes_nothing() {
    let api = Api::start().await;
    let on =
        |name: &'static str, value: &str| api.patch("d", MERGE, r#"{"n":1}"#).header(name, value);
    assert_eq!(send(on("if-match", "*")).await.status(), 412);
    let made = send(on("if-none-match", "*")).await;
    assert_eq!(made.status(), 200);
    let tag = header(&made, "etag").to_owned();
    let exists = send(on("if-none-match", "*")).await;
    assert_eq!(exists.status(), 412);
    assert_eq!(body(exists).await["etag"], tag);

    let stale = tag.replace("-1\"", "-0\"");
    for unmet in [
        stale.clone(),
        format!("W/{tag}"),
        "\"x\"".to_owned(),
        String::new(),
    ] {
        let refused = send(on("if-match", &unmet)).await;
        assert_eq!(refused.status(), 412, "{unmet}");
        let problem = body(refused).await;
        assert_eq!(
            (&problem["code"], &problem["etag"]),
            (&json!("document_changed"), &json!(tag))
        );
    }
    assert_eq!(send(on("if-match", &tag)).await.status(), 200);
    assert_eq!(send(on("if-match", "*")).await.status(), 200);
    for bad in [
        on("if-none-match", &tag),
        on("if-match", "*").header("if-none-match", "*"),
    ] {
        let refused = send(bad).await;
        assert_eq!(refused.status(), 400);
        assert_eq!(body(refused).await["code"], "condition_invalid");
    }
    let state = send(api.request(Method::GET, "d")).await;
    assert!(header(&state, "etag").ends_with("-3\""));
}

#[tokio::test]
async fn p9_a_patch_with_a_key_takes_effect_once_whatever_came_after_it() {
    let api = Api::start().await;
    api.put("d", "[]").await;
    let keyed = || {
        api.patch("d", PATCH, r#"[{"op":"add","path":"/-","value":1}]"#)
            .header("idempotency-key", "k")
    };
    let first = send(keyed().header("if-match", "*")).await;
    let tag = header(&first, "etag").to_owned();
    api.put("d", "[2]").await;
    let again = send(keyed().header("if-match", &tag)).await;
    assert_eq!(header(&again, "etag"), tag);
    assert_eq!(body(again).await["duplicate"], true);
    assert_eq!(api.text("d").await, "[2]");
    let other = api.patch("d", PATCH, "[]").header("idempotency-key", "k");
    assert_eq!(body(send(other).await).await["code"], "id_conflict");
}

#[tokio::test]
async fn p9_a_failed_patch_names_its_operation_and_pointer() {
    let api = Api::start().await;
    api.put("d", r#"{"a":[1]}"#).await;
    let failed = r#"[{"op":"add","path":"/b","value":1},{"op":"test","path":"/a/0","value":2}]"#;
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(65_536));
    let ten_mebibytes = format!("[{}]", " ".repeat(10 << 20));
    let place = "/0".repeat(128);
    let deep = format!(r#"[{{"op":"add","path":"{place}","value":1}}]"#);
    let long = format!(
        "[{}]",
        vec![r#"{"op":"test","path":"/a","value":1}"#; 1_001].join(",")
    );
    for (kind, text, status, code, place) in [
        (PATCH, failed, 409, "patch_failed", Some((1, "/a/0"))),
        (
            PATCH,
            r#"[{"op":"add","path":"/b"}]"#,
            400,
            "patch_invalid",
            Some((0, "/b")),
        ),
        (PATCH, "{}", 400, "patch_invalid", None),
        (PATCH, "[", 400, "payload_invalid", None),
        (PATCH, "", 400, "payload_invalid", None),
        // f32: valid JSON that documents do not accept (rule D5).
        (MERGE, r#"{"a":"\ud800"}"#, 422, "patch_invalid", None),
        (MERGE, r#"{"a":1e1234567890}"#, 422, "patch_invalid", None),
        (MERGE, r#"{"__proto__":{}}"#, 422, "key_forbidden", None),
        (PATCH, &deep, 422, "document_too_deep", Some((0, &*place))),
        (PATCH, &long, 422, "patch_too_long", None),
        (MERGE, &large, 413, "payload_too_large", None),
        (PATCH, &ten_mebibytes, 413, "payload_too_large", None),
    ] {
        let response = send(api.patch("d", kind, text)).await;
        assert_eq!(response.status(), status, "{code}");
        let problem = body(response).await;
        assert_eq!(problem["code"], code);
        let told = problem["operation"]
            .as_u64()
            .zip(problem["pointer"].as_str());
        assert_eq!(told, place, "{code}");
    }
    let wrong = send(api.patch("d", "application/json", "[]")).await;
    assert_eq!(wrong.status(), 415);
    assert_eq!(header(&wrong, "accept-patch"), format!("{PATCH}, {MERGE}"));
    let with_parameter = api.patch("d", "Application/JSON-Patch+JSON; charset=utf-8", "[]");
    assert_eq!(send(with_parameter).await.status(), 200);
    assert_eq!(api.text("d").await, r#"{"a":[1]}"#);
}

#[tokio::test]
async fn p9_a_document_that_has_grown_to_its_limit_takes_no_more() {
    let api = Api::start().await;
    let part = format!("\"{}\"", "x".repeat(65_000));
    let mut status = 200;
    let mut parts = 0;
    while status == 200 {
        parts += 1;
        let grow = format!(r#"{{"{parts}":{part}}}"#);
        let response = send(api.patch("d", MERGE, grow)).await;
        status = response.status().as_u16();
        if status != 200 {
            assert_eq!(body(response).await["code"], "document_too_large");
        }
    }
    assert_eq!((status, parts), (422, 17));
    assert!(api.text("d").await.len() < 1 << 20);
}

#[tokio::test]
async fn d1_messages_and_patches_do_not_mix() {
    let api = Api::start().await;
    let post = |topic: &str| {
        let request = api.request(Method::POST, topic);
        request.header("content-type", "application/json").body("1")
    };
    api.put("d", "{}").await;
    let refused = send(post("d")).await;
    assert_eq!(
        (
            refused.status().as_u16(),
            body(refused).await["code"].clone()
        ),
        (409, json!("is_document"))
    );
    assert_eq!(send(post("m")).await.status(), 200);
    let refused = send(api.patch("m", MERGE, "{}")).await;
    assert_eq!(
        (
            refused.status().as_u16(),
            body(refused).await["code"].clone()
        ),
        (409, json!("not_a_document"))
    );
    assert_eq!(send(api.request(Method::GET, "m")).await.status(), 404);

    let entries = send(api.request(Method::GET, "d?from=1")).await;
    let entries = body(entries).await["entries"].clone();
    assert_eq!(entries[0]["change"], "patch");
    assert_eq!(
        entries[0]["data"],
        json!([{"op": "add", "path": "", "value": {}}])
    );
    let entries = body(send(api.request(Method::GET, "m?from=1")).await).await;
    assert_eq!(entries["entries"][0].get("change"), None);
}

#[tokio::test]
async fn d7_a_follower_gets_the_patches_of_a_back_end() {
    let api = Api::start().await;
    api.put("d", r#"{"a":1}"#).await;
    let mut client = Client::hello(api.hub.address()).await;
    assert!(
        client
            .ask("sub 1 d live as=document")
            .await
            .starts_with("subscribed 1 ")
    );
    assert!(client.record().await.ends_with(r#" {"a":1}"#));
    send(
        api.patch("d", MERGE, r#"{"a":2}"#)
            .header("idempotency-key", "k"),
    )
    .await;
    let record = client.record().await;
    assert!(
        record.starts_with("merge 1 2 ") && record.ends_with(r#" k {"a":2}"#),
        "{record}"
    );
    send(api.patch("d", PATCH, r#"[{"op":"remove","path":"/a"}]"#)).await;
    let record = client.record().await;
    assert!(
        record.starts_with("patch 1 3 ") && record.ends_with(r#" - [{"op":"remove","path":"/a"}]"#),
        "{record}"
    );
}

#[tokio::test]
async fn p9_a_page_may_patch_with_a_condition_and_read_the_tag() {
    let api = Api::start().await;
    let preflight = api
        .request(Method::OPTIONS, "d")
        .header("origin", "http://localhost:5173")
        .header("access-control-request-method", "PATCH")
        .header(
            "access-control-request-headers",
            "content-type,if-match,if-none-match",
        );
    let answer = send(preflight).await;
    assert!(header(&answer, "access-control-allow-methods").contains("PATCH"));
    for name in ["if-match", "if-none-match"] {
        assert!(header(&answer, "access-control-allow-headers").contains(name));
    }
    let page = api
        .patch("d", MERGE, "{}")
        .header("origin", "http://localhost:5173");
    assert!(header(&send(page).await, "access-control-expose-headers").contains("etag"));
}

#[tokio::test]
async fn h11_where_documents_fill_their_share_messages_are_published_all_the_same() {
    let limits = Limits {
        memory_bytes_max: 2_000_000,
        ..Limits::default()
    };
    let api = Api {
        hub: hub_with(limits).await,
        client: reqwest::Client::new(),
    };
    let publish = || {
        let request = api.request(Method::POST, "known");
        let request = request.header("content-type", "application/json");
        send(request.body("1"))
    };
    assert_eq!(publish().await.status(), 200);
    let grown = format!("{{\"a\":[{}]}}", vec!["{}"; 5_000].join(","));
    let mut taken = 0;
    let refused = loop {
        let response = send(api.patch(&format!("full/{taken}"), MERGE, &*grown)).await;
        if response.status() != 200 {
            break response;
        }
        taken += 1;
        assert!(taken < 100, "documents never fill their share");
    };
    assert_eq!(refused.status(), 503);
    assert_eq!(body(refused).await["code"], "busy");
    let shrunk = api.patch("full/0", MERGE, r#"{"a":null}"#);
    for response in [publish().await, publish().await, send(shrunk).await] {
        assert_eq!(response.status(), 200);
    }
}
