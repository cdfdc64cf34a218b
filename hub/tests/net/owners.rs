//! H13, H14 over real sockets and posts: what clients show of themselves, and how the wrong one is sent away.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::client::{Client, hub};
use crate::http::{PAGE, ask, post, problem, send};

fn token(subject: &str) -> String {
    let claims = format!(r#"{{"sub":"{subject}"}}"#);
    format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test]
async fn h14_a_socket_with_rows_of_another_subject_is_closed_and_the_rows_wait_for_theirs() {
    let hub = hub().await;
    let hello = |subject| format!("hello 1 token={}", token(subject));
    let mut first = Client::open(hub.address()).await;
    first.send(&hello("a")).await;
    assert!(first.record().await.starts_with("welcome "));
    assert!(first.ask("pub p 1 0 t 1").await.starts_with("ack p 1 "));
    let mut other = Client::open(hub.address()).await;
    other.send(&hello("b")).await;
    other.send("pub p 2 1 t 2").await;
    let (code, reason) = other.close().await;
    assert_eq!(code, 4401);
    assert!(reason.starts_with("unauthorized "), "{reason}");
    assert!(first.ask("pub p 2 1 t 2").await.ends_with(" 2 0"));
    first.send(&format!("auth {}", token("b"))).await;
    first.send("pub p 3 2 t 3").await;
    assert_eq!(first.close().await.0, 4401);
}

#[tokio::test]
async fn h14_a_post_with_rows_of_another_subject_is_401_and_a_page_may_read_it() {
    let hub = hub().await;
    let publish = |record: &str, bearer: Option<String>| {
        let request = post(hub.address(), "publish", format!("hello 1\n{record}"));
        let request = request.header("origin", PAGE);
        bearer.into_iter().fold(request, |request, bearer| {
            request.header("authorization", bearer)
        })
    };
    let of = |subject| Some(format!("Bearer {}", token(subject)));
    let first = send(publish("pub p 1 0 t 1", of("a"))).await;
    assert_eq!(first.status(), 200);
    let basic = Some(format!("Basic {}", token("a")));
    for bearer in [of("b"), None, Some("Bearer".into()), basic] {
        let refused = send(publish("pub p 2 1 t 2", bearer)).await;
        assert_eq!(refused.headers()["access-control-allow-origin"], PAGE);
        assert_eq!(refused.headers()["www-authenticate"], "Bearer");
        assert_eq!(problem(refused).await, (401, "unauthorized".into()));
    }
    let case = Some(format!("bearer {}", token("a")));
    let again = send(publish("pub p 2 1 t 2", case)).await;
    assert_eq!(again.status(), 200);
    let unowned = ask(hub.address(), "publish", "hello 1\npub q 1 0 t 1").await;
    assert!(unowned[0].ends_with(" 3 0"), "{unowned:?}");
}
