//! Tests of headers that claim too much: no memory and no work for data that is not there.

use super::*;

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind, data].concat();
    let crc = crc32fast::hash(&body).to_be_bytes();
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6)
}

/// A PNG with these chunks before its pixels.
pub fn png_with(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let plain = writing(&picture(Color::Rgb, false), Format::Png).0;
    let extra: Vec<u8> = chunks.iter().flat_map(|(kind, data)| chunk(kind, data)).collect();
    [&plain[..33], &extra, &plain[33..]].concat()
}

#[test]
fn metadata_does_not_grow_beyond_its_limit() {
    let limits = Limits { metadata: 100_000, ..Limits::default() };
    let zeros = |count: usize| vec![0; count];
    let icc = |count| [b"icc\0\0", &packed(&zeros(count))[..]].concat();
    let xmp = |count| [b"XML:com.adobe.xmp\0\x01\0\0\0", &packed(&zeros(count))[..]].concat();
    let raw = |count: usize| {
        let digits = format!("\nexif\n{count}\n{}\n", "00".repeat(count));
        [b"Raw profile type exif\0\0", &packed(digits.as_bytes())[..]].concat()
    };
    type Maker<'a> = &'a dyn Fn(usize) -> Vec<u8>;
    let makers: [(&[u8; 4], Maker); 3] = [(b"iCCP", &icc), (b"iTXt", &xmp), (b"zTXt", &raw)];
    for (kind, make) in makers {
        assert!(read(&png_with(&[(kind, make(90_000))]), &limits).is_ok());
        for count in [110_000, 4_000_000] {
            let bytes = png_with(&[(kind, make(count))]);
            let found = read(&bytes, &limits);
            assert!(matches!(found, Err(Error::Limit { what: "bytes of metadata", .. })), "{found:?}");
            let rows = open(|| Ok(Cursor::new(&bytes)), &limits);
            assert!(matches!(rows.err(), Some(Error::Limit { what: "bytes of metadata", .. })));
        }
    }
    // Each is below the limit, all of them are not.
    let several = png_with(&[(b"iCCP", icc(60_000)), (b"iTXt", xmp(60_000))]);
    assert!(matches!(read(&several, &limits), Err(Error::Limit { .. })));
    // Text that is not kept is not even read.
    let comment = [b"Comment\0\0", &packed(&zeros(4_000_000))[..]].concat();
    assert_eq!(read(&png_with(&[(b"zTXt", comment)]), &limits).unwrap().1, []);
}

#[test]
fn metadata_of_every_format_keeps_to_its_limit() {
    let mut before = picture(Color::Rgb, false);
    before.metadata = metadata(1);
    for format in [Format::Png, Format::Jpeg, Format::WebP] {
        let bytes = writing(&before, format).0;
        let found = read(&bytes, &Limits { metadata: 60_000, ..Limits::default() });
        assert!(matches!(found, Err(Error::Limit { what: "bytes of metadata", .. })), "{format}");
        assert!(read(&bytes, &Limits { metadata: 80_000, ..Limits::default() }).is_ok(), "{format}");
    }
}

#[test]
fn a_picture_larger_than_its_bytes_can_make_is_refused() {
    let small = DynamicImage::from(image::RgbImage::from_raw(SIZE.0, SIZE.1, noise(45)).unwrap());
    let side: u32 = 20_000;
    let mut files = Vec::new();
    let mut png = encoded(&small, ImageFormat::Png);
    png[16..20].copy_from_slice(&side.to_be_bytes());
    png[20..24].copy_from_slice(&side.to_be_bytes());
    let crc = crc32fast::hash(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    files.push(("PNG", png));
    let mut jpeg = encoded(&small, ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap() + 5;
    jpeg[frame..frame + 4].copy_from_slice(&[0x7D, 0, 0x7D, 0]);
    files.push(("JPEG", jpeg));
    let mut bmp = encoded(&small, ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&side.to_le_bytes());
    bmp[22..26].copy_from_slice(&side.to_le_bytes());
    files.push(("BMP", bmp));
    let mut qoi = encoded(&small, ImageFormat::Qoi);
    qoi[4..8].copy_from_slice(&side.to_be_bytes());
    qoi[8..12].copy_from_slice(&side.to_be_bytes());
    files.push(("QOI", qoi));
    for magic in 1..=6 {
        let tail = if matches!(magic, 1 | 4) { "" } else { " 255" };
        files.push(("PNM", format!("P{magic} 20000 20000{tail}\n0 0 0 ").into_bytes()));
    }
    files.push((
        "PNM",
        b"P7\nWIDTH 20000\nHEIGHT 20000\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabc".to_vec(),
    ));
    // The limits allow the pictures that are claimed; what refuses them is that their bytes are not there.
    let limits = Limits { bytes: 1 << 40, ..Limits::default() };
    for (name, bytes) in files {
        let found = read(&bytes, &limits);
        assert!(matches!(found, Err(Error::Truncated { .. })), "{name}: {:?}", found.err());
        let rows = open(|| Ok(Cursor::new(&bytes)), &limits);
        assert!(matches!(rows, Err(Error::Truncated { .. }) | Ok(None)), "{name} in rows");
    }
}

#[test]
fn what_packs_well_is_no_false_claim() {
    let plain = Picture::new(9000, 3000, Color::Rgb, vec![77; 9000 * 3000 * 3]).unwrap();
    for png in [PngEffort::Fast, PngEffort::Small] {
        let options = WriteOptions { png, ..WriteOptions::default() };
        let bytes = write(&plain, Format::Png, &options).unwrap().0;
        assert!(reading(&bytes).unwrap().0 == plain, "{} bytes", bytes.len());
    }
    let image = DynamicImage::from(image::RgbImage::from_raw(9000, 3000, plain.samples.clone()).unwrap());
    assert!(reading(&encoded(&image, ImageFormat::Qoi)).unwrap().0 == plain);
    assert_eq!(reading(&encoded(&image, ImageFormat::Jpeg)).unwrap().1, []);
}

#[test]
fn a_jpeg_of_endless_scans_is_refused() {
    let bytes = encoded(
        &DynamicImage::from(image::GrayImage::from_raw(8, 8, vec![9; 64]).unwrap()),
        ImageFormat::Jpeg,
    );
    let scan = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]).unwrap();
    let end = bytes.len() - 2;
    let mut endless = bytes[..end].to_vec();
    for _ in 0..1000 {
        endless.extend_from_slice(&bytes[scan..end]);
    }
    endless.extend([0xFF, 0xD9]);
    assert!(matches!(reading(&endless), Err(Error::Limit { what: "scans of a JPEG", .. })));
}
