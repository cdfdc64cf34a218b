//! How tall the values in an array or object are, so that taking one out tells at once how tall the others are.

/// How many values there are of each height but 0, in no order. There are few heights.
#[derive(Clone, Debug, Default)]
pub(super) struct Heights(Vec<(u8, u32)>);

impl Heights {
    /// A value of this height has come.
    pub(super) fn add(&mut self, height: u8) {
        if height == 0 {
            return;
        }
        match self.0.iter_mut().find(|(same, _)| *same == height) {
            Some((_, count)) => *count += 1,
            None => self.0.push((height, 1)),
        }
    }

    /// A value of this height is gone.
    pub(super) fn remove(&mut self, height: u8) {
        if let Some(at) = self.0.iter().position(|(same, _)| *same == height)
            && let Some((_, count)) = self.0.get_mut(at)
        {
            *count -= 1;
            if *count == 0 {
                self.0.swap_remove(at);
            }
        }
    }

    /// The height of the tallest.
    pub(super) fn most(&self) -> u8 {
        self.0.iter().map(|(height, _)| *height).max().unwrap_or(0)
    }
}
