//! SSIMULACRA 2, by the crate of the same name.

use ssimulacra2::{LinearRgb, compute_frame_ssimulacra2};

use crate::Rgb;

/// SSIMULACRA 2 (Sneyers 2023, version 2.1): 100 for identical pictures, 90 hardly distinguishable, 50 medium quality;
/// below 0 where little is left.
///
/// Both pictures have the same size. `None` where a side is below 8 pixels, which the measure does not define.
pub fn ssimulacra2(original: &Rgb, decoded: &Rgb) -> Option<f64> {
    let table = linear();
    // The crate reports a side below 8, and pictures of different sizes, as errors.
    compute_frame_ssimulacra2(light(original, &table)?, light(decoded, &table)?).ok()
}

fn light(picture: &Rgb, table: &[f32; 256]) -> Option<LinearRgb> {
    let pixels = picture.samples.as_chunks::<3>().0.iter().map(|rgb| rgb.map(|v| table[usize::from(v)]));
    LinearRgb::new(pixels.collect(), picture.width, picture.height).ok()
}

/// Light of each 8-bit sRGB value (IEC 61966-2-1), from 0 to 1.
fn linear() -> [f32; 256] {
    std::array::from_fn(|v| {
        let v = v as f64 / 255.0;
        (if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }) as f32
    })
}
