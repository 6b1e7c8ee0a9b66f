//! Compiles the algorithms of `generic` for an instruction set.

/// Compiles the generic algorithms with a leaf and the features that it needs.
macro_rules! instantiate {
    ($module:ident, $leaf:ty $(, $features:literal)?) => {
        pub mod $module {
            use crate::kernel::generic::{self, Depthwise, Epilogue, Segment, Destination};
            use crate::kernel::packed::{Packed, PackedTaps};

            /// # Safety
            /// The processor has the module's features; the arguments passed [`generic::check_product`].
            $(#[target_feature(enable = $features)])?
            #[allow(unsafe_code)]
            pub unsafe fn product(
                layer: &Packed,
                panels: std::ops::Range<usize>,
                segments: &[Segment],
                positions: usize,
                epilogue: Epilogue,
                destination: Destination,
            ) {
                // SAFETY: passed on from the caller.
                unsafe { generic::product::<$leaf>(layer, panels, segments, positions, epilogue, destination) }
            }

            /// # Safety
            /// The processor has the module's features; the arguments passed [`generic::check_depthwise`].
            $(#[target_feature(enable = $features)])?
            #[allow(unsafe_code)]
            pub unsafe fn depthwise(taps: &PackedTaps, call: Depthwise) {
                // SAFETY: passed on from the caller.
                unsafe { generic::depthwise::<$leaf>(taps, call) }
            }

            /// # Safety
            /// The processor has the module's features.
            $(#[target_feature(enable = $features)])?
            #[allow(unsafe_code)]
            pub unsafe fn scale(x: &mut [i16], gains: &[u16], shift: u32) {
                generic::scale(x, gains, shift);
            }
        }
    };
}
pub(super) use instantiate;
