//! The packed form of model files: about 71 % of the size (docs/format.md, section 8).
//!
//! Weights are 16-bit numbers whose high bytes have few different values. They compress well if they are
//! separated from the low bytes.

use crate::container::frame;
use crate::{Error, Result, threads};
use std::borrow::Cow;

/// The kind of a file of weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// The first bytes of every such file.
    pub signature: [u8; 8],
    /// Its extension, for messages.
    pub format: &'static str,
}

/// Models.
pub(crate) const MODEL: Kind = Kind { signature: *b"\x89AEM\r\n\x1a\n", format: ".aem" };
/// Version byte of plain files.
pub(crate) const PLAIN: u8 = 1;
/// Version byte of packed files.
const PACKED: u8 = 2;
/// The largest plain file that a packed one may hold, in bytes: twenty times as large as the largest model of this project.
const MAX_PLAIN: u32 = 1 << 28;
/// This level is slow to write, but no slower to read than others.
const LEVEL: i32 = 19;

/// Packs a plain model file. A file that is already packed is returned unchanged.
///
/// # Errors
/// Returns [`Error::Signature`] if the bytes are not a model file, [`Error::Version`] if they are one of an unknown
/// version, and [`Error::Limit`] if the file is larger than 256 MiB.
pub fn pack(file: &[u8]) -> Result<Cow<'_, [u8]>> {
    if version(file, MODEL)? == PACKED {
        return Ok(Cow::Borrowed(file));
    }
    let length = u32::try_from(file.len()).unwrap_or(u32::MAX);
    if length > MAX_PLAIN {
        return Err(too_large(file.len() as u64));
    }
    let [even, odd] = [0, 1].map(|first| {
        let half: Vec<u8> = file.iter().skip(first).step_by(2).copied().collect();
        frame::pack(&half, LEVEL)
    });
    let mut out = MODEL.signature.to_vec();
    out.push(PACKED);
    out.extend(length.to_le_bytes());
    out.extend((even.len() as u32).to_le_bytes());
    out.extend(even);
    out.extend(odd);
    Ok(Cow::Owned(out))
}

/// Unpacks a model file. The BLAKE3 of the result is the identity of the model. A plain file is returned unchanged.
///
/// # Errors
/// Returns [`Error::Signature`] if the bytes are not a model file, [`Error::Version`] if they are one of an unknown
/// version, and [`Error::Truncated`], [`Error::Invalid`] or [`Error::Limit`] if a packed file is damaged.
pub fn unpack(file: &[u8]) -> Result<Cow<'_, [u8]>> {
    unpack_kind(file, MODEL)
}

/// [`unpack`] for any kind of weights; the packed form is the same.
pub(crate) fn unpack_kind(file: &[u8], kind: Kind) -> Result<Cow<'_, [u8]>> {
    if version(file, kind)? == PLAIN {
        return Ok(Cow::Borrowed(file));
    }
    let short = || Error::Truncated { what: "packed model file", offset: file.len() as u64, missing: 1 };
    let (head, frames) = file[9..].split_at_checked(8).ok_or_else(short)?;
    let [length, even_length] = [0, 4].map(|at| u32::from_le_bytes(std::array::from_fn(|i| head[at + i])));
    if length > MAX_PLAIN {
        return Err(too_large(length.into()));
    }
    let (even, odd) =
        usize::try_from(even_length).ok().and_then(|n| frames.split_at_checked(n)).ok_or_else(short)?;
    let length = length as usize;
    let half = |frame: &[u8], bytes: usize| frame::unpack_exact("packed model file", frame, bytes);
    let (odd, even) = threads::both(|| half(odd, length / 2), || half(even, length.div_ceil(2)));
    let (even, odd) = (even?, odd?);
    let mut plain = vec![0; length];
    let (pairs, last) = plain.as_chunks_mut();
    for (pair, (&a, &b)) in pairs.iter_mut().zip(even.iter().zip(&odd)) {
        *pair = [a, b];
    }
    last.copy_from_slice(&even[odd.len()..]);
    // A packed file within a packed file would have two identities.
    match version(&plain, kind)? {
        PLAIN => Ok(Cow::Owned(plain)),
        found => Err(Error::Version { format: kind.format, found, expected: PLAIN }),
    }
}

/// The version byte, if it is a known version.
fn version(file: &[u8], kind: Kind) -> Result<u8> {
    let Kind { signature, format } = kind;
    if !file.starts_with(&signature) {
        return Err(Error::Signature { format, found: file[..file.len().min(8)].to_vec() });
    }
    match file.get(8) {
        Some(&version @ (PLAIN | PACKED)) => Ok(version),
        Some(&found) => Err(Error::Version { format, found, expected: PACKED }),
        None => Err(Error::Truncated { what: "model file", offset: file.len() as u64, missing: 1 }),
    }
}

fn too_large(needed: u64) -> Error {
    Error::Limit { what: "model file", needed, limit: MAX_PLAIN.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(length: usize) -> Vec<u8> {
        let mut file = MODEL.signature.to_vec();
        file.push(PLAIN);
        file.extend((file.len()..length).map(|i| (i * i / 7) as u8));
        file
    }

    #[test]
    fn a_packed_file_unpacks_to_the_same_bytes() {
        for length in [9, 10, 11, 1000, 65_537] {
            let file = plain(length);
            let packed = pack(&file).expect("a model file");
            assert_eq!(unpack(&packed).expect("a packed file"), file, "{length} bytes");
            assert_eq!(pack(&packed).expect("a packed file"), packed, "packing twice changes nothing");
            assert_eq!(unpack(&file).expect("a plain file"), file);
        }
    }

    #[test]
    fn a_damaged_packed_file_is_an_error() {
        let packed = pack(&plain(5000)).expect("a model file").into_owned();
        for cut in 0..packed.len() {
            assert!(unpack(&packed[..cut]).is_err(), "cut at {cut}");
        }
        for (at, value) in
            [(0, 0x88), (8, 3), (9, 0), (11, 0xFF), (12, 0x0F), (12, 0xFF), (13, 0), (16, 0xFF)]
        {
            let mut other = packed.clone();
            other[at] = value;
            assert!(unpack(&other).is_err(), "byte {at} set to {value}");
        }
        let mut longer = packed.clone();
        longer.push(0);
        assert!(unpack(&longer).is_err());
    }

    #[test]
    fn a_packed_file_holds_no_packed_file() {
        let inner = pack(&plain(50)).expect("a model file").into_owned();
        let [even, odd] = [0, 1].map(|first| {
            frame::pack(&inner.iter().skip(first).step_by(2).copied().collect::<Vec<_>>(), LEVEL)
        });
        let mut outer = MODEL.signature.to_vec();
        outer.push(PACKED);
        outer.extend((inner.len() as u32).to_le_bytes());
        outer.extend((even.len() as u32).to_le_bytes());
        outer.extend(even.into_iter().chain(odd));
        assert!(matches!(unpack(&outer), Err(Error::Version { found: PACKED, .. })));
    }
}
