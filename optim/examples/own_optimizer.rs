//! An optimiser of one's own: its formula, and nothing else. It becomes one kernel on each device; clipping, parameter groups, frozen parameters and
//! checkpoints are there without a line.
//!
//! ```sh
//! cargo run -p lethe-optim --example own_optimizer
//! ```

use lethe_autograd::{ParamId, Var};
use lethe_nn::loss::Mse;
use lethe_nn::{Builder, Forward, Init};
use lethe_optim::{At, Batch, Descent, Extragradient, Optimizer, Perturbation, Rule};
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Numeric, Tensor};

/// AMSGrad without bias corrections: Adam that divides by the largest mean square so far.
///
/// ```text
/// μ ← β₁ μ + (1 − β₁) g      ν ← β₂ ν + (1 − β₂) g²      ν̂ ← max(ν̂, ν)
/// θ ← θ − lr (decay θ + μ / (√ν̂ + eps))
/// ```
#[derive(Clone)]
struct AmsGrad {
    betas: [f64; 2],
    eps: f64,
}

impl Rule<4> for AmsGrad {
    const NAME: &'static str = "amsgrad";
    const VECTORS: [&'static str; 4] = ["theta", "amsgrad.mean", "amsgrad.square", "amsgrad.largest"];

    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, m, v, largest]: [X; 4], at: At<X>) -> [X; 4] {
        let m = m + (at.grad - m) * (1.0 - self.betas[0]);
        let v = v + (at.grad.square() - v) * (1.0 - self.betas[1]);
        let largest = largest.max(v);
        let step = m / (largest.sqrt() + self.eps);
        [theta - at.lr * (at.decay * theta + step), m, v, largest]
    }
}

fn main() {
    // A line through noisy points, found by SAM.
    let device = Device::cpu();
    let x = Tensor::normal(&device, DType::F32, &[64, 1], Draw::new(1, [0; 3]));
    let noise = Tensor::normal(&device, DType::F32, &[64, 1], Draw::new(2, [0; 3]));
    let y = x.mul_scalar(3.0).add_scalar(-1.0).add(&noise.mul_scalar(0.1));
    let batch = Batch { inputs: x.force().clone(), targets: y.force().clone() };

    let mut builder = Builder::new();
    let [slope, offset]: [ParamId; 2] =
        ["slope", "offset"].map(|name| builder.param(name, &[1, 1], Init::Constant(0.0)));
    let (mut theta, state) = builder.finish().init(&device, 0);
    let line = |f: &Forward<'_>, x: &Var| &x.matmul(&f.param(slope)) + &f.param(offset);

    let sam = Extragradient::sam(Perturbation::Steepest, Mse).slices_of(16);
    let mut amsgrad = Descent::new(AmsGrad { betas: [0.9, 0.99], eps: 1e-8 }, &theta, 0.0, &[]);
    amsgrad.clip = 1.0;
    for t in 0..200 {
        let out = sam.gradient(&theta, &state, &batch, 0.01, t, &line);
        amsgrad.step(&mut theta, &out.update, 0.1);
        if t % 50 == 0 {
            println!("update {t:3}: loss {:.4}", out.loss.item::<f32>().expect("the CPU does not fail"));
        }
    }
    let found =
        [slope, offset].map(|id| theta.layout().view(theta.values(), id).item::<f32>().expect("the CPU does not fail"));
    println!("y = {:.2} x + {:.2}, made with y = 3 x − 1", found[0], found[1]);
    assert!((found[0] - 3.0).abs() < 0.1 && (found[1] + 1.0).abs() < 0.1);
}
