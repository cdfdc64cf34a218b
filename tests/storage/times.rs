//! The time to live of stored rows, by the hub's clock and by the machine's.

use super::*;

#[test]
fn s15_rows_say_until_when_they_count_by_the_hubs_clock_however_late_it_is_known() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.settle(&mut storage);
    // The machine's clock is 1,763,778,200,000 ms behind the hub's, and no client knows that yet.
    tab.act(|rig| rig.publish_with("t", Some(5_000), None));
    tab.settle(&mut storage);
    tab.rig.now = tab.rig.now.plus(1_000);
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    let effects = tab.settle(&mut storage);
    let heads: Vec<&String> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::SendPublication { head, .. } => Some(head),
            _ => None,
        })
        .collect();
    let tag = storage.rows().next().unwrap().row.tag;
    let expected = format!("until 1763779204000 tag={tag}\npub p1 1 0 t ");
    assert_eq!(heads, [&expected]);
}

/// Returns the end of the time to live of each row that goes out.
fn untils(effects: &[Effect]) -> Vec<u64> {
    let heads = effects.iter().filter_map(|effect| match effect {
        Effect::SendPublication { head, .. } => head.strip_prefix("until "),
        _ => None,
    });
    heads
        .map(|head| head.split_whitespace().next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn f10_the_machines_clock_takes_no_time_from_a_row_saved_before_the_first_welcome() {
    let hub_ms = 1_763_779_200_000;
    let mut storage = Storage::default();
    let mut left = Tab::new();
    left.act(|rig| rig.publish_with("t", Some(5_000), None));
    left.settle(&mut storage);
    // The next page counts from its load of the row, whatever the machine's clock shows.
    let mut tab = Tab::new();
    tab.rig.now = tab.rig.now.plus(10 * 86_400_000);
    tab.settle(&mut storage);
    tab.rig.now = tab.rig.now.plus(2_000);
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    let mut effects = tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    effects.extend(tab.settle(&mut storage));
    assert_eq!(untils(&effects), [hub_ms + 3_000]);
    // Storage had the end of the time to live before the row was sent, so the next page can't
    // extend it.
    let until = storage.rows().next().unwrap().row.until;
    assert_eq!(until, longhaul::Until::Hub(hub_ms + 3_000));
}

#[test]
fn f10_a_row_is_sent_once_storage_knows_its_time_or_is_full() {
    let mut storage = Storage::default();
    let mut tab = Tab::new();
    tab.publish("t", None);
    tab.settle(&mut storage);
    let connection = ConnectionId(1);
    tab.act(|rig| rig.handle(Event::Opened { connection }));
    tab.act(|rig| rig.record(connection, "welcome s1 1763779200000"));
    tab.act(|rig| rig.handle(Event::Leader { is_granted: true }));
    let query = tab.asked.take().unwrap();
    let (answer, _) = storage.answer(&query, "p1", |_| String::new());
    assert_eq!(sent(&tab.answered(answer)), [""; 0]);
    let Some(StoreRequest::Commit(batch)) = &tab.asked else {
        panic!("{:?}", tab.asked);
    };
    assert!(batch.updates[0].counts_from_ms.is_some());
    let effects = tab.answered(StoreAnswer::Failed(StoreFault::Full));
    assert_eq!(sent(&effects), ["pub 1 0 t"]);
}
