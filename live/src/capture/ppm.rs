//! Reads binary PPM and PGM pictures (P6, P5), one after the other.

use std::io::Read;

use aecodec::{Picture, files};

use super::error::FrameError;
use super::pipe::Pipe;

/// Bytes of a header, comments included.
const HEADER_MOST: usize = 4096;

/// The next picture. Only its header says how long a picture is, so the next picture cannot be found after a
/// damaged header.
pub(super) fn read<R: Read>(pipe: &mut Pipe<R>) -> Result<Option<Picture>, FrameError> {
    let mut bytes = Vec::new();
    // Some writers end a picture with a line feed.
    let first = loop {
        match pipe.byte()? {
            None => return Ok(None),
            Some(byte) if byte.is_ascii_whitespace() => {}
            Some(byte) => break byte,
        }
    };
    bytes.push(first);
    pipe.take(1, &mut bytes)?;
    let channels = match &bytes[..] {
        b"P5" => 1,
        b"P6" => 3,
        found => {
            return Err(
                pipe.stream(format!("begins with {found:02x?}, expected P5 or P6: binary PGM or PPM"))
            );
        }
    };
    let [width, height, most] =
        [number(pipe, &mut bytes)?, number(pipe, &mut bytes)?, number(pipe, &mut bytes)?];
    if width == 0 || height == 0 || !(1..=65535).contains(&most) {
        return Err(pipe.stream(format!("{width}x{height} with samples up to {most}, expected up to 65535")));
    }
    pipe.limits.check_pixels(width, height).map_err(|e| pipe.stream(e.to_string()))?;
    let samples = u64::from(width) * u64::from(height) * channels * if most > 255 { 2 } else { 1 };
    pipe.limits.check_bytes(2 * samples).map_err(|e| pipe.stream(e.to_string()))?;
    pipe.take(samples, &mut bytes)?;
    let (picture, _) = files::read(&bytes, &pipe.limits).map_err(|e| pipe.lost(e))?;
    Ok(Some(picture))
}

/// A decimal number with the white space and comments before it and the one white space after it.
fn number<R: Read>(pipe: &mut Pipe<R>, bytes: &mut Vec<u8>) -> Result<u32, FrameError> {
    let mut value: Option<u32> = None;
    let mut comment = false;
    while bytes.len() < HEADER_MOST {
        let Some(byte) = pipe.byte()? else { return Err(pipe.stream("the pipe ends within a header")) };
        bytes.push(byte);
        match byte {
            b'\n' | b'\r' if comment => comment = false,
            _ if comment => {}
            b'#' if value.is_none() => comment = true,
            b'0'..=b'9' => {
                let next =
                    value.unwrap_or(0).checked_mul(10).and_then(|v| v.checked_add(u32::from(byte - b'0')));
                value = Some(next.ok_or_else(|| pipe.stream("a number of the header is above 2^32"))?);
            }
            byte if byte.is_ascii_whitespace() => {
                if let Some(value) = value {
                    return Ok(value);
                }
            }
            byte => {
                return Err(pipe.stream(format!("the header holds the byte {byte:02x}, expected a number")));
            }
        }
    }
    Err(pipe.stream(format!("its header is longer than {HEADER_MOST} bytes")))
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Frames};
    use aecodec::{Color, Limits};

    fn frames(bytes: &[u8]) -> Frames<&[u8]> {
        Frames::new(Format::Ppm, bytes, Limits::default())
    }

    #[test]
    fn pictures_with_comments_and_line_feeds_between_are_read() {
        let pipe = b"P6\n# made by hand\n2 1\n255\n\x01\x02\x03\x04\x05\x06\nP5 1 2 65535\n\xff\xff\0\0";
        let mut frames = frames(pipe);
        let first = frames.read().expect("sound").expect("a frame");
        assert_eq!((first.color, &first.samples[..]), (Color::Rgb, &[1, 2, 3, 4, 5, 6][..]));
        let second = frames.read().expect("sound").expect("a frame");
        assert_eq!((second.color, &second.samples[..]), (Color::Gray, &[255, 0][..]));
        assert!(frames.read().expect("sound").is_none());
    }

    #[test]
    fn damage_and_greed_end_the_stream_with_the_reason() {
        for (pipe, reason) in [
            (&b"P6 2 2 255\n123"[..], "9 bytes early"),
            (b"P3 2 2 255 1 2 3", "expected P5 or P6"),
            (b"P6 99999999999 1 255\n", "above 2^32"),
            (b"P6 4000000000 4000000000 255\n", "limit"),
            (b"P5 0 3 255\n", "0x3"),
            (b"P6 x", "byte 78"),
            (b"P6 2", "within a header"),
        ] {
            let error = frames(pipe).read().expect_err("damaged");
            assert!(error.to_string().contains(reason) && !error.is_passing(), "{error}");
        }
    }
}
