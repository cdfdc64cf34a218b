//! F27: the memory that the hub counts, compared with an allocator that counts everything.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "an allocator is unsafe to write; a test fails by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use longhaul::wire::Kind;
use longhaul_hub::core::{ConnId, Effect, Event, Expected, Hub, Limits, Now, Offer, Time};

/// The system's allocator. It counts the bytes of each thread, with the overhead of glibc.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

fn given(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

// SAFETY: it calls the system's allocator, and updates a number without an allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(given(layout)));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(given(layout)));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Measured {
    hub: Hub,
    now: Now,
    effects: Vec<Effect>,
    held: usize,
    counted: usize,
}

impl Measured {
    fn new() -> Self {
        let limits = Limits {
            memory_bytes_max: usize::MAX,
            ..Limits::default()
        };
        let mut hub = Hub::new(limits, 7);
        let now = Now {
            time: Time(1_000),
            wall_ms: 1_700_000_000_000,
        };
        let mut effects = Vec::with_capacity(100_000);
        hub.handle(now, Event::Opened(ConnId(1)), &mut effects);
        hub.handle(now, Event::Frame(ConnId(1), "hello 1"), &mut effects);
        // The first topic needs more than each further one.
        hub.publish(now, "first", None, "1", &mut effects).unwrap();
        let (held, counted) = (HELD.get(), hub.memory_bytes());
        Self {
            hub,
            now,
            effects,
            held,
            counted,
        }
    }

    fn send(&mut self, frame: &str) {
        self.hub
            .handle(self.now, Event::Frame(ConnId(1), frame), &mut self.effects);
        while self.hub.take_frame(self.now, ConnId(1), 65_536).is_some() {}
        self.effects.clear();
    }

    fn change(&mut self, topic: &str, kind: Kind, payload: &str) {
        let offer = Offer {
            kind,
            key: None,
            payload,
            expected: &Expected::Anything,
        };
        self.hub
            .offer(self.now, topic, &offer, &mut self.effects)
            .unwrap();
        self.effects.clear();
    }

    /// Time in which entries are forgotten.
    fn forget_entries(&mut self) {
        self.now.time = self.now.time.plus(400_000);
        self.hub.handle(self.now, Event::Tick, &mut self.effects);
        self.effects.clear();
    }

    /// The hub counts at least the real memory, and at most `times` as much.
    #[track_caller]
    fn check(&self, what: &str, times: usize) {
        let held = HELD.get() - self.held;
        let counted = self.hub.memory_bytes() - self.counted;
        assert!(
            held <= counted && counted <= times * held,
            "{what}: {held} bytes are held, {counted} are counted"
        );
    }
}

/// A document of about 300,000 bytes whose elements are all the same.
fn many(element: &str) -> Vec<String> {
    let count = 50_000 / (element.len() + 1);
    let values = vec![element; count].join(",");
    (0..6)
        .map(|part| format!("{{\"part{part}\":[{values}]}}"))
        .collect()
}

#[test]
fn f27_a_documents_memory_is_counted_whatever_it_is_made_of() {
    for element in [
        "0",
        "0.5",
        "true",
        "\"\"",
        "\"ab\"",
        "[]",
        "[0]",
        "[[0]]",
        "{}",
        "{\"a\":0}",
        "{\"a\":{}}",
        "{\"id\":1,\"name\":\"Ada\",\"tags\":[\"x\",\"y\"]}",
    ] {
        let mut m = Measured::new();
        for merge in many(element) {
            m.change("d", Kind::Merge, &merge);
        }
        m.forget_entries();
        m.check(element, 3);
    }
}

#[test]
fn f27_nested_values_long_texts_and_large_objects_are_counted() {
    let mut m = Measured::new();
    for part in 0..200 {
        let deep = format!("{}0{}", "[".repeat(120), "]".repeat(120));
        m.change("d", Kind::Merge, &format!("{{\"deep{part}\":{deep}}}"));
    }
    m.forget_entries();
    m.check("deep", 3);
    let mut m = Measured::new();
    for part in 0..10 {
        let text = "x".repeat(60_000);
        m.change("d", Kind::Merge, &format!("{{\"text{part}\":\"{text}\"}}"));
    }
    m.forget_entries();
    m.check("texts", 2);
    let mut m = Measured::new();
    for part in 0..20 {
        let members: Vec<String> = (0..1_000)
            .map(|key| format!("\"key {part}/{key}\":{key}"))
            .collect();
        m.change("d", Kind::Merge, &format!("{{{}}}", members.join(",")));
    }
    m.forget_entries();
    m.check("members", 3);
}

#[test]
fn f27_patches_that_put_in_and_take_out_leave_the_count_true() {
    let mut m = Measured::new();
    m.change("d", Kind::Merge, "{\"list\":[],\"map\":{}}");
    for n in 0..3_000 {
        let add = format!(
            "[{{\"op\":\"add\",\"path\":\"/list/{}\",\"value\":[{n}]}},{{\"op\":\"add\",\"path\":\"/map/k{}\",\"value\":{{\"n\":{n}}}}}]",
            n / 3,
            n % 700
        );
        m.change("d", Kind::Patch, &add);
    }
    m.forget_entries();
    m.check("after additions", 3);
    for _ in 0..2_990 {
        m.change(
            "d",
            Kind::Patch,
            "[{\"op\":\"remove\",\"path\":\"/list/0\"}]",
        );
    }
    m.change("d", Kind::Merge, "{\"map\":null}");
    m.forget_entries();
    m.check("after removals", 3);
}

#[test]
fn f27_the_text_that_followers_have_asked_for_is_counted() {
    let text = "x".repeat(60_000);
    let mut m = Measured::new();
    for part in 0..10 {
        m.change("d", Kind::Merge, &format!("{{\"text{part}\":\"{text}\"}}"));
    }
    m.forget_entries();
    let before = m.hub.memory_bytes();
    m.send("sub 1 d live as=document");
    assert!(m.hub.memory_bytes() > before + 600_000);
    m.check("snapshot", 2);
}

#[test]
fn f27_subscriptions_are_counted_alone_among_many_behind_and_with_their_outboxes() {
    let mut m = Measured::new();
    for part in 0..16 {
        let subs: Vec<String> = (part * 1_000..(part + 1) * 1_000)
            .map(|no| format!("sub {no} alone/{no} live"))
            .collect();
        m.send(&subs.join("\n"));
    }
    m.check("alone", 3);
    let mut m = Measured::new();
    for part in 0..16 {
        let subs: Vec<String> = (part * 1_000..(part + 1) * 1_000)
            .map(|no| {
                format!(
                    "sub {no} shared live as=document producer={}",
                    "p".repeat(100)
                )
            })
            .collect();
        m.send(&subs.join("\n"));
    }
    m.check("shared, with outboxes", 4);
    m.change("shared", Kind::Merge, "{}");
    m.check("behind", 4);
    m.hub
        .handle(m.now, Event::Closed(ConnId(1)), &mut m.effects);
    assert!(
        m.hub.memory_bytes() - m.counted < 3_000,
        "all is given back"
    );
}

#[test]
fn f27_messages_topics_outboxes_and_keys_are_counted() {
    let mut m = Measured::new();
    for n in 0..20_000 {
        m.send(&format!("pub p{n} 1 0 topic/{} {n}", n % 5_000));
    }
    m.check("outboxes", 3);
    let mut m = Measured::new();
    for n in 1..=1_000 {
        m.send(&format!("pub p {n} {} t {n}", n - 1));
    }
    m.check("messages", 3);
    let mut m = Measured::new();
    for n in 0..5_000 {
        let key = format!("key:{n}");
        m.hub
            .publish(m.now, "t", Some(&key), "1", &mut m.effects)
            .unwrap();
    }
    m.effects.clear();
    m.check("keys", 3);
}

#[test]
fn f27_the_memory_of_subscriptions_and_of_documents_is_bounded() {
    let limits = Limits {
        subscriptions_memory_bytes_max: 4_000,
        memory_bytes_max: 2_000_000,
        ..Limits::default()
    };
    let mut m = Measured::new();
    m.hub = Hub::new(limits, 7);
    m.hub
        .handle(m.now, Event::Opened(ConnId(1)), &mut m.effects);
    let subs: Vec<String> = (0..20).map(|no| format!("sub {no} t{no} live")).collect();
    let frame = format!("hello 1\n{}\nsub 0 t0 live", subs.join("\n"));
    m.hub
        .handle(m.now, Event::Frame(ConnId(1), &frame), &mut m.effects);
    let answers = m.hub.take_frame(m.now, ConnId(1), 65_536).unwrap();
    assert_eq!(
        answers.matches("subscribed ").count(),
        11,
        "one of them moved"
    );
    assert_eq!(
        answers
            .matches(" busy the hub has too many subscriptions")
            .count(),
        10
    );

    let mut taken = 0;
    let fault = loop {
        let offer = Offer {
            kind: Kind::Merge,
            key: None,
            payload: &format!("{{\"a\":[{}0]}}", "[0],".repeat(2_000)),
            expected: &Expected::Anything,
        };
        match m
            .hub
            .offer(m.now, &format!("d{taken}"), &offer, &mut m.effects)
        {
            Ok(_) => taken += 1,
            Err(fault) => break fault,
        }
        assert!(taken < 100, "it is never full");
    };
    assert_eq!(fault, longhaul_hub::core::PublishFault::Busy);
    assert!(m.hub.memory_bytes() < 2_500_000);
}
