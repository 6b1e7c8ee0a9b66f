//! Axes of plots: the range of the values, and round numbers to mark.

/// How values are distributed along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Equal distances are equal differences.
    Linear,
    /// Equal distances are equal ratios.
    Log,
}

/// An axis with its marks.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What it shows, with the unit.
    pub title: String,
    spread: Spread,
    low: f64,
    high: f64,
    /// The values to mark, from low to high.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// Creates an axis whose range holds all of `values`, or returns `None` if there is nothing to show.
    pub fn around(title: &str, spread: Spread, values: impl Iterator<Item = f64>) -> Option<Self> {
        let usable = |v: &f64| v.is_finite() && (spread == Spread::Linear || *v > 0.0);
        let (low, high) = values
            .filter(usable)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return None;
        }
        let (low, high, ticks) = match spread {
            Spread::Linear => linear(low, high),
            Spread::Log => log(low, high),
        };
        Some(Self { title: title.to_owned(), spread, low, high, ticks })
    }

    /// A linear axis from 0 to 1, for plots without a value.
    pub fn unit(title: &str) -> Self {
        let (low, high, ticks) = linear(0.0, 1.0);
        Self { title: title.to_owned(), spread: Spread::Linear, low, high, ticks }
    }

    /// The place of a value on the axis: 0 is the low end and 1 the high end. Values beyond the ends are outside of 0
    /// to 1.
    pub fn place(&self, value: f64) -> f64 {
        match self.spread {
            Spread::Linear => (value - self.low) / (self.high - self.low),
            Spread::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// The value's label, with as many digits as its neighbours need.
    pub fn label(&self, value: f64) -> String {
        let step = match self.spread {
            Spread::Linear => self.ticks.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1.0),
            Spread::Log => value,
        };
        // A step such as 0.25 needs one digit more than its magnitude suggests.
        let digits = (0..6).find(|&digits| is_whole(step * 10f64.powi(digits))).unwrap_or(6);
        format!("{value:.*}", digits as usize).replace('-', "\u{2212}")
    }
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6 * value.abs().max(1e-3)
}

/// About six round steps, and a range that ends on them.
fn linear(low: f64, high: f64) -> (f64, f64, Vec<f64>) {
    let span = (high - low).max(1e-3);
    let magnitude = 10f64.powf((span / 6.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * magnitude).into_iter().find(|s| span / s <= 7.0);
    let step = step.unwrap_or(10.0 * magnitude);
    let (first, last) = ((low / step).floor(), (high / step).ceil());
    let last = if last > first { last } else { first + 1.0 };
    let ticks = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
    (first * step, last * step, ticks)
}

/// The numbers 1, 2 and 5 of each decade, in a range slightly wider than the values. If there are many decades, only
/// their 1 is marked.
fn log(low: f64, high: f64) -> (f64, f64, Vec<f64>) {
    let (low, high) = (low / 1.15, high * 1.15);
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let within = |steps: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
        all.filter(|tick| (low..=high).contains(tick)).collect()
    };
    let ticks = within(&[1.0, 2.0, 5.0]);
    let ticks = if ticks.len() > 9 { within(&[1.0]) } else { ticks };
    (low, high, ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_its_values_and_marks_round_numbers() {
        let axis = Axis::around("dB", Spread::Linear, [27.3, 44.9].into_iter()).unwrap();
        let labels: Vec<String> = axis.ticks.iter().map(|&tick| axis.label(tick)).collect();
        assert_eq!(labels, ["25", "30", "35", "40", "45"]);
        let axis = Axis::around("bpp", Spread::Log, [0.12, 3.4].into_iter()).unwrap();
        let labels: Vec<String> = axis.ticks.iter().map(|&tick| axis.label(tick)).collect();
        assert_eq!(labels, ["0.2", "0.5", "1", "2"]);
        assert!(axis.place(0.12) > 0.0 && axis.place(3.4) < 1.0);
    }

    #[test]
    fn an_axis_of_one_value_has_room_and_one_of_none_is_none() {
        let axis = Axis::around("dB", Spread::Linear, [30.0].into_iter()).unwrap();
        assert!((0.0..=1.0).contains(&axis.place(30.0)) && axis.ticks.len() > 1);
        assert!(Axis::around("dB", Spread::Log, [f64::NAN, 0.0].into_iter()).is_none());
    }
}
