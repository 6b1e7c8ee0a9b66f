//! Synthesis: decoded latents to samples, window by window.

use super::layers::{conv3x3, plain};
use super::{Net, Plane, Scratch};
use crate::kernel::{self, Path};
use crate::picture::Color;
use crate::quality::Gains;
use crate::threads;
use crate::window::{self, Window};
use std::sync::Mutex;

/// Largest window, in 8x8 patches: with its halo about 30 MB of activations.
const LARGEST: (usize, usize) = (128, 256);

/// Samples of a rectangle of pixels.
#[derive(Debug)]
pub(crate) struct Canvas {
    /// The rectangle, in pixels of the picture.
    pub area: Window,
    pub color: Color,
    /// `[rows, columns, channels]`.
    pub samples: Vec<u8>,
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

/// How to cut a synthesis; the pixels do not depend on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub threads: usize,
    /// Rows and columns of a window at most, in 8x8 patches.
    pub largest: (usize, usize),
}

impl Cut {
    pub fn new(threads: usize) -> Self {
        Self { threads, largest: LARGEST }
    }
}

/// The 8x8 patches that cover an area of pixels.
fn patches_of(area: &Window) -> Window {
    area.halved().halved().halved()
}

/// Latents, by their halo, that the pixels of `area` depend on.
pub(crate) fn support(net: &Net, area: &Window, height: usize, width: usize) -> Window {
    patches_of(area).grow(net.shapes.nd + 1, 2 * height, 2 * width).halved()
}

/// Decodes the pixels of `area` from the whole plane of latents.
pub(crate) fn synthesise(
    net: &Net,
    path: Path,
    y_hat: &Plane,
    gains: &Gains,
    area: Window,
    color: Color,
    cut: Cut,
) -> Vec<u8> {
    let patches = patches_of(&area);
    let windows = patches.cut(window::sides(patches.height(), cut.threads, cut.largest));
    let canvas = Mutex::new(Canvas::new(area, color));
    threads::for_each(cut.threads, &windows, Scratch::default, |scratch, window| {
        synthesise_window(net, path, y_hat, gains, window, &canvas, scratch);
    });
    canvas.into_inner().expect("no holder panics").samples
}

fn synthesise_window(
    net: &Net,
    path: Path,
    y_hat: &Plane,
    gains: &Gains,
    core: &Window,
    canvas: &Mutex<Canvas>,
    scratch: &mut Scratch,
) {
    let (height, width) = (2 * y_hat.height, 2 * y_hat.width);
    let latents = core.grow(net.shapes.nd + 1, height, width).halved();
    let outer = latents.doubled();
    let part = y_hat.window(latents.rows.start, latents.columns.start, latents.height(), latents.width());
    let mut t = plain(path, &net.d_in, &part).shuffle2();
    for block in &net.d {
        block.run(path, &mut t, scratch);
    }
    kernel::scale(path, &mut t.data, &gains.dec, gains.gain_shift);

    // The last layer reaches one position further than what it paints.
    let inner = core.grow(1, height, width);
    let (y, x) = (inner.rows.start - outer.rows.start, inner.columns.start - outer.columns.start);
    let t = t.window(y, x, inner.height(), inner.width());
    let color = canvas.lock().expect("no holder panics").color;
    let skip = core.columns.start - inner.columns.start;
    let mut rows = vec![vec![0; 8 * core.width() * color.channels()]; 8];
    conv3x3(path, &net.d_out, &t, scratch, |y, out| {
        let y = inner.rows.start + y;
        if !core.rows.contains(&y) {
            return;
        }
        for (x, patch) in out.chunks_exact(192).skip(skip).take(core.width()).enumerate() {
            paint_patch(patch, color, x, &mut rows);
        }
        let mut canvas = canvas.lock().expect("no holder panics");
        for (i, row) in rows.iter().enumerate() {
            canvas.paste_row(8 * y + i, 8 * core.columns.start, row);
        }
    });
}

/// Writes the 8x8 patch `[8, 8, 3]` into eight rows of samples, as the `x`-th patch.
fn paint_patch(patch: &[i16], color: Color, x: usize, rows: &mut [Vec<u8>]) {
    let sample = |v: i16| (v + 128).clamp(0, 255) as u8;
    for (row, patch) in rows.iter_mut().zip(patch.chunks_exact(24)) {
        match color {
            Color::Rgb => {
                for (o, &v) in row[24 * x..24 * x + 24].iter_mut().zip(patch) {
                    *o = sample(v);
                }
            }
            Color::Gray => {
                for (o, v) in row[8 * x..8 * x + 8].iter_mut().zip(patch.chunks_exact(3)) {
                    let [r, g, b] = [v[0], v[1], v[2]].map(|v| u16::from(sample(v)));
                    *o = ((r + 2 * g + b + 2) >> 2) as u8;
                }
            }
        }
    }
}
