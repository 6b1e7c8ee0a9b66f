//! What was saved and what it cost: the figures of a picture and of a whole run, the same at both ends.
//!
//! `Display` prints them for people, on one line each. Serde writes them for programs, including all derived
//! figures.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::message::{Source, StoredWhen};

/// The figures of a picture that has its receipt.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Its name at the receiver.
    pub name: String,
    /// What it was made from.
    pub source: Source,
    /// Bytes of the `.aec`.
    pub bytes: u64,
    /// Whether the receiver had it before.
    pub stored: StoredWhen,
    /// What the network carried for it, if that is known.
    pub wire: Option<Wire>,
    /// Milliseconds from the offer to the first preview, if one was made.
    pub first_preview: Option<u32>,
    /// Milliseconds from the offer to the last byte.
    pub last_byte: u32,
}

/// What the network carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Wire {
    /// UDP payload in both directions, in bytes.
    #[serde(rename = "wire_bytes")]
    pub bytes: u64,
    /// Packets sent.
    pub packets: u64,
    /// Packets that were lost; what they carried was sent again.
    #[serde(rename = "lost_packets")]
    pub lost: u64,
}

/// The figures of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Total {
    /// Pictures that got their receipt in this run.
    pub pictures: u64,
    /// Those of them that the receiver had before.
    pub before: u64,
    /// Pictures that were not offered, because they already had a receipt.
    pub skipped: u64,
    /// Pictures that were not sent or not taken.
    pub failed: u64,
    /// Bytes of the source files.
    pub source_bytes: u64,
    /// Bytes of their samples without compression.
    pub raw_bytes: u64,
    /// Bytes of the `.aec` files.
    pub bytes: u64,
    /// Pixels of the pictures.
    pub pixels: u64,
    /// What the network carried, all overhead included.
    pub wire: Wire,
    /// Milliseconds that the run took; 0 if that is not known.
    pub elapsed: u64,
    /// Bytes of the pictures that the receiver did not have before.
    moved: u64,
    /// The PSNR of the pictures for which it is known and finite.
    psnr: Mean,
    exact: u64,
    first_preview: Mean,
    last_byte: Mean,
}

/// A sum, and the number of its terms.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl Total {
    /// Adds a picture. Its share of the wire is not added, because [`wire`](Self::wire) is counted over whole
    /// connections.
    pub fn add(&mut self, picture: &Picture) {
        let Picture { source, bytes, stored, first_preview, last_byte, .. } = picture;
        self.pictures += 1;
        // The sender's statements about its source are not trusted.
        let sums = [&mut self.source_bytes, &mut self.raw_bytes, &mut self.bytes, &mut self.pixels];
        for (sum, more) in sums.into_iter().zip([source.bytes, source.raw, *bytes, pixels(source)]) {
            *sum = sum.saturating_add(more);
        }
        match source.psnr {
            Some(psnr) if psnr.is_finite() => self.psnr.add(psnr),
            Some(psnr) if psnr > 0.0 => self.exact += 1,
            _ => {}
        }
        match stored {
            StoredWhen::Before => self.before += 1,
            StoredWhen::Now => {
                self.moved = self.moved.saturating_add(*bytes);
                self.last_byte.add(f64::from(*last_byte));
                first_preview.iter().for_each(|&time| self.first_preview.add(f64::from(time)));
            }
        }
    }

    /// Mean PSNR in dB over the pictures that have one; exact pictures are counted by [`exact`](Self::exact) instead.
    pub fn psnr(&self) -> Option<f64> {
        self.psnr.value()
    }

    /// Pictures whose decode equals the source.
    pub fn exact(&self) -> u64 {
        self.exact
    }

    /// Mean time in milliseconds from an offer to its first preview, over the pictures that had one.
    pub fn first_preview(&self) -> Option<f64> {
        self.first_preview.value()
    }

    /// Mean time in milliseconds from an offer to its last byte.
    pub fn last_byte(&self) -> Option<f64> {
        self.last_byte.value()
    }

    /// Bits of pictures that arrived per second of the run; 0 if its time is not known.
    pub fn goodput(&self) -> f64 {
        if self.elapsed == 0 { 0.0 } else { self.moved as f64 * 8000.0 / self.elapsed as f64 }
    }
}

/// A picture as programs see it.
#[derive(Serialize)]
struct PictureLine<'a> {
    name: &'a str,
    width: u32,
    height: u32,
    source_bytes: u64,
    raw_bytes: u64,
    bytes: u64,
    bpp: f64,
    psnr: Option<f64>,
    exact: bool,
    saved_of_source: f64,
    saved_of_raw: f64,
    stored: &'static str,
    #[serde(flatten)]
    wire: Option<Wire>,
    first_preview_ms: Option<u32>,
    last_byte_ms: u32,
}

impl Serialize for Picture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let source = &self.source;
        PictureLine {
            name: &self.name,
            width: source.width,
            height: source.height,
            source_bytes: source.bytes,
            raw_bytes: source.raw,
            bytes: self.bytes,
            bpp: bits_per_pixel(self.bytes, pixels(source)),
            // JSON has no infinity.
            psnr: source.psnr.filter(|psnr| psnr.is_finite()),
            exact: source.psnr == Some(f64::INFINITY),
            saved_of_source: saved(self.bytes, source.bytes),
            saved_of_raw: saved(self.bytes, source.raw),
            stored: match self.stored {
                StoredWhen::Now => "now",
                StoredWhen::Before => "before",
            },
            wire: self.wire,
            first_preview_ms: self.first_preview,
            last_byte_ms: self.last_byte,
        }
        .serialize(serializer)
    }
}

/// A run as programs see it.
#[derive(Serialize)]
struct TotalLine {
    pictures: u64,
    before: u64,
    skipped: u64,
    failed: u64,
    source_bytes: u64,
    raw_bytes: u64,
    bytes: u64,
    bpp: f64,
    psnr: Option<f64>,
    exact: u64,
    saved_of_source: f64,
    saved_of_raw: f64,
    #[serde(flatten)]
    wire: Wire,
    first_preview_ms: Option<f64>,
    last_byte_ms: Option<f64>,
    elapsed_ms: u64,
    goodput_bps: f64,
}

impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TotalLine {
            pictures: self.pictures,
            before: self.before,
            skipped: self.skipped,
            failed: self.failed,
            source_bytes: self.source_bytes,
            raw_bytes: self.raw_bytes,
            bytes: self.bytes,
            bpp: bits_per_pixel(self.bytes, self.pixels),
            psnr: self.psnr(),
            exact: self.exact,
            saved_of_source: saved(self.bytes, self.source_bytes),
            saved_of_raw: saved(self.bytes, self.raw_bytes),
            wire: self.wire,
            first_preview_ms: self.first_preview(),
            last_byte_ms: self.last_byte(),
            elapsed_ms: self.elapsed,
            goodput_bps: self.goodput(),
        }
        .serialize(serializer)
    }
}

/// `a.aec  35,421 bytes  0.541 bpp  PSNR 36.12 dB  91.5 % smaller than its source, 97.7 % than raw  ...`
impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, source, bytes, .. } = self;
        let bpp = bits_per_pixel(*bytes, pixels(source));
        write!(f, "{name}  {} bytes  {bpp:.3} bpp", Grouped(*bytes))?;
        match source.psnr {
            Some(psnr) if psnr.is_finite() => write!(f, "  PSNR {psnr:.2} dB")?,
            Some(_) => f.write_str("  PSNR exact")?,
            None => {}
        }
        f.write_str("  ")?;
        savings(f, *bytes, source.bytes, source.raw, "its source")?;
        if let Some(wire) = self.wire {
            write!(f, "  {} on the wire", Grouped(wire.bytes))?;
        }
        if self.stored == StoredWhen::Before {
            return f.write_str("  was there before");
        }
        if let Some(time) = self.first_preview {
            write!(f, "  preview after {}", Time(time.into()))?;
        }
        write!(f, "  all after {}", Time(self.last_byte.into()))
    }
}

/// `total: 7 pictures  217,390 bytes  0.498 bpp  mean PSNR 36.12 dB  ...`
impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bpp = bits_per_pixel(self.bytes, self.pixels);
        let word = if self.pictures == 1 { "picture" } else { "pictures" };
        write!(f, "total: {} {word}  {} bytes  {bpp:.3} bpp", Grouped(self.pictures), Grouped(self.bytes))?;
        if let Some(psnr) = self.psnr() {
            write!(f, "  mean PSNR {psnr:.2} dB")?;
        }
        if self.exact > 0 {
            write!(f, "  {} exact", Grouped(self.exact))?;
        }
        f.write_str("  ")?;
        savings(f, self.bytes, self.source_bytes, self.raw_bytes, "the sources")?;
        write!(f, "  {} on the wire", Grouped(self.wire.bytes))?;
        if let Some(time) = self.first_preview() {
            write!(f, "  preview after {}", Time(time as u64))?;
        }
        if let Some(time) = self.last_byte() {
            write!(f, "  all after {}", Time(time as u64))?;
        }
        if self.elapsed > 0 {
            write!(f, "  {:.2} Mbit/s in {}", self.goodput() / 1e6, Time(self.elapsed))?;
        }
        if self.wire.packets > 0 {
            write!(f, "  {} of {} packets lost", Grouped(self.wire.lost), Grouped(self.wire.packets))?;
        }
        for (count, what) in
            [(self.before, "were there before"), (self.skipped, "skipped"), (self.failed, "failed")]
        {
            if count > 0 {
                write!(f, "  ({} {what})", Grouped(count))?;
            }
        }
        Ok(())
    }
}

fn savings(f: &mut fmt::Formatter<'_>, bytes: u64, source: u64, raw: u64, name: &str) -> fmt::Result {
    let [of_source, of_raw] = [source, raw].map(|before| 100.0 * saved(bytes, before));
    let word = |percent: f64| if percent < 0.0 { "larger" } else { "smaller" };
    if bytes == source {
        // The source was compressed before, and its own source is not known.
        return write!(f, "{:.1} % {} than raw", of_raw.abs(), word(of_raw));
    }
    write!(f, "{:.1} % {} than {name}, {:.1} % ", of_source.abs(), word(of_source), of_raw.abs())?;
    if word(of_source) != word(of_raw) {
        write!(f, "{} ", word(of_raw))?;
    }
    f.write_str("than raw")
}

fn pixels(source: &Source) -> u64 {
    u64::from(source.width) * u64::from(source.height)
}

fn bits_per_pixel(bytes: u64, pixels: u64) -> f64 {
    if pixels == 0 { 0.0 } else { bytes as f64 * 8.0 / pixels as f64 }
}

/// The share of `before` that is saved, 0 to 1; negative if the size grew.
fn saved(after: u64, before: u64) -> f64 {
    if before == 0 { 0.0 } else { 1.0 - after as f64 / before as f64 }
}

/// `1,234,567`.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// Milliseconds as `85 ms` or `1.20 s`.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 { write!(f, "{} ms", self.0) } else { write!(f, "{:.2} s", self.0 as f64 / 1000.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(psnr: Option<f64>) -> Picture {
        Picture {
            name: "a.aec".into(),
            source: Source { bytes: 10_000, width: 100, height: 80, raw: 24_000, psnr },
            bytes: 1000,
            stored: StoredWhen::Now,
            wire: Some(Wire { bytes: 1100, packets: 3, lost: 1 }),
            first_preview: Some(40),
            last_byte: 1200,
        }
    }

    #[test]
    fn a_picture_reads_as_a_line() {
        assert_eq!(
            picture(Some(36.125)).to_string(),
            "a.aec  1,000 bytes  1.000 bpp  PSNR 36.12 dB  90.0 % smaller than its source, 95.8 % than raw  \
             1,100 on the wire  preview after 40 ms  all after 1.20 s"
        );
        let before = Picture { stored: StoredWhen::Before, wire: None, ..picture(Some(f64::INFINITY)) };
        assert_eq!(
            before.to_string(),
            "a.aec  1,000 bytes  1.000 bpp  PSNR exact  90.0 % smaller than its source, 95.8 % than raw  \
             was there before"
        );
        let mut aec = picture(None);
        aec.source.bytes = aec.bytes;
        assert!(aec.to_string().starts_with("a.aec  1,000 bytes  1.000 bpp  95.8 % smaller than raw  1,100"));
        let mut grown = picture(None);
        (grown.source.bytes, grown.bytes) = (500, 1000);
        assert!(grown.to_string().contains("100.0 % larger than its source, 95.8 % smaller than raw"));
    }

    #[test]
    fn the_mean_psnr_is_over_pictures_and_exact_ones_are_counted_apart() {
        let mut total = Total::default();
        for psnr in [Some(30.0), Some(40.0), Some(f64::INFINITY), None, Some(f64::NAN)] {
            total.add(&picture(psnr));
        }
        assert_eq!((total.psnr(), total.exact()), (Some(35.0), 1));
        assert_eq!((total.pictures, total.bytes, total.source_bytes), (5, 5000, 50_000));
    }

    #[test]
    fn figures_of_any_size_are_survived() {
        let mut total = Total::default();
        for _ in 0..3 {
            let mut picture = picture(Some(f64::MAX));
            picture.source = Source {
                bytes: u64::MAX,
                raw: u64::MAX,
                width: u32::MAX,
                height: u32::MAX,
                ..picture.source
            };
            total.add(&picture);
        }
        assert_eq!((total.source_bytes, total.raw_bytes, total.pictures), (u64::MAX, u64::MAX, 3));
        assert!(total.to_string().contains("3 pictures"));
    }

    #[test]
    fn goodput_and_times_leave_out_what_was_there_before() {
        let mut total = Total { elapsed: 2000, ..Total::default() };
        total.add(&picture(Some(30.0)));
        total.add(&Picture {
            stored: StoredWhen::Before,
            first_preview: None,
            last_byte: 0,
            ..picture(Some(30.0))
        });
        assert_eq!(total.goodput(), 4000.0);
        assert_eq!((total.first_preview(), total.last_byte()), (Some(40.0), Some(1200.0)));
        assert_eq!((total.before, total.pictures), (1, 2));
    }

    #[test]
    fn a_run_reads_as_a_line() {
        let mut total = Total { elapsed: 2000, skipped: 2, ..Total::default() };
        total.wire = Wire { bytes: 1234, packets: 10, lost: 1 };
        total.add(&picture(Some(30.0)));
        assert_eq!(
            total.to_string(),
            "total: 1 picture  1,000 bytes  1.000 bpp  mean PSNR 30.00 dB  90.0 % smaller than the sources, \
             95.8 % than raw  1,234 on the wire  preview after 40 ms  all after 1.20 s  0.00 Mbit/s in 2.00 s  \
             1 of 10 packets lost  (2 skipped)"
        );
    }
}
