//! What the engine needs of an instruction set, and all of its `unsafe` code.
//!
//! The engine is written once, for any [`Path`]. A path stores the operands of products as cells ([`Path::Cell`]:
//! `f32`, or bfloat16 if the processor multiplies those), sums in `f32`, and compiles work for its instruction set
//! ([`Path::run`]). `AECODEC_CPU=scalar|avx2|avx512|avx512bf16|neon` forces a path that the machine has; with any other
//! name the fastest one is used.

#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod plain;
pub(super) mod product;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

/// The number of neighbouring outputs in one panel of a packed matrix.
pub(super) const LANES: usize = 16;

/// The sums of a panel's outputs at one position.
pub(super) type Sums = [f32; LANES];

/// An instruction set that this machine has. Values exist only if the processor has its features.
#[allow(unsafe_code)]
pub(super) trait Path: Copy + Send + Sync + 'static {
    /// The operand of a product.
    type Cell: Copy + Default + Send + Sync + 'static;

    /// The number of cells along the contraction that one step of a product takes, 1 or 2.
    const GROUP: usize;
    /// Whether cells are as precise as `f32`. If not, the first and last layers need their weights in two parts.
    const PRECISE: bool;
    /// The number of panels that one tile covers, at most 2.
    const PANELS: usize;

    /// The number of positions of the next tile if `left` are left: 12, 8, 6, 4 or 1, as many as the registers hold.
    fn positions(left: usize) -> usize;

    /// Rounds a number to a cell.
    fn cell(value: f32) -> Self::Cell;

    /// The number in a cell.
    fn value(cell: Self::Cell) -> f32;

    /// `a * b + c`, with one rounding if the processor does that in one instruction.
    fn fused(a: f32, b: f32, c: f32) -> f32;

    /// Adds the products of `R` positions with `N` panels to `sums[panel][position]`.
    ///
    /// Position `r` takes `GROUP` cells at `a + r * position + s * step` in step `s`, and panel `p` takes `LANES *
    /// GROUP` cells at `b[p] + s * LANES * GROUP`.
    ///
    /// # Safety
    /// All of these cells are readable.
    unsafe fn tile<const R: usize, const N: usize>(
        self,
        a: *const Self::Cell,
        strides: Strides,
        steps: usize,
        b: [*const Self::Cell; N],
        sums: &mut [[Sums; R]; N],
    );

    /// Does work that is compiled for the instruction set.
    fn run<W: Work<A>, A>(self, arguments: A) -> W::Output;
}

/// Work that is compiled for an instruction set: its method must be inlined always, and closures cannot promise that.
pub(super) trait Work<A> {
    type Output;

    /// Does the work.
    fn perform(arguments: A) -> Self::Output;
}

/// Compiles a block for the instruction set of a path. The block sees the values that are listed before it, with their
/// types, and the type of the path. What it calls should be inlined always.
macro_rules! vectorised {
    ($path:expr, $type:ident, [$($name:ident: $of:ty $(= $value:expr)?),* $(,)?] $body:block) => {
        $crate::engine::kernel::vectorised!($path, $type, [$($name: $of $(= $value)?),*] -> () $body)
    };
    ($path:expr, $type:ident, [$($name:ident: $of:ty $(= $value:expr)?),* $(,)?] -> $out:ty $body:block) => {{
        struct Local<T>(std::marker::PhantomData<T>);
        impl<$type: $crate::engine::kernel::Path> $crate::engine::kernel::Work<($($of,)*)> for Local<$type> {
            type Output = $out;

            #[inline(always)]
            fn perform(($($name,)*): ($($of,)*)) -> $out $body
        }
        $path.run::<Local<$type>, _>(($($crate::engine::kernel::value!($name $(, $value)?),)*))
    }};
}
pub(super) use vectorised;

/// A value for [`vectorised`]: the expression, or the variable of that name if there is none.
macro_rules! value {
    ($name:ident) => {
        $name
    };
    ($name:ident, $value:expr) => {
        $value
    };
}
pub(super) use value;

/// The distances between the groups of cells that a tile reads, in cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strides {
    /// From one position to the next.
    pub position: usize,
    /// From one step of the contraction to the next.
    pub step: usize,
}

/// The name of a path, for messages and benches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Set {
    /// Every path that this machine has, slowest first.
    pub(super) fn available() -> Vec<Self> {
        // On other machines nothing is added, and `mut` is unused.
        #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(unused_mut))]
        let mut sets = vec![Self::Plain];
        #[cfg(target_arch = "x86_64")]
        {
            sets.extend(x86::Avx2::detect().map(|_| Self::Avx2));
            sets.extend(x86::Avx512::detect().map(|_| Self::Avx512));
            sets.extend(x86::Avx512Bf16::detect().map(|_| Self::Avx512Bf16));
        }
        #[cfg(target_arch = "aarch64")]
        sets.extend(neon::Neon::detect().map(|_| Self::Neon));
        sets
    }

    /// The fastest path, or the one that `AECODEC_CPU` names if the machine has it.
    pub(super) fn chosen() -> Self {
        let sets = Self::available();
        let wanted = std::env::var("AECODEC_CPU").unwrap_or_default();
        sets.iter().copied().find(|set| set.name() == wanted).unwrap_or(sets[sets.len() - 1])
    }

    /// The name in `AECODEC_CPU`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => "avx512bf16",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        }
    }
}

/// Calls a function that is generic over a [`Path`] with the path of a [`Set`]. Evaluates to `None` if the machine does
/// not have it.
macro_rules! with_path {
    ($set:expr, |$path:ident| $body:expr) => {
        match $set {
            $crate::engine::kernel::Set::Plain => {
                let $path = $crate::engine::kernel::plain::Plain;
                Some($body)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::engine::kernel::Set::Avx2 => {
                $crate::engine::kernel::x86::Avx2::detect().map(|$path| $body)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::engine::kernel::Set::Avx512 => {
                $crate::engine::kernel::x86::Avx512::detect().map(|$path| $body)
            }
            #[cfg(target_arch = "x86_64")]
            $crate::engine::kernel::Set::Avx512Bf16 => {
                $crate::engine::kernel::x86::Avx512Bf16::detect().map(|$path| $body)
            }
            #[cfg(target_arch = "aarch64")]
            $crate::engine::kernel::Set::Neon => {
                $crate::engine::kernel::neon::Neon::detect().map(|$path| $body)
            }
        }
    };
}
pub(super) use with_path;
