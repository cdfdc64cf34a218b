//! The frame codec, both directions: every line is read as a record of each vocabulary.
//!
//! What can be read is written and read again: it means the same, and its fields are written as
//! they came.

use longhaul::wire::{DocumentRecord, ToClient, ToHub, records};

/// Reads, writes and reads again; then all that could be read in one frame.
macro_rules! there_and_back {
    ($vocabulary:ident, $frame:expr) => {{
        let (mut meanings, mut frame) = (Vec::new(), String::new());
        for record in records($frame) {
            let Ok(meaning) = $vocabulary::decode(record) else {
                continue;
            };
            let mut written = String::new();
            meaning.encode(&mut written);
            assert_eq!(
                $vocabulary::decode(&written).as_ref(),
                Ok(&meaning),
                "{record:?} became {written:?}"
            );
            check_fields(record, &written);
            meaning.encode(&mut frame);
            meanings.push(Ok(meaning));
        }
        let again: Vec<_> = records(&frame).map($vocabulary::decode).collect();
        assert_eq!(again, meanings);
    }};
}

/// Rules W2 to W4.
///
/// # Panics
/// Where a record changes its meaning on the way.
pub fn run(frame: &str) {
    there_and_back!(ToHub, frame);
    there_and_back!(ToClient, frame);
    there_and_back!(DocumentRecord, frame);
}

/// A field has one written form; what may be left out is what nobody knows, and what may change
/// places is options.
fn check_fields(record: &str, written: &str) {
    let is_option = |field: &&str| field.contains('=');
    let ours: Vec<&str> = written
        .split(' ')
        .filter(|field| !is_option(field))
        .collect();
    let theirs: Vec<&str> = record
        .split(' ')
        .filter(|field| !is_option(field))
        .collect();
    assert!(theirs.starts_with(&ours), "{record:?} became {written:?}");
    for option in written.split(' ').filter(is_option) {
        assert!(
            record.split(' ').any(|theirs| theirs == option),
            "{record:?} became {written:?}"
        );
    }
}
