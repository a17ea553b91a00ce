//! Which GPU: the adapters of this machine in wgpu's order of preference, and the choice among them. wgpu's environment
//! variables `WGPU_BACKEND`, `WGPU_ADAPTER_NAME` and `WGPU_POWER_PREF` are obeyed. Opening a device is not done here.

use std::fmt;

use super::error::GpuError;

/// How to choose an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The best adapter that is hardware, never a software one: for programs that have a CPU back end to turn to.
    Real,
    /// The best adapter there is; a software one if it must be.
    Best,
    /// The adapter at this place of [`adapters`].
    Index(usize),
    /// The first adapter of this back end (`vulkan`, `metal`, `dx12`, `gl`, `webgpu`), or, if it is none of these
    /// words, the first whose name contains the text, in upper or lower case.
    Name(String),
}

impl fmt::Display for AdapterChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdapterChoice::Real => f.write_str("real hardware"),
            AdapterChoice::Best => f.write_str("usable"),
            AdapterChoice::Index(index) => write!(f, "number {index}"),
            AdapterChoice::Name(name) => write!(f, "called {name:?}"),
        }
    }
}

/// What is worth knowing of an adapter before a device is opened on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// The place in [`adapters`], which `gpu:N` takes.
    pub index: usize,
    /// The adapter's name, as the driver gives it.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `webgpu`.
    pub backend: &'static str,
    /// `discrete`, `integrated`, `virtual`, `software` or `unknown`.
    pub device_type: &'static str,
    /// The driver and its version; may be empty.
    pub driver: String,
    /// The adapter computes on the CPU (llvmpipe, SwiftShader, WARP): right, but slower than a CPU back end.
    pub is_software: bool,
    /// The largest buffer in bytes.
    pub max_buffer: u64,
    /// The largest storage binding in bytes.
    pub max_binding: u64,
    /// Workgroup memory in bytes.
    pub max_workgroup_bytes: u32,
    /// Invocations in a workgroup.
    pub max_invocations: u32,
    /// Has immediates (small parameters without a buffer).
    pub immediates: bool,
    /// Has subgroup operations.
    pub subgroups: bool,
    /// Has 16-bit floats in shaders.
    pub f16: bool,
    /// Has timestamps.
    pub timestamps: bool,
}

impl fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}", self.name, self.backend, self.device_type)?;
        if !self.driver.is_empty() {
            write!(f, ", {}", self.driver)?;
        }
        f.write_str(")")
    }
}

/// The adapters that can run Lethe's kernels, the preferred first. An empty list if there are none.
#[cfg(not(target_arch = "wasm32"))]
pub fn adapters() -> Vec<AdapterSummary> {
    pollster::block_on(adapters_async())
}

/// As `adapters`, where blocking is impossible.
pub async fn adapters_async() -> Vec<AdapterSummary> {
    find_by_environment(false).await.into_iter().map(|found| found.summary).collect()
}

/// An adapter and its summary.
pub(super) struct Found {
    pub adapter: wgpu::Adapter,
    pub summary: AdapterSummary,
}

/// The limits that the kernels keep within on every device (house rule: 8 storage buffers, 16 KiB of workgroup memory,
/// 256 invocations). Devices are opened with these, so that a kernel that breaks them fails everywhere.
pub(super) const STORAGE_BUFFERS: u32 = 8;
pub(super) const WORKGROUP_BYTES: u32 = 16 << 10;
pub(super) const INVOCATIONS: u32 = 256;

/// The adapters of the choice, the preferred first, or an error that lists what there is: never none.
pub(super) async fn choose(choice: &AdapterChoice) -> Result<Vec<Found>, GpuError> {
    let wants_gl = matches!(choice, AdapterChoice::Name(name) if backend_word(&name.to_lowercase()) == Some("gl"));
    let found = find_by_environment(wants_gl).await;
    if let (true, Some(value)) = (found.is_empty(), variable("WGPU_BACKEND")) {
        let present = find(wgpu::Backends::all()).await.iter().map(|f| f.summary.to_string()).collect();
        return Err(GpuError::EnvironmentAdapterAbsent { variable: "WGPU_BACKEND", value, present });
    }
    let summaries: Vec<_> = found.iter().map(|f| f.summary.clone()).collect();
    let chosen = select(choice, variable("WGPU_ADAPTER_NAME").as_deref(), &summaries)?;
    Ok(found.into_iter().filter(|f| chosen.contains(&f.summary.index)).collect())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The adapters of the back ends in `WGPU_BACKEND`, or of all; of OpenGL, unless asked for, only where there is no
/// hardware otherwise: it would list most GPUs a second time.
async fn find_by_environment(wants_gl: bool) -> Vec<Found> {
    if let Some(backends) = wgpu::Backends::from_env() {
        return find(backends).await;
    }
    if !wants_gl {
        let found = find(wgpu::Backends::PRIMARY).await;
        if found.iter().any(|f| !f.summary.is_software) {
            return found;
        }
    }
    find(wgpu::Backends::all()).await
}

/// All usable adapters of these back ends, in the order of preference.
async fn find(backends: wgpu::Backends) -> Vec<Found> {
    let descriptor = wgpu::InstanceDescriptor {
        backends,
        flags: instance_flags(),
        ..wgpu::InstanceDescriptor::new_without_display_handle_from_env()
    };
    let mut adapters = wgpu::Instance::new(descriptor).enumerate_adapters(backends).await;
    adapters.retain(can_run_kernels);
    let low_power = match wgpu::PowerPreference::from_env() {
        Some(wgpu::PowerPreference::LowPower) => Some(true),
        Some(wgpu::PowerPreference::None) => None,
        _ => Some(false),
    };
    if let Some(low_power) = low_power {
        adapters.sort_by_key(|adapter| preference(&adapter.get_info(), low_power));
    }
    adapters.into_iter().enumerate().map(|(i, a)| Found { summary: summarise(i, &a), adapter: a }).collect()
}

/// Driver validation in builds with debug assertions, nothing in release; wgpu's own variables override.
fn instance_flags() -> wgpu::InstanceFlags {
    let flags = if cfg!(debug_assertions) { wgpu::InstanceFlags::VALIDATION } else { wgpu::InstanceFlags::empty() };
    flags.with_env()
}

fn can_run_kernels(adapter: &wgpu::Adapter) -> bool {
    let limits = adapter.limits();
    adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        && limits.max_storage_buffers_per_shader_stage >= STORAGE_BUFFERS
        && limits.max_compute_workgroup_storage_size >= WORKGROUP_BYTES
        && limits.max_compute_invocations_per_workgroup >= INVOCATIONS
}

/// wgpu's own order within `request_adapter`, with every software adapter last.
fn preference(info: &wgpu::AdapterInfo, low_power: bool) -> u8 {
    match info.device_type {
        _ if is_software(info) => 5,
        wgpu::DeviceType::DiscreteGpu => 1 + u8::from(low_power),
        wgpu::DeviceType::IntegratedGpu => 2 - u8::from(low_power),
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::VirtualGpu => 4,
        wgpu::DeviceType::Cpu => 5,
    }
}

/// A driver may call its software adapter something other than a CPU, above all behind OpenGL or a virtual machine.
fn is_software(info: &wgpu::AdapterInfo) -> bool {
    let name = info.name.to_lowercase();
    let known = ["llvmpipe", "lavapipe", "swiftshader", "softpipe", "basic render"];
    info.device_type == wgpu::DeviceType::Cpu || known.iter().any(|word| name.contains(word))
}

fn summarise(index: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let software = is_software(&info);
    let device_type = match info.device_type {
        _ if software => "software",
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu | wgpu::DeviceType::Other => "unknown",
    };
    AdapterSummary {
        index,
        backend: backend_name(info.backend),
        device_type,
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        name: info.name,
        is_software: software,
        max_buffer: limits.max_buffer_size,
        max_binding: limits.max_storage_buffer_binding_size,
        max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        immediates: features.contains(wgpu::Features::IMMEDIATES),
        subgroups: features.contains(wgpu::Features::SUBGROUP),
        f16: features.contains(wgpu::Features::SHADER_F16),
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
    }
}

fn backend_name(backend: wgpu::Backend) -> &'static str {
    match backend {
        wgpu::Backend::Noop => "noop",
        wgpu::Backend::Vulkan => "vulkan",
        wgpu::Backend::Metal => "metal",
        wgpu::Backend::Dx12 => "dx12",
        wgpu::Backend::Gl => "gl",
        wgpu::Backend::BrowserWebGpu => "webgpu",
    }
}

/// The back end that a word means, in wgpu's spellings. Names are looked at only if it is none: "gl" is a part of many.
fn backend_word(word: &str) -> Option<&'static str> {
    match word {
        "vulkan" | "vk" => Some("vulkan"),
        "metal" | "mtl" => Some("metal"),
        "dx12" | "d3d12" => Some("dx12"),
        "gl" | "gles" | "opengl" => Some("gl"),
        "webgpu" => Some("webgpu"),
        _ => None,
    }
}

/// The places of the adapters that fit the choice, at least one. `environment` is the value of `WGPU_ADAPTER_NAME`: it must name one that is present,
/// and narrows the choices that name none themselves.
fn select(
    choice: &AdapterChoice,
    environment: Option<&str>,
    adapters: &[AdapterSummary],
) -> Result<Vec<usize>, GpuError> {
    let present = || adapters.iter().map(|a| format!("{}: {a}", a.index)).collect();
    let named = |a: &AdapterSummary| environment.is_none_or(|name| contains(&a.name, name));
    if !adapters.iter().any(named) && environment.is_some() {
        let value = environment.unwrap_or_default().to_string();
        return Err(GpuError::EnvironmentAdapterAbsent { variable: "WGPU_ADAPTER_NAME", value, present: present() });
    }
    let fits = |a: &&AdapterSummary| match choice {
        AdapterChoice::Real => named(a) && !a.is_software && (a.device_type != "unknown" || a.backend == "webgpu"),
        AdapterChoice::Best => named(a),
        AdapterChoice::Index(index) => a.index == *index,
        AdapterChoice::Name(name) => match backend_word(&name.to_lowercase()) {
            Some(backend) => a.backend == backend,
            None => contains(&a.name, name),
        },
    };
    let wanted = choice.to_string();
    let chosen: Vec<usize> = adapters.iter().filter(fits).map(|a| a.index).collect();
    if chosen.is_empty() { Err(GpuError::NoAdapter { wanted, present: present() }) } else { Ok(chosen) }
}

fn contains(name: &str, part: &str) -> bool {
    name.to_lowercase().contains(&part.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, name: &str, backend: &'static str, device_type: &'static str) -> AdapterSummary {
        AdapterSummary {
            index,
            name: name.into(),
            backend,
            device_type,
            driver: String::new(),
            is_software: device_type == "software",
            max_buffer: 1 << 31,
            max_binding: 1 << 27,
            max_workgroup_bytes: 32 << 10,
            max_invocations: 1024,
            immediates: true,
            subgroups: true,
            f16: false,
            timestamps: false,
        }
    }

    fn machine() -> Vec<AdapterSummary> {
        vec![
            adapter(0, "Radeon RX 7800", "vulkan", "discrete"),
            adapter(1, "Google SwiftShader", "vulkan", "software"),
            adapter(2, "llvmpipe (LLVM 15)", "gl", "software"),
        ]
    }

    #[test]
    fn choices_find_their_adapter() {
        let all = machine();
        let name = |n: &str| select(&AdapterChoice::Name(n.into()), None, &all);
        assert_eq!(select(&AdapterChoice::Real, None, &all), Ok(vec![0]));
        assert_eq!(select(&AdapterChoice::Best, None, &all), Ok(vec![0, 1, 2]));
        assert_eq!(select(&AdapterChoice::Best, None, &all[1..]), Ok(vec![1, 2]));
        assert_eq!(select(&AdapterChoice::Index(2), None, &all), Ok(vec![2]));
        assert_eq!(name("RADEON"), Ok(vec![0]));
        assert_eq!(name("gl"), Ok(vec![2]), "a back end, not the middle of Google");
        assert_eq!(name("vk"), Ok(vec![0, 1]));
    }

    #[test]
    fn the_environment_narrows_and_must_be_right() {
        let all = machine();
        assert_eq!(select(&AdapterChoice::Best, Some("LLVMPIPE"), &all), Ok(vec![2]));
        assert_eq!(select(&AdapterChoice::Index(0), Some("llvmpipe"), &all), Ok(vec![0]));
        assert!(matches!(select(&AdapterChoice::Real, Some("llvmpipe"), &all), Err(GpuError::NoAdapter { .. })));
        for choice in [AdapterChoice::Real, AdapterChoice::Best, AdapterChoice::Index(0)] {
            let error = select(&choice, Some("Arc"), &all).unwrap_err();
            assert!(matches!(error, GpuError::EnvironmentAdapterAbsent { .. }));
            let text = error.to_string();
            assert!(text.contains("WGPU_ADAPTER_NAME=Arc") && text.contains("2: llvmpipe"), "{text}");
        }
    }

    #[test]
    fn errors_name_the_choice_and_the_adapters() {
        let all = machine();
        let text = select(&AdapterChoice::Index(7), None, &all).unwrap_err().to_string();
        assert!(text.contains("number 7") && text.contains("0: Radeon RX 7800 (vulkan, discrete)"), "{text}");
        let text = select(&AdapterChoice::Name("Arc".into()), None, &all).unwrap_err().to_string();
        assert!(text.contains("called \"Arc\""), "{text}");
        let text = select(&AdapterChoice::Real, None, &all[1..]).unwrap_err().to_string();
        assert!(text.contains("real hardware") && text.contains("SwiftShader"), "{text}");
        let text = select(&AdapterChoice::Best, None, &[]).unwrap_err().to_string();
        assert!(text.contains("none is present"), "{text}");
    }
}
