//! The settings of a training session, with the names that the command line and configuration files use.

use crate::loss::LAMBDA_RANGE;
use crate::net::Shapes;
use crate::objective::{Distortion, Objective};
use crate::optim::{OptimizerKind, Schedule};
use crate::{Error, Result, RunOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The settings of a training session. The defaults are those of the recipe, except for a shorter warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TrainingSettings {
    /// The length of the run in minutes. Either this or `steps` must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// The length of the run in steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// The optimiser. Default Muon.
    pub optimizer: OptimizerKind,
    /// The learning rate of the plateau. Default 5e-4.
    pub lr: f64,
    /// The number of steps in which the rate rises. Default 50.
    pub warmup: usize,
    /// The share of the run before the rate falls. Default 0.3.
    pub hold: f64,
    /// The number of crops for each step. Default 8.
    pub batch: usize,
    /// The side of a crop in pixels, a multiple of 64. Default 256.
    pub side: usize,
    /// The decay of the averaged weights. Default 0.999.
    pub ema: f64,
    /// The share of generated crops. Default 0.06.
    pub drawn: f64,
    /// The share of crops with strong colours. Default 0.06.
    pub vivid: f64,
    /// The seed of crops, noise and new weights. Default 0.
    pub seed: u64,
    /// One in this number of pictures is for validation. Default 10.
    pub validation: usize,
    /// The number of steps between validations. Default 100.
    pub validate_every: usize,
    /// The run ends after this number of validations without an improvement; 0 means never. Default 10.
    pub patience: usize,
    /// The minutes between checkpoints. Default 3.
    pub checkpoint_minutes: f64,
    /// The number of batches of four crops that are counted for the tables of each quality band. Default 40.
    pub table_batches: usize,
    /// The measure of distortion. Default `eye`.
    pub loss: Distortion,
    /// The standard deviation of the noise in the network's input, in 8-bit units. Default 0.
    pub denoise_noise: f64,
    /// The share of 8x8 patches that are hidden from the network. Default 0.
    pub denoise_mask: f64,
    /// The weight of the latents' mean magnitude. Default 0.
    pub sparse_l1: f64,
    /// The weight of the divergence of the latents' activity from `sparse_target`. Default 0.
    pub sparse_kl: f64,
    /// The target of `sparse_kl` for the activity of each latent channel. Default 0.1.
    pub sparse_target: f64,
    /// The weight of the squared change of latents for a change of pixels. Default 0.
    pub contractive: f64,
    /// The weight of the adversary, a critic that learns to distinguish decoded pictures from originals. Default 0.
    pub adversarial: f64,
    /// The shapes of a network from scratch. Default `fast`.
    pub shapes: Preset,
    /// The number of channels of the analysis and synthesis of a network from scratch, a multiple of 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// The number of latents at each position of a network from scratch, a multiple of 128.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<usize>,
    /// The number of blocks of the analysis, and of the synthesis, of a network from scratch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<usize>,
}

/// Named widths and depths of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// 16 kMAC per pixel to decode.
    #[default]
    Fast,
    /// 46 kMAC per pixel to decode.
    Best,
    /// A fifteenth of `fast`, for experiments and for pictures with little variety.
    Tiny,
    /// A linear transform of 16x16 blocks with a learned entropy model, as a baseline for deep networks.
    Linear,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        let RunOptions { optimizer, schedule, batch, side, drawn, vivid, ema, seed, .. } =
            RunOptions::default();
        Self {
            minutes: None,
            steps: None,
            optimizer,
            lr: schedule.rate,
            warmup: 50,
            hold: schedule.hold,
            batch,
            side,
            ema,
            drawn,
            vivid,
            seed,
            validation: 10,
            validate_every: 100,
            patience: 10,
            checkpoint_minutes: 3.0,
            table_batches: 40,
            loss: Distortion::Eye,
            denoise_noise: 0.0,
            denoise_mask: 0.0,
            sparse_l1: 0.0,
            sparse_kl: 0.0,
            sparse_target: 0.1,
            contractive: 0.0,
            adversarial: 0.0,
            shapes: Preset::Fast,
            channels: None,
            latents: None,
            blocks: None,
        }
    }
}

impl TrainingSettings {
    /// The names of the settings that apply only to networks from scratch. Other networks already have shapes.
    pub const SHAPES: [&str; 4] = ["shapes", "channels", "latents", "blocks"];

    /// Returns these settings with changes, given by name. A length in steps replaces one in minutes, and vice versa.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a name is unknown, or if a value has the wrong type or is out of its range.
    pub fn with(&self, changes: Map<String, Value>) -> Result<Self> {
        let invalid = |e: serde_json::Error| settings(e.to_string());
        let Value::Object(mut all) = serde_json::to_value(self).map_err(invalid)? else {
            return Err(settings("not a table of names and values".into()));
        };
        if changes.contains_key("steps") || changes.contains_key("minutes") {
            all.remove("steps");
            all.remove("minutes");
        }
        all.extend(changes);
        let made: Self = serde_json::from_value(Value::Object(all)).map_err(invalid)?;
        made.check()?;
        Ok(made)
    }

    /// Checks that the settings contain the length of the run.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if they do not.
    pub(crate) fn has_a_length(&self) -> Result<()> {
        match (self.minutes, self.steps) {
            (None, None) => Err(settings("neither minutes nor steps; give one of them".into())),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<()> {
        let length = match (self.minutes, self.steps) {
            (Some(_), Some(_)) => Some("both minutes and steps; give one of them".to_owned()),
            (Some(minutes), _) if !(minutes > 0.0 && minutes.is_finite()) => {
                Some(format!("{minutes} minutes; the length must be above 0"))
            }
            (_, Some(0)) => Some("0 steps; the length must be above 0".to_owned()),
            _ => None,
        };
        let share = |name: &str, v: f64| {
            (!(0.0..=1.0).contains(&v)).then(|| format!("{name} {v}; it must be from 0 to 1"))
        };
        let weight = |name: &str, v: f64| {
            (!(v >= 0.0 && v.is_finite())).then(|| format!("{name} {v}; it must not be negative"))
        };
        let wrong = length
            .or_else(|| share("ema", self.ema))
            .or_else(|| share("drawn", self.drawn))
            .or_else(|| share("vivid", self.vivid))
            .or_else(|| share("denoise-mask", self.denoise_mask))
            .or_else(|| share("sparse-target", self.sparse_target))
            .or_else(|| weight("lr", self.lr))
            .or_else(|| weight("denoise-noise", self.denoise_noise))
            .or_else(|| weight("sparse-l1", self.sparse_l1))
            .or_else(|| weight("sparse-kl", self.sparse_kl))
            .or_else(|| weight("contractive", self.contractive))
            .or_else(|| weight("adversarial", self.adversarial))
            .or_else(|| weight("checkpoint-minutes", self.checkpoint_minutes))
            .or_else(|| {
                (!(0.0..1.0).contains(&self.hold))
                    .then(|| format!("hold {}; it must be from 0 to less than 1", self.hold))
            })
            .or_else(|| {
                (self.validation < 2)
                    .then(|| format!("validation {}; it must be at least 2", self.validation))
            })
            .or_else(|| {
                (self.validate_every == 0).then(|| "validate-every 0; it must be at least 1".to_owned())
            })
            .or_else(|| (self.batch == 0).then(|| "batch 0; it must be at least 1".to_owned()))
            .or_else(|| {
                (self.table_batches == 0).then(|| "table-batches 0; it must be at least 1".to_owned())
            })
            .or_else(|| {
                let side = self.side;
                (side == 0 || !side.is_multiple_of(64))
                    .then(|| format!("side {side}; it must be a multiple of 64"))
            });
        wrong.map_or(Ok(()), |detail| Err(settings(detail)))
    }

    /// The options of the run.
    pub fn options(&self) -> RunOptions {
        RunOptions {
            optimizer: self.optimizer,
            schedule: Schedule { rate: self.lr, warmup: self.warmup, hold: self.hold },
            batch: self.batch,
            side: self.side,
            drawn: self.drawn,
            vivid: self.vivid,
            ema: self.ema,
            objective: Objective {
                distortion: self.loss,
                noise: self.denoise_noise,
                mask: self.denoise_mask,
                sparsity: self.sparse_l1,
                divergence: self.sparse_kl,
                activity: self.sparse_target,
                contraction: self.contractive,
                adversary: self.adversarial,
            },
            seed: self.seed,
        }
    }

    /// The shapes of a network from scratch.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the codec does not run such a network.
    pub fn scratch(&self) -> Result<Shapes> {
        let preset = match self.shapes {
            Preset::Fast => Shapes::FAST,
            Preset::Best => Shapes::BEST,
            Preset::Tiny => {
                Shapes { c: 32, m: 128, z: 32, p: 32, ne: 1, nd: 1, expansion: 1.0, ..Shapes::FAST }
            }
            // 192 channels hold all samples of a patch, so that only the latents limit the transform.
            Preset::Linear => {
                Shapes { c: 192, m: 256, z: 32, p: 64, ne: 0, nd: 0, expansion: 1.0, ..Shapes::FAST }
            }
        };
        if self.shapes == Preset::Linear && self.blocks.is_some() {
            return Err(settings("blocks; a linear network has none".into()));
        }
        let shapes = Shapes {
            c: self.channels.unwrap_or(preset.c),
            m: self.latents.unwrap_or(preset.m),
            ne: self.blocks.unwrap_or(preset.ne),
            nd: self.blocks.unwrap_or(preset.nd),
            ..preset
        };
        // The codec's kernels take 32 outputs at a time, and each pass codes a quarter of the latents.
        let whole = |width: usize, unit: usize| width > 0 && width.is_multiple_of(unit);
        if !whole(shapes.c, 32) || !whole(shapes.hidden(shapes.c), 32) {
            return Err(settings(format!("channels {}; it must be a multiple of 64", shapes.c)));
        }
        if !whole(shapes.m, 128) || shapes.m > 2048 {
            return Err(settings(format!("latents {}; it must be a multiple of 128 up to 2048", shapes.m)));
        }
        if self.shapes != Preset::Linear && !(1..=64).contains(&shapes.ne) {
            return Err(settings(format!("blocks {}; it must be from 1 to 64", shapes.ne)));
        }
        Ok(shapes)
    }

    /// The settings as lines `name = value`, as in a configuration file.
    pub fn lines(&self) -> Vec<String> {
        match serde_json::to_value(self) {
            Ok(Value::Object(all)) => all.iter().map(|(name, value)| format!("{name} = {value}")).collect(),
            _ => Vec::new(),
        }
    }

    /// A description of the loss.
    pub(crate) fn loss_in_words(&self) -> String {
        let error = match self.loss {
            Distortion::Mse => "MSE (8-bit units)",
            Distortion::L1 => "pi / 2 * MAE^2 (8-bit units)",
            Distortion::MsSsim => "1300 (1 - MS-SSIM)",
            Distortion::Eye => "(MSE (8-bit units) / 2 + 3.05 errors of SSIMULACRA 2)",
            Distortion::CrossEntropy => "255^2 / 2 * KL(x, y) of samples as probabilities",
        };
        let (low, high) = LAMBDA_RANGE;
        format!("lambda * {error} + bits per pixel, divided by 10 sqrt(lambda); lambda {low} to {high}")
    }
}

fn settings(detail: String) -> Error {
    Error::Invalid { what: "settings", detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(base: &TrainingSettings, changes: Value) -> Result<TrainingSettings> {
        let Value::Object(changes) = changes else { unreachable!("an object") };
        base.with(changes)
    }

    #[test]
    fn changes_go_on_top_and_lengths_replace_each_other() {
        let base = TrainingSettings::default();
        let timed =
            with(&base, json!({ "minutes": 3, "loss": "ms-ssim", "denoise-noise": 5 })).expect("settings");
        assert_eq!((timed.minutes, timed.loss, timed.denoise_noise), (Some(3.0), Distortion::MsSsim, 5.0));
        let counted = with(&timed, json!({ "steps": 7 })).expect("settings");
        assert_eq!((counted.minutes, counted.steps, counted.loss), (None, Some(7), Distortion::MsSsim));
    }

    #[test]
    fn what_is_unknown_or_out_of_range_is_named() {
        let base = TrainingSettings::default();
        for (changes, named) in [
            (json!({ "learning": 1 }), "learning"),
            (json!({ "minutes": 1, "steps": 1 }), "both minutes and steps"),
            (json!({ "side": 100 }), "side 100"),
            (json!({ "loss": "ssim" }), "ssim"),
            (json!({ "denoise-mask": 2 }), "denoise-mask 2"),
            (json!({ "hold": 1 }), "hold 1"),
            (json!({ "steps": 0 }), "0 steps"),
        ] {
            let refused = with(&base, changes).expect_err("refused").to_string();
            assert!(refused.contains(named), "{refused}");
        }
    }

    #[test]
    fn networks_from_scratch_are_those_that_the_codec_runs() {
        let asked = |changes| with(&TrainingSettings::default(), changes).and_then(|s| s.scratch());
        assert_eq!(asked(json!({})).expect("shapes"), Shapes::FAST);
        assert!(asked(json!({ "shapes": "linear" })).expect("shapes").is_linear());
        assert!(asked(json!({ "shapes": "linear", "blocks": 1 })).is_err());
        let own = asked(json!({ "shapes": "tiny", "latents": 256, "blocks": 2 })).expect("shapes");
        assert_eq!((own.c, own.m, own.ne, own.nd), (32, 256, 2, 2));
        for changes in [json!({ "channels": 72 }), json!({ "latents": 100 }), json!({ "blocks": 0 })] {
            assert!(asked(changes).is_err());
        }
    }
}
