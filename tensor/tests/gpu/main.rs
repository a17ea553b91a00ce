//! Plans on the GPU against the double-precision reference of the CPU: every kernel, with wgpu's checks and without, which must agree to the
//! last bit. Skips, saying so, where there is no adapter, unless `LETHE_REQUIRE_GPU=1`.
#![cfg(feature = "gpu")]

mod attention;
mod batch_norm;
mod conv;
mod elementwise;
#[path = "../shared/functions.rs"]
mod functions;
mod layer_norm;
mod loss;
mod matmul;
mod movement;
mod pool;
mod reduce;
mod sizes;
mod softmax;
mod update;

use std::sync::{Mutex, MutexGuard, OnceLock};

use lethe_tensor::gpu::{GpuDevice, GpuOptions};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor};

/// A device of its own for a test; `None`, said aloud, where there is no adapter.
fn open(options: GpuOptions) -> Option<Device> {
    GpuDevice::for_tests(options).map(Device::Gpu)
}

/// The devices that every case runs on: with checked shaders and without, the latter with parameters in a uniform buffer. Empty where there
/// is no adapter. Hold the guard as long as a tensor lives on one of them: what is allocated and freed beside a test that counts
/// bind groups changes which buffers that test gets.
fn devices() -> MutexGuard<'static, Vec<Device>> {
    static DEVICES: OnceLock<Mutex<Vec<Device>>> = OnceLock::new();
    let open = |checked_shaders, force_uniform_params| {
        open(GpuOptions { checked_shaders, force_uniform_params, ..GpuOptions::default() })
    };
    let all = DEVICES.get_or_init(|| Mutex::new(open(true, false).into_iter().chain(open(false, true)).collect()));
    all.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Numbers of the normal distribution, on the CPU.
fn normal(shape: &[usize], seed: u64) -> Tensor {
    Tensor::normal(&Device::cpu(), DType::F32, shape, Draw::new(seed, [0; 3])).force().clone()
}

/// A contiguous tensor's elements as doubles.
fn numbers(t: &Tensor) -> Vec<f64> {
    match t.dtype() {
        DType::F32 => t.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect(),
        DType::U32 => t.to_vec::<u32>().unwrap().into_iter().map(f64::from).collect(),
        DType::I32 => t.to_vec::<i32>().unwrap().into_iter().map(f64::from).collect(),
        DType::F64 => t.to_vec().unwrap(),
        DType::F16 | DType::BF16 => numbers(&t.to_dtype(DType::F32)),
    }
}

/// `f` of the inputs on each GPU device against `f` of them in double precision: `|error| ≤ bound · (1 + |expected|)` element by element.
fn check(what: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Vec<Tensor>, bound: f64) {
    check_by(what, inputs, f, |_, expected| bound * (1.0 + expected.abs()));
}

/// [`check`] with a bound that is a function of (output, element) and of the expected value.
fn check_by(
    what: &str,
    inputs: &[Tensor],
    f: impl Fn(&[Tensor]) -> Vec<Tensor>,
    bound: impl Fn((usize, usize), f64) -> f64,
) {
    let widened = |t: &Tensor| if t.dtype() == DType::F32 { t.to_dtype(DType::F64) } else { t.clone() };
    let wide: Vec<Tensor> = inputs.iter().map(widened).collect();
    let expected: Vec<Vec<f64>> = f(&wide).iter().map(numbers).collect();
    let mut first: Option<Vec<Vec<f64>>> = None;
    for device in devices().iter() {
        let there: Vec<Tensor> = inputs.iter().map(|t| t.to_device(device).unwrap()).collect();
        let got: Vec<Vec<f64>> = f(&there).iter().map(numbers).collect();
        assert_eq!(got.len(), expected.len(), "{what}: outputs");
        for (output, (g, e)) in got.iter().zip(&expected).enumerate() {
            assert_eq!(g.len(), e.len(), "{what}: elements of output {output}");
            for (i, (g, e)) in g.iter().zip(e).enumerate() {
                let close = g == e || g.is_nan() && e.is_nan() || (g - e).abs() <= bound((output, i), *e);
                assert!(close, "{what}, output {output}, element {i}: {g}, expected {e}");
            }
        }
        let same = |a: &f64, b: &f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        match &first {
            Some(first) => {
                let equal = first.iter().flatten().zip(got.iter().flatten()).all(|(a, b)| same(a, b));
                assert!(equal, "{what}: checked and unchecked shaders differ");
            }
            None => first = Some(got),
        }
    }
}

/// From the third time on a step gives what it gave, and creates no buffers, bind groups or pipelines.
fn assert_settles(inputs: &[Tensor], step: impl Fn(&[Tensor]) -> Tensor) {
    for device in devices().iter() {
        let Device::Gpu(gpu) = device else { unreachable!("a GPU") };
        let there: Vec<Tensor> = inputs.iter().map(|t| t.to_device(device).unwrap()).collect();
        let first = numbers(&step(&there));
        for i in 0..4 {
            gpu.submit();
            let before = gpu.counters();
            let again = step(&there).force().clone();
            let since = gpu.counters().since(&before);
            let created = (since.buffers_created, since.bind_groups_created, since.pipelines_created);
            assert!(since.dispatches > 0 && (i == 0 || created == (0, 0, 0)), "step {}: {since:?}", i + 2);
            assert_eq!(numbers(&again), first);
        }
    }
}
