//! The options of a training run that a configuration file may also contain.

use serde::Serialize;

/// Options that a configuration file may also contain.
#[derive(clap::Args, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Training")]
pub(super) struct TrainingFlags {
    /// Length of the run in minutes
    #[arg(long, value_name = "M", conflicts_with = "steps")]
    pub(super) minutes: Option<f64>,
    /// Length of the run in steps
    #[arg(long, value_name = "N")]
    pub(super) steps: Option<usize>,
    /// Optimiser [default: muon]
    #[arg(long, value_parser = ["muon", "adam"])]
    pub(super) optimizer: Option<String>,
    /// Learning rate after the warm-up and before the decay [default: 5e-4]
    #[arg(long, value_name = "RATE")]
    pub(super) lr: Option<f64>,
    /// Number of steps in which the learning rate rises [default: 50]
    #[arg(long, value_name = "N")]
    pub(super) warmup: Option<usize>,
    /// Share of the run before the learning rate falls, from 0 to 1 [default: 0.3]
    #[arg(long, value_name = "SHARE")]
    pub(super) hold: Option<f64>,
    /// Number of crops per step [default: 8]
    #[arg(long, value_name = "N")]
    pub(super) batch: Option<usize>,
    /// Width and height of a crop in pixels, a multiple of 64; smaller pictures are skipped [default: 256]
    #[arg(long, value_name = "PIXELS")]
    pub(super) side: Option<usize>,
    /// Decay of the moving average of the weights, which becomes the model [default: 0.999]
    #[arg(long, value_name = "DECAY")]
    pub(super) ema: Option<f64>,
    /// Share of crops that are generated (shapes, stripes and noise), from 0 to 1 [default: 0.06]
    #[arg(long, value_name = "SHARE")]
    pub(super) drawn: Option<f64>,
    /// Share of crops with strong colours, from 0 to 1 [default: 0.06]
    #[arg(long, value_name = "SHARE")]
    pub(super) vivid: Option<f64>,
    /// Seed for the crops, the noise and new weights [default: 0]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Use one picture in N for validation, chosen by a hash of its name [default: 10]
    #[arg(long, value_name = "N")]
    pub(super) validation: Option<usize>,
    /// Number of steps between validations [default: 100]
    #[arg(long, value_name = "N")]
    pub(super) validate_every: Option<usize>,
    /// Stop after N validations without improvement; 0 means never [default: 10]
    #[arg(long, value_name = "N")]
    pub(super) patience: Option<usize>,
    /// Minutes between checkpoints [default: 3]
    #[arg(long, value_name = "M")]
    pub(super) checkpoint_minutes: Option<f64>,
    /// Number of batches that are counted for each frequency table of the model [default: 40]
    #[arg(long, value_name = "N")]
    pub(super) table_batches: Option<usize>,
    /// Distortion to minimise; eye is half MSE and half SSIMULACRA 2 [default: eye]
    #[arg(long, value_parser = ["eye", "mse", "l1", "ms-ssim", "cross-entropy"], help_heading = "Kinds")]
    pub(super) loss: Option<String>,
    /// Denoising: standard deviation of the noise that is added to the network's input, in 8-bit levels [default: 0]
    #[arg(long, value_name = "SIGMA", help_heading = "Kinds")]
    pub(super) denoise_noise: Option<f64>,
    /// Denoising: share of 8x8 patches that are hidden from the network, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Kinds")]
    pub(super) denoise_mask: Option<f64>,
    /// Sparse: weight of the mean magnitude of the latents, in quantisation steps [default: 0]
    #[arg(long, value_name = "WEIGHT", help_heading = "Kinds")]
    pub(super) sparse_l1: Option<f64>,
    /// Sparse: weight of the divergence of each latent channel's activity from --sparse-target [default: 0]
    #[arg(long, value_name = "WEIGHT", help_heading = "Kinds")]
    pub(super) sparse_kl: Option<f64>,
    /// Sparse: activity that --sparse-kl aims at, from 0 to 1 [default: 0.1]
    #[arg(long, value_name = "SHARE", help_heading = "Kinds")]
    pub(super) sparse_target: Option<f64>,
    /// Contractive: weight of the squared change of the latents when the pixels change [default: 0]
    #[arg(long, value_name = "WEIGHT", help_heading = "Kinds")]
    pub(super) contractive: Option<f64>,
    /// Adversarial: weight of a critic that learns to tell decoded pictures from originals [default: 0]
    #[arg(long, value_name = "WEIGHT", help_heading = "Kinds")]
    pub(super) adversarial: Option<f64>,
    /// Network to start with; linear is a transform of 16x16 blocks [default: fast]
    #[arg(long, value_parser = ["fast", "best", "tiny", "linear"], help_heading = "From scratch")]
    pub(super) shapes: Option<String>,
    /// Channels of the analysis and the synthesis, a multiple of 64
    #[arg(long, value_name = "C", help_heading = "From scratch")]
    pub(super) channels: Option<usize>,
    /// Latents per block of 16x16 pixels, a multiple of 128
    #[arg(long, value_name = "M", help_heading = "From scratch")]
    pub(super) latents: Option<usize>,
    /// Blocks in the analysis, and also in the synthesis
    #[arg(long, value_name = "N", help_heading = "From scratch")]
    pub(super) blocks: Option<usize>,
}
