//! Analysis: turns rows of the picture into latents. Only the encoder runs it.

use super::Net;
use super::rolling::{self, ActivationRows, RollingBlock, Work};
use super::row_buffer::LayerColumns;
use crate::band::Band;
use crate::kernel::{self, Destination, Epilogue, Isa, Packed, Segment};
use crate::picture::Color;
use crate::quality::Gains;
use crate::sample::Sample;
use crate::saturating::{product, sum};
use crate::strip::{self, Split};
use crate::threads;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Samples of an 8x8 patch.
const PATCH: usize = 192;

/// ActivationRows of samples of a picture.
#[derive(Debug)]
pub(crate) struct PixelRows<S> {
    pub width: usize,
    pub height: usize,
    pub color: Color,
    /// The rows that are held.
    pub rows: Range<usize>,
    pub samples: Vec<S>,
}

impl<S> PixelRows<S> {
    /// Samples of a row; those below the picture repeat its last one.
    fn row(&self, row: usize) -> &[S] {
        let stride = self.width * self.color.channels();
        &self.samples[(row.min(self.height - 1) - self.rows.start) * stride..][..stride]
    }
}

/// An analysis from the top of the picture to its bottom.
pub(crate) struct Analysis<'a> {
    net: &'a Net,
    /// The first layer, and the fraction bits of its inputs.
    first: (Cow<'a, Packed>, u32),
    isa: Isa,
    gains: &'a Gains,
    threads: usize,
    /// ActivationRows of patches of the picture, and how many of them have been read.
    height: usize,
    fed: usize,
    strips: Vec<Mutex<AnalysisStrip>>,
}

impl<'a> Analysis<'a> {
    /// For a picture of such samples, with `shape` rows and columns of latents.
    pub fn new<S: Sample>(
        net: &'a Net,
        isa: Isa,
        gains: &'a Gains,
        shape: (usize, usize),
        split: Split,
    ) -> Self {
        let strips = strip::of_analysis(shape.1, split)
            .into_iter()
            .map(|columns| AnalysisStrip::new(net, shape, columns));
        let strips = strips.map(Mutex::new).collect();
        let (first, height) = (S::first(net), 2 * shape.0);
        Self { net, first, isa, gains, threads: split.threads, height, fed: 0, strips }
    }

    /// Number of rows of patches that have been read so far.
    pub fn fed(&self) -> usize {
        self.fed
    }

    /// ActivationRows of patches that have to be read to compute `latents` rows of latents.
    pub fn needs(&self, latents: usize) -> usize {
        (2 * latents + self.net.shapes.ne).min(self.height)
    }

    /// Writes latents into `band` that were ready before it began: the last rows of a picture become ready together.
    pub fn begin(&mut self, band: &Band) {
        for strip in &self.strips {
            let mut strip = strip.lock().unwrap_or_else(PoisonError::into_inner);
            let (now, later) =
                std::mem::take(&mut strip.ahead).into_iter().partition(|(row, _)| *row < band.rows.end);
            strip.ahead = later;
            let ready: Vec<(usize, Vec<i16>)> = now;
            ready.into_iter().for_each(|(row, latents)| band.write(row, strip.latents.clone(), &latents));
        }
    }

    /// Reads the rows of patches up to `until` from `pixels`, and writes the latents that are ready into `band`, before their
    /// gain.
    pub fn push<S: Sample>(&mut self, pixels: &PixelRows<S>, until: usize, band: &Band) {
        let rows = self.fed..until;
        threads::for_each(self.threads, &self.strips, Work::default, |work, strip| {
            let mut strip = strip.lock().unwrap_or_else(PoisonError::into_inner);
            strip.push((self.net, &self.first), self.isa, self.gains, pixels, rows.clone(), band, work);
        });
        self.fed = until;
    }
}

/// Some columns of the picture, with what their layers keep of the rows above them.
#[derive(Debug)]
struct AnalysisStrip {
    latents: Range<usize>,
    /// LayerColumns of patches that the first layer reads.
    patches: Range<usize>,
    rows_at_once: usize,
    blocks: Vec<RollingBlock>,
    /// A row of activations that waits for the row below it: two make one row of latents.
    upper: Vec<i16>,
    /// ActivationRows of latents that were ready before their band began.
    ahead: Vec<(usize, Vec<i16>)>,
}

impl AnalysisStrip {
    fn new(net: &Net, (height, width): (usize, usize), latents: Range<usize>) -> Self {
        let core = 2 * latents.start..2 * latents.end;
        let layers = LayerColumns::of_layers((2 * height, 2 * width), &core, net.shapes.ne);
        let patches = layers.first().map_or(core, |first| first.input.clone());
        let rows_at_once = strip::rows_at_once(patches.len());
        let blocks = layers
            .into_iter()
            .map(|columns| RollingBlock::new(columns, net.shapes.c, rows_at_once))
            .collect();
        Self { latents, patches, rows_at_once, blocks, upper: Vec::new(), ahead: Vec::new() }
    }

    #[expect(clippy::too_many_arguments, reason = "what all strips share, and the rows of this call")]
    fn push<S: Sample>(
        &mut self,
        (net, first): (&Net, &(Cow<Packed>, u32)),
        isa: Isa,
        gains: &Gains,
        pixels: &PixelRows<S>,
        rows: Range<usize>,
        band: &Band,
        work: &mut Work,
    ) {
        for start in rows.clone().step_by(self.rows_at_once) {
            self.enter(first, isa, pixels, start..(start + self.rows_at_once).min(rows.end), work);
            kernel::scale(isa, &mut work.rows.data, &gains.enc, gains.gain_shift);
            for (rolling, block) in self.blocks.iter_mut().zip(&net.e) {
                rolling.push(isa, block, work);
            }
            for row in work.rows.first..work.rows.first + work.rows.count {
                if row % 2 == 0 {
                    self.upper.clear();
                    self.upper.extend_from_slice(work.rows.row(row));
                } else {
                    join(isa, &net.e_out, &self.upper, &work.rows, row, (&mut work.input, &mut work.output));
                    if row / 2 < band.rows.end {
                        band.write(row / 2, self.latents.clone(), &work.output);
                    } else {
                        self.ahead.push((row / 2, work.output.clone()));
                    }
                }
            }
        }
    }

    /// The first layer: writes rows of patches to `work.rows`.
    fn enter<S: Sample>(
        &self,
        (layer, bits): &(Cow<Packed>, u32),
        isa: Isa,
        pixels: &PixelRows<S>,
        rows: Range<usize>,
        work: &mut Work,
    ) {
        let (width, c) = (self.patches.len(), layer.outputs());
        work.rows.shape(rows.clone(), width, c);
        work.input.resize(width * PATCH, 0);
        for y in rows {
            read_patches(pixels, *bits, y, self.patches.clone(), &mut work.input);
            let segment = Segment { data: &work.input, start: 0, stride: PATCH, k: 0, len: PATCH };
            let start = work.rows.at(y);
            let destination = Destination { data: &mut work.rows.data, start, stride: c };
            kernel::product(isa, layer, layer.panels(), &[segment], width, Epilogue::Plain, destination);
        }
    }
}

/// The last layer: turns two rows of activations, `upper` and `row` of `rows`, into one row of latents.
fn join(
    isa: Isa,
    layer: &Packed,
    upper: &[i16],
    rows: &ActivationRows,
    row: usize,
    (input, output): (&mut Vec<i16>, &mut Vec<i16>),
) {
    let (width, pair) = (rows.width / 2, 2 * rows.channels);
    input.clear();
    for (a, b) in upper.chunks_exact(pair).zip(rows.row(row).chunks_exact(pair)) {
        input.extend_from_slice(a);
        input.extend_from_slice(b);
    }
    output.resize(width * layer.outputs(), 0);
    let segment = Segment { data: input, start: 0, stride: 2 * pair, k: 0, len: 2 * pair };
    let destination = Destination { data: output, start: 0, stride: layer.outputs() };
    kernel::product(isa, layer, layer.panels(), &[segment], width, Epilogue::Plain, destination);
}

/// Reads a row of 8x8 patches, each `[8, 8, 3]` of `2*p - 255` with some fraction bits; beyond the edge the last row and column
/// repeat.
fn read_patches<S: Sample>(
    pixels: &PixelRows<S>,
    bits: u32,
    y: usize,
    columns: Range<usize>,
    patches: &mut [i16],
) {
    let channels = pixels.color.channels();
    let widen = |p: S| p.input(bits);
    for i in 0..8 {
        let row = pixels.row(8 * y + i);
        for (patch, x) in patches.chunks_exact_mut(PATCH).zip(columns.clone()) {
            let out = &mut patch[24 * i..24 * i + 24];
            if pixels.color == Color::Rgb && 8 * x + 8 <= pixels.width {
                for (o, &p) in out.iter_mut().zip(&row[24 * x..24 * x + 24]) {
                    *o = widen(p);
                }
                continue;
            }
            for (j, out) in out.chunks_exact_mut(3).enumerate() {
                let at = (8 * x + j).min(pixels.width - 1) * channels;
                for (c, o) in out.iter_mut().enumerate() {
                    *o = widen(row[at + c.min(channels - 1)]);
                }
            }
        }
    }
}

/// The most bytes that an analysis holds, for a picture with `width` columns of latents.
pub(crate) fn bytes(net: &super::Shapes, width: usize, split: Split) -> u64 {
    let strips = strip::of_analysis(width, split);
    let widest = strips.iter().map(Range::len).max().unwrap_or(0);
    let patches = |latents: usize| 2 * (latents + net.ne);
    let kept = strips.iter().fold(0, |all: u64, strip| {
        let (patches, rows_at_once) = (patches(strip.len()), strip::rows_at_once(2 * strip.len()));
        let upper = product([2, patches, net.c]);
        let ahead = product([2, net.ne, strip.len(), net.m]);
        sum([all, rolling::kept_bytes(patches, net.c, net.ne, rows_at_once), upper, ahead])
    });
    let work = sum([
        rolling::work_bytes(patches(widest), net.c, strip::MOST_ROWS + net.ne),
        product([2, patches(widest), PATCH + 2 * net.c]),
        product([2, widest, net.m]),
    ]);
    sum([kept, work.saturating_mul(split.threads.min(strips.len()) as u64)])
}

/// Latents of a whole picture, before their gain.
#[cfg(test)]
pub(crate) fn analyse(
    net: &Net,
    isa: Isa,
    picture: &crate::Picture,
    gains: &Gains,
    threads: usize,
) -> super::Plane {
    let grid = crate::band::Grid::new((picture.height, picture.width), 14, threads);
    let mut analysis = Analysis::new::<u8>(net, isa, gains, (grid.height, grid.width), Split::new(threads));
    let pixels = PixelRows {
        width: picture.width as usize,
        height: picture.height as usize,
        color: picture.color,
        rows: 0..picture.height as usize,
        samples: picture.samples.clone(),
    };
    let band = grid.bands(0..grid.height).next().expect("a band");
    band.fill(&crate::rect::Rect::new(0, 0, grid.height, grid.width), net.shapes.m);
    analysis.push(&pixels, analysis.needs(grid.height), &band);
    band.groups[0].plane().clone()
}
