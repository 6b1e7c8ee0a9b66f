//! A small file with a large claim costs little: what is not in it is neither computed nor allocated. One test alone, because
//! it watches what the whole program holds.

use aecodec::container::{self, Header};
use aecodec::{DecodeOptions, Decoder, Error};
use aecodec_tests::{model, peak};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a decode may hold for each byte of a stream, besides what every decode may.
const FOR_EACH_BYTE: usize = 400;
const ANYWAY: usize = 96 << 20;

#[test]
fn a_large_claim_with_nothing_behind_it_costs_little() {
    // Four groups in 139 bytes; 400 groups of the usual size in 10 kB.
    for (group_log2, length) in [(14, 139), (10, 10_039)] {
        let bytes = hollow(20_000, group_log2);
        assert_eq!(bytes.len(), length);
        let (model, options) = (model(), DecodeOptions::default());

        let whole = aecodec::decode(&bytes, &model, &options);
        assert!(matches!(whole, Err(Error::Limit { .. })), "1.2 GB of samples are above the limit");

        let (mut first, mut rows) = (Vec::new(), 0);
        let (outcome, taken) = peak(&MEMORY, || {
            Decoder::new(&bytes, &model, &options)?.run(|samples| {
                rows += samples.len() / 60_000;
                if first.is_empty() {
                    first = samples[..60_000].to_vec();
                }
                Ok(())
            })
        });
        let outcome = outcome.expect("a sound header");
        assert_eq!((rows, outcome.hash_matches), (20_000, None));
        assert_eq!(outcome.damage.len() * 5 * 5, length - 39, "one entry for each group");
        assert!(taken < ANYWAY + FOR_EACH_BYTE * length, "{taken} bytes for {length}");
        // Away from the edges it repeats.
        assert_eq!(first[3 * 640..3 * 704], first[3 * 704..3 * 768]);
    }
}

/// A square picture of which nothing is there.
fn hollow(side: u32, group_log2: u8) -> Vec<u8> {
    let header = Header {
        gray: false,
        alpha: false,
        metadata: false,
        source_16bit: false,
        orientation: 1,
        profile: 1,
        width: side,
        height: side,
        quality: 3200,
        group_log2,
        model: model().short_id(),
        pixel_hash: [0; 4],
        exact: None,
        maximum: 255,
    };
    let substreams = vec![Vec::new(); 5 * header.groups().count() as usize];
    container::write(&header, None, None, &substreams).expect("a sound header")
}
