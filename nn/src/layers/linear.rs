//! The affine map.

use super::Layer;
use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Var};

/// `y = x Wᵀ + b` over the last axis: x […, in] to […, out], `weight` (out, in), `bias` (out).
///
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::layers::Linear;
/// use lethe_nn::{Builder, Forward, Layer, Pass};
/// use lethe_tensor::{DType, Device, Tensor};
///
/// let mut b = Builder::new();
/// let layer = Linear::new(&mut b, 3, 2);
/// let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let params = theta.constants();
/// let f = Forward::new(&params, &state, Pass::evaluate());
/// let x = Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, &[5, 3]));
/// assert_eq!(layer.forward(&f, &x).shape(), [5, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    weight: ParamId,
    bias: Option<ParamId>,
}

impl Linear {
    /// Initialised as in PyTorch: weights and bias U(±1/√in).
    #[track_caller]
    pub fn new(b: &mut Builder, inputs: usize, outputs: usize) -> Linear {
        let init = Init::FanIn { fan_in: inputs };
        Linear::with(b, inputs, outputs, init, Some(init))
    }

    /// Without a bias; weights U(±1/√in).
    #[track_caller]
    pub fn without_bias(b: &mut Builder, inputs: usize, outputs: usize) -> Linear {
        Linear::with(b, inputs, outputs, Init::FanIn { fan_in: inputs }, None)
    }

    /// Xavier-uniform weights and a bias of 0.
    #[track_caller]
    pub fn xavier(b: &mut Builder, inputs: usize, outputs: usize) -> Linear {
        let weight = Init::XavierUniform { fan_in: inputs, fan_out: outputs };
        Linear::with(b, inputs, outputs, weight, Some(Init::Constant(0.0)))
    }

    /// With the given initialisation of the weights, and of the bias if there is one.
    #[track_caller]
    pub fn with(b: &mut Builder, inputs: usize, outputs: usize, weight: Init, bias: Option<Init>) -> Linear {
        Linear {
            weight: b.param("weight", &[outputs, inputs], weight),
            bias: bias.map(|init| b.param("bias", &[outputs], init)),
        }
    }
}

impl Layer for Linear {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        x.linear(&f.param(self.weight), f.optional_param(self.bias).as_ref())
    }
}
