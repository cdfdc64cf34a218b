//! Tests an outbox that was copied together with its producer: both copies assign the same numbers
//! to different publications (rule H8).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/tab.rs"]
mod tab;

use longhaul::ids::{ConnectionId, RowNo};
use longhaul::{Effect, Event, StoreAnswer, StoreFault, StoreRequest, TabMessage};
use tab::{Storage, Tab, acked, queued, sent, settled};

/// Returns a leader with this many publications to one topic on their way.
fn sending(storage: &mut Storage, rows: u32) -> (Tab, ConnectionId) {
    let (mut tab, connection) = Tab::sender(storage);
    for _ in 0..rows {
        tab.publish("t", None);
        tab.settle(storage);
    }
    (tab, connection)
}

fn nack(tab: &mut Tab, connection: ConnectionId, n: u64, code: &str) -> Vec<Effect> {
    tab.act(|rig| rig.record(connection, &format!("nack p1 {n} {code} words")))
}

/// Lets storage answer, under any producer.
fn records(effects: &[Effect]) -> Vec<&str> {
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.lines().last(),
        _ => None,
    });
    heads.map(str::trim_end).collect()
}

#[test]
fn f17_a_row_carries_the_tag_of_its_call() {
    let mut storage = Storage::default();
    let (mut tab, _) = sending(&mut storage, 0);
    tab.publish("t", None);
    let effects = tab.settle(&mut storage);
    let tag = storage.rows().next().unwrap().row.tag;
    let until = effects.iter().find_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.lines().next(),
        _ => None,
    });
    assert!(
        until.unwrap().ends_with(&format!(" tag={tag}")),
        "{until:?}"
    );
    // Every client that finds the row sees the same tag.
    let (mut next, connection) = Tab::sender(&mut storage);
    next.act(|rig| rig.lose(connection, 1006));
    next.settle(&mut storage);
    assert_eq!(storage.rows().next().unwrap().row.tag, tag);
}

#[test]
fn f17_rows_with_conflicting_numbers_go_out_under_another_producer() {
    let mut storage = Storage::default();
    let (mut tab, connection) = sending(&mut storage, 3);
    assert_eq!(nack(&mut tab, connection, 1, "id_conflict"), []);
    // Rows that were sent under the old producer get their verdicts first, and new rows wait.
    tab.publish("t", None);
    assert_eq!(sent(&tab.settle(&mut storage)), [""; 0]);
    assert_eq!(tab.rig.client.producer(), "p1");
    assert_eq!(settled(&tab.ack(connection, 2)), [(2, "acked".to_owned())]);
    let mut effects = nack(&mut tab, connection, 3, "id_conflict");
    effects.extend(tab.settle(&mut storage));
    let name = tab.rig.client.producer().to_owned();
    assert_ne!(name, "p1");
    let expected = [
        format!("pub {name} 1 0 t"),
        format!("pub {name} 3 1 t"),
        format!("pub {name} 4 3 t"),
    ];
    assert_eq!(records(&effects), expected);
    assert!(effects.contains(&Effect::SendTabMessage {
        producer: "p1".to_owned(),
        tab_message: TabMessage::Renamed {
            producer: name.clone()
        },
    }));
    let ack = format!("ack {name} 1 {} 9 0", common::EPOCH);
    let effects = tab.act(|rig| rig.record(connection, &ack));
    assert_eq!(settled(&effects), [(1, "acked".to_owned())]);
    // The next client that opens storage gets the new producer.
    let (next, _) = Tab::sender(&mut storage);
    assert_eq!(next.rig.client.producer(), name);
}

#[test]
fn f17_a_row_that_was_never_sent_before_and_is_forgotten_is_no_dead_letter() {
    let mut storage = Storage::default();
    let (mut tab, connection) = sending(&mut storage, 1);
    let mut effects = nack(&mut tab, connection, 1, "id_forgotten");
    effects.extend(tab.settle(&mut storage));
    assert_eq!(settled(&effects), []);
    assert_eq!(records(&effects).len(), 1);
}

#[test]
fn f17_a_row_that_was_sent_before_and_is_forgotten_may_have_taken_effect() {
    let mut storage = Storage::default();
    let (mut tab, connection) = sending(&mut storage, 1);
    tab.act(|rig| rig.lose(connection, 1006));
    tab.settle(&mut storage);
    tab.act(common::Rig::at_deadline);
    let connection = ConnectionId(2);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    tab.settle(&mut storage);
    let effects = nack(&mut tab, connection, 1, "id_forgotten");
    assert_eq!(settled(&effects), [(1, "id_forgotten".to_owned())]);
}

#[test]
fn f17_a_hub_that_finds_conflicts_for_ever_does_not_keep_the_client_busy() {
    let mut storage = Storage::default();
    let (mut tab, connection) = sending(&mut storage, 1);
    nack(&mut tab, connection, 1, "id_conflict");
    tab.settle(&mut storage);
    let name = tab.rig.client.producer().to_owned();
    let again = format!("nack {name} 1 id_conflict words");
    let effects = tab.act(|rig| rig.record(connection, &again));
    assert_eq!(settled(&effects), [(1, "id_conflict".to_owned())]);
}

#[test]
fn f17_rows_wait_for_their_new_producer_while_the_disk_is_full() {
    let mut storage = Storage::default();
    let (mut tab, connection) = sending(&mut storage, 1);
    nack(&mut tab, connection, 1, "id_conflict");
    assert!(matches!(tab.asked, Some(StoreRequest::Rename { .. })));
    let effects = tab.answered(StoreAnswer::Failed(StoreFault::Full));
    assert_eq!((sent(&effects), settled(&effects)), (vec![], vec![]));
    let mut effects = tab.act(common::Rig::at_deadline);
    effects.extend(tab.settle(&mut storage));
    assert_eq!(records(&effects).len(), 1);
}

#[test]
fn f17_other_tabs_learn_the_producer_by_a_tab_message_a_load_query_or_an_open() {
    for way in ["notice", "look", "open"] {
        let mut storage = Storage::default();
        let mut other = Tab::new();
        other.publish("t", None);
        other.settle(&mut storage);
        let (mut tab, connection) = Tab::sender(&mut storage);
        nack(&mut tab, connection, 1, "id_conflict");
        tab.settle(&mut storage);
        let producer = tab.rig.client.producer().to_owned();
        let mut effects = match way {
            "notice" => {
                let producer = producer.clone();
                other.hear("p1", TabMessage::Renamed { producer })
            }
            "look" => other.act(|rig| rig.handle(Event::Woke)),
            _ => other.act(|rig| rig.handle(Event::StorageEnded)),
        };
        effects.extend(other.settle(&mut storage));
        assert_eq!(other.rig.client.producer(), producer, "{way}");
        assert_eq!(settled(&effects), [], "{way}: its row is not lost");
        effects = other.hear(&producer, acked(1));
        assert_eq!(settled(&effects), [(1, "acked".to_owned())], "{way}");
    }
}

#[test]
fn f17_a_stopped_topic_keeps_no_row_under_a_name_that_is_not_its_own() {
    let mut storage = Storage::default();
    let (mut tab, connection) = Tab::with(true).connected(&mut storage);
    for _ in 0..2 {
        tab.publish("t", None);
        tab.settle(&mut storage);
    }
    let mut effects = nack(&mut tab, connection, 1, "id_conflict");
    effects.extend(tab.settle(&mut storage));
    assert_eq!(records(&effects).len(), 1, "the other follows it");
    assert_eq!(queued(&effects), []);
    assert_eq!(storage.rows().map(|kept| kept.row.n).next(), Some(RowNo(1)));
}

#[test]
fn f33_rows_that_are_somebody_elses_wait_and_nothing_else_does() {
    let mut storage = Storage::default();
    let (mut tab, connection) = sending(&mut storage, 3);
    let effects = nack(&mut tab, connection, 1, "not_owner");
    let told = effects.iter().filter(
        |effect| matches!(effect, Effect::OutboxRefused { code, .. } if code == "not_owner"),
    );
    assert_eq!((told.count(), settled(&effects)), (1, vec![]));
    for n in [2, 3] {
        assert_eq!(nack(&mut tab, connection, n, "not_owner"), [], "told once");
    }
    assert!(tab.rig.client.status() != longhaul::Status::Offline);
    // The client sends one row again after a minute, and all rows after a new token.
    let effects = tab.act(|rig| rig.after(60_000, Event::Deadline));
    assert_eq!(sent(&effects), ["pub 1 0 t"]);
    assert_eq!(nack(&mut tab, connection, 1, "not_owner"), []);
    let (text, lives_ms) = ("e30.e30.", None);
    let effects = tab.act(|rig| rig.handle(Event::Token { text, lives_ms }));
    assert_eq!(sent(&effects), ["pub 1 0 t", "pub 2 1 t", "pub 3 2 t"]);
}
