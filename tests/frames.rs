//! The golden frames of tests/fixtures/frames.json, which TypeScript reads as well: rules W3 to W7,
//! C1 to C6, C10, C11, H1 to H9, R2, R3.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use longhaul::ids::{Cursor, Epoch, From, NUMBER_MAX, RowNo};
use longhaul::wire::push_epoch;
use longhaul::wire::{
    Body, DecodeError, DocumentRecord, Parts, Skip, Start, ToClient, ToHub, View, records,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn golden() -> Value {
    serde_json::from_str(include_str!("fixtures/frames.json")).unwrap()
}

fn each(table: &str, check: impl Fn(&str, &Value)) {
    let golden = golden();
    let rows = golden[table].as_array().unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        check(row["record"].as_str().unwrap(), row);
    }
}

#[test]
fn every_golden_record_to_the_hub_means_what_it_says_and_is_written_the_same() {
    each("toHub", |record, row| {
        let decoded = ToHub::decode(record).unwrap();
        assert_eq!(to_hub_meaning(&decoded), row["means"], "{record}");
        let mut frame = String::new();
        decoded.encode(&mut frame);
        assert_eq!(frame, record);
    });
}

#[test]
fn every_golden_record_to_a_client_means_what_it_says_and_is_written_the_same() {
    each("toClient", |record, row| {
        let decoded = ToClient::decode(record).unwrap();
        assert_eq!(to_client_meaning(&decoded), row["means"], "{record}");
        let mut frame = String::new();
        decoded.encode(&mut frame);
        assert_eq!(frame, record);
    });
}

#[test]
fn every_golden_record_of_a_document_means_what_it_says_and_is_written_the_same() {
    each("toFollower", |record, row| {
        let decoded = DocumentRecord::decode(record).unwrap();
        assert_eq!(document_meaning(&decoded), row["means"], "{record}");
        let mut frame = String::new();
        decoded.encode(&mut frame);
        assert_eq!(frame, record);
    });
}

#[test]
fn every_bad_record_is_refused_by_the_name_of_its_fault() {
    let check = |error: Option<DecodeError>, record: &str, row: &Value| {
        let error = error.map(|error| error.to_string());
        assert_eq!(error.as_deref(), row["error"].as_str(), "{record}");
    };
    each("badToHub", |record, row| {
        check(ToHub::decode(record).err(), record, row);
    });
    each("badToClient", |record, row| {
        check(ToClient::decode(record).err(), record, row);
    });
    each("badToFollower", |record, row| {
        check(DocumentRecord::decode(record).err(), record, row);
    });
}

#[test]
fn w9_golden_parts_make_their_records_and_bad_ones_are_refused() {
    let whole = |row: &Value| {
        let mut parts = Parts::default();
        let mut whole = Vec::new();
        for record in row["records"].as_array().unwrap() {
            let frame = parts.frame(record.as_str().unwrap())?;
            whole.extend((!frame.is_empty()).then_some(frame));
        }
        Ok::<_, DecodeError>(whole)
    };
    let golden = golden();
    for row in golden["parts"].as_array().unwrap() {
        assert_eq!(json!(whole(row).unwrap()), row["whole"], "{row}");
    }
    for row in golden["badParts"].as_array().unwrap() {
        assert_eq!(whole(row).unwrap_err().field(), row["error"], "{row}");
    }
}

#[test]
fn w2_records_share_a_frame_and_empty_ones_are_ignored() {
    let mut frame = String::new();
    ToHub::Ping { t: 1 }.encode(&mut frame);
    ToHub::Pong { t: 2 }.encode(&mut frame);
    assert_eq!(frame, "ping 1\npong 2");
    assert_eq!(
        records("\nping 1\n\npong 2\n").collect::<Vec<_>>(),
        ["ping 1", "pong 2"]
    );
}

#[test]
fn w3_unknown_options_are_ignored_and_known_ones_come_in_any_order() {
    let ToHub::Hello { session, token, .. } =
        ToHub::decode("hello 1 later=thing token=t session=s").unwrap()
    else {
        panic!("a hello");
    };
    assert_eq!((session, token), (Some("s"), Some("t")));
}

proptest! {
    #[test]
    fn no_text_makes_the_codec_panic(text in "\\PC{0,60}", verb in 0_usize..21) {
        let verbs = ["hello", "auth", "sub", "unsub", "pub", "ping", "m", "b", "ack", "nack", "welcome", "subscribed", "refused", "spread", "patch", "merge", "snapshot", "checkpoint", "until", "skip", "part"];
        let record = format!("{} {text}", verbs[verb]);
        for record in [text.as_str(), &record] {
            drop(ToHub::decode(record));
            drop(ToClient::decode(record));
            let _ = DocumentRecord::decode(record);
        }
    }

    #[test]
    fn c10_c11_what_limits_and_gives_up_publications_is_read_as_it_was_written(
        producer in "[A-Za-z0-9_.~:+/=-]{2,100}", topic in "[a-z0-9~][a-z0-9~.]{0,8}(/[A-Z_-]{1,9}){0,9}",
        n in 1..=NUMBER_MAX, prev in 0..=NUMBER_MAX, ms in 0..=NUMBER_MAX,
    ) {
        let skip = Skip { producer: &producer, n: RowNo(n), prev: RowNo(prev), topic: &topic };
        let written = [ToHub::Until { ms, tag: None }, ToHub::Skip(skip)];
        let mut frame = String::new();
        for record in &written {
            record.encode(&mut frame);
        }
        let read: Result<Vec<_>, _> = records(&frame).map(ToHub::decode).collect();
        prop_assert_eq!(read.as_deref(), Ok(written.as_slice()));
    }

    #[test]
    fn a_truncated_record_is_read_as_no_more_than_is_there(cut in 0_usize..60) {
        let golden = golden();
        for row in golden["toClient"].as_array().unwrap() {
            let record = row["record"].as_str().unwrap();
            if let Some(cut) = record.get(..cut).filter(|cut| cut.len() < record.len())
                && let Ok(decoded) = ToClient::decode(cut) {
                let mut again = String::new();
                decoded.encode(&mut again);
                prop_assert!(cut.starts_with(&again), "{cut:?} was read as {again:?}");
            }
        }
    }
}

fn hex(epoch: Epoch) -> String {
    let mut text = String::new();
    push_epoch(&mut text, epoch);
    text
}

fn cursor(cursor: &Cursor) -> Value {
    json!({ "epoch": hex(cursor.epoch), "seq": cursor.seq.0, "chain": cursor.chain.0 })
}

fn present<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn to_hub_meaning(record: &ToHub<'_>) -> Value {
    match record {
        ToHub::Hello {
            version,
            client,
            session,
            token,
            hold_ms,
        } => json!({ "hello": present([
            ("version", Some(json!(version))),
            ("client", client.map(Value::from)),
            ("session", session.map(Value::from)),
            ("token", token.map(Value::from)),
            ("hold", hold_ms.map(Value::from)),
        ]) }),
        ToHub::Auth { token } => json!({ "auth": { "token": token } }),
        ToHub::Subscribe {
            no,
            topic,
            from,
            view,
        } => {
            let from = match from {
                From::Live => json!("live"),
                From::Start => json!("start"),
                From::Seq(seq) => json!(seq.0),
                From::After(after) => cursor(after),
            };
            let (view, producer) = match view {
                View::Messages => (None, None),
                View::Document { producer } => (Some("document"), *producer),
            };
            json!({ "sub": present([
                ("no", Some(json!(no.0))),
                ("topic", Some(json!(topic))),
                ("from", Some(from)),
                ("as", view.map(Value::from)),
                ("producer", producer.map(Value::from)),
            ]) })
        }
        ToHub::Unsubscribe { no } => json!({ "unsub": { "no": no.0 } }),
        ToHub::Publish(p) => json!({ p.kind.verb(): {
            "producer": p.producer, "n": p.n.0, "prev": p.prev.0, "topic": p.topic, "payload": p.payload,
        } }),
        ToHub::Until { ms, tag: None } => json!({ "until": { "ms": ms } }),
        ToHub::Until { ms, tag } => json!({ "until": { "ms": ms, "tag": tag } }),
        ToHub::Skip(s) => json!({ "skip": {
            "producer": s.producer, "n": s.n.0, "prev": s.prev.0, "topic": s.topic,
        } }),
        ToHub::Ping { t } => json!({ "ping": { "t": t } }),
        ToHub::Pong { t } => json!({ "pong": { "t": t } }),
    }
}

fn to_client_meaning(record: &ToClient<'_>) -> Value {
    match record {
        ToClient::Welcome(w) => json!({ "welcome": present([
            ("session", Some(json!(w.session))),
            ("now", Some(json!(w.now))),
            ("ping", w.ping_ms.map(Value::from)),
            ("wait", w.wait_ms.map(Value::from)),
            ("frame", w.frame_bytes_max.map(Value::from)),
            ("payload", w.payload_bytes_max.map(Value::from)),
            ("hold", w.hold_ms.map(Value::from)),
            ("transports", w.transports.map(Value::from)),
            ("spread", w.spread_ms.map(Value::from)),
        ]) }),
        ToClient::Subscribed(start) => json!({ "subscribed": start_meaning(start, None) }),
        ToClient::ResumeFailed { reason, start } => {
            json!({ "resume_failed": start_meaning(start, Some(reason.as_str())) })
        }
        ToClient::Refused { no, code, message } => {
            json!({ "refused": { "no": no.0, "code": code, "message": message } })
        }
        ToClient::Messages(m) => match m.body {
            Body::One { id, payload } => json!({ "m": {
                "no": m.no.0, "seq": m.first.0, "chain": m.chain.0, "at": m.at, "id": id,
                "payload": serde_json::from_str::<Value>(payload).unwrap(),
            } }),
            Body::Batch { count, array } => json!({ "b": {
                "no": m.no.0, "seq": m.first.0, "count": count, "chain": m.chain.0, "at": m.at,
                "array": serde_json::from_str::<Value>(array).unwrap(),
            } }),
        },
        ToClient::Ack {
            producer,
            n,
            epoch,
            seq,
            duplicate,
        } => json!({ "ack": {
            "producer": producer, "n": n.0, "epoch": hex(*epoch), "seq": seq.0, "duplicate": duplicate,
        } }),
        ToClient::Nack {
            producer,
            n,
            code,
            message,
        } => {
            json!({ "nack": { "producer": producer, "n": n.0, "code": code, "message": message } })
        }
        ToClient::Ping { t } => json!({ "ping": { "t": t } }),
        ToClient::Pong { t } => json!({ "pong": { "t": t } }),
        ToClient::Close { code, reason } => json!({ "close": { "code": code, "reason": reason } }),
        ToClient::Ticket { ticket, ms } => json!({ "ticket": { "ticket": ticket, "ms": ms } }),
        ToClient::Spread { ms } => json!({ "spread": { "ms": ms } }),
        ToClient::Part { index, left, text } => {
            json!({ "part": { "index": index, "left": left, "text": text } })
        }
    }
}

fn document_meaning(record: &DocumentRecord<'_>) -> Value {
    match record {
        DocumentRecord::Snapshot {
            no,
            seq,
            chain,
            last,
            value,
        } => json!({ "snapshot": {
            "no": no.0, "seq": seq.0, "chain": chain.0, "last": last.0,
            "value": serde_json::from_str::<Value>(value).unwrap(),
        } }),
        DocumentRecord::Change {
            no,
            seq,
            chain,
            at,
            id,
            kind,
            payload,
        } => json!({ kind.verb(): {
            "no": no.0, "seq": seq.0, "chain": chain.0, "at": at, "id": id,
            "payload": serde_json::from_str::<Value>(payload).unwrap(),
        } }),
        DocumentRecord::Checkpoint { no, seq, hash } => {
            json!({ "checkpoint": { "no": no.0, "seq": seq.0, "hash": hash } })
        }
    }
}

fn start_meaning(start: &Start, reason: Option<&str>) -> Value {
    let mut meaning = cursor(&start.after);
    meaning["no"] = json!(start.no.0);
    meaning["head"] = json!(start.head.0);
    if let Some(reason) = reason {
        meaning["reason"] = json!(reason);
    }
    meaning
}
