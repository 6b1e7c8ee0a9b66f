//! Encodes a picture without loss, or with bounded errors, group by group.

use super::group::{self, GroupMode, Shape};
use crate::Result;
use crate::band::{Band, Grid};
use crate::container::{self, GROUP_LOG2, Header, recorded_hash};
use crate::encoding::EncodeOptions;
use crate::measure::decibels;
use crate::picture::{Color, PictureInfo};
use crate::rect::Rect;
use crate::sample::squares;
use crate::saturating::{product, sum};
use crate::source::Source;
use crate::threads;
use std::sync::{Mutex, PoisonError};

/// Bytes by which a file may exceed the samples of its picture before larger groups are tried.
const MARGIN: u64 = 64;

/// An encoded picture.
pub(crate) struct Exact {
    pub bytes: Vec<u8>,
    /// `None` if the decoded samples are exact.
    pub psnr: Option<f64>,
}

/// What is encoded.
pub(crate) struct Job<'a> {
    pub head: &'a PictureInfo,
    /// `[height, width]`.
    pub alpha: Option<&'a [u8]>,
    /// The metadata chunk.
    pub metadata: Option<&'a [u8]>,
    /// Largest error of a colour sample.
    pub error: u16,
}

impl Job<'_> {
    /// Encodes the rows of a source, which is at its first row.
    ///
    /// # Errors
    /// Returns [`crate::Error::Limit`] if this takes more memory than allowed, and the errors of the source.
    pub fn encode(&self, source: &mut dyn Source, options: &EncodeOptions) -> Result<Exact> {
        let first = self.in_groups(source, options, options.group_log2)?;
        let samples = product([self.head.height as usize, self.head.width as usize, self.channels()]);
        let most = sum([samples, MARGIN, self.metadata.map_or(0, |metadata| metadata.len() as u64 + 16)]);
        let largest = *GROUP_LOG2.end();
        if first.bytes.len() as u64 <= most || options.group_log2 == largest {
            return Ok(first);
        }
        // Noise: fewer groups cost fewer entries of the table. If they take too much memory, the first result is good enough.
        source.rewind()?;
        match self.in_groups(source, options, largest) {
            Ok(second) if second.bytes.len() < first.bytes.len() => Ok(second),
            Ok(_) | Err(crate::Error::Limit { .. }) => Ok(first),
            Err(error) => Err(error),
        }
    }

    fn channels(&self) -> usize {
        self.head.color.channels() + usize::from(self.alpha.is_some())
    }

    fn in_groups(&self, source: &mut dyn Source, options: &EncodeOptions, group_log2: u8) -> Result<Exact> {
        let size = (self.head.height, self.head.width);
        let needed = |threads: usize| self.needed(Grid::new(size, group_log2, threads), threads);
        let threads = threads::fitting(threads::count(options.threads), needed, options.limits.memory());
        options.limits.check_bytes(needed(threads))?;
        let grid = Grid::new(size, group_log2, threads);
        let mut substreams = vec![Vec::new(); grid.groups()];
        let (mut hasher, mut error, mut rows) = (blake3::Hasher::new(), 0, Vec::new());
        for band in grid.bands(0..grid.height) {
            let area = pixels(&Rect { rows: band.rows.clone(), columns: 0..grid.width }, self.head);
            rows.resize(area.height() * self.head.stride(), 0);
            source.read(&mut rows)?;
            let coded = self.band(&band, area.rows.start, &rows, threads);
            for (group, coded) in band.groups.iter().zip(coded) {
                substreams[group.index] = coded.bytes;
                if self.error > 0 {
                    let rect = pixels(&group.rect, self.head);
                    error += self.put(&mut rows, area.rows.start, &rect, &coded.samples);
                }
            }
            hasher.update(&rows);
        }
        let header = self.header(group_log2, recorded_hash(&hasher.finalize()));
        let bytes = container::write_all(&header, self.metadata, None, substreams)?;
        let samples = self.head.samples();
        Ok(Exact { bytes, psnr: decibels(error, samples) })
    }

    /// Encodes the groups of a band, whose rows begin at row `top`.
    fn band(&self, band: &Band, top: usize, rows: &[u8], threads: usize) -> Vec<Coded> {
        let coded: Vec<Mutex<Coded>> = band.groups.iter().map(|_| Mutex::default()).collect();
        let places: Vec<usize> = (0..coded.len()).collect();
        threads::for_each(
            threads,
            &places,
            || (),
            |(), &i| {
                let rect = pixels(&band.groups[i].rect, self.head);
                let mut samples = self.take(rows, top, &rect);
                let bytes = group::encode(self.shape(&rect), &mut samples);
                if self.error == 0 {
                    samples = Vec::new();
                }
                *coded[i].lock().unwrap_or_else(PoisonError::into_inner) = Coded { bytes, samples };
            },
        );
        coded.into_iter().map(|coded| coded.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    fn shape(&self, rect: &Rect) -> Shape {
        Shape {
            width: rect.width(),
            height: rect.height(),
            channels: self.channels(),
            alpha: self.alpha.is_some(),
            error: self.error,
            maximum: 255,
        }
    }

    /// The samples of a group in the order in which they are coded.
    fn take(&self, rows: &[u8], top: usize, rect: &Rect) -> Vec<u8> {
        let (width, color) = (self.head.width as usize, self.head.color);
        let mut samples = Vec::with_capacity(rect.height() * rect.width() * self.channels());
        for y in rect.rows.clone() {
            for x in rect.columns.clone() {
                samples.extend(self.alpha.map(|alpha| alpha[y * width + x]));
                let at = ((y - top) * width + x) * color.channels();
                match color {
                    Color::Gray => samples.push(rows[at]),
                    Color::Rgb => samples.extend([rows[at + 1], rows[at], rows[at + 2]]),
                }
            }
        }
        samples
    }

    /// Replaces the colours of a group with the decoded ones, and returns the sum of their squared errors.
    fn put(&self, rows: &mut [u8], top: usize, rect: &Rect, samples: &[u8]) -> u64 {
        let (width, color, skip) =
            (self.head.width as usize, self.head.color, usize::from(self.alpha.is_some()));
        let mut error = 0;
        for (row, y) in samples.chunks_exact(rect.width() * self.channels()).zip(rect.rows.clone()) {
            for (pixel, x) in row.chunks_exact(self.channels()).zip(rect.columns.clone()) {
                let at = ((y - top) * width + x) * color.channels();
                let place = &mut rows[at..at + color.channels()];
                let decoded = in_file_order(&pixel[skip..]);
                error += squares(place, &decoded[..color.channels()]);
                place.copy_from_slice(&decoded[..color.channels()]);
            }
        }
        error
    }

    /// The most bytes that an encode in this grid holds, without the picture and the stream.
    fn needed(&self, grid: Grid, threads: usize) -> u64 {
        let rect = pixels(&grid.rect(0), self.head);
        let samples = product([rect.height(), rect.width(), self.channels()]);
        let modes = [GroupMode::Samples, GroupMode::Pixels, GroupMode::Palette];
        let model = modes.into_iter().map(|mode| mode.bytes(self.shape(&rect))).max().unwrap_or(0);
        // The samples of a group, those of the trial, and both streams.
        let group = sum([model, samples.saturating_mul(5)]);
        let threads = threads.min(grid.groups()) as u64;
        let band = product([16 * grid.band_rows(), self.head.stride()]);
        let decoded = if self.error > 0 { band } else { 0 };
        sum([group.saturating_mul(threads), band.saturating_mul(2), decoded, 1 << 20])
    }

    fn header(&self, group_log2: u8, pixel_hash: [u8; 4]) -> Header {
        Header {
            gray: self.head.color == Color::Gray,
            alpha: self.alpha.is_some(),
            metadata: self.metadata.is_some(),
            source_16bit: self.head.source_bits == 16,
            orientation: self.head.orientation,
            profile: 0,
            width: self.head.width,
            height: self.head.height,
            quality: 0,
            group_log2,
            model: container::NO_MODEL,
            pixel_hash,
            exact: Some(self.error),
            maximum: 255,
        }
    }
}

/// An encoded group.
#[derive(Default)]
struct Coded {
    bytes: Vec<u8>,
    /// Its decoded samples, if they are not those of the picture.
    samples: Vec<u8>,
}

/// The pixels of a rectangle of positions.
pub(super) fn pixels(rect: &Rect, head: &PictureInfo) -> Rect {
    let of = |range: &std::ops::Range<usize>, all: u32| 16 * range.start..(16 * range.end).min(all as usize);
    Rect { rows: of(&rect.rows, head.height), columns: of(&rect.columns, head.width) }
}

/// The colour samples of a pixel in the order of files: red, green, blue, or gray.
pub(super) fn in_file_order<T: Copy + Default>(coded: &[T]) -> [T; 3] {
    match *coded {
        [g, r, b] => [r, g, b],
        [gray] => [gray; 3],
        _ => [T::default(); 3],
    }
}
