//! Decodes regions of sound and damaged streams, with any window and number of threads.

use crate::crop::crop;
use crate::input::Input;
use crate::streams::{change, options, samples};
use crate::tiny;
use aecodec::{Concealment, Region};

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let sample = &samples()[input.below(samples().len())];
    let mut stream = sample.bytes.clone();
    if input.below(2) == 0 {
        change(&mut stream, &mut input);
    }
    let mut options = options();
    options.passes = input.one(&[4, 4, 3, 0]);
    // A concealed group continues its neighbours, which a region may not have decoded.
    options.concealment = Concealment::Zeros;
    let Ok(whole) = aecodec::decode(&stream, &tiny::model(), &options) else { return };
    let whole = whole.picture;
    options.threads = input.one(&[1, 1, 1, 2, 3]);
    options.window = (input.short().into(), input.short().into());
    let (x, y) = (input.below(whole.width as usize) as u32, input.below(whole.height as usize) as u32);
    let region = Region {
        x,
        y,
        width: 1 + input.below((whole.width - x) as usize) as u32,
        height: 1 + input.below((whole.height - y) as usize) as u32,
    };
    options.region = Some(region);
    let found = aecodec::decode(&stream, &tiny::model(), &options).expect("a region of a sound header");
    assert!(found.picture == crop(&whole, region), "{region:?} is not a crop");
    assert_eq!(found.hash_matches, None, "no stream holds the hash of a region");
}
