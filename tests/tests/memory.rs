//! An encode or a decode holds no more memory than it was allowed. One test alone, because it watches what the whole program holds.

use aecodec::{Color, DecodeOptions};
use aecodec_tests::{encode_with, model, peak, photo, quality, toward};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[test]
fn encodes_and_decodes_stay_within_their_limit_or_are_refused() {
    let picture = photo(1000, 700, Color::Rgb, 52);
    for group_log2 in [6, 14] {
        let mut options = toward(quality(50.0));
        options.group_log2 = group_log2;
        let bytes = encode_with(&picture, &options).bytes;
        for (threads, limit) in [(1, 6 << 20), (1, 16 << 20), (2, 16 << 20), (4, 32 << 20), (1, 64 << 20)] {
            let mut options = DecodeOptions::default();
            (options.threads, options.limits.bytes) = (threads, limit);
            let (found, taken) = peak(&MEMORY, || aecodec::decode(&bytes, &model(), &options));
            assert!(
                found.is_err() || taken as u64 <= limit,
                "{taken} bytes held where {limit} are allowed: {threads} threads, groups of 2^{group_log2}"
            );
            assert!(found.is_ok() || limit < 64 << 20, "64 MiB are plenty for 700 000 pixels");

            let mut options = toward(quality(90.0));
            (options.group_log2, options.threads, options.limits.bytes) = (group_log2, threads, limit);
            let (found, taken) = peak(&MEMORY, || aecodec::encode(&picture, &model(), &options));
            assert!(
                found.is_err() || taken as u64 <= limit,
                "{taken} bytes held by an encode where {limit} are allowed: {threads} threads, groups of 2^{group_log2}"
            );
            assert!(found.is_ok() || limit < 64 << 20, "64 MiB are plenty to encode 700 000 pixels");
        }
    }
}
