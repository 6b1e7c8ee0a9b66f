//! Stands in for `live` in builds without live frames: there is no option.

#[derive(clap::Args)]
// `send::Args` already has a group with this name.
#[group(skip)]
pub struct Args {}

impl Args {
    pub fn is_asked(&self) -> bool {
        false
    }
}
