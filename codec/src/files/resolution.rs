//! Resolution: pixels per inch or centimetre, as PNG, JPEG, BMP, TIFF and EXIF express it.

/// The unit of a resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Inch,
    Centimetre,
}

/// Pixels per unit, horizontally and vertically, as fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    pub x: (u32, u32),
    pub y: (u32, u32),
    pub unit: Unit,
}

const METRES_IN_INCH: f64 = 0.0254;
/// The default resolution of EXIF.
const USUAL: u32 = 72;

impl Resolution {
    /// Returns `None` for a value that is not a resolution, such as 0.
    pub fn new(x: (u32, u32), y: (u32, u32), unit: Unit) -> Option<Self> {
        let real = |(above, below): (u32, u32)| above > 0 && below > 0;
        (real(x) && real(y)).then_some(Self { x, y, unit })
    }

    /// From pixels per metre, as in PNG and BMP; 11811 are 300 per inch.
    pub fn from_metre(x: u32, y: u32) -> Option<Self> {
        let inches = [x, y].map(|count| f64::from(count) * METRES_IN_INCH);
        // Rounding changes pixels per metre by half a pixel at most.
        let whole = inches.iter().all(|count| (count - count.round()).abs() <= METRES_IN_INCH / 2.0 + 1e-9);
        if whole {
            let [x, y] = inches.map(|count| (count.round() as u32, 1));
            return Self::new(x, y, Unit::Inch);
        }
        Self::new((x, 100), (y, 100), Unit::Centimetre)
    }

    /// Whole pixels per metre, or `None` if they do not fit.
    pub fn per_metre(&self) -> Option<(u32, u32)> {
        let units = match self.unit {
            Unit::Inch => 1.0 / METRES_IN_INCH,
            Unit::Centimetre => 100.0,
        };
        let count = |(above, below): (u32, u32)| {
            let count = (f64::from(above) / f64::from(below) * units).round();
            (count >= 1.0 && count <= f64::from(u32::MAX >> 1)).then_some(count as u32)
        };
        Some((count(self.x)?, count(self.y)?))
    }

    /// Whole pixels per unit, or `None` if they do not fit.
    pub fn whole(&self) -> Option<(u16, u16)> {
        let count = |(above, below): (u32, u32)| {
            let count = (f64::from(above) / f64::from(below)).round();
            (count >= 1.0 && count <= f64::from(u16::MAX)).then_some(count as u16)
        };
        Some((count(self.x)?, count(self.y)?))
    }

    /// Whether this is the default resolution, which need not be kept.
    pub fn is_usual(&self) -> bool {
        let usual = |(above, below): (u32, u32)| u64::from(above) == u64::from(USUAL) * u64::from(below);
        self.unit == Unit::Inch && usual(self.x) && usual(self.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolution_survives_the_way_through_pixels_per_metre() {
        for dpi in [1, 72, 96, 150, 200, 300, 600, 1200, 2400] {
            let inch = Resolution::new((dpi, 1), (2 * dpi, 1), Unit::Inch).unwrap();
            let (x, y) = inch.per_metre().unwrap();
            assert_eq!(Resolution::from_metre(x, y), Some(inch), "{dpi}");
        }
        let odd = Resolution::from_metre(4000, 5000).unwrap();
        assert_eq!((odd.unit, odd.x), (Unit::Centimetre, (4000, 100)));
        assert_eq!(odd.per_metre(), Some((4000, 5000)));
        assert_eq!(odd.whole(), Some((40, 50)));
    }

    #[test]
    fn nonsense_is_no_resolution() {
        assert_eq!(Resolution::new((0, 1), (72, 1), Unit::Inch), None);
        assert_eq!(Resolution::new((72, 0), (72, 1), Unit::Inch), None);
        assert_eq!(Resolution::new((u32::MAX, 1), (1, 1), Unit::Inch).unwrap().per_metre(), None);
        assert_eq!(Resolution::new((1, 1000), (1, 1), Unit::Inch).unwrap().whole(), None);
        assert!(Resolution::from_metre(2835, 2835).unwrap().is_usual());
    }
}
