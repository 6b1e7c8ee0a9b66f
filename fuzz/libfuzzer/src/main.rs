//! Runs one target of `aecodec-fuzz`, which the variable `AECODEC_FUZZ_TARGET` names, under libFuzzer.

#![no_main]

use aecodec_fuzz::{TARGETS, Target, find};
use std::sync::LazyLock;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("AECODEC_FUZZ_TARGET").unwrap_or_default();
    find(&name).unwrap_or_else(|| {
        let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!("AECODEC_FUZZ_TARGET is {name:?}, expected one of {}", known.join(", "))
    })
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
