//! The hyper network of a group: turns latents into hyper-latents (encoder only), and hyper-latents into the prior.

use super::layers::{plain, plain_shuffle2, unshuffle2_plain};
use super::{Net, Plane, Scratch};
use crate::kernel::{Isa, rnd};

/// Largest magnitude of a hyper-latent symbol.
pub(crate) const Z_MAX: i32 = 127;

/// Height and width of the hyper-latents of `height` x `width` latents.
pub(crate) fn hyper_shape(height: usize, width: usize) -> (usize, usize) {
    (height.div_ceil(4), width.div_ceil(4))
}

/// Computes the rounded hyper-latents `[ceil(h/4), ceil(w/4), Z]` of a group's latents.
pub(crate) fn analyse(net: &Net, isa: Isa, y: &Plane, scratch: &mut Scratch) -> Plane {
    let (hz, wz) = hyper_shape(y.height, y.width);
    let y = y.crop_or_repeat(0, 0, 4 * hz, 4 * wz);
    let mut t = plain(isa, &net.he_in, &y);
    net.he1.run(isa, &mut t, scratch);
    let mut t = unshuffle2_plain(isa, &net.he_mid, &t);
    net.he2.run(isa, &mut t, scratch);
    let mut z = unshuffle2_plain(isa, &net.he_out, &t);
    for v in &mut z.data {
        *v = rnd(i32::from(*v), net.z_shift).clamp(-Z_MAX, Z_MAX) as i16;
    }
    z
}

/// Computes the prior `[height, width, P]` of a group of `height` x `width` latents from its rounded hyper-latents.
pub(crate) fn prior(
    net: &Net,
    isa: Isa,
    z: &Plane,
    height: usize,
    width: usize,
    scratch: &mut Scratch,
) -> Plane {
    let mut t = plain_shuffle2(isa, &net.hd_in, z);
    net.hd1.run(isa, &mut t, scratch);
    let mut t = plain_shuffle2(isa, &net.hd_mid, &t);
    net.hd2.run(isa, &mut t, scratch);
    let mut t = plain(isa, &net.hd_out, &t).crop_or_repeat(0, 0, height, width);
    net.hd3.run(isa, &mut t, scratch);
    t
}

/// The first of these hyper-latents whose magnitude is larger than allowed.
pub(crate) fn out_of_range(z: &[i16]) -> Option<i16> {
    z.iter().copied().find(|z| i32::from(z.unsigned_abs()) > Z_MAX)
}

/// The context of each hyper-latent: its channel.
pub(crate) fn contexts(z: &Plane) -> Vec<u8> {
    (0..z.data.len()).map(|i| (i % z.channels) as u8).collect()
}
