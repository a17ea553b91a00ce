//! Multi-head self-attention.

use super::{Dropout, Layer, Linear};
use crate::{Builder, Forward, Init};
use lethe_autograd::Var;

/// Attention of x (n, tokens, width) to itself under timm's names: one projection `qkv` to Q, K and V of all heads, attention without stored scores,
/// and a projection `proj` back. [`super::MultiHeadAttention`] has PyTorch's names and masks.
///
/// # Examples
/// ```
/// # use lethe_nn::layers::SelfAttention;
/// # use lethe_nn::{Builder, Layer, predict};
/// # use lethe_tensor::{Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = SelfAttention::new(&mut b, 16, 4, 0.0); // width 16, 4 heads, no dropout
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let x = Tensor::randn(&Device::cpu(), &[2, 5, 16], 0); // 2 sequences of 5 tokens
/// let y = |x: &Tensor| predict(&theta, &state, x, &|f, x| layer.forward(f, x));
/// assert_eq!(y(&x).shape(), [2, 5, 16]);
/// // Attention does not know the order of tokens: reversed, they give the same, reversed.
/// assert!(y(&x.flip(&[1])).sub(&y(&x).flip(&[1])).norm().item::<f32>()? < 1e-4);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SelfAttention {
    qkv: Linear,
    proj: Linear,
    drop: Dropout,
    heads: usize,
}

impl SelfAttention {
    /// Xavier-uniform weights, the three projections drawn as separate matrices; biases 0.
    ///
    /// # Panics
    /// If the heads do not divide the width.
    #[track_caller]
    pub fn new(b: &mut Builder, width: usize, heads: usize, dropout: f64) -> SelfAttention {
        assert!(heads > 0 && width.is_multiple_of(heads), "attention: {heads} heads do not divide a width of {width}");
        let weight = Init::XavierUniform { fan_in: width, fan_out: width };
        SelfAttention {
            qkv: b.within("qkv", |b| Linear::with(b, width, 3 * width, weight, Some(Init::Constant(0.0)))),
            proj: b.within("proj", |b| Linear::xavier(b, width, width)),
            drop: Dropout::new(b, dropout),
            heads,
        }
    }
}

impl Layer for SelfAttention {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let &[n, tokens, width] = x.shape() else { panic!("attention: x {:?} is not (n, tokens, width)", x.shape()) };
        let dim = width / self.heads;
        let qkv = self.qkv.forward(f, x).reshape(&[n, tokens, 3, self.heads, dim]);
        let o = qkv.packed_attention(1.0 / (dim as f64).sqrt(), false).reshape(&[n, tokens, width]);
        self.drop.forward(f, &self.proj.forward(f, &o))
    }
}
