//! The backup at the end of a stream: a second copy of what the whole picture depends on, which are the header, the table and the
//! hyper-latents. With it, no single hole in a file costs more than a few groups.

/// The last bytes of a stream with a backup.
const SIGNATURE: [u8; 8] = *b"\x89AEB\r\n\x1a\n";
/// Bytes of the length that comes before the signature, and of the signature.
const FOOTER: usize = 4 + SIGNATURE.len();

/// The backup of a stream with this header and table and these hyper-latents. It is empty if it would have 4 GiB or more.
pub(super) fn of<'a>(head: &[u8], hyper: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut copy = head.to_vec();
    copy.extend(hyper.flatten());
    let Ok(length) = u32::try_from(copy.len()) else { return Vec::new() };
    copy.extend(length.to_le_bytes());
    copy.extend(SIGNATURE);
    copy
}

/// Number of bytes that [`of`] makes for a stream whose header and table have `head` bytes.
pub(crate) fn backup_length(head: u64, hyper: &[Vec<u8>]) -> u64 {
    head + hyper.iter().map(|chunk| chunk.len() as u64).sum::<u64>() + FOOTER as u64
}

/// The backup of a stream, if it ends with one: the copy of header, table and hyper-latents.
pub(super) fn find(bytes: &[u8]) -> Option<&[u8]> {
    let (rest, footer) = bytes.split_last_chunk::<FOOTER>()?;
    let (length, signature) = footer.split_first_chunk()?;
    let start = rest.len().checked_sub(u32::from_le_bytes(*length) as usize)?;
    (signature == SIGNATURE).then(|| &rest[start..])
}

/// Number of bytes that a backup takes at the end of a stream.
pub(super) fn size(backup: &[u8]) -> u64 {
    (backup.len() + FOOTER) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{ChunkKind, ChunkState, Header, protect, read, write};
    use crate::{Error, Limits};

    fn stream() -> Vec<u8> {
        let header = Header {
            gray: true,
            alpha: false,
            metadata: false,
            source_16bit: false,
            orientation: 1,
            profile: 1,
            width: 200,
            height: 70,
            quality: 5,
            group_log2: 6,
            model: [1; 8],
            pixel_hash: [2; 4],
            exact: None,
            maximum: 255,
        };
        let substreams: Vec<Vec<u8>> = (0..40).map(|i| vec![i as u8; 20 + i]).collect();
        let bytes = write(&header, None, Some(b"alpha"), &substreams).expect("sound parts");
        protect(bytes).expect("an intact stream")
    }

    #[test]
    fn a_hole_anywhere_costs_no_header_and_no_hyper_latents() {
        let bytes = stream();
        let sound = read(&bytes, &Limits::default()).expect("a sound stream");
        assert_eq!((sound.trailing, sound.mended), (0, false));
        for hole in 0..bytes.len() - 100 {
            let mut damaged = bytes.clone();
            damaged[hole..hole + 100].fill(0xAA);
            let found =
                read(&damaged, &Limits::default()).unwrap_or_else(|error| panic!("hole at {hole}: {error}"));
            assert_eq!(found.header, sound.header, "hole at {hole}");
            for chunk in found.chunks {
                let lost = !matches!(chunk.state, ChunkState::Present(_));
                let (start, end) = (chunk.offset as usize, (chunk.offset + chunk.length) as usize);
                let hit = hole < end && start < hole + 100;
                let hyper = matches!(chunk.kind, ChunkKind::Hyper { .. });
                assert_eq!(lost, hit && !hyper, "{} with a hole at {hole}", chunk.kind);
            }
        }
    }

    #[test]
    fn what_a_backup_mends_is_told() {
        let bytes = stream();
        let hyper = read(&bytes, &Limits::default()).expect("a sound stream").chunks[3].offset as usize;
        for (at, mended) in [(0, true), (8, true), (40, true), (hyper, true), (bytes.len() - 1, false)] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let found = read(&damaged, &Limits::default()).expect("a stream that can be mended");
            assert_eq!(found.mended, mended, "byte {at}");
            assert!(mended || found.trailing > 0, "a damaged backup is not one");
        }
    }

    #[test]
    fn a_cut_or_wrong_backup_is_ignored() {
        let bytes = stream();
        for end in [bytes.len() - 1, bytes.len() - 13] {
            let found = read(&bytes[..end], &Limits::default()).expect("a sound header");
            assert!(found.trailing > 0 && !found.mended);
        }
        let mut long = bytes.clone();
        let at = bytes.len() - FOOTER;
        long[at..at + 4].fill(0xFF);
        assert!(read(&long, &Limits::default()).is_ok());
        long[0] = 0;
        assert!(matches!(read(&long, &Limits::default()), Err(Error::Signature { .. })));
    }
}
