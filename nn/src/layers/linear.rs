//! The affine map.

use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Var};

/// `y = x Wᵀ + b` over the last axis, W (out, in).
#[derive(Clone, Debug)]
pub struct Linear {
    weight: ParamId,
    bias: Option<ParamId>,
}

impl Linear {
    /// Weights of a given start, and a bias of a given start, or none.
    #[track_caller]
    pub fn new(b: &mut Builder, inputs: usize, outputs: usize, weight: Init, bias: Option<Init>) -> Linear {
        Linear {
            weight: b.param("weight", &[outputs, inputs], weight),
            bias: bias.map(|init| b.param("bias", &[outputs], init)),
        }
    }

    /// Xavier-uniform weights and a bias of 0.
    #[track_caller]
    pub fn xavier(b: &mut Builder, inputs: usize, outputs: usize) -> Linear {
        let weight = Init::XavierUniform { fan_in: inputs, fan_out: outputs };
        Linear::new(b, inputs, outputs, weight, Some(Init::Constant(0.0)))
    }

    /// x […, in] to […, out].
    ///
    /// # Panics
    /// If x does not end in `in`.
    #[track_caller]
    pub fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        x.linear(&f.param(self.weight), self.bias.map(|b| f.param(b)).as_ref())
    }
}
