//! Synthesis: decoded latents to rows of samples.

use super::Net;
use super::rolling::{self, Columns, Conv, Stage, Work};
use crate::Result;
use crate::band::Band;
use crate::kernel::{self, Epilogue, Path, Segment, Target};
use crate::picture::Color;
use crate::quality::Gains;
use crate::threads;
use crate::window::{self, Cut, Window};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Samples of an 8x8 patch.
const PATCH: usize = 192;
/// Bytes of samples that are painted before they go on, or some rows of latents where that is more.
const CANVAS: usize = 2 << 20;
const SOME_ROWS: usize = 4;

/// The 8x8 patches that cover an area of pixels.
fn patches_of(area: &Window) -> Window {
    area.halved().halved().halved()
}

/// Latents, by their halo, that the pixels of `area` depend on, in a picture of that many rows and columns of latents.
fn support(net: &Net, area: &Window, height: usize, width: usize) -> Window {
    patches_of(area).grow(net.shapes.nd + 1, 2 * height, 2 * width).halved()
}

/// A synthesis of an area of pixels, from its top to its bottom.
pub(crate) struct Synthesis<'a> {
    net: &'a Net,
    path: Path,
    gains: &'a Gains,
    cut: Cut,
    color: Color,
    /// Rows and columns of latents of the picture.
    shape: (usize, usize),
    /// Pixels to paint, and the first row that is not painted yet.
    area: Window,
    painted: usize,
    support: Window,
    strips: Vec<Mutex<Strip>>,
}

impl<'a> Synthesis<'a> {
    pub fn new(
        net: &'a Net,
        path: Path,
        gains: &'a Gains,
        shape: (usize, usize),
        area: Window,
        color: Color,
        cut: Cut,
    ) -> Self {
        let strips = strips(&area, cut).into_iter().map(|patches| Strip::new(net, shape, patches));
        let strips = strips.map(Mutex::new).collect();
        let support = support(net, &area, shape.0, shape.1);
        Self { net, path, gains, cut, color, shape, painted: area.rows.start, area, support, strips }
    }

    /// The latents that it needs.
    pub fn support(&self) -> Window {
        self.support.clone()
    }

    /// Takes the latents of the next band; `sink` gets the rows of samples that are ready, some at a time.
    pub fn push(&mut self, band: &Band, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let rows = band.rows.start.max(self.support.rows.start)..band.rows.end.min(self.support.rows.end);
        let step = slice(&self.area, self.color, self.cut);
        for start in rows.clone().step_by(step) {
            let rows = start..(start + step).min(rows.end);
            let end = self.ready(rows.end).max(self.painted);
            let area = Window { rows: self.painted..end, columns: self.area.columns.clone() };
            let canvas = Mutex::new(Canvas::new(area, self.color));
            threads::for_each(self.cut.threads, &self.strips, Work::default, |work, strip| {
                let mut strip = strip.lock().unwrap_or_else(PoisonError::into_inner);
                strip.push(self.net, self.path, self.gains, band, rows.clone(), &canvas, work);
            });
            self.painted = end;
            let canvas = canvas.into_inner().unwrap_or_else(PoisonError::into_inner);
            if !canvas.samples.is_empty() {
                sink(&canvas.samples)?;
            }
        }
        Ok(())
    }

    /// The end of the rows of pixels that are painted when so many rows of latents are in.
    fn ready(&self, latents: usize) -> usize {
        let lag = if latents == self.shape.0 { 0 } else { self.net.shapes.nd + 1 };
        (8 * (2 * latents).saturating_sub(lag)).min(self.area.rows.end)
    }
}

/// Columns of patches that an area is cut into.
fn strips(area: &Window, cut: Cut) -> Vec<Range<usize>> {
    window::strips(patches_of(area).columns, cut.threads, cut.largest.1)
}

/// Rows of latents that are painted before their samples go on.
fn slice(area: &Window, color: Color, cut: Cut) -> usize {
    let row = 16 * area.width() * color.channels();
    (CANVAS / row).max(SOME_ROWS).min(cut.largest.0 / 2).max(1)
}

/// Some columns of the picture, with what their layers keep of the rows above.
#[derive(Debug)]
struct Strip {
    /// Columns of patches that it paints.
    patches: Range<usize>,
    /// Columns of patches that the first block reads, and of the latents that they come from.
    entry: Range<usize>,
    latents: Range<usize>,
    batch: usize,
    stages: Vec<Stage>,
    last: Conv,
}

impl Strip {
    fn new(net: &Net, (height, width): (usize, usize), patches: Range<usize>) -> Self {
        let mut layers = Columns::of_layers((2 * height, 2 * width), &patches, net.shapes.nd + 1);
        let entry = layers[0].input.clone();
        let latents = entry.start / 2..entry.end.div_ceil(2);
        let batch = window::batch(entry.len());
        let last = layers.pop().map(|columns| Conv::new(columns, net.shapes.c, batch));
        let stages = layers.into_iter().map(|columns| Stage::new(columns, net.shapes.c, batch)).collect();
        Self { patches, entry, latents, batch, stages, last: last.expect("a layer") }
    }

    #[expect(clippy::too_many_arguments, reason = "what all strips share, and this strip's turn")]
    fn push(
        &mut self,
        net: &Net,
        path: Path,
        gains: &Gains,
        band: &Band,
        rows: Range<usize>,
        canvas: &Mutex<Canvas>,
        work: &mut Work,
    ) {
        let mut eight = Vec::new();
        for start in rows.clone().step_by(self.batch / 2) {
            self.enter(net, path, band, start..(start + self.batch / 2).min(rows.end), work);
            for (stage, block) in self.stages.iter_mut().zip(&net.d) {
                stage.push(path, block, work);
            }
            kernel::scale(path, &mut work.rows.data, &gains.dec, gains.gain_shift);
            let patches = &self.patches;
            self.last.push(path, &net.d_out, work, |y, out| {
                let mut canvas = canvas.lock().unwrap_or_else(PoisonError::into_inner);
                let channels = canvas.color.channels();
                if canvas.area.rows.start < 8 * y + 8 {
                    eight.resize(8 * 8 * patches.len() * channels, 0);
                    paint(out, canvas.color, &mut eight);
                    for (i, row) in eight.chunks_exact(8 * patches.len() * channels).enumerate() {
                        canvas.paste_row(8 * y + i, 8 * patches.start, row);
                    }
                }
            });
        }
    }

    /// The first layer: rows of latents to `work.rows`, twice as many and as wide.
    fn enter(&self, net: &Net, path: Path, band: &Band, rows: Range<usize>, work: &mut Work) {
        let (c, m) = (net.shapes.c, net.shapes.m);
        let (width, count) = (self.latents.len(), self.entry.len());
        work.rows.shape(2 * rows.start..2 * rows.end, count, c);
        work.input.resize(width * m, 0);
        work.output.resize(width * 4 * c, 0);
        for y in rows {
            band.read(y, self.latents.clone(), &mut work.input);
            let segment = Segment { data: &work.input, start: 0, stride: m, k: 0, len: m };
            let target = Target { data: &mut work.output, start: 0, stride: 4 * c };
            let panels = net.d_in.panels();
            kernel::product(path, &net.d_in, panels, &[segment], width, Epilogue::Plain, target);
            let skip = self.entry.start - 2 * self.latents.start;
            for i in 0..2 {
                let at = work.rows.at(2 * y + i);
                for (x, to) in work.rows.data[at..][..count * c].chunks_exact_mut(c).enumerate() {
                    let (latent, j) = ((x + skip) / 2, (x + skip) % 2);
                    to.copy_from_slice(&work.output[(4 * latent + 2 * i + j) * c..][..c]);
                }
            }
        }
    }
}

/// Samples of a rectangle of pixels.
#[derive(Debug)]
struct Canvas {
    /// The rectangle, in pixels of the picture.
    area: Window,
    color: Color,
    /// `[rows, columns, channels]`.
    samples: Vec<u8>,
}

impl Canvas {
    fn new(area: Window, color: Color) -> Self {
        let samples = vec![0; area.height() * area.width() * color.channels()];
        Self { area, color, samples }
    }

    /// Copies the part of a row of samples that lies inside; the row begins at pixel (y, x).
    fn paste_row(&mut self, y: usize, x: usize, row: &[u8]) {
        let channels = self.color.channels();
        let end = (x + row.len() / channels).min(self.area.columns.end);
        let begin = x.max(self.area.columns.start);
        if !self.area.rows.contains(&y) || begin >= end {
            return;
        }
        let to = (y - self.area.rows.start) * self.area.width() + begin - self.area.columns.start;
        self.samples[to * channels..(to + end - begin) * channels]
            .copy_from_slice(&row[(begin - x) * channels..(end - x) * channels]);
    }
}

/// Writes a row of 8x8 patches `[8, 8, 3]` as eight rows of samples.
fn paint(patches: &[i16], color: Color, eight: &mut [u8]) {
    let sample = |v: i16| (v + 128).clamp(0, 255) as u8;
    let stride = eight.len() / 8;
    for (i, row) in eight.chunks_exact_mut(stride).enumerate() {
        let patches = patches.chunks_exact(PATCH).map(|patch| &patch[24 * i..24 * i + 24]);
        match color {
            Color::Rgb => {
                for (out, patch) in row.chunks_exact_mut(24).zip(patches) {
                    for (o, &v) in out.iter_mut().zip(patch) {
                        *o = sample(v);
                    }
                }
            }
            Color::Gray => {
                for (out, patch) in row.chunks_exact_mut(8).zip(patches) {
                    for (o, v) in out.iter_mut().zip(patch.chunks_exact(3)) {
                        let [r, g, b] = [v[0], v[1], v[2]].map(|v| u16::from(sample(v)));
                        *o = ((r + 2 * g + b + 2) >> 2) as u8;
                    }
                }
            }
        }
    }
}

/// Bytes that a synthesis of an area holds at most.
pub(crate) fn bytes(net: &super::Shapes, area: &Window, color: Color, cut: Cut) -> u64 {
    let strips = strips(area, cut);
    let widest = strips.iter().map(Range::len).max().unwrap_or(0) + 2 * (net.nd + 2);
    let batch = window::MOST_ROWS + net.nd;
    let kept = rolling::kept_bytes(widest, net.c, net.nd + 1, window::MOST_ROWS);
    let ends = widest * (net.m / 2 + 2 * net.c + PATCH + 8 * color.channels());
    let work = rolling::work_bytes(widest, net.c, batch) + 2 * ends as u64;
    let rows = 16 * slice(area, color, cut) + 8 * (net.nd + 1);
    let canvas = (rows.min(area.height()) * area.width() * color.channels()) as u64;
    strips.len() as u64 * kept + cut.threads.min(strips.len()) as u64 * work + canvas
}

/// Samples of an area, from the whole plane of latents.
#[cfg(test)]
pub(crate) fn synthesise(
    net: &Net,
    path: Path,
    y_hat: &super::Plane,
    gains: &Gains,
    area: Window,
    color: Color,
    cut: Cut,
) -> Vec<u8> {
    let shape = (y_hat.height, y_hat.width);
    let grid = crate::band::Grid { height: shape.0, width: shape.1, side: shape.0.max(shape.1), deep: 1 };
    let band = grid.bands(0..shape.0).next().expect("a band");
    *band.groups[0].plane() = y_hat.clone();
    let mut samples = Vec::new();
    let mut synthesis = Synthesis::new(net, path, gains, shape, area, color, cut);
    synthesis
        .push(&band, |rows| {
            samples.extend_from_slice(rows);
            Ok(())
        })
        .expect("a sink that takes everything");
    samples
}
