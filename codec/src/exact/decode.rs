//! Decodes an exact stream, band by band.

use super::bits::Whole;
use super::encode::{in_file_order, pixels};
use super::group::{self, GroupMode, Shape};
use super::wide;
use crate::band::Grid;
use crate::container::{ChunkKind, ChunkState, Stream};
use crate::damage::Damage;
use crate::picture::{Color, PictureInfo};
use crate::rect::Rect;
use crate::saturating::{product, sum};
use crate::threads;
use crate::{DecodeOptions, Result};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A sample of a decoded picture.
pub(crate) trait Sample: Copy + Default + Send + 'static {
    /// A sample of this value.
    fn of(value: u16) -> Self;

    /// Decodes a group; see [`group::decode`].
    fn decode(shape: Shape, bytes: &[u8], whole: Whole, samples: &mut [Self]) -> Result<usize>;
}

impl Sample for u8 {
    fn of(value: u16) -> Self {
        value as u8
    }

    fn decode(shape: Shape, bytes: &[u8], whole: Whole, samples: &mut [Self]) -> Result<usize> {
        group::decode(shape, bytes, whole, samples)
    }
}

impl Sample for u16 {
    fn of(value: u16) -> Self {
        value
    }

    fn decode(shape: Shape, bytes: &[u8], whole: Whole, samples: &mut [Self]) -> Result<usize> {
        wide::decode(shape, bytes, whole, samples)
    }
}

/// How the work of a decode is divided.
#[derive(Debug)]
pub(crate) struct Plan {
    grid: Grid,
    threads: usize,
    /// The most rows that are handed out at once.
    rows: usize,
    /// Describes the whole picture.
    picture: PictureInfo,
    alpha: bool,
    error: u16,
    /// The largest value of a sample.
    pub maximum: u16,
    /// Bytes of memory, without what the caller keeps.
    pub needed: u64,
}

impl Plan {
    /// Plans the decode of an area of a stream; `kept` is the memory that the caller needs.
    pub fn new(stream: &Stream, error: u16, area: &Rect, options: &DecodeOptions, kept: u64) -> Self {
        let header = &stream.header;
        let color = if header.gray { Color::Gray } else { Color::Rgb };
        let plan = |threads: usize| {
            let mut plan = Self {
                grid: Grid::new((header.height, header.width), header.group_log2, threads),
                threads,
                rows: options.window.0.max(1) as usize,
                picture: PictureInfo::new(header.width, header.height, color),
                alpha: header.alpha,
                error,
                maximum: header.maximum,
                needed: 0,
            };
            plan.needed = sum([plan.memory(stream, area), kept]);
            plan
        };
        let threads = threads::count(options.threads);
        plan(threads::fitting(threads, |n| plan(n).needed, options.limits.memory()))
    }

    /// The most bytes that the decode holds.
    fn memory(&self, stream: &Stream, area: &Rect) -> u64 {
        let (channels, columns) = (self.channels(), area.width());
        let groups = stream.header.groups().count().min(u64::from(u32::MAX)) as u32;
        let model = |group: u32| {
            let mode = GroupMode::of(stream.held(ChunkKind::Exact { group }))?;
            Some(mode.bytes(self.shape(&self.pixels(&self.grid.rect(group as usize)))))
        };
        let model = (0..groups).filter_map(model).max().unwrap_or(0);
        let first = self.pixels(&self.grid.rect(0));
        let bytes = if self.maximum > 255 { 2 } else { 1 };
        let samples = product([first.height(), first.width(), channels, bytes]);
        let threads = self.threads.min(self.grid.groups()) as u64;
        let band =
            product([(16 * self.grid.band_rows()).min(area.height().max(1)), columns, channels, bytes]);
        sum([threads.saturating_mul(model.saturating_add(samples)), band, 1 << 20])
    }

    fn channels(&self) -> usize {
        self.picture.color.channels() + usize::from(self.alpha)
    }

    fn pixels(&self, rect: &Rect) -> Rect {
        pixels(rect, &self.picture)
    }

    fn shape(&self, rect: &Rect) -> Shape {
        let (channels, alpha, error, maximum) = (self.channels(), self.alpha, self.error, self.maximum);
        Shape { width: rect.width(), height: rect.height(), channels, alpha, error, maximum }
    }

    /// Decodes the area. Passes the colours to `sink`, and returns alpha, if the picture has one.
    ///
    /// # Errors
    /// Returns the errors of the sink.
    pub fn run<T: Sample>(
        &self,
        stream: &Stream,
        area: &Rect,
        damage: &mut Vec<Damage>,
        mut sink: impl FnMut(&[T]) -> Result<()>,
    ) -> Result<Option<Vec<T>>> {
        let (width, channels) = (area.width(), self.picture.color.channels());
        let mut alpha = self.alpha.then(|| Vec::with_capacity(area.height() * width));
        let positions = area.rows.start / 16..area.rows.end.div_ceil(16);
        for band in self.grid.bands(positions) {
            let rows =
                shared(&self.pixels(&Rect { rows: band.rows.clone(), columns: 0..1 }).rows, &area.rows);
            let colors = vec![T::of(self.maximum.div_ceil(2)); rows.len() * width * channels];
            let opacity = vec![T::of(self.maximum); if self.alpha { rows.len() * width } else { 0 }];
            let part = Rect { rows, columns: area.columns.clone() };
            let canvas = Mutex::new(Canvas { part: part.clone(), colors, opacity, damage: Vec::new() });
            let groups: Vec<(usize, Rect)> = band
                .groups
                .iter()
                .map(|group| (group.index, self.pixels(&group.rect)))
                .filter(|(_, rect)| rect.meets(&part))
                .collect();
            threads::for_each(
                self.threads,
                &groups,
                || (),
                |(), (index, rect)| {
                    self.group(stream, *index as u32, rect, &canvas);
                },
            );
            let canvas = canvas.into_inner().unwrap_or_else(PoisonError::into_inner);
            damage.extend(canvas.damage);
            if let Some(alpha) = &mut alpha {
                alpha.extend(canvas.opacity);
            }
            for rows in canvas.colors.chunks(self.rows * width * channels) {
                sink(rows)?;
            }
        }
        damage.sort_by_key(|damage| match damage.part {
            ChunkKind::Exact { group } => 1 + u64::from(group),
            _ => 0,
        });
        Ok(alpha)
    }

    /// Decodes a group and paints what is known of it.
    fn group<T: Sample>(&self, stream: &Stream, group: u32, rect: &Rect, canvas: &Mutex<Canvas<T>>) {
        let kind = ChunkKind::Exact { group };
        let (bytes, whole) = match stream.chunk(kind).map(|chunk| chunk.state) {
            Some(ChunkState::Present(bytes)) => (bytes, Whole::Yes),
            Some(ChunkState::Truncated { .. }) => (stream.held(kind), Whole::No),
            _ => return,
        };
        let mut samples = vec![T::default(); rect.height() * rect.width() * self.channels()];
        let rows = T::decode(self.shape(rect), bytes, whole, &mut samples);
        let mut canvas = canvas.lock().unwrap_or_else(PoisonError::into_inner);
        match rows {
            Ok(rows) => canvas.paint(rect, &samples, rows, (self.alpha, self.channels())),
            // A substream that is cut short is reported as such.
            Err(error) if whole == Whole::Yes => canvas.damage.push(Damage::undecodable(kind, error)),
            Err(_) => {}
        }
    }
}

/// The rows of a band that are being painted.
struct Canvas<T> {
    /// The pixels that it holds.
    part: Rect,
    colors: Vec<T>,
    opacity: Vec<T>,
    damage: Vec<Damage>,
}

impl<T: Sample> Canvas<T> {
    /// Paints the first `rows` rows of a group.
    fn paint(&mut self, rect: &Rect, samples: &[T], rows: usize, (alpha, channels): (bool, usize)) {
        let columns = shared(&rect.columns, &self.part.columns);
        let known = rect.rows.start..rect.rows.start + rows;
        for y in shared(&known, &self.part.rows) {
            let row = &samples[(y - rect.rows.start) * rect.width() * channels..];
            let start = (y - self.part.rows.start) * self.part.width();
            for x in columns.clone() {
                let pixel = &row[(x - rect.columns.start) * channels..][..channels];
                let at = start + x - self.part.columns.start;
                let (opacity, coded) = pixel.split_at(usize::from(alpha));
                if let [opacity] = opacity {
                    self.opacity[at] = *opacity;
                }
                let count = coded.len();
                self.colors[at * count..][..count].copy_from_slice(&in_file_order(coded)[..count]);
            }
        }
    }
}

fn shared(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

/// The modes of the groups of an exact stream, each with its share of the pixels, 0 to 1, from the largest share on. Groups
/// that are missing are left out.
pub fn mode_shares(stream: &Stream) -> Vec<(GroupMode, f64)> {
    let header = &stream.header;
    let head = PictureInfo::new(header.width, header.height, Color::Rgb);
    let grid = Grid::new((header.height, header.width), header.group_log2, 1);
    let mut shares: Vec<(GroupMode, f64)> = Vec::new();
    for group in 0..grid.groups() {
        let Some(mode) = GroupMode::of(stream.held(ChunkKind::Exact { group: group as u32 })) else {
            continue;
        };
        let rect = pixels(&grid.rect(group), &head);
        let share = product([rect.height(), rect.width()]) as f64 / head.pixels() as f64;
        match shares.iter_mut().find(|(known, _)| *known == mode) {
            Some((_, sum)) => *sum += share,
            None => shares.push((mode, share)),
        }
    }
    shares.sort_by(|a, b| b.1.total_cmp(&a.1));
    shares
}
