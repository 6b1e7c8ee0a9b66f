//! Compares the network, its gradients and the optimisers with vectors that the recipe made in PyTorch.

use aecodec_trainer::loss;
use aecodec_trainer::net::{Network, Noise, Rate, Weights, round_through};
use aecodec_trainer::optim::{self, Optimizer, OptimizerKind};
use candle_core::{DType, Device, Tensor, Var};
use std::collections::BTreeMap;

const GOLDEN: &[u8] = include_bytes!("../../models/golden/float.safetensors");

struct Golden {
    tensors: BTreeMap<String, Tensor>,
    weights: Weights,
    x: Tensor,
    q: Vec<f32>,
    noise: Noise,
}

impl Golden {
    fn load() -> Self {
        let tensors: BTreeMap<_, _> = candle_core::safetensors::load_buffer(GOLDEN, &Device::Cpu)
            .expect("tensors")
            .into_iter()
            .collect();
        let weights = tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix("weight.")?.to_owned(), tensor.clone())))
            .collect();
        let pass = |k: usize| {
            let noise = tensors["noise.y"].get(k).expect("a pass");
            noise.flatten(1, 3).expect("positions")
        };
        let x = tensors["pictures"].to_dtype(DType::F32).expect("floats");
        Self {
            weights: Weights::from_tensors(weights).expect("weights"),
            x: ((x / 255.0).expect("scaled") - 0.5).expect("centred"),
            q: tensors["q"].to_vec1().expect("a row"),
            noise: Noise { z: tensors["noise.z"].clone(), y: [0, 1, 2, 3].map(pass) },
            tensors,
        }
    }

    /// The largest difference to a golden tensor, divided by its largest magnitude.
    fn error(&self, name: &str, found: &Tensor) -> f32 {
        let expected = self.tensors[name].to_dtype(DType::F32).expect("floats");
        assert_eq!(found.dims(), expected.dims(), "{name}");
        let largest =
            |t: Tensor| t.abs().and_then(|t| t.max_all()).and_then(|t| t.to_scalar::<f32>()).expect("{name}");
        largest((found - &expected).expect("same shapes")) / largest(expected).max(1e-12)
    }

    fn check(&self, name: &str, found: &Tensor, limit: f32) {
        let error = self.error(name, found);
        assert!(error < limit, "{name}: off by {error:e} of its largest value");
    }
}

#[test]
fn the_network_computes_what_the_recipe_does() {
    let golden = Golden::load();
    for net in [Network::new(&golden.weights), Network::frozen(&golden.weights)] {
        let net = net.expect("a network");
        let y = net.analyse(&golden.x, &golden.q).expect("latents");
        golden.check("y", &y, 1e-5);
        golden.check("z", &net.hyper_analyse(&y).expect("hyper-latents"), 1e-5);
        let rounded = net.forward(&golden.x, &golden.q, Rate::Rounded).expect("coded");
        golden.check("x_hat", &rounded.x_hat, 1e-4);
        golden.check("rounded.y_bpp", &rounded.y_bpp, 1e-5);
        golden.check("rounded.z_bpp", &rounded.z_bpp, 1e-5);
        let noisy = net.forward(&golden.x, &golden.q, Rate::Noisy(&golden.noise)).expect("coded");
        golden.check("noisy.y_bpp", &noisy.y_bpp, 1e-5);
        golden.check("noisy.z_bpp", &noisy.z_bpp, 1e-5);
    }
}

#[test]
fn every_gradient_is_the_recipes_and_so_are_the_steps() {
    let golden = Golden::load();
    let net = Network::new(&golden.weights).expect("a network");
    let found = loss::training(&net, &golden.x, &golden.q, &golden.noise).expect("a loss");
    golden.check("loss", &found.total, 1e-5);
    let figures = found.figures;
    let figures = [figures.loss, figures.capped, figures.psnr, figures.bpp].map(|v| v as f32);
    golden.check("figures", &Tensor::new(&figures, &Device::Cpu).expect("a row"), 1e-5);

    let store = found.total.backward().expect("gradients");
    let mut gradients = optim::gradients(&golden.weights, &store).expect("gradients");
    assert_eq!(gradients.len(), golden.weights.vars().count());
    for (name, gradient) in &gradients {
        golden.check(&format!("gradient.{name}"), gradient, 1e-4);
    }

    let norm = optim::clip(&mut gradients, 1.0).expect("clipped");
    golden.check("norm", &Tensor::new(norm as f32, &Device::Cpu).expect("a number"), 1e-5);
    let mut optimizer = Optimizer::new(&golden.weights, OptimizerKind::Muon).expect("an optimiser");
    for _ in 0..3 {
        optimizer.step(&gradients, 5e-3).expect("a step");
    }
    let stepped: Vec<_> = golden.tensors.keys().filter_map(|name| name.strip_prefix("stepped.")).collect();
    assert!(stepped.len() > 5);
    for name in stepped {
        let var = golden.weights.var(name).expect("a parameter");
        // Adam divides gradients by their magnitude, which amplifies the rounding errors of small ones.
        golden.check(&format!("stepped.{name}"), var.as_tensor(), 1e-3);
    }
}

/// Refinement uses gradients with respect to the latents, with constant weights.
#[test]
fn constant_weights_let_the_same_gradient_through_to_the_latents() {
    let golden = Golden::load();
    let descend = |net: &Network, y: &Var, z: &Var| {
        let z_hat = round_through(z).expect("rounded");
        let prior = net.prior(&z_hat).expect("a prior");
        let code = net.code(y, &prior, &golden.q, |pass| {
            let decoded = round_through(pass.residual)?;
            Ok((decoded, (pass.residual + &golden.noise.y[pass.index])?))
        });
        let (y_hat, bits) = code.expect("coded");
        let x_hat = net.synthesise(&y_hat, &golden.q).expect("a picture");
        let error = (x_hat - &golden.x).and_then(|e| e.sqr()?.sum_all()).expect("an error");
        let bits = (bits + net.hyper_bits(z).expect("bits")).and_then(|b| b.sum_all()).expect("bits");
        let loss = ((error * 30.0).expect("scaled") + bits).expect("a loss");
        let store = loss.backward().expect("gradients");
        [y, z].map(|var| store.get(var).expect("a gradient").clone())
    };
    let trained = Network::new(&golden.weights).expect("a network");
    let y = Var::from_tensor(&golden.tensors["y"]).expect("latents");
    let z = Var::from_tensor(&golden.tensors["z"]).expect("hyper-latents");
    let expected = descend(&trained, &y, &z);
    let found = descend(&Network::frozen(&golden.weights).expect("a network"), &y, &z);
    for (found, expected) in found.iter().zip(&expected) {
        let largest = |t: Tensor| t.abs().and_then(|t| t.max_all()?.to_scalar::<f32>()).expect("a number");
        let size = largest(expected.clone());
        assert!(size > 0.0 && largest((found - expected).expect("same shapes")) < 1e-5 * size);
    }
}
