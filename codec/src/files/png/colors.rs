//! Descriptions of colour in a PNG without an ICC profile: gamma, primaries, code points.

/// The value of `gAMA` for sRGB, in units of 1/100000.
const GAMMA: u32 = 45455;
/// The values of `cHRM` for sRGB.
const PRIMARIES: [u32; 8] = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000];
/// `cICP` for sRGB at the full range.
const CODE_POINTS: [u8; 4] = [1, 13, 0, 1];
/// A difference that is not visible.
const NEAR: u32 = 1000;

/// What the chunks say about colour.
#[derive(Default)]
pub struct Colors {
    srgb: bool,
    other: bool,
    /// Code points other than those of sRGB. They take precedence over the other chunks.
    pub code_points: Option<[u8; 4]>,
}

impl Colors {
    /// Reads one of the chunks.
    pub fn take(&mut self, kind: &[u8; 4], data: &[u8]) {
        let numbers = data.as_chunks::<4>().0.iter().map(|&number| u32::from_be_bytes(number));
        let near = |expected: &[u32]| {
            data.len() == 4 * expected.len() && numbers.zip(expected).all(|(n, &e)| n.abs_diff(e) <= NEAR)
        };
        match kind {
            b"sRGB" => self.srgb = true,
            b"gAMA" => self.other |= data != [0; 4] && !near(&[GAMMA]),
            b"cHRM" => self.other |= !near(&PRIMARIES),
            b"cICP" => self.code_points = data.try_into().ok().filter(|points| *points != CODE_POINTS),
            _ => {}
        }
    }

    /// Whether the colours are not sRGB, which is assumed of a picture without a profile, and are lost because no code points
    /// name them.
    pub fn are_other(&self) -> bool {
        self.other && !self.srgb && self.code_points.is_none()
    }
}
