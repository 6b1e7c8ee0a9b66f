//! The Bjontegaard delta rate between two curves, with piecewise cubic (PCHIP) interpolation.

/// The change of rate, in percent, of curve `b` against curve `a` at equal quality. It is negative if `b` needs fewer
/// bits.
///
/// Points are (bits per pixel, quality), in any order. The logarithm of the rate is interpolated over the quality, its
/// mean is taken exactly over the qualities that both curves reach, and the difference of the means is turned back into
/// a ratio. If several points have the same quality, the one with the fewest bits counts.
///
/// Returns `None` if the curves share a range of less than `overlap` in quality, if one of them has fewer than two
/// qualities, or if a number is not finite or a rate is not above 0.
///
/// The measure is Bjontegaard's (VCEG-M33, 2001). His single cubic through four points overshoots if the points are
/// unevenly spaced. This function uses the piecewise cubic of Fritsch and Carlson (1980) with the slopes of Fritsch and
/// Butland (1984), which rises and falls only where the points do, as the common test conditions of the video coding
/// groups ask for.
pub fn bd_rate(a: &[(f64, f64)], b: &[(f64, f64)], overlap: f64) -> Option<f64> {
    let (a, b) = (Spline::new(a)?, Spline::new(b)?);
    let (low, high) = (a.first().max(b.first()), a.last().min(b.last()));
    let span = high - low;
    if span <= 0.0 || span < overlap {
        return None;
    }
    let change = (b.integral(low, high) - a.integral(low, high)) / span;
    Some(change.exp_m1() * 100.0).filter(|percent| percent.is_finite())
}

/// A cubic for each interval between knots, in Hermite form: x is the quality, y is the logarithm of the rate.
struct Spline {
    /// Strictly rising.
    x: Vec<f64>,
    y: Vec<f64>,
    slopes: Vec<f64>,
}

impl Spline {
    fn new(points: &[(f64, f64)]) -> Option<Self> {
        if points.iter().any(|&(rate, quality)| !(rate > 0.0 && rate.is_finite() && quality.is_finite())) {
            return None;
        }
        let mut points = points.to_vec();
        points.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.total_cmp(&b.0)));
        points.dedup_by(|later, kept| later.1 == kept.1);
        if points.len() < 2 {
            return None;
        }
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().map(|&(rate, quality)| (quality, rate.ln())).unzip();
        let slopes = slopes(&x, &y);
        Some(Self { x, y, slopes })
    }

    fn first(&self) -> f64 {
        self.x[0]
    }

    fn last(&self) -> f64 {
        self.x[self.x.len() - 1]
    }

    /// The integral of y from `low` to `high`, both of which are within the knots.
    fn integral(&self, low: f64, high: f64) -> f64 {
        let pieces = (0..self.x.len() - 1).map(|i| {
            let (start, width) = (self.x[i], self.x[i + 1] - self.x[i]);
            let [from, to] = [low, high].map(|x| ((x - start) / width).clamp(0.0, 1.0));
            width * (self.primitive(i, width, to) - self.primitive(i, width, from))
        });
        pieces.sum()
    }

    /// The integral of piece `i` from its start to the fraction `t` of its width, scaled to a width of 1.
    fn primitive(&self, i: usize, width: f64, t: f64) -> f64 {
        let (t2, t3, t4) = (t * t, t * t * t, t * t * t * t);
        self.y[i] * (t4 / 2.0 - t3 + t)
            + self.y[i + 1] * (t3 - t4 / 2.0)
            + self.slopes[i] * width * (t4 / 4.0 - t3 * 2.0 / 3.0 + t2 / 2.0)
            + self.slopes[i + 1] * width * (t4 / 4.0 - t3 / 3.0)
    }
}

/// The slope at each knot: the weighted harmonic mean of the adjacent secants, or 0 at an extreme.
fn slopes(x: &[f64], y: &[f64]) -> Vec<f64> {
    let widths: Vec<f64> = x.windows(2).map(|x| x[1] - x[0]).collect();
    let secants: Vec<f64> = y.windows(2).zip(&widths).map(|(y, width)| (y[1] - y[0]) / width).collect();
    let last = widths.len() - 1;
    if last == 0 {
        return vec![secants[0]; 2];
    }
    let inner = (1..=last).map(|i| {
        let (before, after) = (secants[i - 1], secants[i]);
        if before * after <= 0.0 {
            return 0.0;
        }
        let (near, far) = (2.0 * widths[i] + widths[i - 1], widths[i] + 2.0 * widths[i - 1]);
        (near + far) / (near / before + far / after)
    });
    let first = end_slope(widths[0], widths[1], secants[0], secants[1]);
    let end = end_slope(widths[last], widths[last - 1], secants[last], secants[last - 1]);
    std::iter::once(first).chain(inner).chain([end]).collect()
}

/// The slope at an end: that of the parabola through three points, limited so that the piece stays monotone.
fn end_slope(width: f64, next_width: f64, secant: f64, next_secant: f64) -> f64 {
    let slope = ((2.0 * width + next_width) * secant - width * next_secant) / (width + next_width);
    if slope * secant <= 0.0 {
        0.0
    } else if secant * next_secant <= 0.0 && slope.abs() > 3.0 * secant.abs() {
        3.0 * secant
    } else {
        slope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published means over the Kodak pictures: (bits per pixel, PSNR over RGB).
    const VTM: [(f64, f64); 8] = [
        (0.0482, 26.145),
        (0.1125, 28.493),
        (0.2458, 31.2),
        (0.4905, 34.262),
        (0.8748, 37.42),
        (1.4308, 40.424),
        (2.3246, 43.506),
        (3.6326, 46.592),
    ];
    const BPG: [(f64, f64); 8] = [
        (0.0678, 26.195),
        (0.161, 28.682),
        (0.3516, 31.595),
        (0.6847, 34.857),
        (1.1997, 38.26),
        (1.9297, 41.479),
        (3.0579, 44.703),
        (4.7031, 47.633),
    ];
    const HM: [(f64, f64); 8] = [
        (0.0514, 25.411),
        (0.1209, 27.746),
        (0.2667, 30.447),
        (0.5295, 33.505),
        (0.9504, 36.782),
        (1.5596, 39.995),
        (2.4761, 43.088),
        (3.8456, 46.143),
    ];
    const JPEG: [(f64, f64); 5] =
        [(0.532, 29.511), (0.9989, 32.684), (1.7762, 36.134), (2.6548, 39.157), (3.8106, 42.301)];
    const COOLCHIC: [(f64, f64); 5] =
        [(1.3571, 41.167), (0.7594, 37.247), (0.4819, 34.521), (0.2186, 30.859), (0.0839, 27.435)];

    fn scaled(curve: &[(f64, f64)], factor: f64) -> Vec<(f64, f64)> {
        curve.iter().map(|&(rate, quality)| (rate * factor, quality)).collect()
    }

    #[test]
    fn published_curves_give_what_an_independent_program_gives() {
        // The values are from an independent Python program with the same slopes, which integrates by a sum over 2000
        // samples. The rate of the made-up curve falls at both ends although its quality rises.
        let bent = [(0.5, 28.0), (0.49, 29.0), (0.9, 32.0), (1.5, 35.0), (1.48, 35.5)];
        let expected: [(&[_], &[_], f64); 7] = [
            (&VTM, &BPG, 21.9982),
            (&VTM, &HM, 23.3251),
            (&BPG, &VTM, -18.0316),
            (&HM, &BPG, -0.8251),
            (&VTM, &JPEG, 156.0341),
            (&VTM, &bent, 213.7963),
            (&VTM, &COOLCHIC, -6.5983),
        ];
        for (a, b, expected) in expected {
            let percent = bd_rate(a, b, 1.0).unwrap();
            assert!((percent - expected).abs() < 0.01, "{percent} instead of {expected}");
        }
    }

    #[test]
    fn a_tenth_fewer_bits_at_every_quality_is_minus_ten_percent() {
        for (factor, expected) in [(0.9, -10.0), (1.0, 0.0), (2.0, 100.0)] {
            assert!((bd_rate(&VTM, &scaled(&VTM, factor), 1.0).unwrap() - expected).abs() < 1e-9);
        }
        // Straight lines are reproduced for any knots: the rate grows tenfold in 10 dB, and the second curve needs
        // half.
        let line = |start: f64, count: u32| -> Vec<(f64, f64)> {
            (0..count).map(|i| start + f64::from(i * i)).map(|x| (10f64.powf(x / 10.0), x)).collect()
        };
        let percent = bd_rate(&line(20.0, 4), &scaled(&line(23.0, 3), 0.5), 1.0).unwrap();
        assert!((percent + 50.0).abs() < 1e-9, "{percent}");
    }

    #[test]
    fn swapping_the_curves_inverts_the_ratio() {
        let there = 1.0 + bd_rate(&VTM, &BPG, 1.0).unwrap() / 100.0;
        let back = 1.0 + bd_rate(&BPG, &VTM, 1.0).unwrap() / 100.0;
        assert!((there * back - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_order_of_the_points_and_repeated_qualities_do_not_matter() {
        let expected = bd_rate(&VTM, &HM, 1.0);
        let mut shuffled = HM.to_vec();
        shuffled.reverse();
        shuffled.push((HM[2].0 * 1.5, HM[2].1));
        shuffled.insert(0, HM[5]);
        assert_eq!(bd_rate(&VTM, &shuffled, 1.0), expected);
    }

    #[test]
    fn too_little_in_common_gives_no_answer() {
        let higher: Vec<_> = VTM.iter().map(|&(rate, quality)| (rate, quality + 20.0)).collect();
        let shared = VTM[7].1 - higher[0].1;
        assert!(bd_rate(&VTM, &higher, shared - 0.001).is_some());
        assert_eq!(bd_rate(&VTM, &higher, shared + 0.001), None);
        let apart: Vec<_> = VTM.iter().map(|&(rate, quality)| (rate, quality + 30.0)).collect();
        assert_eq!(bd_rate(&VTM, &apart, 0.0), None);
    }

    #[test]
    fn broken_numbers_and_single_points_give_no_answer() {
        for (rate, quality) in
            [(f64::NAN, 30.0), (f64::INFINITY, 30.0), (0.0, 30.0), (-1.0, 30.0), (0.3, f64::NAN)]
        {
            let mut broken = VTM.to_vec();
            broken[3] = (rate, quality);
            assert_eq!(bd_rate(&VTM, &broken, 1.0), None);
            assert_eq!(bd_rate(&broken, &VTM, 1.0), None);
        }
        assert_eq!(bd_rate(&VTM, &[], 1.0), None);
        assert_eq!(bd_rate(&VTM, &VTM[..1], 0.0), None);
        assert_eq!(bd_rate(&VTM, &[VTM[1], (0.2, VTM[1].1)], 0.0), None);
    }
}
