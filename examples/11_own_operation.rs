//! Lesson 11: an operation of one's own, with a kernel for each device and a derivative.
//!
//! y = ln cosh x, a loss that is quadratic near 0 and linear far away, as one kernel; its derivative is tanh x.

use lethe::prelude::*;
use lethe::tensor::plan::{Custom, CustomKernel, Spec};
use lethe::tensor::{Float, cpu, execute_one};
use std::sync::Arc;

/// On a GPU: one element a thread. Written as |x| + ln(1 + e^(−2|x|)) − ln 2, so that nothing overflows.
const KERNEL: &str = "
struct Params { n: u32 }
var<immediate> p: Params;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(256)
fn log_cosh(@builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) nw: vec3<u32>, @builtin(local_invocation_index) li: u32) {
  let i = (w.y * nw.x + w.x) * 256u + li;
  if (i < p.n) { let a = abs(x[i]); y[i] = a + log(1.0 + exp(-2.0 * a)) - 0.6931472; }
}";

/// The same on the CPU, in either precision.
fn on_cpu<T: Float>(inputs: &[cpu::Input<'_>], outputs: &mut [cpu::Output<'_>]) {
    for (y, x) in outputs[0].values::<T>().iter_mut().zip(inputs[0].values::<T>()) {
        let a = x.to_f64().abs();
        *y = T::from_f64(a + (-2.0 * a).exp().ln_1p() - std::f64::consts::LN_2);
    }
}

/// ln cosh x; `dx = dy tanh x`. The rule is written in differentiable operations, so second derivatives come with it.
pub fn log_cosh(x: &Var) -> Var {
    let (n, dtype) = (x.numel(), x.tensor().computed_type());
    let plan = Custom {
        name: "log_cosh",
        outputs: vec![Spec::new(x.shape(), dtype)],
        flops: 6 * n as u64,
        bytes: 2 * (n * dtype.size()) as u64,
        cpu: if dtype == DType::F64 { Arc::new(on_cpu::<f64>) } else { Arc::new(on_cpu::<f32>) },
        gpu: Some(CustomKernel {
            entry: "log_cosh",
            source: KERNEL,
            params: vec![n as u32],
            workgroups: n.div_ceil(256) as u64,
        }),
    };
    let y = execute_one(plan, &[&x.tensor().contiguous()]);
    let kept = x.clone();
    Var::record("log_cosh", &[x], y, move |dy| vec![Some(dy * kept.tanh())])
}

/// Checks the derivative, and shows the operation on each device.
pub fn main() -> Result<(), DeviceError> {
    let x = Tensor::normal(&Device::cpu(), DType::F64, &[3, 4], Draw::new(0, [0; 3]));
    let report = gradcheck(|v| log_cosh(&v[0]), &[x], &GradcheckOptions::default()).expect("the rule is right");
    println!("{} derivatives agree with differences, the worst to {:.0e}", report.compared, report.error);

    for device in [Some(Device::cpu()), gpu()].into_iter().flatten() {
        let x = Var::constant(&Tensor::new(&device, [-100.0, -1.0, 0.0, 1.0, 100.0]));
        println!("{}", log_cosh(&x));
    }
    Ok(())
}

/// A GPU, a software one too, if there is any.
fn gpu() -> Option<Device> {
    #[cfg(feature = "gpu")]
    return Device::gpu().ok();
    #[cfg(not(feature = "gpu"))]
    None
}
