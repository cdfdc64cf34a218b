//! What has become of a value, as commands for a copy of it that somebody else keeps.
//!
//! Looks only where the two do not share memory, so it costs what has changed and not what there is. Each command is an array: a path of
//! keys and indices, then
//!
//! - nothing: the member there is gone
//! - a value: it is there now
//! - an index, a count, an array: in the array there so many elements are gone from the index on, and these have come

use super::object::Entry;
use super::writer::write_string;
use super::{Array, Object, Value};

/// Most elements that are compared where runs are no longer shared. Chosen: a run that was split or joined, and the next ones.
const LOOK_MAX: usize = 256;

impl Value {
    /// The commands that make `self` of `before`, as a JSON array; nothing at all if they are the same.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Option<String> {
        let mut diff = Diff {
            path: Vec::new(),
            commands: String::new(),
        };
        diff.values(before, self);
        (!diff.commands.is_empty()).then(|| diff.commands + "]")
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

struct Diff<'a> {
    path: Vec<Step<'a>>,
    commands: String,
}

impl<'a> Diff<'a> {
    fn values(&mut self, before: &'a Value, now: &'a Value) {
        if before.is_shared_with(now) {
            return;
        }
        match (before, now) {
            (Value::Object(a), Value::Object(b)) => self.objects(a, b),
            (Value::Array(a), Value::Array(b)) => self.arrays(a, b),
            (a, b) if a == b => {}
            (_, value) => {
                self.begin();
                self.commands.push(',');
                value.write(&mut self.commands);
                self.commands.push(']');
            }
        }
    }

    fn objects(&mut self, before: &'a Object, now: &'a Object) {
        let (mut a, mut b) = (Place::new(before.runs()), Place::new(now.runs()));
        let mut added = Vec::new();
        loop {
            if a.is_same_run(&b) {
                a.skip_run();
                b.skip_run();
                continue;
            }
            let (old, new) = (a.item(), b.item());
            let order = match (old, new) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
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
                    self.path.push(Step::Key(&old.key));
                    self.begin();
                    self.commands.push(']');
                    self.path.pop();
                }
                (Some(old), Some(new)) if order.is_eq() => {
                    self.path.push(Step::Key(&new.key));
                    self.values(&old.value, &new.value);
                    self.path.pop();
                }
                (_, new) => added.extend(new),
            }
        }
        // Whoever keeps a copy appends what is new, so it must come in its order.
        added.sort_unstable_by_key(|entry: &&Entry| entry.stamp);
        for entry in added {
            self.path.push(Step::Key(&entry.key));
            self.begin();
            self.commands.push(',');
            entry.value.write(&mut self.commands);
            self.commands.push(']');
            self.path.pop();
        }
    }

    fn arrays(&mut self, before: &'a Array, now: &'a Array) {
        let most = before.len().min(now.len());
        let head = same(before.runs(), now.runs(), false).min(most);
        let tail = same(before.runs().rev(), now.runs().rev(), true).min(most - head);
        let (gone, come) = (before.len() - head - tail, now.len() - head - tail);
        if gone == come {
            for index in head..head + come {
                if let (Some(a), Some(b)) = (before.get(index), now.get(index)) {
                    self.path.push(Step::Index(index));
                    self.values(a, b);
                    self.path.pop();
                }
            }
            return;
        }
        self.begin();
        self.commands.push(',');
        self.number(head);
        self.commands.push(',');
        self.number(gone);
        let mut mark = ",[";
        for index in head..head + come {
            self.commands.push_str(mark);
            mark = ",";
            if let Some(value) = now.get(index) {
                value.write(&mut self.commands);
            }
        }
        self.commands
            .push_str(if come == 0 { ",[]]" } else { "]]" });
    }

    /// A command up to its path.
    fn begin(&mut self) {
        self.commands
            .push(if self.commands.is_empty() { '[' } else { ',' });
        self.commands.push('[');
        let mut mark = '[';
        for index in 0..self.path.len() {
            self.commands.push(mark);
            mark = ',';
            match self.path.get(index) {
                Some(Step::Key(key)) => write_string(key, &mut self.commands),
                Some(Step::Index(index)) => {
                    let index = *index;
                    self.number(index);
                }
                None => {}
            }
        }
        self.commands
            .push_str(if self.path.is_empty() { "[]" } else { "]" });
    }

    fn number(&mut self, number: usize) {
        self.commands.push_str(itoa::Buffer::new().format(number));
    }
}

/// How many elements are the same from one end on. Runs that are shared are not looked into, nor are arrays and objects.
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
            let is_same = |(a, b): &(&Value, &Value)| match (a, b) {
                (Value::Array(_), _) | (Value::Object(_), _) => a.is_shared_with(b),
                (a, b) => a == b,
            };
            return same + left.take(LOOK_MAX).take_while(is_same).count();
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
