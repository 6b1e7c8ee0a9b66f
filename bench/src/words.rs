//! Formats numbers and lists for readers.

/// The text for a missing value.
pub(crate) const NONE: &str = "n/a";
const MINUS: &str = "\u{2212}";

/// A change in percent with its sign, or `n/a` if there is none.
pub(crate) fn percent(change: Option<f64>) -> String {
    let Some(change) = change else { return NONE.to_owned() };
    let sign = match format!("{:.1}", change.abs()).as_str() {
        "0.0" => "",
        _ if change < 0.0 => MINUS,
        _ => "+",
    };
    format!("{sign}{:.1}\u{a0}%", change.abs())
}

/// A change of bits, such as `14.7 % fewer`.
pub(crate) fn fewer(change: f64) -> String {
    let kind = if change < 0.0 { "fewer" } else { "more" };
    format!("{:.1}\u{a0}% {kind}", change.abs())
}

/// A number with three significant digits.
pub(crate) fn digits(value: f64) -> String {
    let digits = if value >= 100.0 || value <= 0.0 { 0 } else { (2.0 - value.log10().floor()) as usize };
    format!("{value:.*}", digits.min(4))
}

/// A value of a metric, in decibels or points.
pub(crate) fn score(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.2}").replace('-', MINUS))
}

/// A whole number with a comma after every third digit.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |(i, digit): (usize, char)| {
        let comma = (i > 0 && (digits.len() - i).is_multiple_of(3)).then_some(',');
        comma.into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

/// A number of bytes as MiB.
pub(crate) fn mebibytes(bytes: Option<u64>) -> String {
    let mebibytes = |bytes: u64| format!("{}\u{a0}MiB", grouped(bytes.div_ceil(1 << 20)));
    bytes.map_or_else(|| NONE.to_owned(), mebibytes)
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(percent(Some(-14.66)), "\u{2212}14.7\u{a0}%");
        let small = [-0.04, 0.04, 0.0, 3.16].map(|change| percent(Some(change)));
        assert_eq!(small, ["0.0\u{a0}%", "0.0\u{a0}%", "0.0\u{a0}%", "+3.2\u{a0}%"]);
        assert_eq!(percent(None), "n/a");
        assert_eq!(digits(0.0634), "0.0634");
        assert_eq!(digits(12.34), "12.3");
        assert_eq!(digits(512.3), "512");
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
