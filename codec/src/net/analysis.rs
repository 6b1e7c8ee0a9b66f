//! Analysis: picture to latents. Only the encoder runs it.

use super::layers::plain;
use super::{Net, Plane, Scratch};
use crate::kernel::{self, Epilogue, Path, Segment, Target};
use crate::picture::{Color, Picture};
use crate::quality::Gains;
use crate::threads;
use crate::window::{self, Window};
use std::sync::Mutex;

/// Largest window, in latents: with its halo about 30 MB of activations.
const LARGEST: (usize, usize) = (64, 128);

/// Latents `[ceil(height/16), ceil(width/16), M]` of a picture, before their gain.
pub(crate) fn analyse(net: &Net, path: Path, picture: &Picture, gains: &Gains, threads: usize) -> Plane {
    let (height, width) = (picture.height.div_ceil(16) as usize, picture.width.div_ceil(16) as usize);
    let y = Mutex::new(Plane::new(height, width, net.shapes.m));
    let sides = window::sides(height, threads, LARGEST);
    let windows = Window::new(0, 0, height, width).cut(sides);
    threads::for_each(threads, &windows, Scratch::default, |scratch, window| {
        let part = analyse_window(net, path, picture, gains, (height, width), window, scratch);
        y.lock().expect("no holder panics").paste(window.rows.start, window.columns.start, &part);
    });
    y.into_inner().expect("no holder panics")
}

/// Latents of one window; `shape` is that of the picture's whole plane of latents.
fn analyse_window(
    net: &Net,
    path: Path,
    picture: &Picture,
    gains: &Gains,
    shape: (usize, usize),
    window: &Window,
    scratch: &mut Scratch,
) -> Plane {
    let core = window.doubled();
    let outer = core.grow(net.shapes.ne, 2 * shape.0, 2 * shape.1);
    let mut t = Plane::new(outer.height(), outer.width(), net.shapes.c);
    let mut patches = vec![0; outer.width() * 192];
    for (row, y) in outer.rows.clone().enumerate() {
        for (patch, x) in patches.chunks_exact_mut(192).zip(outer.columns.clone()) {
            read_patch(picture, y, x, patch);
        }
        let segment = Segment { data: &patches, start: 0, stride: 192, k: 0, len: 192 };
        let (start, stride) = (t.at(row, 0), t.channels);
        let target = Target { data: &mut t.data, start, stride };
        kernel::product(
            path,
            &net.e_in,
            net.e_in.panels(),
            &[segment],
            outer.width(),
            Epilogue::Plain,
            target,
        );
    }
    kernel::scale(path, &mut t.data, &gains.enc, gains.gain_shift);
    for block in &net.e {
        block.run(path, &mut t, scratch);
    }
    let (y, x) = (core.rows.start - outer.rows.start, core.columns.start - outer.columns.start);
    plain(path, &net.e_out, &t.window(y, x, core.height(), core.width()).unshuffle2())
}

/// The 8x8 patch at patch coordinates (y, x) as `[8, 8, 3]` of `2*p - 255`; beyond the edge the last
/// row and column repeat.
fn read_patch(picture: &Picture, y: usize, x: usize, patch: &mut [i16]) {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let channels = picture.color.channels();
    let widen = |p: u8| 2 * i16::from(p) - 255;
    for (i, out) in patch.chunks_exact_mut(24).enumerate() {
        let row = &picture.samples[(8 * y + i).min(height - 1) * width * channels..][..width * channels];
        if picture.color == Color::Rgb && 8 * x + 8 <= width {
            for (o, &p) in out.iter_mut().zip(&row[24 * x..24 * x + 24]) {
                *o = widen(p);
            }
            continue;
        }
        for (j, out) in out.chunks_exact_mut(3).enumerate() {
            let at = (8 * x + j).min(width - 1) * channels;
            for (c, o) in out.iter_mut().enumerate() {
                *o = widen(row[at + c.min(channels - 1)]);
            }
        }
    }
}
