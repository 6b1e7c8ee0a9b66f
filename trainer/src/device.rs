//! Where tensors live: the processor, or an accelerator that this build knows.

use crate::{Error, Result};
use candle_core::Device;
use std::fmt;
use std::str::FromStr;

/// A kind of device, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceKind {
    /// The processor; everything is made for it.
    #[default]
    Cpu,
    /// The first NVIDIA device; needs a build with the feature `cuda`.
    Cuda,
    /// The first device of Apple's; needs a build with the feature `metal`.
    Metal,
}

impl DeviceKind {
    /// Opens the device.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if this build or this machine has no such device.
    pub fn open(self) -> Result<Device> {
        Ok(match self {
            Self::Cpu => Device::Cpu,
            Self::Cuda => Device::new_cuda(0)?,
            Self::Metal => Device::new_metal(0)?,
        })
    }
}

/// Lets training use so many threads at most; 0 is one for each core. To be called before anything else.
pub fn limit_threads(threads: usize) {
    // Fails only where the threads run already, which then stay as many as they are.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
}

impl FromStr for DeviceKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            "metal" => Ok(Self::Metal),
            _ => {
                let detail = format!("`{name}` is none of cpu, cuda, metal");
                Err(Error::Invalid { what: "device", detail })
            }
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        })
    }
}
