//! Cuts streams into the parts in which they travel.

use crate::input::Input;
use crate::streams::{Parts, limits, samples};
use aecodec::container;
use aecodec_proto::parts::{PART_MAX, cut, passes};

pub fn run(bytes: &[u8]) {
    if bytes.starts_with(b"\x89AEC") {
        return check(bytes);
    }
    let mut input = Input::new(bytes);
    let mut parts = Parts::of(&samples()[input.below(samples().len())].bytes);
    let which = input.below(parts.substreams.len());
    // A substream that is larger than a part may be.
    parts.substreams[which].resize(usize::from(input.short()) * input.one(&[0, 1, 9]), 1);
    for _ in 0..input.below(3) {
        parts.change(&mut input);
    }
    let Some(mut stream) = parts.together() else { return };
    match input.below(3) {
        0 => stream.truncate(input.word() as usize % stream.len()),
        1 => stream.extend_from_slice(input.rest()),
        _ => {}
    }
    check(&stream);
}

fn check(stream: &[u8]) {
    let (Ok(parts), Ok(frame)) = (cut(stream, &limits()), passes(stream, &limits())) else {
        assert!(cut(stream, &limits()).is_err() && passes(stream, &limits()).is_err());
        return;
    };
    let all = |lengths: &[u32]| lengths.iter().map(|&part| u64::from(part)).sum::<u64>();
    assert_eq!(all(&parts), stream.len() as u64);
    // A live frame has nothing after its last pass.
    let trailing = container::read(stream, &limits()).expect("it was read before").trailing;
    assert_eq!(all(&frame), stream.len() as u64 - trailing);
    assert!(parts.iter().all(|part| (1..=PART_MAX).contains(part)));
    assert_eq!(frame.len(), 5);
}
