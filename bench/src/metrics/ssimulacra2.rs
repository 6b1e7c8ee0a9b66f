//! SSIMULACRA 2, from the crate with this name.

use ssimulacra2::{LinearRgb, compute_frame_ssimulacra2};

use crate::Rgb;

/// SSIMULACRA 2 (Sneyers 2023, version 2.1): 100 means identical, 90 hardly distinguishable and 50 medium quality. It
/// is negative for very poor pictures.
///
/// Both pictures have the same size. Returns `None` if a side is below 8 pixels, for which the measure is not defined.
pub fn ssimulacra2(original: &Rgb, decoded: &Rgb) -> Option<f64> {
    let table = linear();
    // The crate returns an error if a side is below 8 or if the sizes differ.
    compute_frame_ssimulacra2(light(original, &table)?, light(decoded, &table)?).ok()
}

fn light(picture: &Rgb, table: &[f32; 256]) -> Option<LinearRgb> {
    let pixels = picture.samples.as_chunks::<3>().0.iter().map(|rgb| rgb.map(|v| table[usize::from(v)]));
    LinearRgb::new(pixels.collect(), picture.width, picture.height).ok()
}

/// The linear light of each 8-bit sRGB value (IEC 61966-2-1), from 0 to 1.
fn linear() -> [f32; 256] {
    std::array::from_fn(|v| {
        let v = v as f64 / 255.0;
        (if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }) as f32
    })
}
