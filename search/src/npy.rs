//! Exports features in the format of NumPy.

use std::io::{Result, Write};

use crate::Features;

/// Writes features as an array `[N, D]` of `float32` in the format `.npy`, version 1.0
/// (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).
///
/// # Errors
/// Returns the errors of `out`.
pub fn write_npy<'a>(
    out: &mut impl Write,
    features: impl ExactSizeIterator<Item = &'a Features>,
) -> Result<()> {
    let shape = (features.len(), Features::LENGTH);
    let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape:?}, }}");
    // The samples start at a multiple of 64 bytes, after 10 bytes of signature and length, and the head ends with a line feed.
    let length = (10 + head.len() + 1).next_multiple_of(64) - 10;
    head = format!("{head:<width$}\n", width = length - 1);
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(length as u16).to_le_bytes())?;
    out.write_all(head.as_bytes())?;
    for row in features {
        out.write_all(&row.to_bytes())?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_array_starts_at_a_multiple_of_64_bytes_and_holds_all_values() {
        for count in [0, 3, 1000] {
            let rows: Vec<Features> = (0..count)
                .map(|i| Features::normalised((0..Features::LENGTH).map(|j| ((i + j) % 7) as f32).collect()))
                .collect();
            let mut bytes = Vec::new();
            write_npy(&mut bytes, rows.iter()).expect("memory");
            let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
            assert!(start.is_multiple_of(64) && bytes[start - 1] == b'\n');
            let head = std::str::from_utf8(&bytes[10..start]).expect("ASCII");
            assert!(head.contains(&format!("'shape': ({count}, 128), ")), "{head}");
            let (values, rest) = bytes[start..].as_chunks::<512>();
            let again: Vec<Features> = values.iter().filter_map(|row| Features::from_bytes(row)).collect();
            assert!(rest.is_empty() && again == rows);
        }
    }
}
