//! An operation from outside: the Swish-gated unit y = a σ(a) b as one kernel on each device, with a derivative that is itself
//! differentiable. `cargo run --release -p lethe-autograd --example custom_operation` checks it and prints what it saw.

use lethe_autograd::Var;
use lethe_autograd::gradcheck::{GradcheckError, GradcheckOptions, gradcheck, gradgradcheck};
use lethe_tensor::plan::{Custom, CustomKernel, Spec};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Float, Tensor, cpu, execute_one};
use std::sync::Arc;

/// The kernel: inputs at bindings 0 and 1, the output behind them; an element a thread.
const SWIGLU: &str = "
struct Params { n: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn swiglu(
  @builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>, @builtin(local_invocation_index) li: u32,
) {
  let i = (w.y * nw.x + w.x) * 256u + li;
  if (i < p.n) { y[i] = a[i] / (1.0 + exp(-max(a[i], -80.0))) * b[i]; }
}
";

/// The same on the CPU, in single and double precision.
fn on_cpu<T: Float>(inputs: &[cpu::Input<'_>], outputs: &mut [cpu::Output<'_>]) {
    let [a, b] = [0, 1].map(|i| inputs[i].values::<T>());
    for ((y, a), b) in outputs[0].values::<T>().iter_mut().zip(a).zip(b) {
        let (a, b) = (a.to_f64(), b.to_f64());
        *y = T::from_f64(a / (1.0 + (-a).exp()) * b);
    }
}

/// a σ(a) b for equal shapes. With s = σ(a): `da = dy b (s + a s (1 − s))`, `db = dy a s`.
fn swiglu(a: &Var, b: &Var) -> Var {
    let (n, dtype) = (a.numel(), a.tensor().computed_type());
    assert!(a.shape() == b.shape(), "swiglu: {:?} and {:?} differ", a.shape(), b.shape());
    let plan = Custom {
        name: "swiglu",
        outputs: vec![Spec::new(a.shape(), dtype)],
        flops: 6 * n as u64,
        bytes: 3 * (n * dtype.size()) as u64,
        cpu: if dtype == DType::F64 { Arc::new(on_cpu::<f64>) } else { Arc::new(on_cpu::<f32>) },
        gpu: Some(CustomKernel {
            entry: "swiglu",
            source: SWIGLU,
            params: vec![n as u32],
            workgroups: n.div_ceil(256) as u64,
        }),
    };
    let y = execute_one(plan, &[&a.tensor().contiguous(), &b.tensor().contiguous()]);
    let (x, gate) = (a.clone(), b.clone());
    Var::record("swiglu", &[a, b], y, move |dy| {
        let s = x.sigmoid();
        let slope = &s + &(&(&x * &s) * &s.rsub_scalar(1.0));
        vec![Some(&(dy * &gate) * &slope), Some(dy * &(&x * &s))]
    })
}

fn inputs(device: &Device, dtype: DType) -> [Tensor; 2] {
    [0, 1].map(|i| Tensor::normal(device, dtype, &[7, 33], Draw::new(i, [0; 3])))
}

/// First and second derivatives against finite differences, in doubles.
pub fn derivatives_are_right() -> Result<(), GradcheckError> {
    let inputs = inputs(&Device::cpu(), DType::F64);
    let options = GradcheckOptions::default();
    let unit = |x: &[Var]| swiglu(&x[0], &x[1]);
    let first = gradcheck(unit, &inputs, &options)?;
    let second = gradgradcheck(unit, &inputs, &options)?;
    println!("first derivatives: {} compared, error {:.1e}", first.compared, first.error);
    println!("second derivatives: {} compared, error {:.1e}", second.compared, second.error);
    Ok(())
}

/// The largest difference between a device and doubles.
pub fn largest_error(device: &Device) -> Result<f64, lethe_tensor::DeviceError> {
    let [a, b] = inputs(&Device::cpu(), DType::F32);
    let on = |device: &Device, dtype: DType| -> Result<Vec<f64>, lethe_tensor::DeviceError> {
        let [a, b] = [&a, &b].map(|t| t.to_dtype(dtype).to_device(device));
        let y = swiglu(&Var::constant(&a?), &Var::constant(&b?));
        y.tensor().to_device(&Device::cpu())?.to_dtype(DType::F64).to_vec()
    };
    let (got, exact) = (on(device, DType::F32)?, on(&Device::cpu(), DType::F64)?);
    Ok(got.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max))
}

/// All of it.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    derivatives_are_right()?;
    let device = Device::best()?;
    for device in [Device::cpu(), device] {
        println!("{device:?}: largest difference from doubles {:.1e}", largest_error(&device)?);
    }
    Ok(())
}
