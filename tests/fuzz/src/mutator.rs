//! Changes texts by their words and lines, with the words and lines of the whole corpus at hand.
//!
//! Which change, and by what luck, is mutatis's business: the same seed gives the same texts.

use std::collections::BTreeSet;
use std::ops::Range;

use mutatis::{Candidates, Context, Mutate, Result};

/// A text grows no further, bytes. Chosen: a frame to the hub before the welcome; longer ones make
/// runs slow.
const TEXT_BYTES_MAX: usize = 65_536;

/// Most repetitions of a stretch in one change. Chosen: past the deepest nesting that is allowed.
const REPEAT_MAX: usize = 160;

/// Numbers at which something ends: rules W4, C3, H7, and those of the machine.
const EDGES: &[&str] = &[
    "0",
    "1",
    "127",
    "128",
    "65535",
    "2147483647",
    "2147483648",
    "4294967295",
    "281474976710655",
    "281474976710656",
    "9007199254740991",
    "9007199254740992",
    "18446744073709551615",
    "-0",
    "1e999999999",
    "1e1000000000",
];

/// Characters that readers trip over.
const CHARS: &[char] = &[
    '\0', '\t', '\r', '\n', ' ', '"', '\\', '/', '~', '=', '-', '[', ']', '{', '}', ',', ':', 'u',
    '\u{7f}', 'é', '\u{2028}', '\u{feff}', '😀',
];

/// The words and lines of a corpus.
pub(crate) struct Words {
    words: Vec<String>,
    lines: Vec<String>,
}

impl Words {
    pub(crate) fn of<'a>(corpus: impl Iterator<Item = &'a str>) -> Self {
        let (mut words, mut lines) = (BTreeSet::new(), BTreeSet::new());
        words.extend(EDGES.iter().map(|edge| (*edge).to_owned()));
        for text in corpus {
            lines.extend(text.lines().map(str::to_owned));
            words.extend(split(text).into_iter().map(|word| text[word].to_owned()));
        }
        Self {
            words: words.into_iter().collect(),
            lines: lines.into_iter().collect(),
        }
    }
}

/// The words of a text: letters and digits that stand together, and every other character by
/// itself.
fn split(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut is_open = false;
    for (at, char) in text.char_indices() {
        let end = at + char.len_utf8();
        let is_word = char.is_alphanumeric() || char == '_';
        match words.last_mut() {
            Some(word) if is_open && is_word => word.end = end,
            _ => words.push(at..end),
        }
        is_open = is_word;
    }
    words
}

fn any(context: &mut Context, text: &str) -> Range<usize> {
    let words = split(text);
    let at = context.rng().gen_index(words.len());
    at.map_or(0..0, |at| words[at].clone())
}

/// A few words in a row.
fn stretch(context: &mut Context, text: &str) -> Range<usize> {
    let words = split(text);
    let Some(first) = context.rng().gen_index(words.len()) else {
        return 0..0;
    };
    let count = context.rng().gen_index(16).unwrap_or(0);
    let last = (first + count).min(words.len() - 1);
    words[first].start..words[last].end
}

fn one_of<'a, T>(context: &mut Context, list: &'a [T]) -> Option<&'a T> {
    list.get(context.rng().gen_index(list.len())?)
}

/// Changes the lines as a list.
fn with_lines(text: &mut String, act: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    act(&mut lines);
    *text = lines.join("\n");
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
}

impl Mutate<String> for Words {
    fn mutate(&mut self, candidates: &mut Candidates<'_>, text: &mut String) -> Result<()> {
        if !text.is_empty() {
            candidates.mutation(|context| {
                let at = stretch(context, text);
                text.replace_range(at, "");
                Ok(())
            })?;
            candidates.mutation(|context| {
                with_lines(text, |lines| {
                    if let Some(at) = context.rng().gen_index(lines.len()) {
                        lines.remove(at);
                    }
                });
                Ok(())
            })?;
        }
        if candidates.shrink() {
            return Ok(());
        }
        candidates.mutation(|context| {
            let at = any(context, text);
            let word = one_of(context, &self.words).cloned().unwrap_or_default();
            text.replace_range(at, &word);
            Ok(())
        })?;
        candidates.mutation(|context| {
            let at = any(context, text).start;
            let word = one_of(context, &self.words).cloned().unwrap_or_default();
            text.insert_str(at, &word);
            Ok(())
        })?;
        // A number: one more, one less, or an edge.
        candidates.mutation(|context| {
            let mut words = split(text);
            words.retain(|word| text[word.clone()].bytes().all(|byte| byte.is_ascii_digit()));
            let Some(at) = one_of(context, &words).cloned() else {
                return Ok(());
            };
            let number = text[at.clone()].parse::<u64>().unwrap_or(0);
            let changed = match context.rng().gen_index(4) {
                Some(0) => number.wrapping_add(1).to_string(),
                Some(1) => number.wrapping_sub(1).to_string(),
                Some(2) => context.rng().gen_index(12).unwrap_or(0).to_string(),
                _ => (*one_of(context, EDGES).unwrap_or(&"")).to_owned(),
            };
            text.replace_range(at, &changed);
            Ok(())
        })?;
        // One stretch again somewhere else, or many times where it is.
        candidates.mutation(|context| {
            let from = stretch(context, text);
            let again = text[from.clone()].to_owned();
            if context.rng().gen_index(4) == Some(0) {
                let times = context.rng().gen_index(REPEAT_MAX).unwrap_or(0);
                text.insert_str(from.start, &again.repeat(times));
            } else {
                let at = any(context, text).start;
                text.insert_str(at, &again);
            }
            cut(text);
            Ok(())
        })?;
        candidates.mutation(|context| {
            let at = any(context, text).start;
            text.insert(at, *one_of(context, CHARS).unwrap_or(&' '));
            Ok(())
        })?;
        // Lines: one of the corpus, one of its own again, two that change places. As often as all
        // others together.
        for kind in 0..6 {
            candidates.mutation(|context| {
                let line = one_of(context, &self.lines).cloned().unwrap_or_default();
                with_lines(text, |lines| {
                    let to = context.rng().gen_index(lines.len() + 1).unwrap_or(0);
                    let from = context.rng().gen_index(lines.len()).unwrap_or(0);
                    match kind {
                        0..=2 => lines.insert(to, line),
                        3 | 4 if !lines.is_empty() => lines.insert(to, lines[from].clone()),
                        _ if to < lines.len() => lines.swap(from, to),
                        _ => {}
                    }
                });
                cut(text);
                Ok(())
            })?;
        }
        Ok(())
    }
}
