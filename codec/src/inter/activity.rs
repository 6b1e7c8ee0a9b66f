//! The activity of each position of the latents: how much has changed there since the reference.

use crate::exact::bits::{Coder, Decoder, Encoder, Whole};
use crate::exact::mix::{FRESH, Slot, code_with};
use crate::{Error, Result};

/// Number of classes. A position of class 0 keeps the latents of the reference.
pub(super) const CLASSES: u8 = 8;
/// Places of the neighbours' activities, each of which may be zero or not.
const NEIGHBOURS: usize = 16;

/// The adaptive probabilities.
struct Slots {
    /// Whether a position is active, by which of its neighbours are.
    active: [Slot; NEIGHBOURS],
    /// Whether a class is above another one, by that and the largest class of two neighbours.
    above: [[Slot; CLASSES as usize]; CLASSES as usize],
}

/// Codes `classes` `[height, width]` in raster order. The decoder fills them in.
fn code<C: Coder>(coder: &mut C, classes: &mut [u8], width: usize) {
    let mut slots =
        Slots { active: [FRESH; NEIGHBOURS], above: [[FRESH; CLASSES as usize]; CLASSES as usize] };
    for i in 0..classes.len() {
        if coder.is_spent() {
            return;
        }
        let (y, x) = (i / width, i % width);
        let w = if x > 0 { classes[i - 1] } else { 0 };
        let n = if y > 0 { classes[i - width] } else { 0 };
        let nw = if y > 0 && x > 0 { classes[i - width - 1] } else { 0 };
        let ne = if y > 0 && x + 1 < width { classes[i - width + 1] } else { 0 };
        let place = [w, n, nw, ne].iter().fold(0, |place, &class| 2 * place + usize::from(class > 0));
        let class = classes[i];
        let mut found = u8::from(code_with(coder, &mut slots.active[place], class > 0));
        let around = usize::from(w.max(n));
        while found > 0 && found < CLASSES - 1 {
            let slot = &mut slots.above[around][usize::from(found)];
            if !code_with(coder, slot, class > found) {
                break;
            }
            found += 1;
        }
        classes[i] = found;
    }
}

/// Writes the activities of a frame with `width` columns of latents.
pub(super) fn write(classes: &[u8], width: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    code(&mut encoder, &mut classes.to_vec(), width);
    encoder.finish()
}

/// Reads the activities of a frame.
///
/// # Errors
/// Returns [`Error::Invalid`] if the bytes do not suffice or if some are left over.
pub(super) fn read(bytes: &[u8], height: usize, width: usize) -> Result<Vec<u8>> {
    let mut classes = vec![0; height * width];
    let mut decoder = Decoder::new(bytes, Whole::Yes);
    code(&mut decoder, &mut classes, width);
    if decoder.is_spent() || decoder.left() > 0 {
        let detail = format!("{} bytes do not fit {height}x{width} positions", bytes.len());
        return Err(Error::Invalid { what: "activity", detail });
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activities_are_read_as_written_and_quiet_frames_cost_little() {
        for (height, width) in [(1, 1), (3, 5), (45, 80)] {
            let drawn = |i: usize| if i % 7 > 3 { (i * i / 11 % 8) as u8 } else { 0 };
            let classes: Vec<u8> = (0..height * width).map(drawn).collect();
            let bytes = write(&classes, width);
            assert_eq!(read(&bytes, height, width).expect("sound"), classes);
            let quiet = write(&vec![0; height * width], width);
            assert!(quiet.len() < 16, "{} bytes", quiet.len());
            assert_eq!(read(&quiet, height, width).expect("sound"), vec![0; height * width]);
        }
    }

    #[test]
    fn bytes_that_are_cut_or_left_over_are_refused() {
        let classes: Vec<u8> = (0..600).map(|i| (i * i % 8) as u8).collect();
        let mut bytes = write(&classes, 30);
        assert!(read(&bytes[..bytes.len() / 2], 20, 30).is_err());
        bytes.extend([1, 2, 3, 4, 5, 6]);
        assert!(read(&bytes, 20, 30).is_err());
    }
}
