//! A moment of every target: its seeds, then as many inputs of the mutator as its list entry says.
//!
//! The inputs are the same every time. `AECODEC_FUZZ_FACTOR=20` runs twenty times as many, and
//! `AECODEC_FUZZ_START=1000` other ones.

use aecodec_fuzz::{Mutator, TARGETS, Target, find, seeds};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a target, and shows the input that broke its promise.
fn smoke(name: &str) {
    let target: &Target = find(name).unwrap_or_else(|| panic!("no target {name}"));
    let seeds = seeds::of(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let mut mutator = Mutator::new(&seeds, number("AECODEC_FUZZ_START", 1));
    let count = target.smoke * number("AECODEC_FUZZ_FACTOR", 1);
    let made = (0..count).map(|_| mutator.input());
    for (index, input) in seeds.iter().cloned().chain(made).enumerate() {
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        assert!(outcome.is_ok(), "input {index} of {name}: {}", hex(&input));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

macro_rules! smoke {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name));
        })*

        #[test]
        fn no_target_is_left_out() {
            assert!(TARGETS.iter().map(|target| target.name).eq([$(stringify!($name)),*]));
        }
    };
}

smoke!(decode mutated header metadata entropy kernels rows region model wire ticket parts pictures encode clip);
