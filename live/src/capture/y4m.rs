//! YUV4MPEG2 with 8 bits per sample, which `ffmpeg -f yuv4mpegpipe` and most capture tools write.
//!
//! Samples become RGB by BT.709 from 1280 pixels of width or 577 rows on and by BT.601 below, as players do,
//! because the format does not record it. They have video range (16 to 235) unless the header says
//! `XCOLORRANGE=FULL`.

use std::io::{BufRead, Read};

use aecodec::{Color, Picture};

use super::error::FrameError;
use super::pipe::Pipe;

/// Bytes of a header line.
const LINE_MOST: u64 = 1024;
/// Fraction bits of the conversion.
const BITS: i32 = 14;

/// What the header of a stream says.
#[derive(Debug)]
pub(super) struct Stream {
    width: u32,
    height: u32,
    chroma: Chroma,
    matrix: Matrix,
    /// Frames per second as a fraction, if the header says it.
    pub rate: Option<(u32, u32)>,
}

/// Shift of the chroma planes' sides (horizontal, vertical), or `None` if there are no chroma planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chroma {
    None,
    Shifted(u32, u32),
}

/// Factors from Y, U and V to RGB, with [`BITS`] of fraction.
#[derive(Debug, Clone, Copy)]
struct Matrix {
    black: i32,
    luma: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

impl Matrix {
    /// From the weights of red and blue in luma.
    fn new(red: f64, blue: f64, full: bool) -> Self {
        let (luma, chroma) = if full { (1.0, 1.0) } else { (255.0 / 219.0, 255.0 / 224.0) };
        let fixed = |v: f64| (v * f64::from(1 << BITS)).round() as i32;
        let green = 1.0 - red - blue;
        Self {
            black: if full { 0 } else { 16 },
            luma: fixed(luma),
            red_v: fixed(2.0 * (1.0 - red) * chroma),
            green_u: fixed(2.0 * (1.0 - blue) * blue / green * chroma),
            green_v: fixed(2.0 * (1.0 - red) * red / green * chroma),
            blue_u: fixed(2.0 * (1.0 - blue) * chroma),
        }
    }

    fn luma(&self, y: u8) -> i32 {
        (i32::from(y) - self.black) * self.luma + (1 << (BITS - 1))
    }
}

/// The next frame. Reads the header first if that was not done.
pub(super) fn read<R: Read>(
    pipe: &mut Pipe<R>,
    stream: &mut Option<Stream>,
) -> Result<Option<Picture>, FrameError> {
    if stream.is_none() {
        let Some(line) = line(pipe)? else { return Ok(None) };
        *stream = Some(header(pipe, &line)?);
    }
    let (Some(stream), Some(line)) = (stream, line(pipe)?) else { return Ok(None) };
    // Parameters of a frame only describe interlacing.
    if line != b"FRAME" && !line.starts_with(b"FRAME ") {
        let start = String::from_utf8_lossy(&line[..line.len().min(8)]).into_owned();
        return Err(pipe.stream(format!("begins with {start:?}, expected FRAME")));
    }
    let (width, height) = (stream.width as usize, stream.height as usize);
    let (chroma_width, chroma_height) = match stream.chroma {
        Chroma::None => (0, 0),
        Chroma::Shifted(x, y) => {
            (stream.width.div_ceil(1 << x) as usize, stream.height.div_ceil(1 << y) as usize)
        }
    };
    let count = width * height + 2 * chroma_width * chroma_height;
    let mut planes = Vec::with_capacity(count);
    pipe.take(count as u64, &mut planes)?;

    let (luma, chroma) = planes.split_at(width * height);
    let matrix = &stream.matrix;
    let (color, samples) = match stream.chroma {
        Chroma::None => {
            let gray = |&y: &u8| (matrix.luma(y) >> BITS).clamp(0, 255) as u8;
            (Color::Gray, luma.iter().map(gray).collect())
        }
        Chroma::Shifted(x, y) => {
            let (u, v) = chroma.split_at(chroma_width * chroma_height);
            let mut rgb = vec![0; 3 * width * height];
            for (row, (luma, rgb)) in
                luma.chunks_exact(width).zip(rgb.chunks_exact_mut(3 * width)).enumerate()
            {
                let from = (row >> y) * chroma_width;
                let (u, v) = (&u[from..from + chroma_width], &v[from..from + chroma_width]);
                convert(matrix, luma, (u, v), x, rgb);
            }
            (Color::Rgb, rgb)
        }
    };
    Picture::new(stream.width, stream.height, color, samples).map(Some).map_err(|e| pipe.lost(e))
}

/// Converts one row to RGB. Chroma is repeated, because the codec's loss is far above the gain of a finer
/// interpolation.
fn convert(matrix: &Matrix, luma: &[u8], (u, v): (&[u8], &[u8]), shift: u32, rgb: &mut [u8]) {
    let step = 1 << shift;
    for (((luma, rgb), &u), &v) in luma.chunks(step).zip(rgb.chunks_mut(3 * step)).zip(u).zip(v) {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let offsets = [matrix.red_v * v, -matrix.green_u * u - matrix.green_v * v, matrix.blue_u * u];
        for (&y, pixel) in luma.iter().zip(rgb.chunks_exact_mut(3)) {
            let y = matrix.luma(y);
            for (sample, offset) in pixel.iter_mut().zip(offsets) {
                *sample = ((y + offset) >> BITS).clamp(0, 255) as u8;
            }
        }
    }
}

/// A line without its line feed; `None` at the end of the pipe.
fn line<R: Read>(pipe: &mut Pipe<R>) -> Result<Option<Vec<u8>>, FrameError> {
    let mut line = Vec::new();
    pipe.reader.by_ref().take(LINE_MOST).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(pipe.stream("a header line is cut short or too long")),
    }
}

fn header<R: Read>(pipe: &Pipe<R>, line: &[u8]) -> Result<Stream, FrameError> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split(' ');
    if words.next() != Some("YUV4MPEG2") {
        return Err(pipe.stream("the stream does not begin with YUV4MPEG2"));
    }
    let (mut width, mut height, mut chroma, mut full) = (0_u32, 0_u32, Chroma::Shifted(1, 1), false);
    let mut rate = None;
    for word in words.filter(|word| !word.is_empty()) {
        let (name, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        let side = || value.parse().map_err(|_| pipe.stream(format!("{word:?} is not a size")));
        match name {
            "W" => width = side()?,
            "H" => height = side()?,
            "F" => rate = fraction(value),
            "X" => full |= value == "COLORRANGE=FULL",
            "C" => {
                chroma = match value {
                    "420" | "420jpeg" | "420mpeg2" | "420paldv" => Chroma::Shifted(1, 1),
                    "422" => Chroma::Shifted(1, 0),
                    "444" => Chroma::Shifted(0, 0),
                    "mono" => Chroma::None,
                    _ => {
                        return Err(pipe.stream(format!(
                            "samples of the kind {value:?}, expected 420, 422, 444 or mono of 8 bits \
                             (ffmpeg -pix_fmt yuv420p)"
                        )));
                    }
                };
            }
            _ => {}
        }
    }
    if width == 0 || height == 0 {
        return Err(pipe.stream(format!("the header gives a size of {width}x{height}")));
    }
    pipe.limits.check_pixels(width, height).map_err(|e| pipe.stream(e.to_string()))?;
    let samples = 3 * u64::from(width) * u64::from(height);
    pipe.limits.check_bytes(2 * samples).map_err(|e| pipe.stream(e.to_string()))?;
    let high = width >= 1280 || height > 576;
    let matrix = if high { Matrix::new(0.2126, 0.0722, full) } else { Matrix::new(0.299, 0.114, full) };
    Ok(Stream { width, height, chroma, matrix, rate })
}

/// A fraction such as `30000:1001`; `None` if it is not one, or unknown (`0:0`).
fn fraction(text: &str) -> Option<(u32, u32)> {
    let (above, below) = text.split_once(':')?;
    let fraction = (above.parse().ok()?, below.parse().ok()?);
    (fraction.0 > 0 && fraction.1 > 0).then_some(fraction)
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Frames};
    use aecodec::{Color, Limits, Picture};
    use proptest::prelude::*;

    fn read(pipe: &[u8]) -> Result<Vec<Picture>, String> {
        let mut frames = Frames::new(Format::Y4m, pipe, Limits::default());
        std::iter::from_fn(|| frames.read().map_err(|e| e.to_string()).transpose()).collect()
    }

    fn near(found: &[u8], expected: [u8; 3]) -> bool {
        found.chunks_exact(3).all(|pixel| pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1))
    }

    #[test]
    fn colours_of_both_matrices_and_ranges_come_out() {
        // Red as BT.601 and BT.709 in video range, and as BT.601 in full range.
        for (width, range, yuv) in
            [(3, "", [81, 90, 240]), (1281, "", [63, 102, 240]), (3, " XCOLORRANGE=FULL", [76, 85, 255])]
        {
            for (kind, chroma_width, chroma_height) in [
                ("420jpeg", usize::div_ceil(width, 2), 2),
                ("422", usize::div_ceil(width, 2), 3),
                ("444", width, 3),
            ] {
                let mut pipe = format!("YUV4MPEG2 W{width} H3 F10:1 Ip A1:1 C{kind}{range}\n").into_bytes();
                for parameters in ["", " Ip"] {
                    pipe.extend(format!("FRAME{parameters}\n").bytes());
                    pipe.extend(vec![yuv[0]; width * 3]);
                    pipe.extend(vec![yuv[1]; chroma_width * chroma_height]);
                    pipe.extend(vec![yuv[2]; chroma_width * chroma_height]);
                }
                let frames = read(&pipe).expect("sound");
                assert_eq!(frames.len(), 2);
                let red = near(&frames[1].samples, [255, 0, 0]) || near(&frames[1].samples, [254, 0, 0]);
                assert!(red, "{kind}{range}: {:?}", &frames[1].samples[..3]);
            }
        }
    }

    #[test]
    fn the_rate_is_known_after_the_first_frame() {
        for (field, rate) in
            [("F30000:1001", Some((30000, 1001))), ("F0:0", None), ("F25", None), ("Ip", None)]
        {
            let pipe = format!("YUV4MPEG2 W1 H1 {field} Cmono\nFRAME\n1");
            let mut frames = Frames::new(Format::Y4m, pipe.as_bytes(), Limits::default());
            assert_eq!(frames.rate(), None);
            frames.read().expect("sound");
            assert_eq!(frames.rate(), rate, "{field}");
        }
    }

    #[test]
    fn gray_is_gray_and_a_missing_kind_is_420() {
        let mono = read(b"YUV4MPEG2 W3 H1 Cmono\nFRAME\n\x10\x7e\xeb").expect("sound");
        assert_eq!((mono[0].color, &mono[0].samples[..]), (Color::Gray, &[0, 128, 255][..]));
        let plain = read(b"YUV4MPEG2 W1 H1\nFRAME\n\xeb\x80\x80").expect("sound");
        assert_eq!(plain[0].samples, [255; 3]);
    }

    #[test]
    fn damage_and_greed_end_the_stream_with_the_reason() {
        for (pipe, reason) in [
            (&b"RIFF\n"[..], "YUV4MPEG2"),
            (b"YUV4MPEG2 W4000000000 H4000000000 C444\nFRAME\n", "limit"),
            (b"YUV4MPEG2 W99999999999 H1\n", "not a size"),
            (b"YUV4MPEG2 H1\n", "size of 0x1"),
            (b"YUV4MPEG2 W2 H2 C420p10\n", "yuv420p"),
            (b"YUV4MPEG2 W2 H2\nFRAME\n123", "3 bytes early"),
            (b"YUV4MPEG2 W1 H1\nFRAME\n123FR\n", "expected FRAME"),
            (b"YUV4MPEG2 W1", "cut short"),
        ] {
            let error = read(pipe).expect_err("damaged");
            assert!(error.contains(reason), "{error}");
        }
        assert_eq!(read(b""), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn any_bytes_end(text in "(YUV4MPEG2 )?([WHFCX][0-9a-z]{0,3} ){0,4}\n(FRAME\n.{0,40}){0,3}") {
            let _ = read(text.as_bytes());
        }
    }
}
