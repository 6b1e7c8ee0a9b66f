//! Parses quantities on the command line: sizes in bytes, bit rates, regions, and numbers in a range.

use aecodec::{Quality, Region};

/// Parses a size in bytes, such as `80KB`, `1.5MiB` or `80000`. Units are decimal, or binary if they contain an i.
pub fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("unknown unit '{unit}'; use KB, MB, GB, KiB, MiB or GiB, as in 80KB")),
    };
    let number: f64 = number.parse().map_err(|_| "write a number and a unit, as in 80KB".to_owned())?;
    let bytes = (number * factor).floor();
    if !(1.0..=1e15).contains(&bytes) {
        return Err("the size must be at least one byte and at most 1e15 bytes".into());
    }
    Ok(bytes as u64)
}

/// Parses a rate in bits per second, such as `800K`, `2M`, `2.5Mbit` or `800000`.
#[cfg(feature = "live")]
pub fn bits(text: &str) -> Result<u64, String> {
    let plain = text.trim().to_ascii_lowercase();
    let plain = ["bit/s", "bps", "bit"].iter().find_map(|unit| plain.strip_suffix(unit)).unwrap_or(&plain);
    bytes(plain).map_err(|_| "write a rate in bits per second, as in 2M or 800K".to_owned())
}

/// Parses a quality from 0 to 100.
pub fn quality(text: &str) -> Result<Quality, String> {
    text.parse().ok().and_then(Quality::new).ok_or_else(|| "expected a number from 0 to 100".into())
}

/// Parses a positive, finite number.
pub fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "write a number, as in 0.5".to_owned())?;
    if number.is_finite() && number > 0.0 {
        Ok(number)
    } else {
        Err("the number must be greater than 0".into())
    }
}

/// Parses a region `X,Y,W,H` in pixels.
pub fn region(text: &str) -> Result<Region, String> {
    let wrong = || "write X,Y,W,H in pixels, as in 0,0,640,480".to_owned();
    let numbers: Vec<u32> =
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let [x, y, width, height] = numbers[..] else { return Err(wrong()) };
    if width == 0 || height == 0 {
        return Err("width and height must be at least 1".into());
    }
    Ok(Region { x, y, width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_decimal_unless_binary() {
        assert_eq!(bytes("80KB"), Ok(80_000));
        assert_eq!(bytes("80 kb"), Ok(80_000));
        assert_eq!(bytes("1.5MiB"), Ok(1_572_864));
        assert_eq!(bytes("12345"), Ok(12_345));
        for wrong in ["", "KB", "0", "80XB", "-1", "1e9999", "0.1"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[cfg(feature = "live")]
    #[test]
    fn rates_are_in_bits() {
        for two_million in ["2M", "2Mbit", "2mbit/s", "2000000", "2000K", "2Mbps"] {
            assert_eq!(bits(two_million), Ok(2_000_000), "{two_million}");
        }
        assert!(bits("fast").is_err() && bits("-1").is_err());
    }

    #[test]
    fn numbers_keep_their_range() {
        assert_eq!(quality("50").unwrap().value(), 50.0);
        for wrong in ["-1", "101", "nan", "x"] {
            assert!(quality(wrong).is_err(), "{wrong}");
        }
        assert_eq!(positive("0.5"), Ok(0.5));
        for wrong in ["0", "inf", "nan", "-2", ""] {
            assert!(positive(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_region_has_four_numbers() {
        let parsed = region("1, 2,3,4").unwrap();
        assert_eq!((parsed.x, parsed.y, parsed.width, parsed.height), (1, 2, 3, 4));
        for wrong in ["1,2,3", "1,2,3,4,5", "1,2,0,4", "a,b,c,d", "-1,0,1,1"] {
            assert!(region(wrong).is_err(), "{wrong}");
        }
    }
}
