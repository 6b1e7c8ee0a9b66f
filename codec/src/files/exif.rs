//! Reads and corrects EXIF: its prefix, the orientation, the resolution.

use super::directory::{Directory, RATIONAL, SHORT};
use super::resolution::{Resolution, Unit};

const ORIENTATION: u16 = 0x0112;
const X_RESOLUTION: u16 = 0x011A;
const Y_RESOLUTION: u16 = 0x011B;
const RESOLUTION_UNIT: u16 = 0x0128;
const INCH: u16 = 2;
const CENTIMETRE: u16 = 3;
/// A TIFF header whose first directory follows it.
const HEADER: &[u8] = b"II\x2A\0\x08\0\0\0";

/// Returns EXIF that begins with its TIFF header: some writers put JPEG's `Exif\0\0` before it in other formats too.
pub fn strip_prefix(mut exif: Vec<u8>) -> Vec<u8> {
    if exif.starts_with(b"Exif\0\0") {
        exif.drain(..6);
    }
    exif
}

/// The orientation in EXIF; 1 if there is none.
pub fn orientation(exif: Option<&[u8]>) -> u8 {
    let number = exif.and_then(Directory::first).and_then(|directory| directory.number(ORIENTATION));
    number.and_then(|number| u8::try_from(number).ok()).filter(|turn| (1..=8).contains(turn)).unwrap_or(1)
}

/// Returns EXIF whose orientation has the type that the standard demands: viewers ignore any other.
pub fn with_short_orientation(mut exif: Vec<u8>) -> Vec<u8> {
    let turn = orientation(Some(&exif));
    let Some(directory) = Directory::first(&exif) else { return exif };
    let Some(entry) = directory.entry(ORIENTATION).filter(|entry| entry.kind != SHORT) else { return exif };
    if turn == 1 {
        return exif;
    }
    let value = [directory.short(turn.into()), [0; 2]].concat();
    let rest = [&directory.short(SHORT)[..], &directory.long(1), &value].concat();
    let at = entry.at + 2;
    exif[at..at + rest.len()].copy_from_slice(&rest);
    exif
}

/// The resolution in EXIF.
pub fn resolution(exif: &[u8]) -> Option<Resolution> {
    resolution_of(&Directory::first(exif)?)
}

/// Whether there is anything but an orientation and a resolution.
pub fn holds_more(exif: &[u8]) -> bool {
    let own = [ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT];
    let Some(directory) = Directory::first(exif) else { return true };
    let own = own.map(|tag| directory.short(tag));
    directory.raw_entries().any(|entry| !own.iter().any(|tag| entry.starts_with(tag)))
}

/// The resolution in a directory of EXIF or TIFF.
pub fn resolution_of(directory: &Directory) -> Option<Resolution> {
    let x = directory.ratios(X_RESOLUTION)?.next()?;
    let y = directory.ratios(Y_RESOLUTION).and_then(|mut y| y.next()).unwrap_or(x);
    let unit = match directory.number(RESOLUTION_UNIT) {
        None => Unit::Inch,
        Some(unit) if unit == u64::from(INCH) => Unit::Inch,
        Some(unit) if unit == u64::from(CENTIMETRE) => Unit::Centimetre,
        Some(_) => return None,
    };
    Resolution::new(x, y, unit)
}

/// Returns EXIF with this resolution, unless it already has one. Existing data stays in place, so that no offset in it
/// becomes wrong; the new directory follows at the end.
pub fn with_resolution(exif: Option<Vec<u8>>, resolution: &Resolution) -> Vec<u8> {
    let (mut out, place) = match exif {
        Some(exif) => {
            let end = exif.len().next_multiple_of(2);
            (exif, end)
        }
        None => ([HEADER, &[0; 2]].concat(), HEADER.len()),
    };
    let Some((start, built)) = directory_with(&out, resolution, place) else { return out };
    out.resize(place, 0);
    out[4..8].copy_from_slice(&start);
    out.extend(built);
    out
}

/// Copies the first directory with a resolution added, to be put at `place`. Returns `place` as the header holds it, and
/// the directory; `None` if there already is a resolution.
fn directory_with(exif: &[u8], resolution: &Resolution, place: usize) -> Option<([u8; 4], Vec<u8>)> {
    let old = Directory::first(exif)?;
    let classic = matches!(exif.get(2..4)?, b"\x2A\0" | b"\0\x2A");
    if !classic || old.entry(X_RESOLUTION).is_some() {
        return None;
    }
    let unit = match resolution.unit {
        Unit::Inch => INCH,
        Unit::Centimetre => CENTIMETRE,
    };
    let replaced = [Y_RESOLUTION, RESOLUTION_UNIT].map(|tag| old.short(tag));
    let kept = old.raw_entries().filter(|entry| !replaced.iter().any(|tag| entry.starts_with(tag)));
    let mut entries: Vec<Vec<u8>> = kept.map(<[u8]>::to_vec).collect();
    let count = entries.len() + 3;
    let values = u32::try_from(place + 2 + 12 * count + 4).ok()?;
    let entry =
        |tag, kind, value: &[u8]| [&old.short(tag)[..], &old.short(kind), &old.long(1), value].concat();
    entries.push(entry(X_RESOLUTION, RATIONAL, &old.long(values)));
    entries.push(entry(Y_RESOLUTION, RATIONAL, &old.long(values.checked_add(8)?)));
    entries.push(entry(RESOLUTION_UNIT, SHORT, &[old.short(unit), [0; 2]].concat()));
    let little = exif.starts_with(b"II");
    entries.sort_by_key(|entry| {
        let tag = [entry[0], entry[1]];
        if little { u16::from_le_bytes(tag) } else { u16::from_be_bytes(tag) }
    });
    let mut out = old.short(u16::try_from(count).ok()?).to_vec();
    out.extend(entries.into_iter().flatten());
    out.extend(old.long(u32::try_from(old.next).unwrap_or(0)));
    for number in [resolution.x.0, resolution.x.1, resolution.y.0, resolution.y.1] {
        out.extend(old.long(number));
    }
    Some((old.long(u32::try_from(place).ok()?), out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::directory::LONG;

    /// EXIF of either byte order with these entries, whose values stand in them.
    fn exif(little: bool, entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let short = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let long = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut out = if little { b"II\x2A\0".to_vec() } else { b"MM\0\x2A".to_vec() };
        out.extend(long(8));
        out.extend(short(entries.len() as u16));
        for &(tag, kind, value) in entries {
            out.extend([short(tag), short(kind)].concat());
            out.extend(long(1));
            if kind == LONG {
                out.extend(long(value))
            } else {
                out.extend([short(value as u16), [0; 2]].concat())
            }
        }
        out.extend(long(0));
        out
    }

    #[test]
    fn an_orientation_of_another_type_is_understood_and_set_straight() {
        for little in [true, false] {
            let odd = exif(little, &[(0x0100, LONG, 7), (ORIENTATION, LONG, 6)]);
            assert_eq!(orientation(Some(&odd)), 6);
            let straight = with_short_orientation(odd);
            assert_eq!(straight, exif(little, &[(0x0100, LONG, 7), (ORIENTATION, SHORT, 6)]));
            assert_eq!(with_short_orientation(straight.clone()), straight);
        }
        assert_eq!(orientation(Some(&exif(true, &[(ORIENTATION, LONG, 9)]))), 1);
        assert_eq!(orientation(Some(b"II\x2A\0\xff\xff\xff\xff")), 1);
        assert_eq!(orientation(None), 1);
    }

    #[test]
    fn a_resolution_is_added_and_nothing_else_is_moved() {
        let tells = Resolution::new((300, 1), (150, 1), Unit::Inch).unwrap();
        assert_eq!(resolution(&with_resolution(None, &tells)), Some(tells));
        for little in [true, false] {
            let before = exif(little, &[(0x0100, LONG, 7), (ORIENTATION, SHORT, 8), (0x8769, LONG, 1234)]);
            let after = with_resolution(Some(before.clone()), &tells);
            assert_eq!(resolution(&after), Some(tells));
            assert_eq!(orientation(Some(&after)), 8);
            assert_eq!(Directory::first(&after).unwrap().number(0x8769), Some(1234));
            assert_eq!(after[8..before.len()], before[8..], "offsets stay right");
            let tags: Vec<_> = [0x0100, ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, 0x8769]
                .map(|tag| Directory::first(&after).unwrap().entry(tag).unwrap().at)
                .to_vec();
            assert!(tags.is_sorted(), "entries stand in the order of their tags");
            assert_eq!(with_resolution(Some(after.clone()), &tells), after, "its own resolution stays");
        }
    }

    #[test]
    fn broken_exif_is_left_alone() {
        let tells = Resolution::new((300, 1), (300, 1), Unit::Inch).unwrap();
        for broken in [&b""[..], b"II", b"II\x2A\0\0\0\0\x80", b"hello, this is text"] {
            assert_eq!(with_resolution(Some(broken.to_vec()), &tells), broken);
            assert_eq!(with_short_orientation(broken.to_vec()), broken);
            assert_eq!(resolution(broken), None);
        }
    }
}
