//! Live frames at the receiver: which one to show, when, and how it is written out.
//!
//! [`Presenter`] reads no clock and decodes nothing. It is told which bytes arrived and asked what to decode next; whatever is
//! superseded by a newer frame is skipped. [`Screen`] brings what was decoded to its full size and writes it to a picture file that
//! is replaced in one step, or to a y4m stream. Times are on the receiver's clock, from any fixed start.

mod presenter;
mod screen;
mod view;

pub use presenter::{Presenter, Show};
pub use screen::{PictureFile, Screen, Y4m};
pub use view::Outlet;
pub(crate) use view::{Input, Place, Stage, View};
