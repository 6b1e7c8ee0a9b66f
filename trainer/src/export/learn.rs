//! What the export measures on pictures: the range of every tensor, and how often each value is coded.

use super::quantise::Reach;
use super::tables::{LEVELS, REACH, VALUES};
use crate::Result;
use crate::data::{self, Pictures, RgbPicture};
use crate::net::{Network, Observer, Rate, Weights, round_through};
use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f32::consts::LN_2;
use std::sync::{Arc, Mutex, PoisonError};

/// The number of crops at a time.
const BATCH: usize = 4;
/// The share of generated crops.
const DRAWN: f64 = 0.04;

/// The largest magnitude of every tensor that gets a fraction, and of each latent, `[M]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranges {
    pub reach: Reach,
    pub latents: Vec<f32>,
}

/// Measures the ranges on pictures that are coded at `points` qualities over the whole axis.
pub(super) fn ranges(weights: &Weights, pictures: &[RgbPicture], points: usize) -> Result<Ranges> {
    let m = weights.shapes().m;
    let found = Arc::new(Mutex::new(Ranges { latents: vec![0.0; m], ..Ranges::default() }));
    let noted = Arc::clone(&found);
    let see = move |name: &str, values: &[f32]| {
        let mut found = noted.lock().unwrap_or_else(PoisonError::into_inner);
        if name == "latents" {
            for row in values.chunks_exact(m) {
                found.latents.iter_mut().zip(row).for_each(|(most, v)| *most = most.max(v.abs()));
            }
        }
        let largest = values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let most = found.reach.entry(name.to_owned()).or_default();
        *most = most.max(largest);
    };
    let net = Network::observed(weights, Observer(Arc::new(see)))?;
    for image in pictures {
        let x = data::padded(&image.samples, (image.height, image.width), 64, &Device::Cpu)?;
        for i in 0..points {
            let part = i as f32 / points.saturating_sub(1).max(1) as f32;
            net.forward(&x, &[part * (net.shapes().knots - 1) as f32], Rate::Rounded)?;
        }
    }
    let found = found.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(found)
}

/// The counts of the values of each table.
pub(super) type Counts = Vec<Vec<f64>>;

/// How often each value of z occurs in `batches` of crops in each quality band, `[bands][Z][VALUES]`.
///
/// The values are those of the float network, whose z differs from the integer network's at one position in a thousand.
pub(super) fn hyper_counts(
    net: &Network,
    pictures: &Pictures,
    (bands, batches): (usize, usize),
    side: usize,
    seed: u64,
) -> Result<Vec<Counts>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (width, last) = (net.shapes().z, (net.shapes().knots - 1) as f32);
    let mut all = vec![vec![vec![0.0; VALUES]; width]; bands];
    for (band, counts) in all.iter_mut().enumerate() {
        for _ in 0..batches {
            let x = pictures.batch(&mut rng, (BATCH, side), DRAWN, net.device())?;
            let q: Vec<f32> =
                (0..BATCH).map(|_| (band as f32 + rng.random::<f32>()) / bands as f32 * last).collect();
            let z = net.hyper_analyse(&net.analyse(&x, &q)?)?;
            for row in z.flatten_all()?.to_vec1::<f32>()?.chunks_exact(width) {
                row.iter().zip(counts.iter_mut()).for_each(|(&v, counts)| counts[place(v)] += 1.0);
            }
        }
    }
    Ok(all)
}

/// How often each level's table codes each value, in `crops` crops at all qualities, `[LEVELS][VALUES]`.
///
/// Values of levels beyond the last table are coded with one of the last eight tables, without their low bits.
pub(super) fn level_counts(
    net: &Network,
    pictures: &Pictures,
    crops: usize,
    side: usize,
    skip_below: u8,
    seed: u64,
) -> Result<Counts> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let last = (net.shapes().knots - 1) as f32;
    let mut counts = vec![vec![0.0; VALUES]; LEVELS];
    for _ in 0..crops.div_ceil(BATCH) {
        let x = pictures.batch(&mut rng, (BATCH, side), DRAWN, net.device())?;
        let q: Vec<f32> = (0..BATCH).map(|_| rng.random::<f32>() * last).collect();
        let y = net.analyse(&x, &q)?;
        let prior = net.prior(&round_through(&net.hyper_analyse(&y)?)?)?;
        net.code(&y, &prior, &q, |pass| {
            let sigmas: Vec<f32> = pass.log_sigma.flatten_all()?.to_vec1()?;
            let mut symbols: Vec<f32> = pass.residual.flatten_all()?.to_vec1()?;
            for (symbol, sigma) in symbols.iter_mut().zip(sigmas) {
                let level = (8.0 * sigma / LN_2).round() as i32 + 26;
                let level = level.clamp(0, 107) as usize;
                if level < usize::from(skip_below) {
                    *symbol = 0.0;
                    continue;
                }
                *symbol = symbol.round();
                let beyond = level.checked_sub(LEVELS);
                let table = beyond.map_or(level, |over| LEVELS - 8 + over % 8);
                let raw = beyond.map_or(0, |over| 1 + over / 8);
                counts[table][place((*symbol / (1u32 << raw) as f32 + 0.5).floor())] += 1.0;
            }
            let decoded = Tensor::from_vec(symbols, pass.residual.shape(), net.device())?;
            Ok((decoded.clone(), decoded))
        })?;
    }
    Ok(counts)
}

/// The learned probabilities of the values of each hyper-latent, `[Z][VALUES]`.
pub(super) fn learned(net: &Network) -> Result<Counts> {
    let width = net.shapes().z;
    let edges: Vec<f64> = (0..=VALUES).flat_map(|i| vec![i as f64 - REACH as f64 - 0.5; width]).collect();
    let edges = Tensor::from_vec(edges, (VALUES + 1, width), &Device::Cpu)?;
    let rows = net.hyper_cdf(&edges)?.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let bin = |c: usize, i: usize| (rows[i + 1][c] - rows[i][c]).max(1e-9);
    Ok((0..width).map(|c| (0..VALUES).map(|i| bin(c, i)).collect()).collect())
}

/// The index of a value in a row of counts. Values beyond the ends count as the ends.
fn place(v: f32) -> usize {
    (v.round().clamp(-(REACH as f32), REACH as f32) as i32 + REACH as i32) as usize
}
