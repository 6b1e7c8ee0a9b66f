//! Made-up results of a small benchmark, with names that try to break out of the page.

use std::fs;
use std::path::Path;

use aecodec::Color;
use aecodec_bench::codec::webp_for_page;
use aecodec_bench::metrics::Scores;
use aecodec_bench::report::{self, ReportPicture};
use aecodec_bench::results::{CodecInfo, Conditions, Overlay, PictureResult, Point};
use aecodec_bench::{Results, Rgb};
use aecodec_tests::photo;

/// A file name that is a script if it is not escaped.
pub const HOSTILE: &str = "\"><script>alert(1)</script>.png";
/// Points on each curve.
pub const POINTS: usize = 6;
/// Sizes of the pictures.
pub const SIZES: [(u32, u32); 2] = [(480, 320), (240, 360)];
/// The offsets of red, green and blue that tell the pictures of the codecs apart.
pub const TINTS: [[i16; 3]; 3] = [[90, -60, -60], [-60, 90, -60], [-60, -60, 90]];

/// Three codecs on two pictures.
pub fn results() -> Results {
    let codec = |id: &str, name: &str, external| CodecInfo {
        id: id.to_owned(),
        name: name.to_owned(),
        settings: "quality & <speed>".to_owned(),
        version: format!("lib{id} 1.2.3"),
        external,
    };
    let names = ["hills/river.png", HOSTILE];
    let pictures = names.iter().zip(SIZES).enumerate().map(|(i, (name, (width, height)))| {
        let pixels = f64::from(width) * f64::from(height);
        let curve = |codec: usize| (0..POINTS).map(|step| point(codec, i, step, pixels)).collect::<Vec<_>>();
        let curves: Vec<Vec<Point>> = (0..3).map(curve).collect();
        PictureResult {
            name: (*name).to_owned(),
            width: width as usize,
            height: height as usize,
            source_bytes: 1_234_567,
            equal: vec![Some(curves[0][2]), Some(curves[1][1]), Some(curves[2][2])],
            equal_bytes: curves[0][2].bytes,
            curves,
        }
    });
    Results {
        conditions: Conditions {
            version: "0.1.0".to_owned(),
            date: "2026-11-21".to_owned(),
            processor: "Example & Sons 3000".to_owned(),
            cores: 8,
            system: "linux x86_64".to_owned(),
            at_once: 2,
        },
        codecs: vec![
            codec("aecodec", "aecodec", false),
            codec("jpeg", "JPEG", false),
            codec("webp", "WebP", true),
        ],
        reference: 2,
        pictures: pictures.collect(),
        overlays: vec![Overlay { name: "a <b> & c".to_owned(), points: vec![(0.2, 30.0), (0.8, 36.0)] }],
    }
}

/// A point of a smooth curve. The codecs differ in their bits by fixed factors.
fn point(codec: usize, picture: usize, step: usize, pixels: f64) -> Point {
    let bpp = 0.15 * 1.6f64.powi(step as i32) * [1.0, 1.8, 1.2][codec] * [1.0, 1.5][picture];
    let psnr = 28.0 + 2.2 * step as f64;
    Point {
        quality: 10.0 + 15.0 * step as f64,
        bytes: (bpp * pixels / 8.0) as u64,
        bpp,
        scores: Scores {
            psnr_rgb: psnr,
            psnr_ycbcr: psnr + 1.5,
            ms_ssim: Some(1.0 - 0.08 / (1.0 + step as f64 * step as f64)),
            ssimulacra2: Some(20.0 + 14.0 * step as f64),
        },
        encode_seconds: pixels / [2e6, 40e6, 8e6][codec],
        decode_seconds: pixels / [3e6, 120e6, 60e6][codec],
        encode_memory: (codec == 2).then_some(50 << 20),
        decode_memory: (codec == 2).then_some(20 << 20),
    }
}

/// The original of the picture with this index, and what the codecs would make of it. The last one has its own bytes.
pub fn shown(index: usize) -> aecodec_bench::Result<Vec<ReportPicture>> {
    let (width, height) = SIZES[index];
    let original = Rgb::from(photo(width, height, Color::Rgb, index as u64));
    let tinted = |codec: usize| -> aecodec_bench::Result<ReportPicture> {
        let mut picture = original.clone();
        for pixel in picture.samples.chunks_exact_mut(3) {
            for (value, add) in pixel.iter_mut().zip(TINTS[codec]) {
                *value = (i16::from(*value) + add).clamp(0, 255) as u8;
            }
        }
        let native = match codec {
            2 => Some(("image/webp".to_owned(), webp_for_page(&picture, 60.0)?)),
            _ => None,
        };
        Ok(ReportPicture { codec: Some(codec), picture, native })
    };
    let versions = (0..3).map(tinted).collect::<aecodec_bench::Result<Vec<_>>>()?;
    let original = ReportPicture { codec: None, picture: original, native: None };
    Ok([original].into_iter().chain(versions).collect())
}

/// Writes the report of the sample and returns its page.
pub fn write(folder: &Path) -> String {
    report::write(&results(), &shown, folder).expect("a report");
    fs::read_to_string(folder.join("report.html")).expect("a page")
}
