//! Colours and markers that tell codecs apart, for every kind of eye, on paper and on screens by day and night.

/// Colours of the codecs after Okabe and Ito's palette, on light and on dark ground: each has a contrast of at least
/// 4.5 to its ground, so that labels may have them too. The first is aecodec's.
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

/// Dashes of the curves that were published elsewhere.
const DASHES: [&str; 4] = ["6 4", "2 3", "9 3 2 3", "3 6"];

/// How the codec of this index looks: the number of its colour, which repeats sooner than its marker.
pub fn color_index(codec: usize) -> usize {
    codec % COLORS.len()
}

/// Colour of a codec on light ground.
pub fn color(codec: usize) -> &'static str {
    COLORS[color_index(codec)].0
}

/// Marker of a codec, as the data of an SVG path around (0, 0).
pub fn marker(codec: usize) -> &'static str {
    MARKERS[(codec + codec / COLORS.len()) % MARKERS.len()]
}

/// Dashes of an overlay.
pub fn dashes(overlay: usize) -> &'static str {
    DASHES[overlay % DASHES.len()]
}

/// The rules that colour elements of class `s0`, `s1` and so on, for the ground that the page has.
pub fn page_rules() -> String {
    let rule =
        |(i, (light, dark)): (usize, &(&str, &str))| format!(".s{i}{{color:light-dark({light},{dark})}}");
    COLORS.iter().enumerate().map(rule).collect()
}

/// The rules that colour a picture for dark ground, where that is preferred.
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
    fn no_two_of_many_codecs_look_the_same() {
        let looks: std::collections::HashSet<_> = (0..56).map(|i| (color(i), marker(i))).collect();
        assert_eq!(looks.len(), 56);
    }
}
