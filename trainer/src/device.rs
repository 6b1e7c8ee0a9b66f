//! The device of tensors: the processor, or an accelerator that this build supports.

use crate::{Error, Result};
use candle_core::Device;
use std::fmt;
use std::str::FromStr;

/// A kind of device, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceKind {
    /// The processor, which the fused operators are written for.
    #[default]
    Cpu,
    /// The first NVIDIA device. It needs a build with the feature `cuda`.
    Cuda,
    /// The first Apple device. It needs a build with the feature `metal`.
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

/// Limits the number of threads for training; 0 means one for each core. Call this before any other function.
pub fn limit_threads(threads: usize) {
    // This fails only if the threads are running already, and then their number does not change.
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
                let detail = format!("`{name}` is not one of cpu, cuda and metal");
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
