//! Delivers the messages of one subscription in order and each seq once.
//!
//! Owns the cursor and the runs that wait for a hole to be filled. Sees numbers only; the caller
//! keeps the payloads of a run.

use crate::config::{HELD_CHARS_MAX, HELD_RUNS_MAX};
use crate::ids::Cursor;
use crate::interface::event::Run;

/// Where a run belongs in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Next. Its first `skip` messages are duplicates.
    Next { skip: u32 },
    /// All its messages are duplicates.
    Duplicate,
    /// Behind a hole, and held until the hole is filled.
    Held,
    /// Behind a hole, and over the limit. The caller discards all held runs, too.
    Overflow,
}

/// The order of one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Sequencer {
    last: Cursor,
    held: Vec<Run>,
    held_chars: u64,
}

impl Sequencer {
    /// A stream that begins after `last`.
    pub(crate) fn new(last: Cursor) -> Self {
        Self {
            last,
            held: Vec::new(),
            held_chars: 0,
        }
    }

    /// The last message delivered.
    pub(crate) fn cursor(&self) -> Cursor {
        self.last
    }

    /// Takes a run if it follows the last message and no run is held. Returns whether it did.
    pub(crate) fn advance_next(&mut self, run: &Run) -> bool {
        let is_next = run.first == self.last.seq.next() && self.held.is_empty();
        if is_next {
            self.advance(run);
        }
        is_next
    }

    /// Takes a run. After `Next`, [`Self::release`] may have more.
    pub(crate) fn accept(&mut self, run: Run) -> Placement {
        if run.last() <= self.last.seq {
            return Placement::Duplicate;
        }
        if run.first > self.last.seq.next() {
            return self.hold(run);
        }
        Placement::Next {
            skip: self.advance(&run),
        }
    }

    /// A held run that is next now, and how many of its messages are duplicates: all, if the repair
    /// brought it again.
    pub(crate) fn release(&mut self) -> Option<(Run, u32)> {
        let due = self.last.seq.next();
        let at = self.held.iter().position(|run| run.first <= due)?;
        let run = self.held.swap_remove(at);
        self.held_chars -= u64::from(run.chars);
        let skip = if run.last() > self.last.seq {
            self.advance(&run)
        } else {
            run.count
        };
        Some((run, skip))
    }

    /// Removes all held runs. The caller discards their payloads.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Run> + '_ {
        self.held_chars = 0;
        self.held.drain(..)
    }

    fn advance(&mut self, run: &Run) -> u32 {
        let skip = self.last.seq.next().0 - run.first.0;
        self.last.seq = run.last();
        self.last.chain = run.chain;
        u32::try_from(skip).unwrap_or(u32::MAX)
    }

    fn hold(&mut self, run: Run) -> Placement {
        if self
            .held
            .iter()
            .any(|held| held.first == run.first && held.count >= run.count)
        {
            return Placement::Duplicate;
        }
        let chars = self.held_chars + u64::from(run.chars);
        if self.held.len() >= HELD_RUNS_MAX || chars > HELD_CHARS_MAX {
            return Placement::Overflow;
        }
        self.held.push(run);
        self.held_chars = chars;
        Placement::Held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Chain, Seq};
    use proptest::prelude::*;

    fn run(id: u32, first: u64, count: u32) -> Run {
        Run {
            id,
            first: Seq(first),
            count,
            chain: Chain(first + u64::from(count) - 1),
            chars: count,
        }
    }

    /// Appends the seqs that the sequencer delivers to `seen`.
    fn feed(sequencer: &mut Sequencer, run: Run, seen: &mut Vec<u64>) -> Placement {
        let mut deliver = |run: &Run, skip: u32| {
            seen.extend((skip..run.count).map(|i| run.first.0 + u64::from(i)));
        };
        let placement = sequencer.accept(run);
        match placement {
            Placement::Next { skip } => {
                deliver(&run, skip);
                while let Some((run, skip)) = sequencer.release() {
                    deliver(&run, skip);
                }
            }
            Placement::Overflow => drop(sequencer.drain()),
            Placement::Duplicate | Placement::Held => {}
        }
        placement
    }

    #[test]
    fn a_hole_is_held_and_filled() {
        let mut sequencer = Sequencer::new(Cursor::default());
        let mut seen = Vec::new();
        assert_eq!(
            feed(&mut sequencer, run(1, 3, 2), &mut seen),
            Placement::Held
        );
        feed(&mut sequencer, run(2, 1, 2), &mut seen);
        assert_eq!(seen, [1, 2, 3, 4]);
        assert_eq!(sequencer.cursor().chain, Chain(4));
    }

    #[test]
    fn an_overlap_is_delivered_from_where_it_is_new() {
        let mut sequencer = Sequencer::new(Cursor::default());
        let mut seen = Vec::new();
        feed(&mut sequencer, run(1, 1, 5), &mut seen);
        assert_eq!(
            feed(&mut sequencer, run(2, 4, 4), &mut seen),
            Placement::Next { skip: 2 }
        );
        assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn s46_what_is_held_stays_under_its_limits() {
        let mut sequencer = Sequencer::new(Cursor::default());
        let mut seen = Vec::new();
        let mut overflows = 0;
        for seq in 2..10_000 {
            if feed(
                &mut sequencer,
                run(u32::try_from(seq).unwrap(), seq, 1),
                &mut seen,
            ) == Placement::Overflow
            {
                overflows += 1;
            }
            assert!(sequencer.held.len() <= HELD_RUNS_MAX);
        }
        assert!(overflows > 0 && seen.is_empty());
        let mut wide = run(1, 20_000, 1);
        wide.chars = u32::try_from(HELD_CHARS_MAX).unwrap() + 1;
        assert_eq!(sequencer.accept(wide), Placement::Overflow);
    }

    proptest! {
        #[test]
        fn any_order_with_duplicates_gives_every_seq_once_and_in_order(
            seed: u64, total in 1_u64..60, copies in 1_usize..4,
        ) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut runs = Vec::new();
            for _ in 0..copies {
                let mut first = 1;
                while first <= total {
                    let count = rng.u64(1..=(total - first + 1).min(7));
                    runs.push(run(u32::try_from(runs.len()).unwrap(), first, u32::try_from(count).unwrap()));
                    first += count;
                }
            }
            rng.shuffle(&mut runs);
            let mut sequencer = Sequencer::new(Cursor::default());
            let mut seen = Vec::new();
            for run in runs {
                feed(&mut sequencer, run, &mut seen);
            }
            prop_assert_eq!(seen, (1..=total).collect::<Vec<_>>());
            prop_assert_eq!(sequencer.cursor().seq, Seq(total));
            prop_assert_eq!(sequencer.cursor().chain, Chain(total));
            prop_assert!(sequencer.held.is_empty());
        }

        #[test]
        fn whatever_is_lost_nothing_is_delivered_twice_or_out_of_order(
            seed: u64, steps in 1_usize..200,
        ) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut sequencer = Sequencer::new(Cursor::default());
            let mut seen = Vec::new();
            for id in 0..steps {
                feed(&mut sequencer, run(u32::try_from(id).unwrap(), rng.u64(1..100), rng.u32(1..10)), &mut seen);
            }
            prop_assert_eq!(&seen, &(1..=u64::try_from(seen.len()).unwrap()).collect::<Vec<_>>());
        }
    }
}
