//! Huffman codes of JPEG: the tables, and the bits of a scan up to the next marker.

/// Codes of up to this many bits are looked up in one step.
const FAST: u32 = 9;
const LONGEST: usize = 16;

/// Why the rest of a scan cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The data ends.
    Short,
    /// The data is not valid.
    Corrupt,
}

/// A table of codes.
pub struct Table {
    /// Indexed by the next bits: length in the upper byte, symbol in the lower one; 0 for a longer code.
    fast: Vec<u16>,
    /// Indexed by length: one above its last code, and what to add to a code to get the index of its symbol.
    lengths: [(i32, i32); LONGEST + 1],
    symbols: Vec<u8>,
}

impl Table {
    /// From the number of codes of each length, and the symbols; `None` if there are more codes than fit.
    pub fn new(counts: &[u8; LONGEST], symbols: &[u8]) -> Option<Self> {
        let mut table =
            Self { fast: vec![0; 1 << FAST], lengths: [(0, 0); LONGEST + 1], symbols: symbols.to_vec() };
        let (mut code, mut place) = (0_i32, 0_i32);
        for (length, &count) in (1..).zip(counts) {
            let first = code;
            for _ in 0..count {
                let symbol = *symbols.get(place as usize)?;
                if length <= FAST {
                    let start = usize::try_from(code).ok()? << (FAST - length);
                    let run = table.fast.get_mut(start..start + (1 << (FAST - length)))?;
                    run.fill((length as u16) << 8 | u16::from(symbol));
                }
                (code, place) = (code + 1, place + 1);
            }
            if code > 1 << length {
                return None;
            }
            table.lengths[length as usize] = (code, place - i32::from(count) - first);
            code <<= 1;
        }
        Some(table)
    }
}

/// The bits of a scan.
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte that is not among the bits.
    at: usize,
    bits: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    /// Starts at this byte.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, bits: 0, count: 0 }
    }

    /// The symbol of the next code.
    pub fn symbol(&mut self, table: &Table) -> Result<u8, Fault> {
        self.fill();
        let next = self.peek();
        let found = table.fast[(next >> (16 - FAST)) as usize];
        let (length, symbol) = if found == 0 {
            let fits = |&length: &usize| ((next >> (16 - length)) as i32) < table.lengths[length].0;
            let length = (FAST as usize + 1..=LONGEST).find(fits);
            // Zeros follow the last bit, and may not form a code.
            let length = length.ok_or(if self.count < 16 { Fault::Short } else { Fault::Corrupt })?;
            let place = (next >> (16 - length)) as i32 + table.lengths[length].1;
            (length as u32, *table.symbols.get(place as usize).ok_or(Fault::Corrupt)?)
        } else {
            (u32::from(found >> 8), found as u8)
        };
        self.take(length)?;
        Ok(symbol)
    }

    /// Reads up to 16 bits as a number.
    pub fn number(&mut self, count: u32) -> Result<u32, Fault> {
        self.fill();
        let number = if count == 0 { 0 } else { self.peek() >> (16 - count) };
        self.take(count)?;
        Ok(number)
    }

    /// Skips any number of bits.
    pub fn skip(&mut self, mut count: u32) -> Result<(), Fault> {
        while count > 0 {
            self.fill();
            let part = count.min(32);
            self.take(part)?;
            count -= part;
        }
        Ok(())
    }

    /// Where the next marker begins, and how many bytes before it are not read, apart from zeros.
    pub fn marker(mut self) -> (usize, u64) {
        let whole = self.count / 8;
        let mut left = (0..whole).filter(|i| (self.bits >> (8 * i)) as u8 != 0).count() as u64;
        while let Some(byte) = self.byte() {
            left += u64::from(byte != 0);
        }
        (self.at, left)
    }

    /// The next 16 bits; zeros follow the last one.
    fn peek(&self) -> u32 {
        let bits =
            if self.count >= 16 { self.bits >> (self.count - 16) } else { self.bits << (16 - self.count) };
        (bits & 0xFFFF) as u32
    }

    fn take(&mut self, count: u32) -> Result<(), Fault> {
        self.count = self.count.checked_sub(count).ok_or(Fault::Short)?;
        Ok(())
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let Some(byte) = self.byte() else { break };
            self.bits = self.bits << 8 | u64::from(byte);
            self.count += 8;
        }
    }

    /// The next byte of data; none before a marker.
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte == 0xFF {
            if self.bytes.get(self.at + 1) != Some(&0) {
                return None;
            }
            self.at += 1;
        }
        self.at += 1;
        Some(byte)
    }
}
