//! Peak rate of the 16-bit multiply-accumulate of each instruction set: independent accumulators in
//! registers, written in assembly so that no compiler can improve or spoil the loop.
#![allow(unsafe_code)]

use aecodec::kernel::Isa;
use std::time::Instant;

/// One way to multiply and accumulate.
pub struct Instruction {
    /// What the loop is made of.
    pub name: &'static str,
    /// The name of the instruction set whose kernels use it.
    isa: &'static str,
    /// Multiply-accumulates of one turn of the loop.
    macs: u64,
    run: fn(turns: u64),
}

/// Turns of a measurement: some microseconds.
const TURNS: u64 = 4000;

impl Instruction {
    /// Measures once, in GMAC/s.
    pub fn rate(&self) -> f64 {
        let start = Instant::now();
        (self.run)(TURNS);
        (TURNS * self.macs) as f64 / start.elapsed().as_secs_f64() / 1e9
    }
}

/// The instruction that kernels for this instruction set are built on, if there is one.
pub fn of(isa: Isa) -> Option<&'static Instruction> {
    ALL.iter().find(|i| i.isa == isa.name()).copied()
}

/// All that this machine has.
pub static ALL: std::sync::LazyLock<Vec<&'static Instruction>> = std::sync::LazyLock::new(|| {
    let sets: Vec<_> = Isa::available().iter().map(|p| p.name()).collect();
    LOOPS.iter().filter(|i| i.isa.is_empty() || sets.contains(&i.isa)).collect()
});

#[cfg(not(target_arch = "x86_64"))]
static LOOPS: &[Instruction] = &[];

#[cfg(target_arch = "x86_64")]
static LOOPS: &[Instruction] = &[
    Instruction { name: "imul + add", isa: "", macs: 6, run: imul },
    Instruction { name: "pmaddwd + paddd xmm", isa: "sse41", macs: 6 * 8, run: sse41 },
    Instruction { name: "vpmaddwd + vpaddd ymm", isa: "avx2", macs: 12 * 16, run: avx2 },
    Instruction { name: "vpdpwssd ymm", isa: "avxvnni", macs: 12 * 16, run: avxvnni },
    Instruction { name: "vpmaddwd + vpaddd zmm", isa: "avx512bw", macs: 12 * 32, run: avx512bw },
    Instruction { name: "vpdpwssd zmm", isa: "avx512", macs: 12 * 32, run: avx512 },
];

/// Repeats lines of assembly, `turns` times; every vector register may change.
#[cfg(target_arch = "x86_64")]
macro_rules! repeat {
    ($turns:expr, $($line:expr),*) => {
        // SAFETY: only registers that are declared here change, no memory; the sets of the machine were asked
        // for the instructions.
        unsafe {
            std::arch::asm!(
                "2:", $($line,)* "dec {turns}", "jnz 2b",
                turns = inout(reg) $turns => _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _, out("xmm16") _, out("xmm17") _,
                out("xmm18") _, out("xmm19") _, out("xmm20") _, out("xmm21") _, out("xmm22") _, out("xmm23") _,
                out("xmm24") _, out("xmm25") _, out("xmm26") _, out("xmm27") _, out("xmm28") _, out("xmm29") _,
                out("xmm30") _, out("xmm31") _,
                out("rax") _, out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _, out("r8") _,
                options(nomem, nostack)
            );
        }
    };
}

#[cfg(target_arch = "x86_64")]
fn imul(turns: u64) {
    repeat!(
        turns,
        "imul eax, r8d, 7; add ecx, eax",
        "imul edx, r8d, 7; add esi, edx",
        "imul eax, r8d, 7; add ecx, eax",
        "imul edx, r8d, 7; add esi, edx",
        "imul eax, r8d, 7; add ecx, eax",
        "imul edx, r8d, 7; add esi, edx"
    );
}

#[cfg(target_arch = "x86_64")]
fn sse41(turns: u64) {
    repeat!(
        turns,
        "movdqa xmm6, xmm14; pmaddwd xmm6, xmm15; paddd xmm0, xmm6",
        "movdqa xmm7, xmm14; pmaddwd xmm7, xmm15; paddd xmm1, xmm7",
        "movdqa xmm8, xmm14; pmaddwd xmm8, xmm15; paddd xmm2, xmm8",
        "movdqa xmm9, xmm14; pmaddwd xmm9, xmm15; paddd xmm3, xmm9",
        "movdqa xmm10, xmm14; pmaddwd xmm10, xmm15; paddd xmm4, xmm10",
        "movdqa xmm11, xmm14; pmaddwd xmm11, xmm15; paddd xmm5, xmm11"
    );
}

#[cfg(target_arch = "x86_64")]
fn avx2(turns: u64) {
    repeat!(
        turns,
        "vpmaddwd ymm12, ymm14, ymm15; vpaddd ymm0, ymm0, ymm12",
        "vpmaddwd ymm13, ymm14, ymm15; vpaddd ymm1, ymm1, ymm13",
        "vpmaddwd ymm12, ymm14, ymm15; vpaddd ymm2, ymm2, ymm12",
        "vpmaddwd ymm13, ymm14, ymm15; vpaddd ymm3, ymm3, ymm13",
        "vpmaddwd ymm12, ymm14, ymm15; vpaddd ymm4, ymm4, ymm12",
        "vpmaddwd ymm13, ymm14, ymm15; vpaddd ymm5, ymm5, ymm13",
        "vpmaddwd ymm12, ymm14, ymm15; vpaddd ymm6, ymm6, ymm12",
        "vpmaddwd ymm13, ymm14, ymm15; vpaddd ymm7, ymm7, ymm13",
        "vpmaddwd ymm12, ymm14, ymm15; vpaddd ymm8, ymm8, ymm12",
        "vpmaddwd ymm13, ymm14, ymm15; vpaddd ymm9, ymm9, ymm13",
        "vpmaddwd ymm12, ymm14, ymm15; vpaddd ymm10, ymm10, ymm12",
        "vpmaddwd ymm13, ymm14, ymm15; vpaddd ymm11, ymm11, ymm13"
    );
}

#[cfg(target_arch = "x86_64")]
fn avxvnni(turns: u64) {
    repeat!(
        turns,
        "{{vex}} vpdpwssd ymm0, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm1, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm2, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm3, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm4, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm5, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm6, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm7, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm8, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm9, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm10, ymm14, ymm15",
        "{{vex}} vpdpwssd ymm11, ymm14, ymm15"
    );
}

#[cfg(target_arch = "x86_64")]
fn avx512bw(turns: u64) {
    repeat!(
        turns,
        "vpmaddwd zmm12, zmm30, zmm31; vpaddd zmm0, zmm0, zmm12",
        "vpmaddwd zmm13, zmm30, zmm31; vpaddd zmm1, zmm1, zmm13",
        "vpmaddwd zmm14, zmm30, zmm31; vpaddd zmm2, zmm2, zmm14",
        "vpmaddwd zmm15, zmm30, zmm31; vpaddd zmm3, zmm3, zmm15",
        "vpmaddwd zmm16, zmm30, zmm31; vpaddd zmm4, zmm4, zmm16",
        "vpmaddwd zmm17, zmm30, zmm31; vpaddd zmm5, zmm5, zmm17",
        "vpmaddwd zmm18, zmm30, zmm31; vpaddd zmm6, zmm6, zmm18",
        "vpmaddwd zmm19, zmm30, zmm31; vpaddd zmm7, zmm7, zmm19",
        "vpmaddwd zmm20, zmm30, zmm31; vpaddd zmm8, zmm8, zmm20",
        "vpmaddwd zmm21, zmm30, zmm31; vpaddd zmm9, zmm9, zmm21",
        "vpmaddwd zmm22, zmm30, zmm31; vpaddd zmm10, zmm10, zmm22",
        "vpmaddwd zmm23, zmm30, zmm31; vpaddd zmm11, zmm11, zmm23"
    );
}

#[cfg(target_arch = "x86_64")]
fn avx512(turns: u64) {
    repeat!(
        turns,
        "vpdpwssd zmm0, zmm30, zmm31",
        "vpdpwssd zmm1, zmm30, zmm31",
        "vpdpwssd zmm2, zmm30, zmm31",
        "vpdpwssd zmm3, zmm30, zmm31",
        "vpdpwssd zmm4, zmm30, zmm31",
        "vpdpwssd zmm5, zmm30, zmm31",
        "vpdpwssd zmm6, zmm30, zmm31",
        "vpdpwssd zmm7, zmm30, zmm31",
        "vpdpwssd zmm8, zmm30, zmm31",
        "vpdpwssd zmm9, zmm30, zmm31",
        "vpdpwssd zmm10, zmm30, zmm31",
        "vpdpwssd zmm11, zmm30, zmm31"
    );
}
