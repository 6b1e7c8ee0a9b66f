//! Colours and markers that tell curves apart, also for colour-blind readers, on light and on dark grounds.

/// Colours on a light and on a dark ground, after Okabe and Ito's palette. Each has a contrast of at least 4.5 to its
/// ground, so that labels can use them as well. The first is aecodec's.
const COLORS: [(&str, &str); 8] = [
    ("#c04a00", "#ff8f57"),
    ("#5c6470", "#b3bac5"),
    ("#0072b2", "#5cb8f0"),
    ("#00785a", "#35c9a3"),
    ("#a8457f", "#ec9fc8"),
    ("#8f6400", "#e8aa2a"),
    ("#2a7a9e", "#9bd8f5"),
    ("#6f6a00", "#f0e442"),
];

/// Markers around (0, 0): circle, square, triangle, diamond, triangle down, cross, hourglass, bar.
const MARKERS: [&str; 8] = [
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "M-4 -4h8v8h-8z",
    "M0 -5l5 9h-10z",
    "M0 -5.6l5.6 5.6l-5.6 5.6l-5.6 -5.6z",
    "M0 5l5 -9h-10z",
    "M-1.7 -5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z",
    "M-4.5 -5h9l-9 10h9z",
    "M-5.5 -2h11v4h-11z",
];

/// The dash patterns of dashed curves.
const DASHES: [&str; 4] = ["6 4", "2 3", "9 3 2 3", "3 6"];

/// The number of a curve's colour. Colours repeat sooner than the pairs of colour and marker.
pub fn color_index(curve: usize) -> usize {
    curve % COLORS.len()
}

/// The colour of a curve on a light ground.
pub fn color(curve: usize) -> &'static str {
    COLORS[color_index(curve)].0
}

/// The marker of a curve, as the data of an SVG path around (0, 0).
pub fn marker(curve: usize) -> &'static str {
    MARKERS[(curve + curve / COLORS.len()) % MARKERS.len()]
}

/// The dash pattern of a dashed curve.
pub fn dashes(curve: usize) -> &'static str {
    DASHES[curve % DASHES.len()]
}

/// The style rules for elements of the classes `s0`, `s1` and so on in a page that has a light and a dark ground.
pub fn page_rules() -> String {
    let rule =
        |(i, (light, dark)): (usize, &(&str, &str))| format!(".s{i}{{color:light-dark({light},{dark})}}");
    COLORS.iter().enumerate().map(rule).collect()
}

/// The style rules for the same classes on a dark ground.
pub fn dark_rules() -> String {
    COLORS.iter().enumerate().map(|(i, (_, dark))| format!(".s{i}{{color:{dark}}}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stand_out_from_their_ground() {
        let luminance = |hex: &str| {
            let part = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            let linear = |v: f64| if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
            0.2126 * linear(part(1)) + 0.7152 * linear(part(3)) + 0.0722 * linear(part(5))
        };
        for (light, dark) in COLORS {
            assert!(1.05 / (luminance(light) + 0.05) >= 4.5, "{light}");
            assert!((luminance(dark) + 0.05) / (luminance("#1b1f26") + 0.05) >= 4.5, "{dark}");
        }
    }

    #[test]
    fn no_two_of_many_curves_look_the_same() {
        let looks: std::collections::HashSet<_> = (0..56).map(|i| (color(i), marker(i))).collect();
        assert_eq!(looks.len(), 56);
    }
}
