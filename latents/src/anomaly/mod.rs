//! Learns what the pictures of a camera usually look like, and finds those that do not: by the error of a linear autoencoder
//! of the colours, and by the distance of the latents from their Gaussian at each place (PaDiM; Defard et al., *PaDiM: a
//! patch distribution modeling framework for anomaly detection and localization*, 2020).

mod autoencoder;
mod calibration;
mod detector;
mod file;
mod gaussian;
mod heat;
mod learner;
mod places;
mod projection;

pub use calibration::Thresholds;
pub use detector::{Detector, Score};
pub use heat::Heat;
pub use learner::{Learner, View};
