//! Unsigned LEB128, as in the `.aec` container and as postcard writes its integers.

/// Bytes of the longest 64-bit number.
pub const MAX: usize = 10;

/// Appends a number.
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a number and returns how many bytes it took, or `Ok(None)` if more bytes are needed.
pub fn take(bytes: &[u8]) -> Result<Option<(u64, usize)>, &'static str> {
    let mut value = 0_u64;
    for (i, &byte) in bytes.iter().take(MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if i == MAX - 1 && bits > 1 {
            return Err("a number above 2^64");
        }
        value |= bits << (7 * i);
        if byte < 0x80 {
            return Ok(Some((value, i + 1)));
        }
    }
    if bytes.len() >= MAX { Err("a number of more than 10 bytes") } else { Ok(None) }
}
