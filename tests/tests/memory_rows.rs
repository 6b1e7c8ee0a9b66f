//! What goes row by row is in memory for some rows only, however many there are. One test alone, because it watches what the
//! whole program holds.

use aecodec::{Color, Decoder, EncodeOptions, Picture, PictureInfo, Result, Source};
use aecodec_tests::{model, peak, photo, quality, toward};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A picture that repeats, downwards.
struct Repeated<'a> {
    head: PictureInfo,
    tile: &'a Picture,
    row: usize,
}

impl Source for Repeated<'_> {
    fn head(&self) -> &PictureInfo {
        &self.head
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<()> {
        let stride = self.head.stride();
        for row in rows.chunks_exact_mut(stride) {
            row.copy_from_slice(
                &self.tile.samples[self.row % self.tile.height as usize * stride..][..stride],
            );
            self.row += 1;
        }
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        self.row = 0;
        Ok(())
    }
}

#[test]
fn memory_does_not_grow_with_height() {
    let (model, tile) = (model(), photo(300, 200, Color::Rgb, 81));
    let mut options: EncodeOptions = toward(quality(40.0));
    options.group_log2 = 8;
    let mut found = Vec::new();
    for height in [1500, 6000] {
        let mut source = Repeated { head: PictureInfo::new(300, height, Color::Rgb), tile: &tile, row: 0 };
        let (encoded, encode) = peak(&MEMORY, || aecodec::encode_rows(&mut source, &model, &options));
        let bytes = encoded.expect("an encode").bytes;
        let (outcome, decode) = peak(&MEMORY, || {
            Decoder::new(&bytes, &model, &Default::default()).and_then(|decoder| decoder.run(|_| Ok(())))
        });
        assert_eq!(outcome.expect("a decode").hash_matches, Some(true));
        // The stream is twice in memory while it is put together.
        found.push((encode.saturating_sub(2 * bytes.len()), decode));
    }
    let [(low_encode, low_decode), (high_encode, high_decode)] = found[..] else { unreachable!() };
    assert!(high_encode < low_encode + low_encode / 8, "{low_encode} to {high_encode} bytes to encode");
    assert!(high_decode < low_decode + low_decode / 8, "{low_decode} to {high_decode} bytes to decode");
    assert!(high_decode < 300 * 6000 * 3, "{high_decode} bytes: less than the picture");
}
