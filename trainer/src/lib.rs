//! The network of aecodec in floating point: training, and the refinement of single pictures.
//!
//! It computes the same as the recipe in `models/recipe`, from the same weights (`models/fast.safetensors`), twice: in
//! [`net`] on candle, and in [`engine`] with kernels of its own, for the steps of training on processors. On processors,
//! chains of steps on candle are fused into single nodes of its graph, each with its own backward pass. On accelerators
//! (features `cuda` and `metal`) they are candle's operators.
//!
//! ```
//! use aecodec_trainer::net::{Network, Rate, Shapes, Weights};
//! use candle_core::{DType, Device, Tensor};
//!
//! let shapes = Shapes { c: 16, m: 32, z: 8, p: 16, ne: 1, nd: 1, ..Shapes::FAST };
//! let weights = Weights::random(shapes, 1, &Device::Cpu)?;
//! let net = Network::new(&weights)?;
//! let gray = Tensor::zeros((1, 64, 64, 3), DType::F32, &Device::Cpu)?;
//! let coded = net.forward(&gray, &[net.knot(50.0)], Rate::Rounded)?;
//! assert_eq!(coded.x_hat.dims(), gray.dims());
//! # Ok::<(), aecodec_trainer::Error>(())
//! ```

mod checkpoint;
pub mod data;
mod device;
mod drawn;
pub mod engine;
mod error;
pub mod export;
pub mod import;
pub mod loss;
pub mod net;
pub mod objective;
pub mod optim;
pub mod refine;
mod run;
pub mod sample;
pub mod search;
pub mod session;
mod settings;
mod similarity;
mod vivid;

pub use device::{DeviceKind, limit_threads};
pub use error::{Error, Result};
pub use run::{Run, RunOptions, Stepped};
pub use session::TrainingSession;
pub use settings::{Preset, TrainingSettings};
