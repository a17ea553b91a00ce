//! The device: a cheap handle on an adapter's memory, caches and recorder. It opens, allocates, dispatches and submits.
//! Transfers are in `transfer`; waiting for results is in `read`.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::adapter::{self, AdapterChoice, AdapterSummary};
use super::bindings::{BindGroups, Binding, Layouts, Signature};
use super::buffer_pool::{Buffer, Pool};
use super::caps::{BINDING_ALIGNMENT, Caps, GROUPS_PER_DIMENSION, PARAMS_BYTES, PARAMS_WORDS};
use super::counters::{Counters, Counts, get};
use super::error::{GpuError, Poison, lock};
use super::options::GpuOptions;
use super::pipeline::{Kernel, Pipelines};
use super::recorder::Recorder;
use super::tables::Tables;

/// An open GPU device; a cheap handle. Work happens in the order of the calls, whatever thread makes them.
///
/// Nothing here panics because of the device: the first failure poisons it, later work is void, and
/// [`GpuDevice::status`] and every read return the error.
#[derive(Clone)]
pub struct GpuDevice(pub(super) Arc<Shared>);

/// What the handles of one device share.
pub(super) struct Shared {
    pub raw: wgpu::Device,
    pub summary: AdapterSummary,
    pub caps: Caps,
    pub poison: Arc<Poison>,
    pub counts: Arc<Counts>,
    pub pool: Arc<Pool>,
    pub work: Mutex<Work>,
    pub tables: Tables,
}

/// What recording changes.
pub(super) struct Work {
    pub recorder: Recorder,
    layouts: Layouts,
    pipelines: Pipelines,
    groups: BindGroups,
}

impl GpuDevice {
    /// Opens a device on the adapter of the choice.
    ///
    /// # Errors
    /// If no adapter fits the choice or wgpu's environment variables, or the adapter cannot be opened; in a browser always.
    pub fn open(choice: &AdapterChoice, options: GpuOptions) -> Result<GpuDevice, GpuError> {
        if cfg!(target_arch = "wasm32") {
            return Err(GpuError::CannotBlock { instead: "GpuDevice::open_async" });
        }
        pollster::block_on(GpuDevice::open_async(choice, options))
    }

    /// As `open`, where blocking is impossible.
    ///
    /// # Errors
    /// If no adapter fits the choice or wgpu's environment variables, or the adapter cannot be opened.
    pub async fn open_async(choice: &AdapterChoice, options: GpuOptions) -> Result<GpuDevice, GpuError> {
        let first = adapter::choose(choice).await?.into_iter().next().expect("a choice is never empty");
        GpuDevice::open_found(first, options).await
    }

    /// Opens a device on the first adapter that is hardware and gives one. `refused` is told of each that does not.
    ///
    /// # Errors
    /// If there is no such adapter, none gives a device (then the last one's refusal), or wgpu's environment variables name one that is not there.
    pub async fn open_real_async(options: GpuOptions, refused: impl FnMut(&GpuError)) -> Result<GpuDevice, GpuError> {
        let found = adapter::choose(&AdapterChoice::Real).await?;
        first_that_opens(found, |found| GpuDevice::open_found(found, options.clone()), refused).await
    }

    async fn open_found(found: adapter::Found, options: GpuOptions) -> Result<GpuDevice, GpuError> {
        let features = found.adapter.features() & (wgpu::Features::IMMEDIATES | wgpu::Features::TIMESTAMP_QUERY);
        let limits = required_limits(found.adapter.limits());
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("lethe"),
            required_features: features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..wgpu::DeviceDescriptor::default()
        };
        let (raw, queue) = found.adapter.request_device(&descriptor).await.map_err(|error| {
            GpuError::RequestDevice { adapter: found.summary.to_string(), reason: error.to_string() }
        })?;
        let caps = caps(&limits, features, &options);
        Ok(GpuDevice(Arc::new(Shared::new(raw, queue, found.summary, caps, &options))))
    }

    /// The adapter.
    pub fn summary(&self) -> &AdapterSummary {
        &self.0.summary
    }

    /// Limits and abilities.
    pub fn caps(&self) -> &Caps {
        &self.0.caps
    }

    /// The counters as they stand.
    pub fn counters(&self) -> Counters {
        self.0.counts.snapshot()
    }

    /// Whether the device is sound.
    ///
    /// # Errors
    /// The first failure of the device; all work since then is void.
    pub fn status(&self) -> Result<(), GpuError> {
        self.0.poison.status()
    }

    /// Poisons the device with work that it cannot do.
    pub(super) fn poison(&self, error: GpuError) {
        self.0.poison.set(error);
    }

    /// Whether both handles are of the same device.
    pub fn same(&self, other: &GpuDevice) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A buffer of at least `bytes` bytes (at least 4) with arbitrary contents. If memory is exhausted even after free
    /// buffers are given up, the device is poisoned and a small stand-in is returned.
    pub fn alloc(&self, bytes: u64) -> Buffer {
        let shared = &self.0;
        if shared.poison.is_set() {
            return shared.pool.stand_in();
        }
        let taken = shared.pool.take(bytes).or_else(|error| match error {
            GpuError::OutOfMemory { .. } => {
                self.trim();
                shared.pool.take(bytes)
            }
            _ => Err(error),
        });
        taken.unwrap_or_else(|error| {
            shared.poison.set(error);
            shared.pool.stand_in()
        })
    }

    /// Gives the pool's free buffers back to the driver, for instance between training and evaluation. Submits what is
    /// recorded and (not in a browser) waits for it.
    pub fn trim(&self) {
        let mut work = lock(&self.0.work);
        work.groups.evict(&self.0.pool.trim());
        work.recorder.submit();
        #[cfg(not(target_arch = "wasm32"))]
        work.recorder.wait_all();
    }

    /// Records one compute dispatch of `groups` workgroups; nothing if one of the three is 0. `params` are the first words
    /// of the kernel's parameters, at most 16; the rest are 0.
    ///
    /// # Panics
    /// If parameters, bindings or the grid break a rule of [`Binding`] or [`Caps`]: more than 16 words, more than 8
    /// bindings, an offset that is not a multiple of 256, a size that is 0 or not a multiple of 4, more than 65,535 workgroups in a dimension.
    /// A binding above the adapter's limit poisons the device.
    #[track_caller]
    pub fn dispatch(&self, kernel: Kernel<'_>, bindings: &[Binding<'_>], params: &[u32], groups: [u32; 3]) {
        if self.0.poison.is_set() || groups.contains(&0) {
            return;
        }
        check_dispatch(&kernel, bindings, params, groups);
        let most = self.0.caps.max_binding;
        if let Some(large) = bindings.iter().find(|b| b.size > most) {
            return self.0.poison.set(GpuError::BindingTooLarge { kernel: kernel.name(), size: large.size, most });
        }
        let signature = Signature::of(bindings);
        let work = &mut *lock(&self.0.work);
        let pipeline = work.pipelines.get(kernel, signature, &mut work.layouts);
        if pipeline.signature != signature {
            let text = format!("{} is bound with other slots or accesses than the first time", kernel.name());
            return self.0.poison.set(GpuError::Validation(text));
        }
        let layout = work.layouts.get(signature);
        let group = work.groups.get(signature, bindings, &layout.group);
        work.recorder.dispatch(pipeline, group, params, groups);
    }

    /// Submits what is recorded, without waiting for it. A training loop calls this at the end of a step, so that the
    /// device works on while the host prepares the next, and the next step gets the same buffers as this one.
    pub fn submit(&self) {
        lock(&self.0.work).recorder.submit();
        self.0.pool.sort_free();
    }

    /// Submits what is recorded and waits until all is done.
    ///
    /// # Errors
    /// The failure that poisoned the device; in a browser always.
    pub fn synchronize(&self) -> Result<(), GpuError> {
        #[cfg(target_arch = "wasm32")]
        return Err(GpuError::CannotBlock { instead: "GpuDevice::read" });
        #[cfg(not(target_arch = "wasm32"))]
        {
            let mut work = lock(&self.0.work);
            work.recorder.submit();
            work.recorder.wait_all();
            self.0.pool.sort_free();
            self.status()
        }
    }

    /// Begins to time operations by the device's clock, where it has one for that.
    pub(crate) fn begin_timing(&self) {
        lock(&self.0.work).recorder.begin_timing();
    }

    /// The number of the operation that later dispatches belong to.
    pub(crate) fn begin_operation(&self, operation: usize) {
        lock(&self.0.work).recorder.begin_operation(operation);
    }

    /// Ends the timing, and gives the times of all dispatches since its beginning, with the numbers of their operations. In a browser,
    /// which cannot wait, those that have arrived.
    ///
    /// # Errors
    /// The failure that poisoned the device.
    pub(crate) fn end_timing(&self) -> Result<Vec<(usize, Duration)>, GpuError> {
        lock(&self.0.work).recorder.end_timing()
    }

    /// Gives the device up at once: later work is void, and reads return [`GpuError::Lost`]. Dropping the last handle
    /// does the same in its own time.
    pub fn destroy(&self) {
        self.0.poison.set(GpuError::Lost("destroyed by this program".into()));
        self.0.raw.destroy();
    }
}

impl fmt::Debug for GpuDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GpuDevice on {}", self.0.summary)
    }
}

impl Shared {
    fn new(raw: wgpu::Device, queue: wgpu::Queue, summary: AdapterSummary, caps: Caps, options: &GpuOptions) -> Shared {
        let (poison, counts) = (Arc::new(Poison::default()), Arc::new(Counts::default()));
        watch(&raw, &poison, &counts, options.memory_limit);
        let pool = Arc::new(Pool::new(&raw, &poison, &counts, options.memory_limit, caps.max_buffer));
        let layouts = Layouts::new(&raw, caps.immediates);
        let uniform = layouts.uniform.as_ref();
        let recorder = Recorder::new(&raw, &queue, &poison, &counts, uniform, options.dispatches_per_submit.max(1));
        let pipelines = Pipelines::new(&raw, &counts, caps.checked_shaders);
        let groups = BindGroups::new(&raw, &counts);
        let work = Mutex::new(Work { recorder, layouts, pipelines, groups });
        Shared { raw, summary, caps, poison, counts, pool, work, tables: Tables::default() }
    }
}

/// Has every failure that wgpu tells of poison the device, instead of wgpu's own handler, which panics.
fn watch(device: &wgpu::Device, poison: &Arc<Poison>, counts: &Arc<Counts>, limit: Option<u64>) {
    let (poison, lost, counts) = (poison.clone(), poison.clone(), counts.clone());
    device.on_uncaptured_error(Arc::new(move |error| {
        poison.set(match error {
            wgpu::Error::OutOfMemory { .. } => GpuError::OutOfMemory {
                asked: get(&counts.last_asked),
                in_use: get(&counts.live_bytes),
                allowed: limit,
            },
            wgpu::Error::Validation { description, .. } => GpuError::Validation(description),
            wgpu::Error::Internal { description, .. } => GpuError::Internal(description),
        });
    }));
    device.set_device_lost_callback(move |reason, message| {
        lost.set(GpuError::Lost(format!("{message} ({reason:?})")));
    });
}

/// The adapter's limits, except where the kernels' own rules are stricter.
fn required_limits(adapter: wgpu::Limits) -> wgpu::Limits {
    wgpu::Limits {
        max_storage_buffers_per_shader_stage: adapter::STORAGE_BUFFERS,
        max_compute_workgroup_storage_size: adapter::WORKGROUP_BYTES,
        max_compute_invocations_per_workgroup: adapter::INVOCATIONS,
        // Direct3D reserves memory for as many bindings at once; the bind-group cache holds no more than these.
        max_non_sampler_bindings: adapter.max_non_sampler_bindings.min(1 << 18),
        ..adapter
    }
}

fn caps(limits: &wgpu::Limits, features: wgpu::Features, options: &GpuOptions) -> Caps {
    let max_binding = limits.max_storage_buffer_binding_size.min(options.binding_limit.unwrap_or(u64::MAX));
    let has_immediates = features.contains(wgpu::Features::IMMEDIATES) && limits.max_immediate_size >= PARAMS_BYTES;
    Caps {
        max_binding: (max_binding & !(BINDING_ALIGNMENT - 1)).max(BINDING_ALIGNMENT),
        max_buffer: limits.max_buffer_size,
        immediates: has_immediates && !options.force_uniform_params,
        checked_shaders: options.checked_shaders,
    }
}

#[track_caller]
fn check_dispatch(kernel: &Kernel<'_>, bindings: &[Binding<'_>], params: &[u32], groups: [u32; 3]) {
    assert!(params.len() <= PARAMS_WORDS, "{}: {} parameter words, at most 16", kernel.name(), params.len());
    let most = adapter::STORAGE_BUFFERS as usize;
    assert!(bindings.len() <= most, "{}: {} bindings, at most {most}", kernel.name(), bindings.len());
    for b in bindings {
        let Binding { slot, offset, size, .. } = *b;
        let right = slot < 32 && offset % BINDING_ALIGNMENT == 0 && size > 0 && size % 4 == 0;
        assert!(
            right,
            "{}: slot {slot} (below 32) is bound at {offset} (a multiple of 256) with {size} bytes (a multiple of 4 \
             above 0)",
            kernel.name()
        );
    }
    let fits = groups.iter().all(|n| *n <= GROUPS_PER_DIMENSION);
    assert!(fits, "{}: a grid of {groups:?} workgroups, at most 65535 each", kernel.name());
}

/// What the first of several candidates gives that does not refuse; of none the error of the last.
async fn first_that_opens<C, T, F: Future<Output = Result<T, GpuError>>>(
    candidates: Vec<C>,
    open: impl Fn(C) -> F,
    mut refused: impl FnMut(&GpuError),
) -> Result<T, GpuError> {
    let mut last = GpuError::NoAdapter { wanted: "usable".to_owned(), present: Vec::new() };
    for candidate in candidates {
        match open(candidate).await {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                refused(&error);
                last = error;
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_that_gives_no_device_is_told_of_and_the_next_one_taken() {
        let refusal = |name: &str| GpuError::RequestDevice { adapter: name.to_owned(), reason: "busy".to_owned() };
        let open = async |name: &'static str| if name.starts_with("good") { Ok(name) } else { Err(refusal(name)) };
        let first = |names: &[&'static str]| {
            let mut told = Vec::new();
            let opened = pollster::block_on(first_that_opens(names.to_vec(), open, |e| told.push(e.clone())));
            (opened, told)
        };
        assert_eq!(first(&["good", "bad"]), (Ok("good"), vec![]));
        assert_eq!(
            first(&["bad", "worse", "good 2", "good 3"]),
            (Ok("good 2"), vec![refusal("bad"), refusal("worse")])
        );
        assert_eq!(first(&["bad", "worse"]).0, Err(refusal("worse")));
    }
}
