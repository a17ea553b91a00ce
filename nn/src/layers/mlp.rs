//! The two-layer perceptron of a transformer block.

use super::{Dropout, Layer, Linear};
use crate::{Builder, Forward, Init};
use lethe_autograd::Var;

/// `fc2(gelu(fc1(x)))` of x […, width], with dropout after each.
///
/// # Examples
/// ```
/// # use lethe_nn::layers::Mlp;
/// # use lethe_nn::{Builder, Layer, predict};
/// # use lethe_tensor::{DType, Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = Mlp::new(&mut b, 2, 8, 0.0); // width 2, 8 hidden units, no dropout
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// assert_eq!(theta.layout().count(), 42); // fc1 has 2 · 8 + 8 parameters, fc2 8 · 2 + 2
/// let tokens = Tensor::ones(&Device::cpu(), DType::F32, &[3, 5, 2]);
/// assert_eq!(predict(&theta, &state, &tokens, &|f, x| layer.forward(f, x)).shape(), [3, 5, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
    drops: [Dropout; 2],
}

impl Mlp {
    /// Xavier-uniform weights; biases N(0, 1e-6), as the paper's ViT has them.
    #[track_caller]
    pub fn new(b: &mut Builder, width: usize, hidden: usize, dropout: f64) -> Mlp {
        let mut linear = |name: &str, i: usize, o: usize| {
            let weight = Init::XavierUniform { fan_in: i, fan_out: o };
            b.within(name, |b| Linear::with(b, i, o, weight, Some(Init::Normal { std: 1e-6 })))
        };
        let (fc1, fc2) = (linear("fc1", width, hidden), linear("fc2", hidden, width));
        Mlp { fc1, fc2, drops: [Dropout::new(b, dropout), Dropout::new(b, dropout)] }
    }
}

impl Layer for Mlp {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let h = self.drops[0].forward(f, &self.fc1.forward(f, x).gelu());
        self.drops[1].forward(f, &self.fc2.forward(f, &h))
    }
}
