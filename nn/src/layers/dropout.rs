//! Dropout.

use super::Layer;
use crate::{Builder, Forward};
use lethe_autograd::Var;

/// Zeroes elements with probability p while training, and scales the others by 1 / (1 − p). Any shape; nothing is done in evaluation.
///
/// # Examples
/// ```
/// # use lethe_autograd::Var;
/// # use lethe_nn::layers::Dropout;
/// # use lethe_nn::{Builder, Forward, Layer, Pass};
/// # use lethe_tensor::{DType, Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = Dropout::new(&mut b, 0.5);
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// # let params = theta.constants();
/// let x = Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, &[100]));
/// let y = |pass: Pass| layer.forward(&Forward::new(&params, &state, pass), &x).to_vec::<f32>();
/// assert!(y(Pass::train(0, 0, 0))?.iter().all(|v| *v == 0.0 || *v == 2.0));
/// assert_eq!(y(Pass::train(0, 0, 0))?, y(Pass::train(0, 0, 0))?); // the same key, the same mask
/// assert_eq!(y(Pass::evaluate())?, vec![1.0; 100]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dropout {
    p: f64,
    layer: u32,
}

impl Dropout {
    /// A layer of probability `p`.
    ///
    /// # Panics
    /// If `p` is not in [0, 1).
    #[track_caller]
    pub fn new(b: &mut Builder, p: f64) -> Dropout {
        assert!((0.0..1.0).contains(&p), "Dropout: the probability {p} is not in [0, 1)");
        Dropout { p, layer: b.dropout() }
    }
}

impl Layer for Dropout {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        match f.draw(self.layer) {
            Some(draw) if self.p > 0.0 => x.dropout(self.p, draw),
            _ => x.clone(),
        }
    }
}
