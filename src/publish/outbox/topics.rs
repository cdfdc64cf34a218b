//! An index of the rows of each topic, by which a row finds its neighbours.
//!
//! Owns only that index. The queue owns the rows.

use std::collections::BTreeSet;

use crate::ids::RowNo;

#[derive(Debug, Default)]
pub(super) struct Topics(BTreeSet<(Box<str>, RowNo)>);

impl Topics {
    /// Adds a row. Returns the row before it in its topic, and the row after it.
    pub(super) fn add(&mut self, topic: &str, n: RowNo) -> (Option<RowNo>, Option<RowNo>) {
        self.0.insert((topic.into(), n));
        self.neighbours(topic, n)
    }

    /// Removes a row. Returns the row after it in its topic.
    pub(super) fn remove(&mut self, topic: &str, n: RowNo) -> Option<RowNo> {
        let (_, next) = self.neighbours(topic, n);
        self.0.remove(&(topic.into(), n));
        next
    }

    fn neighbours(&self, topic: &str, n: RowNo) -> (Option<RowNo>, Option<RowNo>) {
        let here = (topic.into(), n);
        let of_topic = |entry: Option<&(Box<str>, RowNo)>| {
            entry
                .filter(|(other, _)| **other == *topic)
                .map(|(_, n)| *n)
        };
        let before = self.0.range(..&here).next_back();
        let after = self.0.range((topic.into(), n.next())..).next();
        (of_topic(before), of_topic(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f18_a_row_knows_its_neighbours_of_the_same_topic_alone() {
        let mut topics = Topics::default();
        for (topic, n) in [("b", 2), ("a", 1), ("c", 3), ("b", 9)] {
            topics.add(topic, RowNo(n));
        }
        let between = topics.add("b", RowNo(5));
        assert_eq!(between, (Some(RowNo(2)), Some(RowNo(9))));
        assert_eq!(topics.add("aa", RowNo(4)), (None, None));
        assert_eq!(topics.remove("b", RowNo(2)), Some(RowNo(5)));
        assert_eq!(topics.remove("b", RowNo(9)), None);
        assert_eq!(topics.add("b", RowNo(6)), (Some(RowNo(5)), None));
    }
}
