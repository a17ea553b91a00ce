//! Stochastic depth.

use super::Layer;
use crate::{Builder, Forward};
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// Zeroes a whole sample with probability p while training, and scales the others by 1 / (1 − p): at the end of a residual branch the sample then
/// skips that branch (stochastic depth). Samples lie along the first axis; nothing is done in evaluation.
///
/// # Examples
/// ```
/// # use lethe_autograd::Var;
/// # use lethe_nn::layers::DropPath;
/// # use lethe_nn::{Builder, Forward, Layer, Pass};
/// # use lethe_tensor::{DType, Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = DropPath::new(&mut b, 0.5);
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// # let params = theta.constants();
/// let branch = Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, &[100, 3]));
/// let y = |pass: Pass| layer.forward(&Forward::new(&params, &state, pass), &branch).to_vec::<f32>();
/// assert!(y(Pass::train(0, 0, 0))?.chunks(3).all(|sample| sample == [0.0; 3] || sample == [2.0; 3]));
/// assert_eq!(y(Pass::train(0, 0, 0))?, y(Pass::train(0, 0, 0))?); // the same key, the same samples
/// assert_eq!(y(Pass::evaluate())?, vec![1.0; 300]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DropPath {
    p: f64,
    layer: u32,
}

impl DropPath {
    /// A layer of probability `p`. At 0 it takes no number of the builder's, so that the masks of other layers are those of a model without it.
    ///
    /// # Panics
    /// If `p` is not in [0, 1).
    #[track_caller]
    pub fn new(b: &mut Builder, p: f64) -> DropPath {
        assert!((0.0..1.0).contains(&p), "DropPath: the probability {p} is not in [0, 1)");
        DropPath { p, layer: if p > 0.0 { b.dropout() } else { 0 } }
    }

    /// The probability of block `i` of `blocks`: it grows linearly with depth, from 0 at the first to `most` at the last.
    pub fn rate(most: f64, i: usize, blocks: usize) -> f64 {
        if blocks > 1 { most * i as f64 / (blocks - 1) as f64 } else { 0.0 }
    }
}

impl Layer for DropPath {
    /// # Panics
    /// If x has no axis.
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let Some(draw) = f.draw(self.layer).filter(|_| self.p > 0.0) else { return x.clone() };
        assert!(x.rank() > 0, "DropPath: a scalar has no axis of samples");
        let mut shape = vec![1; x.rank()];
        shape[0] = x.shape()[0];
        let keep = 1.0 - self.p;
        let mask = Tensor::bernoulli(x.device(), x.tensor().computed_type(), &shape, keep, draw);
        x * &Var::constant(&mask.mul_scalar(1.0 / keep))
    }
}
