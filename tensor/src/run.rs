//! Running plans: the one place where a plan meets a device, and a tensor that holds work gets its numbers.

use crate::cpu;
use crate::device::Device;
use crate::dtype::DType;
use crate::layout::{Layout, numel};
use crate::plan::{Copy, Elementwise, Plan, Run, Spec};
use crate::profile::{Operation, recorded};
use crate::storage::Storage;
use crate::tensor::{Pending, Tensor};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    static DEFERRING: Cell<bool> = const { Cell::new(false) };
    /// The operations that this thread has run.
    static FLOPS: Cell<u64> = const { Cell::new(0) };
}

/// Sets the flag of this thread until the result is dropped.
fn deferring(on: bool) -> impl Drop {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            DEFERRING.set(self.0);
        }
    }
    Reset(DEFERRING.replace(on))
}

/// Runs `f`; plans of one output that it executes are deferred until their result is needed, so that the caller can give the last
/// of them a destination ([`store`]). This is how a backward pass writes a weight's gradient where it belongs.
pub fn defer<R>(f: impl FnOnce() -> R) -> R {
    let _reset = deferring(true);
    f()
}

/// Runs `f`, and counts the floating-point operations of the plans that this thread runs meanwhile, as [`Plan::flops`](crate::plan::Plan::flops)
/// gives them. Elementwise operations are deferred, so that those of tensors that were made before may be among them.
///
/// # Examples
/// ```
/// use lethe_tensor::{Device, Tensor, count_flops};
/// let x = Tensor::from_slice(&Device::cpu(), &[1.0f32; 200], &[10, 20]);
/// let (_, flops) = count_flops(|| x.matmul(&x.transpose(0, 1)));
/// assert_eq!(flops, 2 * 10 * 20 * 10);
/// ```
pub fn count_flops<R>(f: impl FnOnce() -> R) -> (R, u64) {
    let before = FLOPS.get();
    let result = f();
    (result, FLOPS.get().wrapping_sub(before))
}

/// A run of elements of a storage that a plan writes.
struct Target<'a> {
    storage: &'a mut Storage,
    dtype: DType,
    start: usize,
    len: usize,
    add: bool,
}

/// Runs a plan on the device of its inputs and returns its outputs.
///
/// # Panics
/// If inputs are missing or lie on different devices.
#[track_caller]
pub fn execute<P: Run>(plan: P, inputs: &[&Tensor]) -> Vec<Tensor> {
    let device = inputs.first().expect("a plan has an input").device();
    for t in inputs {
        assert!(
            t.device().same(device),
            "{}: inputs on {:?} and {:?}; move one with to_device",
            plan.name(),
            device,
            t.device()
        );
    }
    let widened = widened(&plan, inputs);
    let inputs = &widened.as_ref().map_or_else(|| inputs.to_vec(), |all| all.iter().collect())[..];
    let specs = plan.outputs();
    if DEFERRING.get()
        && let [spec] = &specs[..]
    {
        let inputs = inputs.iter().map(|t| (*t).clone()).collect();
        let pending = Pending::Plan { plan: Arc::new(plan), inputs };
        return vec![Tensor::pending(device, spec.dtype, &spec.shape, pending)];
    }
    let storages = fresh(device, &plan, inputs, &specs);
    specs
        .iter()
        .zip(storages)
        .map(|(spec, storage)| Tensor::view(device, spec.dtype, Layout::contiguous(&spec.shape), storage))
        .collect()
}

/// [`execute`] for plans of one output.
#[track_caller]
pub fn execute_one<P: Run>(plan: P, inputs: &[&Tensor]) -> Tensor {
    execute(plan, inputs).swap_remove(0)
}

/// Runs a plan that updates its outputs in place. A target that shares its storage is copied first.
///
/// # Panics
/// If a target does not have the size that the plan names.
#[track_caller]
pub fn execute_in_place<P: Run>(plan: P, inputs: &[&Tensor], targets: &mut [&mut Tensor]) {
    let device = targets[0].device().clone();
    for t in inputs.iter().copied().chain(targets.iter().map(|t| &**t)) {
        assert!(t.device().same(&device), "{}: tensors on {device:?} and {:?}", plan.name(), t.device());
    }
    let widened = widened(&plan, inputs);
    let inputs = &widened.as_ref().map_or_else(|| inputs.to_vec(), |all| all.iter().collect())[..];
    let specs = plan.outputs();
    let mut run: Vec<Target<'_>> = vec![];
    for (t, spec) in targets.iter_mut().zip(&specs) {
        let len = numel(&spec.shape);
        assert!(t.numel() == len && t.dtype() == spec.dtype, "{}: a target is {t:?}, not {spec:?}", plan.name());
        run.push(Target { dtype: spec.dtype, storage: t.make_unique(), start: 0, len, add: false });
    }
    dispatch(&device, &plan, inputs, &mut run);
}

/// The inputs in the types that they are computed in, where some are 16-bit floats and the plan does not take these.
fn widened(plan: &dyn Run, inputs: &[&Tensor]) -> Option<Vec<Tensor>> {
    let halves = !plan.takes_halves() && inputs.iter().any(|t| t.dtype() != t.computed_type());
    halves.then(|| inputs.iter().map(|t| t.to_dtype(t.computed_type())).collect())
}

/// Writes `value` to elements `start ..` of a vector, or adds it to what is there. Deferred work is done straight into its place.
///
/// # Panics
/// If the value reaches beyond the end of the vector, types or devices differ, or the type has fewer than 32 bits.
#[track_caller]
pub fn store(value: &Tensor, vector: &mut Tensor, start: usize, add: bool) {
    let (dtype, len) = (value.dtype(), value.numel());
    assert!(dtype == vector.dtype() && start + len <= vector.numel(), "store: {value:?} at {start} of {vector:?}");
    let device = value.device().clone();
    assert!(vector.device().same(&device), "store: {value:?} into {vector:?}; move one with to_device");
    assert!(dtype.size() >= 4, "store: vectors of {dtype} take no parts; convert with to_dtype");
    if len == 0 {
        return;
    }
    let pending = value.unevaluated();
    let mut into = |plan: &dyn Run, inputs: &[&Tensor]| {
        let target = Target { storage: vector.make_unique(), dtype, start, len, add };
        dispatch(&device, plan, inputs, &mut [target]);
    };
    match pending {
        Some(Pending::Elementwise { expr, leaves }) => {
            into(&elementwise(expr, &leaves, value.shape(), dtype), &leaves.iter().collect::<Vec<_>>());
        }
        Some(Pending::Plan { plan, inputs }) if !add || plan.accumulates() => {
            into(&*plan, &inputs.iter().collect::<Vec<_>>());
        }
        _ => into(&Copy { from: dtype, to: dtype, shape: value.shape().to_vec() }, &[value]),
    }
}

/// A contiguous copy in a storage of its own.
pub(crate) fn copy(t: &Tensor) -> Tensor {
    let plan = Copy { from: t.dtype(), to: t.dtype(), shape: t.shape().to_vec() };
    let mut storages = fresh(t.device(), &plan, &[t], &plan.outputs());
    Tensor::view(t.device(), t.dtype(), Layout::contiguous(t.shape()), storages.swap_remove(0))
}

/// Does a tensor's deferred work.
#[track_caller]
fn evaluate(t: &Tensor, pending: Pending) -> Storage {
    let spec = [Spec::new(t.shape(), t.dtype())];
    let mut storages = match pending {
        Pending::Elementwise { expr, leaves } => {
            let plan = elementwise(expr, &leaves, t.shape(), t.dtype());
            fresh(t.device(), &plan, &leaves.iter().collect::<Vec<_>>(), &spec)
        }
        Pending::Plan { plan, inputs } => fresh(t.device(), &*plan, &inputs.iter().collect::<Vec<_>>(), &spec),
    };
    storages.swap_remove(0)
}

fn elementwise(expr: crate::expr::Expr, leaves: &[Tensor], shape: &[usize], dtype: DType) -> Elementwise {
    let distinct = |l: &Layout| l.shape.iter().zip(&l.strides).filter(|(_, s)| **s != 0).map(|(n, _)| *n).product();
    let plan = Elementwise {
        expr,
        shape: shape.to_vec(),
        dtype,
        dtypes: leaves.iter().map(Tensor::dtype).collect(),
        distinct: leaves.iter().map(|l| distinct(l.layout())).collect(),
    };
    #[cfg(feature = "gpu")]
    crate::gpu::catch(&plan, leaves.iter().map(Tensor::layout));
    plan
}

impl Tensor {
    /// The same elements with a different layout.
    pub(crate) fn with_layout(&self, layout: Layout) -> Tensor {
        Tensor::view(&self.0.device, self.0.dtype, layout, self.storage().clone())
    }

    /// The storage; deferred work is done now, and its result kept.
    ///
    /// No lock is held meanwhile: a thread that waits for others in a kernel may run another job, and that may want this very tensor. Two
    /// threads may then do the work twice, with the same result; the first one's stays.
    #[track_caller]
    pub(crate) fn storage(&self) -> &Storage {
        if let Some(pending) = self.unevaluated() {
            let result = evaluate(self, pending);
            let _ = self.0.storage.set(result);
            // Only after the result is set, so that a thread that finds no pending work finds the result.
            self.0.pending.lock().expect("no holder panics").take();
        }
        self.0.storage.get().expect("evaluated, here or by another thread")
    }

    /// Unique access to the storage of a contiguous tensor that starts at 0: a shared one is copied first.
    pub(crate) fn make_unique(&mut self) -> &mut Storage {
        self.storage();
        let unique = self.0.layout.offset == 0
            && self.0.layout.is_contiguous()
            && Arc::get_mut(&mut self.0).is_some_and(|i| i.storage.get_mut().is_some_and(Storage::is_unique));
        if !unique {
            *self = copy(self);
        }
        let inner = Arc::get_mut(&mut self.0).expect("the only handle");
        inner.storage.get_mut().expect("evaluated above")
    }

    /// Does the deferred work, if any.
    ///
    /// # Panics
    /// If the CPU does not have enough memory.
    #[track_caller]
    pub fn force(&self) -> &Tensor {
        self.storage();
        self
    }

    /// Does the work now if it is a plan deferred by [`crate::defer`]; an elementwise expression stays one.
    pub fn run_deferred(&self) {
        if let Some(Pending::Plan { .. }) = self.unevaluated() {
            self.storage();
        }
    }
}

/// Runs a plan into fresh storages.
#[track_caller]
fn fresh(device: &Device, plan: &dyn Run, inputs: &[&Tensor], specs: &[Spec]) -> Vec<Storage> {
    let mut storages = Vec::with_capacity(specs.len());
    for s in specs {
        let bytes = numel(&s.shape) as u128 * s.dtype.size() as u128;
        device.check_room(plan.name(), s.dtype, &s.shape);
        let Some(storage) = usize::try_from(bytes).ok().and_then(|bytes| Storage::new(device, bytes)) else {
            panic!("{}: no memory of {bytes} bytes is left for a result {} {:?}", plan.name(), s.dtype, s.shape)
        };
        storages.push(storage);
    }
    let mut targets: Vec<Target<'_>> = storages
        .iter_mut()
        .zip(specs)
        .map(|(storage, s)| Target { storage, dtype: s.dtype, start: 0, len: numel(&s.shape), add: false })
        .collect();
    if targets.iter().any(|t| t.len > 0) {
        dispatch(device, plan, inputs, &mut targets);
    }
    storages
}

/// A plan as the profiler shows it.
fn describe(plan: &dyn Run, inputs: &[&Tensor], len: usize) -> Operation {
    let Spec { shape, dtype } = plan.outputs().into_iter().next().expect("a plan has an output");
    Operation {
        name: plan.name(),
        dtype,
        inputs: inputs.iter().map(|t| t.shape().to_vec()).collect(),
        output: if numel(&shape) == len { shape } else { vec![len] },
        flops: plan.flops(),
        bytes: plan.bytes(),
        start: Duration::ZERO,
        host: Duration::ZERO,
        device: None,
        memory: 0,
    }
}

fn dispatch(device: &Device, plan: &dyn Run, inputs: &[&Tensor], targets: &mut [Target<'_>]) {
    // While a kernel waits for other threads, this one may run another caller's job: that must not be deferred.
    let _reset = deferring(false);
    FLOPS.set(FLOPS.get().wrapping_add(plan.flops()));
    let len = targets.first().map_or(0, |target| target.len);
    let describe = || describe(plan, inputs, len);
    match device {
        Device::Cpu(cpu) => {
            let inputs: Vec<cpu::Input<'_>> = inputs
                .iter()
                .map(|t| match t.storage() {
                    Storage::Cpu(buffer) => cpu::Input::new(buffer, t.dtype(), t.layout()),
                    #[cfg(feature = "gpu")]
                    Storage::Gpu(_) => unreachable!("devices were compared"),
                })
                .collect();
            let mut outputs: Vec<cpu::Output<'_>> = targets
                .iter_mut()
                .map(|t| match t.storage {
                    Storage::Cpu(b) => {
                        let buffer = Arc::get_mut(b).expect("a target's storage has one owner");
                        cpu::Output::new(buffer, t.dtype, t.start, t.len, t.add)
                    }
                    #[cfg(feature = "gpu")]
                    Storage::Gpu(_) => unreachable!("devices were compared"),
                })
                .collect();
            recorded(device, describe, || cpu.run(|| plan.cpu(&inputs, &mut outputs)));
        }
        #[cfg(feature = "gpu")]
        Device::Gpu(gpu) => {
            let inputs: Vec<crate::gpu::Input<'_>> = inputs
                .iter()
                .map(|t| match t.storage() {
                    Storage::Gpu(buffer) => crate::gpu::Input { buffer, dtype: t.dtype(), layout: t.layout() },
                    Storage::Cpu(_) => unreachable!("devices were compared"),
                })
                .collect();
            let outputs: Vec<crate::gpu::Output<'_>> = targets
                .iter()
                .map(|t| match &*t.storage {
                    Storage::Gpu(buffer) => {
                        crate::gpu::Output { buffer, dtype: t.dtype, start: t.start, len: t.len, add: t.add }
                    }
                    Storage::Cpu(_) => unreachable!("devices were compared"),
                })
                .collect();
            recorded(device, describe, || crate::gpu::plans::run(plan, gpu, &inputs, &outputs));
        }
    }
}
