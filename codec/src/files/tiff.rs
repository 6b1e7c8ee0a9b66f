//! TIFF: what its first directory tells beyond the pixels.

const EXIF_DIRECTORY: u16 = 34665;
const ENTRY: usize = 12;

/// What the first directory holds.
#[derive(Default)]
pub struct Found {
    pub exif: bool,
    pub more_pages: bool,
}

/// Reads the first directory of a classic TIFF; of anything else it finds nothing.
pub fn walk(bytes: &[u8]) -> Found {
    directory(bytes).unwrap_or_default()
}

fn directory(bytes: &[u8]) -> Option<Found> {
    let little = match bytes.get(..4)? {
        b"II\x2A\0" => true,
        b"MM\0\x2A" => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let pair = *bytes.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let long = |at: usize| -> Option<u32> {
        let four = *bytes.get(at..)?.first_chunk()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    let entries = (long(4)? as usize).checked_add(2)?;
    let count = usize::from(short(entries - 2)?);
    let exif = (0..count).any(|i| short(entries + i * ENTRY) == Some(EXIF_DIRECTORY));
    Some(Found { exif, more_pages: long(entries + count * ENTRY).is_some_and(|next| next != 0) })
}
