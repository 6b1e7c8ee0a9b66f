//! Tests of damaged files: they give a clear error, or the picture with a notice, and never a wrong picture without one.

use super::*;

/// A progressive JPEG of 24x16 pixels with subsampled colours, in ten scans, the last ones refinements.
const PROGRESSIVE: &str = "\
    ffd8ffe000104a46494600010100000100010000ffdb004300140e0f120f0d14121012171514181e32211e1c1c1e3d2c2e243249 \
    404c4b47404645505a736250556d5645466488656d777b8182814e608d978c7d96737e817cffdb0043011517171e1a1e3b21213b \
    7c5346537c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c \
    7c7cffc20011080010001803012200021101031101ffc40017000003010000000000000000000000000000030405ffc400170100 \
    03010000000000000000000000000001020304ffda000c03010002100310000001ce7d2d1394bc5dbfffc4001710010101010000 \
    0000000000000000000000020112ffda0008010100010502c86432132c972fffc400171100030100000000000000000000000000 \
    00020321ffda0008010301013f014a8b5c3fffc40017110101010100000000000000000000000001000211ffda0008010201013f \
    011393a2ffc40014100100000000000000000000000000000020ffda0008010100063f025fffc400181000030101000000000000 \
    0000000000000001104151ffda0008010100013f21828e475623ffda000c030100020003000000109fff00ffc400161101010100 \
    000000000000000000000000005161ffda0008010301013f10dd43ffc4001a110100010500000000000000000000000001001131 \
    5171f0ffda0008010201013f10105bcaac7699ffc400191001000301010000000000000000000000010011415181ffda00080101 \
    00013f10bb2005a54c4982169312dc2773cc9fffd9";

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A gray JPEG that is written by hand: blocks of one colour, each two bits long, with a restart marker after every `interval`
/// blocks.
fn flat(across: u16, down: u16, interval: u16) -> Vec<u8> {
    let side = |blocks: u16| (8 * blocks).to_be_bytes();
    let [h, w, r] = [side(down), side(across), interval.to_be_bytes()];
    let mut out = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    out.extend([16; 64]);
    out.extend([0xFF, 0xC0, 0, 11, 8, h[0], h[1], w[0], w[1], 1, 1, 0x11, 0]);
    for class in [0, 0x10] {
        // One code of one bit, which is not used, and one of two bits.
        out.extend([0xFF, 0xC4, 0, 21, class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
    out.extend([0xFF, 0xDD, 0, 4, r[0], r[1], 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    let blocks = across * down;
    let mut written = 0;
    for marker in (0xD0..=0xD7).cycle() {
        let count = if interval == 0 { blocks } else { interval.min(blocks - written) };
        written += count;
        let bits = 2 * usize::from(count);
        out.resize(out.len() + bits / 8, 0);
        if bits % 8 > 0 {
            out.push(0xFF >> (bits % 8));
        }
        if written == blocks {
            break;
        }
        out.extend([0xFF, marker]);
    }
    out.extend([0xFF, 0xD9]);
    out
}

fn photo() -> Picture {
    let samples = (0..96 * 64 * 3).map(|i: u32| (i / 7 + i * i % 37) as u8).collect();
    Picture::new(96, 64, Color::Rgb, samples).unwrap()
}

fn damage(bytes: &[u8]) -> Option<String> {
    let (picture, notices) = reading(bytes).unwrap();
    assert_eq!(picture.samples.len() as u64, picture.pixels() * picture.color.channels() as u64);
    let found = notices.into_iter().find(Notice::is_damage)?.to_string();
    assert!(found.contains("damaged"), "{found}");
    Some(found)
}

/// Where the coded data of the last scan begins.
fn scan_start(bytes: &[u8]) -> usize {
    let marker = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
    marker + 2 + usize::from(u16::from_be_bytes([bytes[marker + 2], bytes[marker + 3]]))
}

#[test]
fn sound_jpegs_are_read_without_a_word() {
    let progressive = bytes_of(PROGRESSIVE);
    let mut sound = vec![writing(&photo(), Format::Jpeg).0, progressive];
    for (across, down) in [(1, 1), (3, 5), (16, 9), (40, 25)] {
        sound.extend([0, 1, 2, 3, 7, 16, 1000].map(|interval| flat(across, down, interval)));
    }
    for bytes in sound {
        assert_eq!(reading(&bytes).unwrap().1, []);
        let trailing = [&bytes[..], b"\xff\xd8\xff more behind the end"].concat();
        assert_eq!(reading(&trailing).unwrap().1, [], "what stands behind the end does not matter");
        let filled = [&bytes[..bytes.len() - 2], b"\0\0\xff\xff\xff\xd9"].concat();
        assert_eq!(reading(&filled).unwrap().1, [], "nor do filled bytes");
    }
}

#[test]
fn a_jpeg_without_its_end_marker_is_read_with_a_notice() {
    for bytes in [writing(&photo(), Format::Jpeg).0, flat(5, 5, 2)] {
        let whole = reading(&bytes).unwrap().0;
        for cut in [1, 2] {
            let (picture, notices) = reading(&bytes[..bytes.len() - cut]).unwrap();
            assert!(picture == whole, "its pixels are all there");
            assert_eq!(notices, [Notice::EndMissing]);
        }
    }
}

#[test]
fn a_jpeg_that_ends_too_early_is_an_error_or_called_damaged() {
    for bytes in [writing(&photo(), Format::Jpeg).0, flat(40, 25, 0), flat(40, 25, 50)] {
        let start = scan_start(&bytes);
        let data = bytes.len() - 2 - start;
        for kept in [0, data / 3, data / 2, data - 4] {
            let cut = &bytes[..start + kept];
            assert!(matches!(reading(cut), Err(Error::Truncated { .. })), "{kept} of {data}");
            let said = damage(&[cut, b"\xff\xd9"].concat()).expect("a notice");
            assert!(said.contains("JPEG") && said.contains(" %"), "{said}");
        }
    }
}

#[test]
fn corrupt_data_of_a_jpeg_is_called_damaged() {
    let bytes = writing(&photo(), Format::Jpeg).0;
    let start = scan_start(&bytes);
    let middle = (start + bytes.len()) / 2;
    let mut garbage = bytes.clone();
    for (i, byte) in garbage[middle..middle + 40].iter_mut().enumerate() {
        *byte = 0x5A ^ (i as u8 & 0x3F);
    }
    assert!(damage(&garbage).is_some());
    let lost = [&bytes[..middle], &bytes[middle + 60..]].concat();
    assert!(damage(&lost).is_some());
    let twice = [&bytes[..middle], &bytes[middle - 60..]].concat();
    assert!(damage(&twice).is_some());
}

#[test]
fn lost_and_swapped_restart_markers_are_called_damage() {
    let bytes = flat(16, 16, 16);
    assert_eq!(damage(&bytes), None);
    let places: Vec<usize> = (scan_start(&bytes)..bytes.len() - 2).filter(|&i| bytes[i] == 0xFF).collect();
    let marker = places[places.len() / 2];
    let mut swapped = bytes.clone();
    swapped[marker + 1] ^= 1;
    let without = [&bytes[..marker], &bytes[marker + 2..]].concat();
    let section = [&bytes[..marker], &bytes[places[places.len() / 2 + 1]..]].concat();
    for (name, broken) in [("swapped", swapped), ("without", without), ("section", section)] {
        assert!(damage(&broken).is_some(), "{name}");
    }
}

#[test]
fn a_progressive_jpeg_without_its_last_scans_is_called_damaged() {
    let bytes = bytes_of(PROGRESSIVE);
    let scans: Vec<usize> =
        (0..bytes.len() - 1).filter(|&i| bytes[i] == 0xFF && bytes[i + 1] == 0xDA).collect();
    assert_eq!(scans.len(), 10);
    for &cut in &scans[1..] {
        // Before the tables of the scan, if it has any.
        let tables = bytes[..cut].windows(2).rposition(|pair| pair == [0xFF, 0xC4]).unwrap();
        let previous = scans.iter().rposition(|&scan| scan < cut).unwrap();
        let end = if tables > scans[previous] { tables } else { cut };
        let said = damage(&[&bytes[..end], b"\xff\xd9"].concat()).expect("a notice");
        assert!(said.contains("scans are missing"), "{said}");
        assert!(matches!(reading(&bytes[..end]), Err(Error::Truncated { .. })));
        let mut short = bytes[..cut + 14].to_vec();
        short.extend(b"\xff\xd9");
        assert!(reading(&short).is_err() || damage(&short).is_some());
    }
}

#[test]
fn any_changed_byte_of_any_file_gives_a_picture_or_an_error() {
    let picture = Picture::new(24, 16, Color::Rgb, noise(24 * 16 * 3)).unwrap();
    let image = DynamicImage::from(image::RgbImage::from_raw(24, 16, picture.samples.clone()).unwrap());
    let mut files = vec![bytes_of(PROGRESSIVE), writing(&picture, Format::Jpeg).0, flat(5, 5, 2)];
    files.push(writing(&picture, Format::Png).0);
    files.push(encoded(&image, ImageFormat::Tiff));
    files.push(encoded(&image, ImageFormat::Bmp));
    for mut bytes in files {
        for at in 0..bytes.len() {
            for flip in [0xFF, 1] {
                bytes[at] ^= flip;
                let limits = Limits { pixels: 1 << 20, bytes: 1 << 23, metadata: 1 << 16 };
                if let Ok((picture, _)) = read(&bytes, &limits) {
                    assert!(picture.pixels() <= 1 << 20);
                }
                bytes[at] ^= flip;
            }
        }
    }
}

#[test]
fn a_png_with_a_wrong_checksum_is_an_error_and_its_metadata_is_left_out() {
    let mut before = picture(Color::Rgb, false);
    before.metadata.exif = Some(exif(6));
    let bytes = writing(&before, Format::Png).0;
    let place = |kind: &[u8]| bytes.windows(4).position(|found| found == kind).unwrap();
    let mut broken = bytes.clone();
    broken[place(b"IDAT") + 6] ^= 1;
    assert!(reading(&broken).is_err());
    let mut broken = bytes.clone();
    broken[place(b"eXIf") + 6] ^= 1;
    let (after, notices) = reading(&broken).unwrap();
    assert_eq!(notices, [Notice::MetadataDamaged { kind: "EXIF" }]);
    assert_eq!((after.metadata, after.samples), (Metadata::default(), before.samples));
}
