//! Which device `--device` means.

use std::fmt;
use std::str::FromStr;

use lethe_tensor::Device;
use lethe_tensor::cpu::CpuDevice;

use crate::error::Error;

/// The device to compute on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best that this build has: the CPU. Never a software adapter.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The best GPU adapter, a software one if there is no other.
    Gpu,
    /// The adapter with this number.
    GpuIndex(usize),
    /// The first adapter of this back end (vulkan, metal, dx12, gl) or with this text in its name.
    GpuNamed(String),
}

/// A word that names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected auto, cpu, gpu, gpu:N, gpu:NAME or gpu:BACKEND, found `{0}`")]
pub struct UnknownDevice(String);

impl DeviceChoice {
    /// Opens the device; a CPU gets so many threads.
    ///
    /// # Errors
    /// If there is no such device, or the threads cannot be started.
    pub fn open(&self, threads: usize) -> Result<Device, Error> {
        match self {
            DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Device::Cpu(CpuDevice::with_threads(threads)?)),
            gpu => Err(Error::NoGpuBackEnd { device: gpu.to_string() }),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<DeviceChoice, UnknownDevice> {
        match (text, text.strip_prefix("gpu:").map(str::trim)) {
            ("auto", _) => Ok(DeviceChoice::Auto),
            ("cpu", _) => Ok(DeviceChoice::Cpu),
            ("gpu", _) => Ok(DeviceChoice::Gpu),
            (_, Some(name)) if !name.is_empty() => {
                Ok(name.parse().map_or_else(|_| DeviceChoice::GpuNamed(name.to_owned()), DeviceChoice::GpuIndex))
            }
            _ => Err(UnknownDevice(text.to_owned())),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::Gpu => f.write_str("gpu"),
            DeviceChoice::GpuIndex(index) => write!(f, "gpu:{index}"),
            DeviceChoice::GpuNamed(name) => write!(f, "gpu:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_read_back_as_they_print() {
        for text in ["auto", "cpu", "gpu", "gpu:0", "gpu:12", "gpu:vulkan", "gpu:Radeon RX 6800"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert_eq!("gpu:3".parse(), Ok(DeviceChoice::GpuIndex(3)));
        assert_eq!("gpu:3090".parse::<DeviceChoice>(), Ok(DeviceChoice::GpuIndex(3090)));
    }

    #[test]
    fn other_words_are_refused() {
        for text in ["", "cuda", "gpu:", "gpu: ", "GPU", "gpu0"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
    }
}
