//! A table of vectors.

use super::Layer;
use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Var};
use lethe_tensor::DType;

/// Rows of `weight` (entries, width) by number: x […] of `u32` to […, width]. The gradient of a row is the sum over the places that read it.
///
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::layers::Embedding;
/// use lethe_nn::{Builder, Forward, Layer, Pass};
/// use lethe_tensor::{Device, Tensor};
///
/// let mut b = Builder::new();
/// let layer = Embedding::new(&mut b, 100, 16);
/// let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let params = theta.constants();
/// let f = Forward::new(&params, &state, Pass::evaluate());
/// let tokens = Var::constant(&Tensor::from_slice(&Device::cpu(), &[3u32, 7, 99, 3, 0, 1], &[2, 3]));
/// assert_eq!(layer.forward(&f, &tokens).shape(), [2, 3, 16]);
/// ```
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: ParamId,
}

impl Embedding {
    /// Rows of N(0, 1), as in PyTorch.
    #[track_caller]
    pub fn new(b: &mut Builder, entries: usize, width: usize) -> Embedding {
        Embedding::with(b, entries, width, Init::Normal { std: 1.0 })
    }

    /// With the given initialisation of the rows.
    #[track_caller]
    pub fn with(b: &mut Builder, entries: usize, width: usize, weight: Init) -> Embedding {
        Embedding { weight: b.param("weight", &[entries, width], weight) }
    }

    /// The number of its table, to be shared: the weight of a language model's head is often [tied](Builder::tie) to it.
    pub fn weight(&self) -> ParamId {
        self.weight
    }
}

impl Layer for Embedding {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        assert!(x.dtype() == DType::U32, "Embedding: x is {}; numbers of rows are u32", x.dtype());
        f.param(self.weight).embedding(x.tensor())
    }
}
