//! Parses the coded data of a JPEG without computing pixels, and reports how much of the picture is there: decoders silently
//! paint over damaged and missing parts. The methods are those of ITU-T T.81, annexes F and G.

use super::frame::Frame;
use super::huffman::{Bits, Fault, Table};

/// The most scans that are accepted. Each scan may visit every block at the cost of a few bytes, so a file with more scans is
/// an attack on the reader's time.
pub const MOST_SCANS: usize = 500;

/// What is wrong with the coded data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It ends within a scan.
    Short { scan: usize, share: Share },
    /// The rest of a scan cannot be read.
    Corrupt { scan: usize, share: Share },
    /// Bytes are left after the last block of a scan.
    Left { scan: usize, bytes: u64 },
    /// A scan ends without the rest of the scans that the picture needs.
    Scans,
    /// There are fewer bytes than this many blocks need.
    Impossible { blocks: u64 },
    /// There are more scans than any picture has.
    Scattered,
}

/// The number of units that were read, and the number that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub units: u64,
    pub of: u64,
}

impl Share {
    /// In whole percent.
    pub fn percent(self) -> u64 {
        100 * self.units / self.of.max(1)
    }
}

/// The result of parsing a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Coded {
    /// The first problem.
    pub trouble: Option<Trouble>,
    /// Whether the end marker is present.
    pub ended: bool,
    /// Number of scans that were found.
    pub scans: usize,
}

/// The result for a frame that is not parsed here: the decoder has to find its problems.
const UNKNOWN: Coded = Coded { trouble: None, ended: true, scans: 0 };

/// Parses the scans of a file. It does not parse a frame that is neither sequential nor progressive, and finds no problem in
/// it.
pub fn check(bytes: &[u8]) -> Coded {
    let mut reader = Reader::default();
    let mut at = 2;
    let mut found = Coded::default();
    while let Some((marker, payload, end)) = segment(bytes, at) {
        at = end;
        match marker {
            0xD9 => {
                found.ended = true;
                break;
            }
            0xC0..=0xC2 if reader.frame.is_none() => {
                let Some(frame) = Frame::parse(payload, marker == 0xC2) else { return UNKNOWN };
                // Each block takes at least one bit.
                if frame.blocks() > 8 * bytes.len() as u64 {
                    found.trouble = Some(Trouble::Impossible { blocks: frame.blocks() });
                    break;
                }
                let frame = reader.frame.insert(frame);
                if frame.progressive {
                    frame.prepare();
                }
            }
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return UNKNOWN,
            0xC4 => reader.tables(payload),
            0xDD => {
                if let [a, b, ..] = payload {
                    reader.interval = u64::from(*a) << 8 | u64::from(*b);
                }
            }
            0xDA => {
                found.scans += 1;
                if found.scans > MOST_SCANS {
                    found.trouble = Some(Trouble::Scattered);
                    break;
                }
                let trouble = reader.scan(bytes, payload, &mut at, found.scans);
                found.trouble = found.trouble.or(trouble);
            }
            _ => {}
        }
    }
    if found.trouble.is_none() && found.scans > 0 && !reader.frame.is_none_or(|frame| frame.is_whole()) {
        found.trouble = Some(Trouble::Scans);
    }
    found
}

/// The next segment: its marker, its payload, and the offset of the bytes after it.
fn segment(bytes: &[u8], mut at: usize) -> Option<(u8, &[u8], usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
        at += bytes[at..].iter().position(|&byte| byte != 0xFF)?;
        let marker = bytes[at];
        at += 1;
        match marker {
            0 | 0x01 | 0xD0..=0xD8 => {}
            0xD9 => return Some((marker, &[], at)),
            _ => {
                let length = usize::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
                let payload = bytes.get(at..)?.get(2..length)?;
                return Some((marker, payload, at + length));
            }
        }
    }
}

#[derive(Default)]
struct Reader {
    frame: Option<Frame>,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    /// Units between restart markers, or 0.
    interval: u64,
}

/// The parameters of a scan.
struct Scan {
    /// Index in the frame, and tables.
    components: Vec<(usize, usize, usize)>,
    /// The first and the last coefficient.
    band: (u8, u8),
    /// The last bit that was sent before, and that is sent now.
    bits: (u8, u8),
}

impl Reader {
    fn tables(&mut self, mut payload: &[u8]) {
        while let Some((head, rest)) = payload.split_first_chunk::<17>() {
            let mut counts = [0; 16];
            counts.copy_from_slice(&head[1..]);
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            let Some((symbols, rest)) = rest.split_at_checked(count) else { return };
            let place = if head[0] >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            if let Some(place) = place.get_mut(usize::from(head[0] & 15)) {
                *place = Table::new(&counts, symbols);
            }
            payload = rest;
        }
    }

    /// Parses a scan that begins at `at`, and moves `at` to the marker after it.
    fn scan(&mut self, bytes: &[u8], payload: &[u8], at: &mut usize, number: usize) -> Option<Trouble> {
        let Self { frame: Some(frame), dc, ac, interval } = self else { return None };
        let scan = Scan::parse(payload, frame)?;
        let (across, down) = match scan.components[..] {
            [(one, ..)] => frame.components[one].blocks,
            _ => frame.units,
        };
        let of = across * down;
        let mut bits = Bits::new(bytes, *at);
        let mut run = 0;
        let mut restarts = 0;
        for unit in 0..of {
            if *interval > 0 && unit > 0 && unit % *interval == 0 {
                let (place, left) = bits.marker();
                *at = place;
                let expected = 0xD0 + (restarts % 8) as u8;
                let marker = bytes.get(place..).unwrap_or_default().iter().position(|&byte| byte != 0xFF);
                let marker = marker.filter(|&fill| fill > 0).map(|fill| place + fill);
                if left > 0 || marker.is_none_or(|place| bytes[place] != expected) {
                    skip_restarts(bytes, at);
                    let share = Share { units: unit, of };
                    let short = left == 0 && !matches!(marker.map(|at| bytes[at]), Some(0xD0..=0xD7));
                    return Some(if short {
                        Trouble::Short { scan: number, share }
                    } else {
                        Trouble::Corrupt { scan: number, share }
                    });
                }
                bits = Bits::new(bytes, marker.map_or(place, |place| place + 1));
                (run, restarts) = (0, restarts + 1);
            }
            let place = (unit % across, unit / across);
            if let Err(fault) = scan.unit(frame, (&*dc, &*ac), &mut bits, place, &mut run) {
                let share = Share { units: unit, of };
                *at = bits.marker().0;
                skip_restarts(bytes, at);
                return Some(match fault {
                    Fault::Short => Trouble::Short { scan: number, share },
                    Fault::Corrupt => Trouble::Corrupt { scan: number, share },
                });
            }
        }
        let (place, left) = bits.marker();
        *at = place;
        skip_restarts(bytes, at);
        for &(index, ..) in &scan.components {
            let (first, last) = scan.band;
            frame.components[index].sent[usize::from(first)..=usize::from(last)].fill(Some(scan.bits.1));
        }
        (left > 0).then_some(Trouble::Left { scan: number, bytes: left })
    }
}

/// Skips restart markers, and the data between them.
fn skip_restarts(bytes: &[u8], at: &mut usize) {
    while let Some([0xFF, 0xD0..=0xD7]) = bytes.get(*at..*at + 2) {
        *at = Bits::new(bytes, *at + 2).marker().0;
    }
}

impl Scan {
    fn parse(payload: &[u8], frame: &Frame) -> Option<Self> {
        let (&count, rest) = payload.split_first()?;
        let (fields, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let &[first, last, bits, ..] = rest else { return None };
        let component = |field: &[u8; 2]| {
            let index = frame.components.iter().position(|component| component.id == field[0])?;
            Some((index, usize::from(field[1] >> 4), usize::from(field[1] & 15)))
        };
        let components: Option<Vec<_>> = fields.as_chunks::<2>().0.iter().map(component).collect();
        let band = if frame.progressive { (first, last) } else { (0, 63) };
        let sound = band.0 <= band.1 && band.1 < 64 && (!frame.progressive || band.0 > 0 || band.1 == 0);
        let bits = if frame.progressive { (bits >> 4, bits & 15) } else { (0, 0) };
        let components = components.filter(|all| !all.is_empty() && (band.0 == 0 || all.len() == 1))?;
        sound.then_some(Self { components, band, bits })
    }

    /// Parses a unit: one block in a scan of one component, or the blocks that cover the same pixels in a scan of several.
    fn unit(
        &self,
        frame: &mut Frame,
        (dc, ac): (&[Option<Table>; 4], &[Option<Table>; 4]),
        bits: &mut Bits,
        (x, y): (u64, u64),
        run: &mut u32,
    ) -> Result<(), Fault> {
        let units = frame.units.0;
        for &(index, dc_table, ac_table) in &self.components {
            let component = &mut frame.components[index];
            let (h, v) = if self.components.len() == 1 { (1, 1) } else { component.sampling };
            let dc = dc.get(dc_table).and_then(Option::as_ref);
            let ac = ac.get(ac_table).and_then(Option::as_ref);
            for block in 0..h * v {
                if !frame.progressive {
                    sequential(bits, dc.ok_or(Fault::Corrupt)?, ac.ok_or(Fault::Corrupt)?)?;
                    continue;
                }
                match (self.band.0, self.bits.0) {
                    (0, 0) => {
                        let size = bits.symbol(dc.ok_or(Fault::Corrupt)?)?;
                        magnitude(bits, size)?;
                    }
                    (0, _) => bits.skip(1)?,
                    (_, before) => {
                        let (column, row) = (x * h + block % h, y * v + block / h);
                        let place = row * units * component.sampling.0 + column;
                        let set = component.set.get_mut(place as usize).ok_or(Fault::Corrupt)?;
                        let ac = ac.ok_or(Fault::Corrupt)?;
                        let band = (u32::from(self.band.0), u32::from(self.band.1));
                        if before == 0 {
                            first_of_band(bits, ac, band, run, set)?;
                        } else {
                            refinement(bits, ac, band, run, set)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// The bits of a coefficient of this size.
fn magnitude(bits: &mut Bits, size: u8) -> Result<(), Fault> {
    if size > 16 { Err(Fault::Corrupt) } else { bits.skip(size.into()) }
}

fn sequential(bits: &mut Bits, dc: &Table, ac: &Table) -> Result<(), Fault> {
    let size = bits.symbol(dc)?;
    magnitude(bits, size)?;
    let mut k = 1;
    while k < 64 {
        let code = bits.symbol(ac)?;
        let (zeros, size) = (code >> 4, code & 15);
        match (zeros, size) {
            (15, 0) => k += 16,
            (_, 0) => break,
            _ => {
                k += u32::from(zeros) + 1;
                if k > 64 {
                    return Err(Fault::Corrupt);
                }
                magnitude(bits, size)?;
            }
        }
    }
    Ok(())
}

/// Reads how many blocks, from this one on, have no more coefficients in the band.
fn run_length(bits: &mut Bits, power: u8) -> Result<u32, Fault> {
    Ok((1 << power) + bits.number(power.into())?)
}

fn first_of_band(
    bits: &mut Bits,
    ac: &Table,
    (first, last): (u32, u32),
    run: &mut u32,
    set: &mut u64,
) -> Result<(), Fault> {
    let mut k = first;
    while *run == 0 && k <= last {
        let code = bits.symbol(ac)?;
        match (code >> 4, code & 15) {
            (15, 0) => k += 16,
            (power, 0) => *run = run_length(bits, power)?,
            (zeros, size) => {
                k += u32::from(zeros);
                if k > last {
                    return Err(Fault::Corrupt);
                }
                magnitude(bits, size)?;
                *set |= 1 << k;
                k += 1;
            }
        }
    }
    *run = run.saturating_sub(1);
    Ok(())
}

fn refinement(
    bits: &mut Bits,
    ac: &Table,
    (first, last): (u32, u32),
    run: &mut u32,
    set: &mut u64,
) -> Result<(), Fault> {
    let mut k = first;
    while *run == 0 && k <= last {
        let code = bits.symbol(ac)?;
        let (mut zeros, size) = (code >> 4, code & 15);
        if size == 0 && zeros < 15 {
            *run = run_length(bits, zeros)?;
            break;
        }
        if size > 1 {
            return Err(Fault::Corrupt);
        }
        bits.skip(size.into())?;
        while k <= last {
            if *set >> k & 1 == 1 {
                bits.skip(1)?;
            } else if zeros == 0 {
                break;
            } else {
                zeros -= 1;
            }
            k += 1;
        }
        if size == 1 {
            if k > last {
                return Err(Fault::Corrupt);
            }
            *set |= 1 << k;
        }
        k += 1;
    }
    if *run > 0 {
        // Of the rest of the band, those that are set have a bit each.
        let rest = if k > last { 0 } else { *set >> k & (u64::MAX >> (63 - (last - k))) };
        bits.skip(rest.count_ones())?;
        *run -= 1;
    }
    Ok(())
}
