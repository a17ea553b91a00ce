//! Which device `--device` means, and the list of the devices of this machine.

use std::fmt;
use std::str::FromStr;

use lethe_tensor::Device;
#[cfg(feature = "gpu")]
use lethe_tensor::DeviceError;
use lethe_tensor::cpu::CpuDevice;

use super::output::note;
use crate::config::nearest;
use crate::error::Error;
use crate::words::count;

/// The option of every command that computes.
#[derive(clap::Args)]
pub struct DeviceArg {
    /// The device: auto (a real GPU, else the CPU), cpu, gpu (the best adapter), gpu:N, gpu:NAME or gpu:BACKEND, as `lethe devices` lists.
    #[arg(long = "device", value_name = "DEVICE", default_value_t)]
    pub choice: DeviceChoice,
}

/// The number of threads requested, or for 0, the number of the machine's.
pub fn threads(asked: usize) -> usize {
    if asked > 0 { asked } else { std::thread::available_parallelism().map_or(1, |n| n.get()) }
}

/// The device to compute on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU if there is one, else the CPU. Never a software adapter.
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

/// A text that names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected auto, cpu, gpu, gpu:N, gpu:NAME or gpu:BACKEND, found `{}`{}", .0, hint(.0))]
pub struct UnknownDevice(String);

fn hint(text: &str) -> String {
    nearest(text, &["auto", "cpu", "gpu"]).map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

impl DeviceChoice {
    /// Opens the device, with this number of threads if it is the CPU. A software adapter is opened with a warning.
    ///
    /// # Errors
    /// If there is no such device, or its threads cannot be started.
    pub fn open(&self, threads: usize) -> Result<Device, Error> {
        match self {
            DeviceChoice::Cpu => cpu(threads),
            DeviceChoice::Auto => {
                match Device::best_telling(|refusal| note(&format!("warning: {refusal}; taking another device")))? {
                    Device::Cpu(_) => cpu(threads),
                    #[cfg(feature = "gpu")]
                    gpu => Ok(gpu),
                }
            }
            _ => self.open_gpu(),
        }
    }

    #[cfg(feature = "gpu")]
    fn open_gpu(&self) -> Result<Device, Error> {
        use lethe_tensor::gpu::{AdapterChoice, GpuDevice, GpuOptions};
        let choice = match self {
            DeviceChoice::GpuIndex(index) => AdapterChoice::Index(*index),
            DeviceChoice::GpuNamed(name) => AdapterChoice::Name(name.clone()),
            _ => AdapterChoice::Best,
        };
        let gpu = GpuDevice::open(&choice, GpuOptions::default()).map_err(DeviceError::from)?;
        if gpu.summary().is_software {
            note(&format!("warning: {} computes on the CPU; --device cpu is faster", gpu.summary()));
        }
        Ok(Device::Gpu(gpu))
    }

    #[cfg(not(feature = "gpu"))]
    fn open_gpu(&self) -> Result<Device, Error> {
        Err(Error::NoGpuBackEnd { device: self.to_string() })
    }
}

fn cpu(threads: usize) -> Result<Device, Error> {
    Ok(Device::Cpu(CpuDevice::with_threads(threads)?))
}

/// A line for each device that `--device` can name.
pub fn list() -> Vec<String> {
    let mut lines = vec![format!("cpu    {}, {}", count(threads(0), "thread"), CpuDevice::instructions())];
    #[cfg(feature = "gpu")]
    match &lethe_tensor::gpu::adapters()[..] {
        [] => lines.push(match std::env::var("WGPU_BACKEND") {
            Ok(value) if !value.is_empty() => format!("       no adapter of the back ends in WGPU_BACKEND={value}"),
            _ => "       no GPU adapter that can run Lethe's kernels".into(),
        }),
        adapters => lines.extend(adapters.iter().map(describe)),
    }
    #[cfg(not(feature = "gpu"))]
    lines.push("       this program was built without its GPU back end".into());
    lines
}

#[cfg(feature = "gpu")]
fn describe(a: &lethe_tensor::gpu::AdapterSummary) -> String {
    let has = [(a.immediates, "immediates"), (a.subgroups, "subgroups"), (a.f16, "f16"), (a.timestamps, "timestamps")];
    let has: Vec<&str> = has.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
    let (buffer, binding) = (a.max_buffer >> 20, a.max_binding >> 20);
    format!(
        "gpu:{}  {a}\n       buffers up to {buffer} MiB, bindings up to {binding} MiB; {}",
        a.index,
        if has.is_empty() { "no optional features".into() } else { has.join(", ") }
    )
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
