//! Publications that the hub does not take yet.

use super::*;

/// The rows that go out, as the hub sees them.
fn published(effect: &Effect) -> Option<(String, u64)> {
    let Effect::SendPublication { head, .. } = effect else {
        return None;
    };
    let mut words = head.lines().last()?.split(' ').skip(1);
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

fn with_rows(rows: usize) -> (Rig, Vec<Effect>) {
    let (mut rig, _) = Rig::connected();
    let first = (0..rows).flat_map(|_| rig.publish("a")).collect();
    (rig, first)
}

fn nack(rig: &mut Rig, effect: &Effect, code: &str) -> Vec<Effect> {
    let Some((producer, n)) = published(effect) else {
        return Vec::new();
    };
    rig.record(C1, &format!("nack {producer} {n} {code} no"))
}

#[test]
fn f22_what_is_out_of_order_each_time_is_sent_ever_more_rarely() {
    let (mut rig, first) = with_rows(1);
    let times = requests(&mut rig, first, |rig, effect, _| {
        nack(rig, effect, "out_of_order")
    });
    are_rare(&times);
    is_visible(&rig);
}

#[test]
fn f23_a_full_hub_gets_one_row_at_a_time_ever_more_rarely() {
    let (mut rig, first) = with_rows(256);
    let times = requests(&mut rig, first, |rig, effect, _| nack(rig, effect, "busy"));
    let later = times.len() - 256;
    assert!(
        (5..=REQUESTS_MAX).contains(&later),
        "{later} after the first window"
    );
    let Status::Connected { repeat_at, .. } = rig.client.status() else {
        panic!();
    };
    assert!(repeat_at.unwrap().since(rig.now) <= PAUSE_MS_MAX);
}

#[test]
fn f23_the_window_doubles_with_each_round_trip_that_the_hub_takes() {
    let (mut rig, first) = with_rows(400);
    for effect in &first {
        assert!(
            nack(&mut rig, effect, "busy")
                .iter()
                .all(|it| published(it).is_none())
        );
    }
    let mut window = rig.at_deadline();
    let mut sizes = Vec::new();
    loop {
        let rows: Vec<_> = window.iter().filter_map(published).collect();
        if rows.is_empty() || sizes.len() > 20 {
            break;
        }
        sizes.push(rows.len());
        window = rows
            .iter()
            .flat_map(|(producer, n)| rig.record(C1, &format!("ack {producer} {n} {EPOCH} {n} 0")))
            .collect();
    }
    assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 128, 145]);
    assert_eq!(rig.client.outbox_rows(), 0);
}

#[test]
fn f23_a_topic_that_is_busy_for_ever_does_not_hold_up_the_others() {
    let (mut rig, mut first) = with_rows(5);
    first.extend(
        (0..2_000)
            .flat_map(|_| rig.publish("b"))
            .collect::<Vec<_>>(),
    );
    let mut done = None;
    requests(&mut rig, first, |rig, effect, records| {
        if records.contains(" a ") {
            return nack(rig, effect, "busy");
        }
        let Some((producer, n)) = published(effect) else {
            return Vec::new();
        };
        let effects = rig.record(C1, &format!("ack {producer} {n} {EPOCH} {n} 0"));
        if rig.client.outbox_rows() == 5 {
            done.get_or_insert(rig.now);
        }
        effects
    });
    let took_ms = done.unwrap().since(Time(1_000_000));
    assert!(took_ms < 60_000, "{took_ms}");
}

#[test]
fn f23_a_new_connection_is_tried_with_one_row() {
    let (mut rig, first) = with_rows(100);
    for effect in &first {
        nack(&mut rig, effect, "busy");
    }
    rig.lose(C1, 1006);
    rig.at_deadline();
    let connection = C1.next();
    rig.handle(Event::Opened { connection });
    let effects = rig.record(connection, "welcome s1 1");
    assert_eq!(effects.iter().filter_map(published).count(), 1);
}
