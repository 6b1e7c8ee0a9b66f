//! Compares the values and the gradients of fused operators with those composed of candle's.

use super::*;
use crate::net::{Network, Noise, Shapes, Weights};
use candle_core::{Device, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(rng: &mut ChaCha8Rng, dims: &[usize], reach: f32) -> Tensor {
    let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.random_range(-reach..reach)).collect();
    let tensor = Tensor::from_vec(values, dims, &Device::Cpu).expect("a tensor");
    Var::from_tensor(&tensor).expect("a variable").as_tensor().clone()
}

/// Asserts that values and all gradients agree, for a sum in which each output has a different weight.
fn agree(args: &[Tensor], fused: impl Fn() -> Result<Tensor>, composed: impl Fn() -> Result<Tensor>) {
    let (fused, composed) = (fused().expect("fused"), composed().expect("composed"));
    assert_eq!(fused.dims(), composed.dims());
    let near = |a: &Tensor, b: &Tensor, what: &str| {
        let largest = |t: Tensor| t.abs().and_then(|t| t.max_all()).and_then(|t| t.to_scalar::<f32>());
        let error = largest((a - b).expect("same shapes")).expect("a number");
        let scale = largest(b.clone()).expect("a number").max(1e-6);
        assert!(error <= 2e-5 * scale, "{what}: {error:e} of {scale:e}");
    };
    near(&fused, &composed, "values");
    let mut rng = ChaCha8Rng::seed_from_u64(99);
    let weight = random(&mut rng, composed.dims(), 1.0).detach();
    let store =
        |y: &Tensor| (y * &weight).and_then(|y| y.sum_all()).and_then(|y| y.backward()).expect("gradients");
    let (found, expected) = (store(&fused), store(&composed));
    for (i, arg) in args.iter().enumerate() {
        near(found.get(arg).expect("fused"), expected.get(arg).expect("composed"), &format!("gradient {i}"));
    }
}

#[test]
fn products() {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let one = [random(rng, &[2, 3, 5, 7], 1.0), random(rng, &[11, 7], 1.0), random(rng, &[11], 1.0)];
    agree(&one, || linear::linear(&one[0], &one[1], &one[2]), || composed::linear(&one[0], &one[1], &one[2]));
    let four = [random(rng, &[4, 6, 7], 1.0), random(rng, &[4, 11, 7], 1.0), random(rng, &[4, 11], 1.0)];
    agree(
        &four,
        || linear::linear(&four[0], &four[1], &four[2]),
        || composed::linear(&four[0], &four[1], &four[2]),
    );
}

/// The cases include numbers of channels that are not a multiple of a vector's lanes, planes of a single row or column,
/// and gates that reach their bound.
#[test]
fn blocks() {
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    for (dims, hidden) in [([2, 5, 6, 16], 24), ([1, 1, 4, 20], 30), ([3, 4, 1, 5], 7), ([2, 40, 40, 32], 48)]
    {
        let (c, reach) = (dims[3], 1.0 / (dims[3] as f32).sqrt());
        let mut pair = |outputs: usize, inputs: usize, reach: f32| {
            [random(rng, &[outputs, inputs], reach), random(rng, &[outputs], 0.3)]
        };
        let (p1, p2, f1, f2) =
            (pair(c, c, reach), pair(c, c, reach), pair(2 * hidden, c, 10.0 * reach), pair(c, hidden, reach));
        let dw = [random(rng, &[c, 1, 3, 3], 0.3), random(rng, &[c], 0.3)];
        let parameters = BlockParameters { p1, dw, p2, f1, f2 };
        let x = random(rng, &dims, 2.0);
        let BlockParameters { p1, dw, p2, f1, f2 } = &parameters;
        let args: Vec<Tensor> = [p1, dw, p2, f1, f2].into_iter().flatten().chain([&x]).cloned().collect();
        let gated = |x: &Tensor| block::block(x, &parameters.packed()?, hidden);
        agree(&args, || gated(&x), || composed::block(&x, &parameters));
    }
}

#[test]
fn output_layers() {
    let rng = &mut ChaCha8Rng::seed_from_u64(3);
    // The last one has more positions than are gathered at a time.
    for dims in [[2, 3, 4, 5], [1, 1, 1, 5], [2, 40, 40, 5]] {
        let args = [random(rng, &dims, 1.0), random(rng, &[6, 5, 3, 3], 1.0), random(rng, &[6], 1.0)];
        agree(
            &args,
            || dense::conv3x3(&args[0], &args[1], &args[2]),
            || composed::conv3x3(&args[0], &args[1], &args[2]),
        );
    }
}

#[test]
fn reorderings() {
    let rng = &mut ChaCha8Rng::seed_from_u64(4);
    let x = [random(rng, &[2, 4, 6, 3], 1.0)];
    let (dims, order) = ([2, 2, 2, 3, 2, 3], [2, 4, 0, 1, 3, 5]);
    agree(&x, || permute::permute(&x[0], &dims, &order), || composed::permute(&x[0], &dims, &order));
    let (x, quarters) = ([random(rng, &[4, 3, 8], 1.0)], [2, 3, 0, 1]);
    agree(&x, || permute::take_quarters(&x[0], quarters), || composed::take_quarters(&x[0], quarters));
    agree(&x, || permute::put_quarters(&x[0], quarters), || composed::put_quarters(&x[0], quarters));
}

#[test]
fn channelwise() {
    let rng = &mut ChaCha8Rng::seed_from_u64(5);
    let args = [random(rng, &[3, 4, 2, 7], 1.0), random(rng, &[3, 7], 1.0)];
    let v = composed::spread(&args[1], 4).expect("spread");
    agree(&args, || channels::scale(&args[0], &args[1]), || args[0].broadcast_mul(&v));
    agree(&args, || channels::shift(&args[0], &args[1]), || args[0].broadcast_add(&v));
}

/// The cases include almost certain zeros, far tails, and values beyond both bounds of sigma.
#[test]
fn bits() {
    let rng = &mut ChaCha8Rng::seed_from_u64(6);
    for (reach, spread) in [(0.3, 1.0), (3.0, 2.0), (3.0, 3.0)] {
        let args = [random(rng, &[3, 50], reach), random(rng, &[3, 50], spread)];
        agree(
            &args,
            || bits::gaussian_bits(&args[0], &args[1]),
            || composed::gaussian_bits(&args[0], &args[1]),
        );
    }
}

/// The whole network of composed operators, as accelerators run it, has the same gradients for every parameter.
#[test]
fn whole_networks() {
    let shapes = Shapes { c: 16, m: 32, z: 8, p: 16, ne: 1, nd: 1, expansion: 1.5, knots: 3 };
    let weights = Weights::random(shapes, 5, &Device::Cpu).expect("weights");
    let net = Network::new(&weights).expect("a network");
    let rng = &mut ChaCha8Rng::seed_from_u64(7);
    let x = random(rng, &[2, 64, 128, 3], 0.5).detach();
    let noise = Noise::draw(rng, shapes, (2, 64, 128), &Device::Cpu).expect("noise");
    let run = |forced: bool| {
        composed::FORCED.set(forced);
        let loss = crate::loss::training(&net, &x, &[0.3, 1.8], &noise).expect("a loss").total;
        let store = loss.backward().expect("gradients");
        composed::FORCED.set(false);
        crate::optim::gradients(&weights, &store).expect("gradients")
    };
    for ((name, fused), composed) in run(false).iter().zip(run(true).values()) {
        let largest = |t: Tensor| t.abs().and_then(|t| t.max_all()?.to_scalar::<f32>()).expect("a number");
        let error = largest((fused - composed).expect("same shapes"));
        let size = largest(composed.clone());
        assert!(error <= 1e-3 * size, "{name}: {error:e} of {size:e}");
    }
}
