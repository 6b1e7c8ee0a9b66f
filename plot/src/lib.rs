//! Draws line plots as SVG, for the benchmark's report and for the curve of a training run.
//!
//! ```
//! use aecodec_plot::{Axis, Ground, Look, Mark, Names, Plot, PlotArea, Series, Spread};
//!
//! let points = [(0.1, 28.0), (0.2, 31.0), (0.4, 34.0)];
//! let plot = Plot {
//!     id: "example".to_owned(),
//!     title: "PSNR over bits per pixel".to_owned(),
//!     description: "One curve.".to_owned(),
//!     x: Axis::around("bits per pixel", Spread::Log, points.iter().map(|p| p.0)).expect("values"),
//!     y: Axis::around("dB", Spread::Linear, points.iter().map(|p| p.1)).expect("values"),
//!     series: vec![Series {
//!         name: "aecodec".to_owned(),
//!         look: Look::Marked(0),
//!         points: points.iter().map(|&at| Mark { at, text: String::new() }).collect(),
//!     }],
//!     area: PlotArea::WIDE,
//!     names: Names::Column,
//! };
//! assert!(plot.svg(Ground::White).starts_with("<svg"));
//! ```

mod axis;
mod content;
mod labels;
pub mod look;
mod svg;

pub use axis::{Axis, Spread};
pub use content::{Ground, Look, Mark, Names, Plot, PlotArea, Series};
