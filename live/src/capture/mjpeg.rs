//! Reads JPEG pictures one after the other, as cameras and `ffmpeg -f mjpeg` write them.
//!
//! The reader follows a picture from marker to marker, so that the thumbnail in its EXIF data does not count as a
//! picture. If the markers make no sense, the picture is lost, and the search continues at the next start of a
//! picture, even if that was taken for a part of the lost one.

use std::io::{BufRead, Read};

use aecodec::{Picture, files};

use super::error::FrameError;
use super::pipe::Pipe;

/// The most bytes of a picture.
const LARGEST: usize = 64 << 20;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// The next picture.
pub(super) fn read<R: Read>(pipe: &mut Pipe<R>) -> Result<Option<Picture>, FrameError> {
    if !find_start(pipe)? {
        return Ok(None);
    }
    let mut bytes = vec![0xff, SOI];
    let mut sound = bytes.len();
    let read = match follow(pipe, &mut bytes, &mut sound) {
        Ok(()) => {
            sound = 2;
            files::read(&bytes, &pipe.limits).map_err(|e| pipe.lost(e))
        }
        Err(error) => Err(error),
    };
    match read {
        Ok((picture, _)) => Ok(Some(picture)),
        Err(error) => {
            let next = restart(&bytes, sound);
            pipe.reader.give_back(&bytes[next..]);
            Err(error)
        }
    }
}

/// Skips everything up to and including a start of a picture; false at the end of the pipe.
fn find_start<R: Read>(pipe: &mut Pipe<R>) -> Result<bool, FrameError> {
    let mut before = 0;
    while let Some(byte) = pipe.byte()? {
        if before == 0xff && byte == SOI {
            return Ok(true);
        }
        before = byte;
    }
    Ok(false)
}

/// Appends everything after the start of a picture up to its end. `sound` is where the last segment begins that was
/// not followed by a marker: the bytes up to there certainly belong to this picture.
fn follow<R: Read>(pipe: &mut Pipe<R>, bytes: &mut Vec<u8>, sound: &mut usize) -> Result<(), FrameError> {
    let mut found = marker(pipe, bytes)?;
    let mut frames = 0;
    loop {
        let before = *sound;
        *sound = bytes.len() - 2;
        match found {
            EOI => return Ok(()),
            // Markers without content: TEM, and RST outside of a scan.
            0x01 | 0xd0..=0xd7 => found = marker(pipe, bytes)?,
            0x00 | SOI => {
                // No picture has these here, so the segment before may be one that was cut and took in the next start.
                *sound = before;
                return Err(damaged(pipe, bytes, format!("the marker ff{found:02x} within a picture")));
            }
            kind if is_frame_header(kind) && frames > 0 => {
                // It belongs to the next picture, whose start was taken for a part of this one.
                *sound = 2;
                return Err(damaged(pipe, bytes, "a second frame header".into()));
            }
            kind => {
                frames += usize::from(is_frame_header(kind));
                let at = bytes.len();
                take(pipe, bytes, 2)?;
                let length = u64::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
                let Some(content) = length.checked_sub(2) else {
                    return Err(damaged(
                        pipe,
                        bytes,
                        format!("a segment of {length} bytes, expected 2 at least"),
                    ));
                };
                take(pipe, bytes, content)?;
                found = if kind == SOS { scan(pipe, bytes)? } else { marker(pipe, bytes)? };
            }
        }
    }
}

/// SOF0 to SOF15; among their numbers are those of tables.
fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Where the next picture begins in the bytes of one that is lost: at a start after its sound part, which may be
/// cut off by the end of the bytes. A start within a segment has to belong to a picture like the lost one: the
/// thumbnails in EXIF data have no EXIF data of their own.
fn restart(bytes: &[u8], sound: usize) -> usize {
    let start = [0xff, SOI, 0xff, bytes.get(3).copied().unwrap_or(0)];
    let from = sound.clamp(2, bytes.len());
    if bytes[from..] == start[..2] {
        return from;
    }
    let whole = bytes[from..].windows(start.len()).position(|window| window == start);
    let tail = from.max((bytes.len() + 1).saturating_sub(start.len()));
    let cut = || (tail..bytes.len()).find(|&at| start.starts_with(&bytes[at..]));
    whole.map(|at| from + at).or_else(cut).unwrap_or(bytes.len())
}

/// Reads a marker, which may have any number of ff before it.
fn marker<R: Read>(pipe: &mut Pipe<R>, bytes: &mut Vec<u8>) -> Result<u8, FrameError> {
    take(pipe, bytes, 1)?;
    match bytes.last() {
        Some(0xff) => {}
        other => return Err(damaged(pipe, bytes, format!("the byte {other:02x?}, expected a marker"))),
    }
    while bytes.last() == Some(&0xff) {
        take(pipe, bytes, 1)?;
    }
    Ok(bytes.last().copied().unwrap_or(0))
}

/// Reads coded data up to the marker that ends it, and that marker.
fn scan<R: Read>(pipe: &mut Pipe<R>, bytes: &mut Vec<u8>) -> Result<u8, FrameError> {
    loop {
        let room = (LARGEST + 1).saturating_sub(bytes.len()) as u64;
        pipe.reader.by_ref().take(room).read_until(0xff, bytes)?;
        if bytes.last() != Some(&0xff) {
            let detail = if bytes.len() > LARGEST { "it has no end" } else { "the pipe ends within it" };
            return Err(damaged(pipe, bytes, detail.into()));
        }
        while bytes.last() == Some(&0xff) {
            take(pipe, bytes, 1)?;
        }
        match bytes.last().copied() {
            Some(0x00 | 0xd0..=0xd7) => {}
            other => return Ok(other.unwrap_or(0)),
        }
    }
}

fn take<R: Read>(pipe: &mut Pipe<R>, bytes: &mut Vec<u8>, count: u64) -> Result<(), FrameError> {
    if bytes.len() as u64 + count > LARGEST as u64 {
        return Err(damaged(pipe, bytes, format!("it is larger than {LARGEST} bytes")));
    }
    let got = pipe.reader.by_ref().take(count).read_to_end(bytes)? as u64;
    if got < count { Err(damaged(pipe, bytes, "the pipe ends within it".into())) } else { Ok(()) }
}

/// Reports that the picture is lost; the next one is found by its start.
fn damaged<R: Read>(pipe: &Pipe<R>, bytes: &[u8], detail: String) -> FrameError {
    let detail = format!("{detail} (after {} bytes)", bytes.len());
    pipe.lost(aecodec::Error::Invalid { what: "JPEG", detail })
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Frames};
    use aecodec::files::{self, WriteOptions};
    use aecodec::{Color, Limits, Metadata, Picture};
    use proptest::prelude::*;

    fn jpeg(level: u8) -> Vec<u8> {
        let mut picture = Picture::new(20, 11, Color::Rgb, vec![level; 20 * 11 * 3]).expect("a picture");
        // A thumbnail: markers of a picture within a segment.
        let exif = [&b"II*\0\x08\0\0\0\0\0\0\0\0\0"[..], b"\xff\xd8\xff\xda\0\x02\xff\xd9"].concat();
        picture.metadata = Metadata { exif: Some(exif), ..Metadata::default() };
        files::write(&picture, files::Format::Jpeg, &WriteOptions::default()).expect("a file").0
    }

    fn levels(pipe: &[u8]) -> (Vec<u8>, usize) {
        let mut frames = Frames::new(Format::Mjpeg, pipe, Limits::default());
        let (mut found, mut lost) = (Vec::new(), 0);
        loop {
            match frames.read() {
                Ok(Some(picture)) => found.push(picture.samples[0]),
                Ok(None) => return (found, lost),
                Err(error) => {
                    assert!(error.is_passing(), "{error}");
                    lost += 1;
                }
            }
        }
    }

    #[test]
    fn pictures_are_found_whatever_lies_between_them() {
        let pipe =
            [&jpeg(10)[..], b"--boundary\r\nContent-Length: 7\r\n\r\n", &jpeg(90), &jpeg(200)].concat();
        let (found, lost) = levels(&pipe);
        assert!(found.len() == 3 && lost == 0);
        assert!(found.iter().zip([10, 90, 200]).all(|(a, b)| a.abs_diff(b) <= 2), "{found:?}");
    }

    #[test]
    fn a_picture_that_is_cut_costs_none_but_itself() {
        let whole = jpeg(60);
        for end in 2..whole.len() {
            let (found, _) = levels(&[&jpeg(20)[..], &whole[..end], &jpeg(100), &jpeg(200)].concat());
            assert!(found.len() == 3, "{end}: {found:?}");
            assert!(found.iter().zip([20, 100, 200]).all(|(a, b)| a.abs_diff(b) <= 2), "{end}: {found:?}");
        }
        assert_eq!(levels(&whole[..whole.len() - 1]), (vec![], 1));
    }

    #[test]
    fn the_thumbnail_of_a_damaged_picture_is_no_frame() {
        let whole = jpeg(60);
        let coded = whole.len() - 20;
        let damaged = [&whole[..coded], b"\xff\xfe\0\0", &whole[coded..]].concat();
        let (found, lost) = levels(&[&damaged[..], &jpeg(200)].concat());
        assert!(found.len() == 1 && found[0].abs_diff(200) <= 2 && lost >= 1, "{found:?}, {lost} lost");
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(prop_oneof![Just(0xff_u8), Just(0xd8), Just(0xda), any::<u8>()], 0..300)) {
            levels(&bytes);
        }
    }
}
