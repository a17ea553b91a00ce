//! Lesson 14: an optimiser of one's own.
//!
//! An optimiser is the formula of its step. The formula becomes one kernel on each device; clipping, parameter groups, frozen parameters and
//! checkpoints need no further code.

use lethe::prelude::*;

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

impl UpdateRule<4> for AmsGrad {
    const NAME: &'static str = "amsgrad";
    const VECTORS: [&'static str; 4] = ["theta", "amsgrad.mean", "amsgrad.square", "amsgrad.largest"];

    #[inline(always)]
    fn step<X: Numeric>(&self, [theta, m, v, largest]: [X; 4], at: StepInputs<X>) -> [X; 4] {
        let m = m + (at.grad - m) * (1.0 - self.betas[0]);
        let v = v + (at.grad.square() - v) * (1.0 - self.betas[1]);
        let largest = largest.max(v);
        let step = m / (largest.sqrt() + self.eps);
        [theta - at.lr * (at.decay * theta + step), m, v, largest]
    }
}

fn main() -> Result<(), DeviceError> {
    // A line through noisy points, found by SAM.
    let device = Device::best()?;
    let x = Tensor::randn(&device, &[64, 1], 1);
    let y = &x * 3.0 - 1.0 + Tensor::randn(&device, &[64, 1], 2) * 0.1;
    let batch = Batch { inputs: x, targets: y };

    let mut b = Builder::new();
    let [slope, offset] = ["slope", "offset"].map(|name| b.param(name, &[1, 1], Init::Constant(0.0)));
    let (mut theta, state) = b.finish().init(&device, 0);
    let line = |f: &Forward<'_>, x: &Var| x.matmul(&f.param(slope)) + f.param(offset);

    let sam = Extragradient::sam(Perturbation::Steepest, Mse).slices_of(16);
    let mut amsgrad = Descent::new(AmsGrad { betas: [0.9, 0.99], eps: 1e-8 }, &theta, 0.0);
    amsgrad.clip = 1.0;
    for update in 0..200 {
        let step = sam.gradient(&theta, &state, &batch, 0.01, update, &line);
        amsgrad.step(&mut theta, &step.update, 0.1);
        if update % 50 == 0 {
            println!("update {update:3}: loss {:.4}", step.loss.item::<f32>()?);
        }
    }
    let number = |id: ParamId| theta.layout().view(theta.values(), id).item::<f32>();
    let (slope, offset) = (number(slope)?, number(offset)?);
    println!("y = {slope:.2} x + {offset:.2}, made with y = 3 x − 1");
    assert!((slope - 3.0).abs() < 0.1 && (offset + 1.0).abs() < 0.1);
    Ok(())
}
