//! ICC, EXIF, XMP and code points of colour as records in one zstd frame.

use super::frame;
use crate::{Error, Limits, Metadata, Result};
use byteorder::{ByteOrder, LittleEndian};

const WHAT: &str = "metadata";
const ICC: u8 = 1;
const EXIF: u8 = 2;
const XMP: u8 = 3;
const CICP: u8 = 4;
/// Kind and length.
const RECORD_HEADER: usize = 5;
/// Metadata is small, so the best ratio costs little.
const LEVEL: i32 = 19;

/// Compresses the records into a chunk.
///
/// # Errors
/// Returns [`Error::Invalid`] if a record has 4 GiB or more.
pub fn pack(metadata: &Metadata) -> Result<Vec<u8>> {
    let mut records = Vec::new();
    let Metadata { icc, exif, xmp, cicp } = metadata;
    let cicp = cicp.map(|points| points.to_vec());
    for (kind, record) in [(ICC, icc), (EXIF, exif), (XMP, xmp), (CICP, &cicp)] {
        if let Some(record) = record {
            let length = u32::try_from(record.len()).map_err(|_| Error::Invalid {
                what: WHAT,
                detail: format!("a record of {} bytes, expected fewer than 4 GiB", record.len()),
            })?;
            records.push(kind);
            records.extend(length.to_le_bytes());
            records.extend_from_slice(record);
        }
    }
    Ok(frame::pack(&records, LEVEL))
}

/// Decompresses the records of a chunk. Unknown kinds are skipped.
///
/// # Errors
/// Returns [`Error::Limit`] if there is more than the limits allow, [`Error::Truncated`] if a record is incomplete, and
/// [`Error::Invalid`] if a kind occurs twice, if code points do not have 4 bytes, or if the chunk is not exactly one zstd frame.
pub fn unpack(bytes: &[u8], limits: &Limits) -> Result<Metadata> {
    let records = frame::unpack(WHAT, bytes, limits.metadata.min(limits.bytes))?;
    let (mut metadata, mut cicp) = (Metadata::default(), None);
    let mut rest = records.as_slice();
    while !rest.is_empty() {
        let cut = |missing: usize| Error::Truncated {
            what: WHAT,
            offset: records.len() as u64,
            missing: missing as u64,
        };
        let (head, tail) =
            rest.split_first_chunk::<RECORD_HEADER>().ok_or_else(|| cut(RECORD_HEADER - rest.len()))?;
        let length = LittleEndian::read_u32(&head[1..]) as usize;
        let (record, tail) = tail.split_at_checked(length).ok_or_else(|| cut(length - tail.len()))?;
        rest = tail;
        let place = match head[0] {
            ICC => &mut metadata.icc,
            EXIF => &mut metadata.exif,
            XMP => &mut metadata.xmp,
            CICP => &mut cicp,
            _ => continue,
        };
        if place.replace(record.to_vec()).is_some() {
            return Err(Error::Invalid {
                what: WHAT,
                detail: format!("a second record of kind {}", head[0]),
            });
        }
    }
    if let Some(record) = cicp {
        metadata.cicp = Some(record.try_into().map_err(|record: Vec<u8>| Error::Invalid {
            what: WHAT,
            detail: format!("code points of colour in {} bytes, expected 4", record.len()),
        })?);
    }
    Ok(metadata)
}
