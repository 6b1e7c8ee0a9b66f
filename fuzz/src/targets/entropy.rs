//! Decodes substreams with any tables, and encodes any values.

use crate::input::Input;
use aecodec::entropy::{Book, MAX_VALUE, Table, decode, encode};

/// Numbers of values around those at which a substream gets more lanes.
const COUNTS: [usize; 5] = [0, 16_383, 16_384, 65_536, 262_144];

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let tables: Vec<Table> = (0..1 + input.below(3)).filter_map(|_| table(&mut input)).collect();
    let Some(first) = tables.first() else { return };
    let (book, contexts) = if input.below(2) == 0 {
        let gaussian = Book::gaussian((0..52).map(|i| tables[i % tables.len()].clone()).collect());
        (gaussian.expect("52 tables"), 108)
    } else {
        let count = tables.len();
        (Book::plain(tables.clone()), count)
    };
    let _ = first;
    let count = if input.below(16) == 0 { input.one(&COUNTS) } else { 0 } + input.below(300);
    let pattern = input.bytes(8).to_vec();
    let context = |i: usize| usize::from(pattern.get(i % 8).copied().unwrap_or(0)) % contexts;
    let contexts: Vec<u8> = (0..count).map(|i| context(i) as u8).collect();
    if input.below(2) == 0 {
        read(&book, &contexts, input.rest());
    } else {
        write(&book, &contexts, input);
    }
}

/// A table of any weights, or of any frequencies.
fn table(input: &mut Input) -> Option<Table> {
    let offset = input.byte();
    let symbols = 2 * usize::from(offset % 24) + 2;
    if input.below(8) == 0 {
        let frequencies: Vec<u16> = (0..symbols).map(|_| input.short()).collect();
        return Table::new(offset, &frequencies).ok();
    }
    let weights: Vec<f64> = (0..symbols).map(|_| f64::from(input.byte())).collect();
    Table::from_weights(offset % 24, &weights).ok()
}

fn read(book: &Book, contexts: &[u8], bytes: &[u8]) {
    let mut values = vec![0; contexts.len()];
    if decode(book, bytes, contexts, &mut values).is_ok() {
        assert!(values.iter().all(|v| v.abs() <= MAX_VALUE));
        assert!(encode(book, contexts, &values) == bytes, "another substream for the same values");
    }
}

fn write(book: &Book, contexts: &[u8], mut input: Input) {
    let few = input.rest();
    let value = |i: usize| match few {
        [] => 0,
        _ => {
            let byte = i16::from(few[i % few.len()] as i8);
            // Most values are small; some need an escape.
            if i.is_multiple_of(7) { byte.saturating_mul(129).clamp(-MAX_VALUE, MAX_VALUE) } else { byte / 8 }
        }
    };
    let values: Vec<i16> = (0..contexts.len()).map(value).collect();
    let bytes = encode(book, contexts, &values);
    let mut found = vec![0; values.len()];
    decode(book, &bytes, contexts, &mut found).expect("a substream of the encoder");
    assert!(found == values, "other values than were encoded");
}
