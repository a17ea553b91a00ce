//! How a device is opened: the switches of the runtime. Not the choice of the adapter.

/// Options of [`GpuDevice::open`](super::GpuDevice::open).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuOptions {
    /// Compile kernels with wgpu's own bounds, loop and division checks and zeroed workgroup memory. By default what
    /// the environment variable `LETHE_CHECKED_SHADERS` says (`1` or `0`), else on in builds with debug assertions and
    /// off in release builds: the kernels guard every index themselves, and the checks cost time.
    pub checked_shaders: bool,
    /// A budget in bytes for all pooled buffers together; `None` leaves it to the driver.
    pub memory_limit: Option<u64>,
    /// Pretend that no binding may be larger than this many bytes: for tests of windows on small vectors.
    pub binding_limit: Option<u64>,
    /// Pass parameters through a uniform buffer even where the adapter has immediates: for tests of that fallback.
    pub force_uniform_params: bool,
    /// Submit by itself once this many dispatches are recorded (at least 1).
    pub dispatches_per_submit: u32,
}

impl Default for GpuOptions {
    fn default() -> GpuOptions {
        GpuOptions {
            checked_shaders: checked_by_default(),
            memory_limit: None,
            binding_limit: None,
            force_uniform_params: false,
            dispatches_per_submit: 512,
        }
    }
}

fn checked_by_default() -> bool {
    match std::env::var("LETHE_CHECKED_SHADERS").as_deref() {
        Ok("0") => false,
        Ok("1") => true,
        _ => cfg!(debug_assertions),
    }
}
