//! H13, H14 over real sockets and posts: tokens of clients, and the refusal of other subjects.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::client::{Client, hub};
use crate::http::{ask, post, send};

fn token(subject: &str) -> String {
    let claims = format!(r#"{{"sub":"{subject}"}}"#);
    format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test]
async fn f33_h14_a_socket_with_rows_of_another_subject_goes_on_and_the_rows_wait_for_theirs() {
    let hub = hub().await;
    let hello = |subject| format!("hello 1 token={}", token(subject));
    let mut first = Client::open(hub.address()).await;
    first.send(&hello("a")).await;
    assert!(first.record().await.starts_with("welcome "));
    assert!(first.ask("pub p 1 0 t 1").await.starts_with("ack p 1 "));
    let mut other = Client::open(hub.address()).await;
    other.send(&hello("b")).await;
    assert!(other.record().await.starts_with("welcome "));
    let refused = "nack p 2 not_owner ";
    assert!(other.ask("pub p 2 1 t 2").await.starts_with(refused));
    assert_eq!(other.ask("ping 7").await, "pong 7");
    assert!(first.ask("pub p 2 1 t 2").await.ends_with(" 2 0"));
}

#[tokio::test]
async fn f33_h14_a_post_with_rows_of_another_subject_gets_a_nack_for_each() {
    let hub = hub().await;
    let publish = |record: &str, bearer: Option<String>| {
        let request = post(hub.address(), "publish", format!("hello 1\n{record}"));
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
        assert_eq!(refused.status(), 200);
        let answer = refused.text().await.unwrap();
        assert!(answer.starts_with("nack p 2 not_owner "), "{answer}");
    }
    let case = Some(format!("bearer {}", token("a")));
    let again = send(publish("pub p 2 1 t 2", case)).await;
    assert!(again.text().await.unwrap().ends_with(" 2 0"));
    let unowned = ask(hub.address(), "publish", "hello 1\npub q 1 0 t 1").await;
    assert!(unowned[0].ends_with(" 3 0"), "{unowned:?}");
}
