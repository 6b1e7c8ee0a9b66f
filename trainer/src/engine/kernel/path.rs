//! The trait of an instruction set, and how work is compiled for it.

/// The number of neighbouring outputs in one panel of a packed matrix.
pub(in crate::engine) const LANES: usize = 16;

/// The sums of a panel's outputs at one position.
pub(in crate::engine) type Sums = [f32; LANES];

/// An instruction set that this machine has. Values exist only if the processor has its features.
#[allow(unsafe_code)]
pub(in crate::engine) trait Path: Copy + Send + Sync + 'static {
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
pub(in crate::engine) trait Work<A> {
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
pub(in crate::engine) use vectorised;

/// A value for [`vectorised`]: the expression, or the variable of that name if there is none.
macro_rules! value {
    ($name:ident) => {
        $name
    };
    ($name:ident, $value:expr) => {
        $value
    };
}
pub(in crate::engine) use value;

/// The distances between the groups of cells that a tile reads, in cells.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Strides {
    /// From one position to the next.
    pub position: usize,
    /// From one step of the contraction to the next.
    pub step: usize,
}
