//! What has become of a value, found by comparing it with what it was.
//!
//! Skips what the two share, so the cost depends on the changes and not on the size.

use std::cmp::Ordering;

use super::object::Entry;
use super::{Array, Commands, Object, Value};
use crate::document::pointer::push_token;

/// Most elements to compare after the first chunk that is not shared. Chosen: a chunk that was
/// split or joined, and the next ones.
const LOOK_MAX: usize = 256;

impl Value {
    /// The commands that turn `before` into `self`, as a JSON array. `None` if they are equal.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Option<String> {
        let mut diff = Diff {
            at: String::new(),
            commands: Commands::at_most(usize::MAX),
        };
        diff.values(before, self);
        diff.commands.into_json()
    }
}

struct Diff {
    /// A pointer to what is compared.
    at: String,
    commands: Commands,
}

impl Diff {
    fn values(&mut self, before: &Value, now: &Value) {
        if before.is_shared_with(now) {
            return;
        }
        match (before, now) {
            (Value::Object(a), Value::Object(b)) => self.objects(a, b),
            (Value::Array(a), Value::Array(b)) => self.arrays(a, b),
            (a, b) if a == b => {}
            (_, value) => self.commands.set(&self.at, value),
        }
    }

    fn objects(&mut self, before: &Object, now: &Object) {
        let (mut a, mut b) = (Place::new(before.runs()), Place::new(now.runs()));
        let mut added = Vec::new();
        let mut is_in_order = true;
        loop {
            if a.is_same_run(&b) {
                a.skip_run();
                b.skip_run();
                continue;
            }
            let (old, new) = (a.item(), b.item());
            let order = match (old, new) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.key.cmp(&new.key),
            };
            if order.is_le() {
                a.step();
            }
            if order.is_ge() {
                b.step();
            }
            match (old, new) {
                (Some(old), _) if order.is_lt() => {
                    self.within(&old.key, |diff| diff.commands.gone(&diff.at));
                }
                (Some(old), Some(new)) if order.is_eq() => {
                    is_in_order &= old.stamp == new.stamp;
                    // Most members of a run that is not shared are the same.
                    if !is_plainly_same(&old.value, &new.value) {
                        self.within(&new.key, |diff| diff.values(&old.value, &new.value));
                    }
                }
                (_, new) => added.extend(new),
            }
        }
        // Whoever keeps a copy appends what is new, so it must come in its order.
        added.sort_unstable_by_key(|entry: &&Entry| entry.stamp);
        if let Some(first) = added.first() {
            is_in_order &= before.is_over(first.stamp);
        }
        if !is_in_order {
            self.append(before, now);
            return;
        }
        let kept = now.len() - added.len();
        for (entry, members) in added.into_iter().zip(kept + 1..) {
            self.within(&entry.key, |diff| {
                diff.commands.new_member(&diff.at, &entry.value, members);
            });
        }
    }

    /// Appends what is new where members that were there may stand after it: the first of them that
    /// does not stand after the one before it, as it did, and all after that are taken out and come
    /// again.
    fn append(&mut self, before: &Object, now: &Object) {
        let mut last = None;
        let in_place = now.iter().take_while(|(key, _)| {
            let stamp = before.stamp(key);
            std::mem::replace(&mut last, stamp) < stamp
        });
        let in_place = in_place.count();
        for (key, _) in now.iter().skip(in_place) {
            if before.stamp(key).is_some() {
                self.within(key, |diff| diff.commands.gone(&diff.at));
            }
        }
        for ((key, value), members) in now.iter().zip(1..).skip(in_place) {
            self.within(key, |diff| {
                diff.commands.new_member(&diff.at, value, members);
            });
        }
    }

    fn arrays(&mut self, before: &Array, now: &Array) {
        let most = before.len().min(now.len());
        let head = same(before.runs(), now.runs(), false).min(most);
        let tail = same(before.runs().rev(), now.runs().rev(), true).min(most - head);
        let (gone, come) = (before.len() - head - tail, now.len() - head - tail);
        if gone == come {
            for index in head..head + come {
                if let (Some(a), Some(b)) = (before.get(index), now.get(index))
                    && !is_plainly_same(a, b)
                {
                    let key = itoa::Buffer::new().format(index).to_owned();
                    self.within(&key, |diff| diff.values(a, b));
                }
            }
            return;
        }
        let come = (head..head + come).filter_map(|index| now.get(index));
        self.commands.spliced(&self.at, (head, gone), come);
    }

    /// Looks at a member or element.
    fn within(&mut self, key: &str, look: impl FnOnce(&mut Self)) {
        let above = self.at.len();
        self.at.push('/');
        push_token(key, &mut self.at);
        look(self);
        self.at.truncate(above);
    }
}

fn is_plainly_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(_), _) | (Value::Object(_), _) => a.is_shared_with(b),
        (a, b) => a == b,
    }
}

/// How many elements are equal from one end on. Skips shared chunks, and does not compare arrays
/// and objects in depth.
fn same<'a>(
    mut a: impl Iterator<Item = &'a [Value]>,
    mut b: impl Iterator<Item = &'a [Value]>,
    is_backward: bool,
) -> usize {
    let mut same = 0;
    loop {
        let (Some(run), Some(other)) = (a.next(), b.next()) else {
            return same;
        };
        if !std::ptr::eq(run, other) {
            let left = elements(run, a, is_backward).zip(elements(other, b, is_backward));
            let same_more = left
                .take(LOOK_MAX)
                .take_while(|(a, b)| is_plainly_same(a, b));
            return same + same_more.count();
        }
        same += run.len();
    }
}

/// The elements of a run and those after it, seen from one end.
fn elements<'a>(
    run: &'a [Value],
    more: impl Iterator<Item = &'a [Value]>,
    is_backward: bool,
) -> impl Iterator<Item = &'a Value> {
    std::iter::once(run).chain(more).flat_map(move |run| {
        let last = run.len().saturating_sub(1);
        (0..run.len())
            .filter_map(move |index| run.get(if is_backward { last - index } else { index }))
    })
}

/// A place in the runs of an object's entries.
struct Place<'a> {
    runs: Vec<&'a [Entry]>,
    run: usize,
    at: usize,
}

impl<'a> Place<'a> {
    fn new(runs: impl Iterator<Item = &'a [Entry]>) -> Self {
        let runs = runs.filter(|run| !run.is_empty()).collect();
        Self {
            runs,
            run: 0,
            at: 0,
        }
    }

    fn item(&self) -> Option<&'a Entry> {
        self.runs.get(self.run)?.get(self.at)
    }

    fn step(&mut self) {
        self.at += 1;
        if self
            .runs
            .get(self.run)
            .is_some_and(|run| self.at >= run.len())
        {
            self.skip_run();
        }
    }

    fn skip_run(&mut self) {
        self.run += 1;
        self.at = 0;
    }

    /// Whether both are at the beginning of one run that they share.
    fn is_same_run(&self, other: &Self) -> bool {
        match (self.runs.get(self.run), other.runs.get(other.run)) {
            (Some(a), Some(b)) => self.at == 0 && other.at == 0 && std::ptr::eq(*a, *b),
            _ => false,
        }
    }
}
