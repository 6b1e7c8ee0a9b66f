//! Synthesis: turns decoded latents into rows of samples.

use super::Net;
use super::rolling::{self, RollingBlock, RollingConv, Work};
use super::row_buffer::LayerColumns;
use crate::Result;
use crate::band::Band;
use crate::empty::Blank;
use crate::kernel::{self, Destination, Epilogue, Isa, Packed, Segment};
use crate::picture::Color;
use crate::quality::Gains;
use crate::rect::{self, Rect};
use crate::sample::Sample;
use crate::saturating::{product, sum};
use crate::strip::{self, Split};
use crate::threads;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Samples of an 8x8 patch.
const PATCH: usize = 192;
/// Bytes of samples that each thread paints before they are handed out, or `SOME_ROWS` rows of latents if that is more.
const BYTES_AT_ONCE: usize = 1 << 20;
const SOME_ROWS: usize = 4;

/// A synthesis of an area of pixels, from top to bottom.
pub(crate) struct Synthesis<'a, S: Sample> {
    net: &'a Net,
    /// The last layer.
    last: Cow<'a, Packed>,
    isa: Isa,
    gains: &'a Gains,
    split: Split,
    color: Color,
    /// ActivationRows and columns of latents of the picture.
    shape: (usize, usize),
    /// The pixels to paint, and the first row that is not painted yet.
    area: Rect,
    painted: usize,
    support: Rect,
    strips: Vec<Mutex<SynthesisStrip>>,
    /// The small picture that stands in for groups that hold nothing.
    blank: Option<&'a Blank<'a, S>>,
}

impl<'a, S: Sample> Synthesis<'a, S> {
    #[expect(clippy::too_many_arguments, reason = "the network, and the area to paint")]
    pub fn new(
        net: &'a Net,
        isa: Isa,
        gains: &'a Gains,
        shape: (usize, usize),
        area: Rect,
        color: Color,
        split: Split,
        blank: Option<&'a Blank<'a, S>>,
    ) -> Self {
        let strips = strip::of_synthesis(&area, split)
            .into_iter()
            .map(|patches| SynthesisStrip::new(net, shape, patches, blank));
        let strips = strips.map(Mutex::new).collect();
        let support = strip::support(&net.shapes, &area, shape.0, shape.1);
        let (last, painted) = (S::last(net), area.rows.start);
        Self { net, last, isa, gains, split, color, shape, painted, area, support, strips, blank }
    }

    /// The latents that it needs.
    pub fn support(&self) -> Rect {
        self.support.clone()
    }

    /// Takes the latents of the next band, and passes the rows of samples that are ready to `sink`, some at a time.
    pub fn push(&mut self, band: &Band, mut sink: impl FnMut(&[S]) -> Result<()>) -> Result<()> {
        let rows = band.rows.start.max(self.support.rows.start)..band.rows.end.min(self.support.rows.end);
        let step = rows_at_once(&self.area, S::pixel_bytes(self.color), self.split);
        for start in rows.clone().step_by(step) {
            let rows = start..(start + step).min(rows.end);
            let end = self.ready(rows.end).max(self.painted);
            let area = Rect { rows: self.painted..end, columns: self.area.columns.clone() };
            let canvas = Mutex::new(Canvas::new(area, self.color));
            threads::for_each(self.split.threads, &self.strips, Work::default, |work, strip| {
                let mut strip = strip.lock().unwrap_or_else(PoisonError::into_inner);
                let wanted = strip.wanted(rows.clone(), self.blank, self.net);
                if wanted.is_empty() {
                    strip.running = None;
                }
                for rows in wanted {
                    strip.push(
                        (self.net, &self.last),
                        self.isa,
                        self.gains,
                        band,
                        rows,
                        &canvas,
                        self.blank,
                        work,
                    );
                }
                if let Some(blank) = self.blank {
                    strip.copy(blank, self.painted..end, &canvas);
                }
            });
            self.painted = end;
            let canvas = canvas.into_inner().unwrap_or_else(PoisonError::into_inner);
            if !canvas.samples.is_empty() {
                sink(&canvas.samples)?;
            }
        }
        Ok(())
    }

    /// The end of the rows of pixels that can be painted from the first `latents` rows of latents.
    fn ready(&self, latents: usize) -> usize {
        let lag = if latents == self.shape.0 { 0 } else { self.net.shapes.nd + 1 };
        (8 * (2 * latents).saturating_sub(lag)).min(self.area.rows.end)
    }
}

/// ActivationRows of latents that are painted before their samples are handed out.
fn rows_at_once(area: &Rect, pixel_bytes: usize, split: Split) -> usize {
    let row = product([16, area.width(), pixel_bytes]).max(1);
    let rows = product([BYTES_AT_ONCE, split.threads]) / row;
    (rows as usize).max(SOME_ROWS).min(split.largest.0 / 2).max(1)
}

/// Some columns of the picture, with what their layers keep of the rows above them.
#[derive(Debug)]
struct SynthesisStrip {
    /// LayerColumns of patches that it paints.
    patches: Range<usize>,
    /// LayerColumns of patches that the first block reads, and the columns of latents that they come from.
    entry: Range<usize>,
    latents: Range<usize>,
    rows_at_once: usize,
    /// ActivationRows and columns of patches of the picture.
    plane: (usize, usize),
    /// What the layers keep, while the strip is at work.
    running: Option<Running>,
    /// For each row of groups, if groups may be empty: whether it has to be synthesised, not only copied.
    busy: Vec<bool>,
}

/// What the layers of a strip keep of the rows above.
#[derive(Debug)]
struct Running {
    /// The row of latents that has to follow.
    next: usize,
    blocks: Vec<RollingBlock>,
    last: RollingConv,
}

impl SynthesisStrip {
    fn new<S>(
        net: &Net,
        (height, width): (usize, usize),
        patches: Range<usize>,
        blank: Option<&Blank<S>>,
    ) -> Self {
        let plane = (2 * height, 2 * width);
        let entry = rect::grown(&patches, net.shapes.nd + 1, plane.1);
        let (latents, rows_at_once) = (strip::latents(&entry), strip::rows_at_once(entry.len()));
        let busy = blank.map_or_else(Vec::new, |blank| blank.empty.busy(&strip::latents(&patches)));
        Self { patches, entry, latents, rows_at_once, plane, running: None, busy }
    }

    /// The rows of latents that this strip has to read.
    fn wanted<S>(&self, rows: Range<usize>, blank: Option<&Blank<S>>, net: &Net) -> Vec<Range<usize>> {
        let Some(blank) = blank else { return vec![rows] };
        let (side, reach) = (blank.empty.grid.side, strip::reach(&net.shapes));
        let near = |row: usize| {
            let groups = row.saturating_sub(reach) / side..=(row + reach) / side;
            self.busy.iter().take(groups.end() + 1).skip(*groups.start()).any(|&busy| busy)
        };
        let mut wanted: Vec<Range<usize>> = Vec::new();
        for row in rows.filter(|&row| near(row)) {
            match wanted.last_mut() {
                Some(last) if last.end == row => last.end += 1,
                _ => wanted.push(row..row + 1),
            }
        }
        wanted
    }

    /// Copies the rows of pixels that did not have to be synthesised.
    fn copy<S: Sample>(&self, blank: &Blank<S>, rows: Range<usize>, canvas: &Mutex<Canvas<S>>) {
        let mut samples = Vec::new();
        let columns = {
            let canvas = canvas.lock().unwrap_or_else(PoisonError::into_inner);
            let columns = &canvas.area.columns;
            (8 * self.patches.start).max(columns.start)..(8 * self.patches.end).min(columns.end)
        };
        for row in rows.filter(|row| !self.busy[row / 16 / blank.empty.grid.side]) {
            blank.samples(row, columns.clone(), &mut samples);
            let mut canvas = canvas.lock().unwrap_or_else(PoisonError::into_inner);
            canvas.paste_row(row, columns.start, &samples);
        }
    }

    /// The layers, ready for row `next` of latents. They start again unless the row before it was their last one.
    fn start(&mut self, net: &Net, next: usize) -> Running {
        if let Some(running) = self.running.take_if(|running| running.next == next) {
            return running;
        }
        // Free the memory of the old layers first.
        self.running = None;
        let mut layers = LayerColumns::of_layers(self.plane, &self.patches, net.shapes.nd + 1);
        let last = layers.pop().map(|columns| RollingConv::new(columns, net.shapes.c, self.rows_at_once));
        let blocks = layers
            .into_iter()
            .map(|columns| RollingBlock::new(columns, net.shapes.c, self.rows_at_once))
            .collect();
        Running { next, blocks, last: last.expect("a layer") }
    }

    #[expect(clippy::too_many_arguments, reason = "what all strips share, and the rows of this call")]
    fn push<S: Sample>(
        &mut self,
        (net, last): (&Net, &Packed),
        isa: Isa,
        gains: &Gains,
        band: &Band,
        rows: Range<usize>,
        canvas: &Mutex<Canvas<S>>,
        blank: Option<&Blank<S>>,
        work: &mut Work,
    ) {
        let mut eight = Vec::new();
        let mut running = self.start(net, rows.start);
        running.next = rows.end;
        for start in rows.clone().step_by(self.rows_at_once / 2) {
            self.enter(net, isa, band, start..(start + self.rows_at_once / 2).min(rows.end), blank, work);
            for (rolling, block) in running.blocks.iter_mut().zip(&net.d) {
                rolling.push(isa, block, work);
            }
            kernel::scale(isa, &mut work.rows.data, &gains.dec, gains.gain_shift);
            let patches = &self.patches;
            running.last.push(isa, last, work, |y, out| {
                let mut canvas = canvas.lock().unwrap_or_else(PoisonError::into_inner);
                let channels = S::painted(canvas.color);
                if canvas.area.rows.start < 8 * y + 8 {
                    eight.resize(8 * 8 * patches.len() * channels, S::default());
                    S::paint(last, out, canvas.color, &mut eight);
                    for (i, row) in eight.chunks_exact(8 * patches.len() * channels).enumerate() {
                        canvas.paste_row(8 * y + i, 8 * patches.start, row);
                    }
                }
            });
        }
        self.running = Some(running);
    }

    /// The first layer: turns rows of latents into `work.rows`, twice as many and twice as wide.
    fn enter<S>(
        &self,
        net: &Net,
        isa: Isa,
        band: &Band,
        rows: Range<usize>,
        blank: Option<&Blank<S>>,
        work: &mut Work,
    ) {
        let (c, m) = (net.shapes.c, net.shapes.m);
        let (width, count) = (self.latents.len(), self.entry.len());
        work.rows.shape(2 * rows.start..2 * rows.end, count, c);
        work.input.resize(width * m, 0);
        work.output.resize(width * 4 * c, 0);
        for y in rows {
            if let Some(blank) = blank {
                blank.latents(y, self.latents.clone(), &mut work.input);
            }
            band.read(y, self.latents.clone(), &mut work.input);
            let segment = Segment { data: &work.input, start: 0, stride: m, k: 0, len: m };
            let destination = Destination { data: &mut work.output, start: 0, stride: 4 * c };
            let panels = net.d_in.panels();
            kernel::product(isa, &net.d_in, panels, &[segment], width, Epilogue::Plain, destination);
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
struct Canvas<S> {
    /// The rectangle, in pixels of the picture.
    area: Rect,
    color: Color,
    /// `[rows, columns, channels]`.
    samples: Vec<S>,
}

impl<S: Sample> Canvas<S> {
    fn new(area: Rect, color: Color) -> Self {
        let samples = vec![S::default(); area.height() * area.width() * S::painted(color)];
        Self { area, color, samples }
    }

    /// Copies the part of a row of samples that lies inside the rectangle; the row begins at pixel (y, x).
    fn paste_row(&mut self, y: usize, x: usize, row: &[S]) {
        let channels = S::painted(self.color);
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

/// The most bytes that a synthesis of an area holds, if a pixel has `pixel` bytes and at most `busy` strips are at work at a
/// time.
pub(crate) fn bytes(net: &super::Shapes, area: &Rect, pixel: usize, split: Split, busy: usize) -> u64 {
    let strips = strip::of_synthesis(area, split);
    let entry = |patches: usize| patches + 2 * (net.nd + 2);
    let kept = |strip: &Range<usize>| {
        rolling::kept_bytes(entry(strip.len()), net.c, net.nd + 1, strip::rows_at_once(strip.len()))
    };
    let mut kept: Vec<u64> = strips.iter().map(kept).collect();
    kept.sort_unstable_by(|a, b| b.cmp(a));
    let kept = kept.into_iter().take(busy).fold(0, u64::saturating_add);
    let widest = entry(strips.iter().map(Range::len).max().unwrap_or(0));
    let work = sum([
        rolling::work_bytes(widest, net.c, strip::MOST_ROWS + net.nd),
        product([2, widest, net.m / 2 + 2 * net.c + PATCH]),
        product([8, 8, widest, pixel]),
    ]);
    let rows = 16_usize.saturating_mul(rows_at_once(area, pixel, split)).saturating_add(8 * (net.nd + 1));
    let canvas = product([rows.min(area.height()), area.width(), pixel]);
    sum([kept, work.saturating_mul(split.threads.min(strips.len()) as u64), canvas])
}

/// Samples of an area, from the whole plane of latents.
#[cfg(test)]
pub(crate) fn synthesise(
    net: &Net,
    isa: Isa,
    y_hat: &super::Plane,
    gains: &Gains,
    area: Rect,
    color: Color,
    split: Split,
) -> Vec<u8> {
    let shape = (y_hat.height, y_hat.width);
    let grid =
        crate::band::Grid { height: shape.0, width: shape.1, side: shape.0.max(shape.1), groups_deep: 1 };
    let band = grid.bands(0..shape.0).next().expect("a band");
    *band.groups[0].plane() = y_hat.clone();
    let mut samples = Vec::new();
    let mut synthesis = Synthesis::new(net, isa, gains, shape, area, color, split, None);
    synthesis
        .push(&band, |rows| {
            samples.extend_from_slice(rows);
            Ok(())
        })
        .expect("a sink that takes everything");
    samples
}
