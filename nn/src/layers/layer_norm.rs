//! Normalisation of every vector along the last axis.

use super::Layer;
use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Var};

/// Layer normalisation: `(x − mean(x)) / √(var(x) + eps) · weight + bias` over the last axis of x […, width]; `weight` and `bias` (width).
///
/// # Examples
/// ```
/// # use lethe_autograd::Var;
/// # use lethe_nn::layers::LayerNorm;
/// # use lethe_nn::{Builder, Forward, Layer, Pass};
/// # use lethe_tensor::{Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = LayerNorm::new(&mut b, 2);
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// # let params = theta.constants();
/// # let f = Forward::new(&params, &state, Pass::evaluate());
/// let x = Var::constant(&Tensor::new(&Device::cpu(), [[1.0, 3.0], [10.0, 30.0]]));
/// let y = layer.forward(&f, &x).to_vec::<f32>()?;
/// for (got, expected) in y.into_iter().zip([-1.0f32, 1.0, -1.0, 1.0]) {
///     assert!((got - expected).abs() < 1e-4); // the second row is as the first, whatever its scale
/// }
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: ParamId,
    bias: ParamId,
    eps: f64,
}

impl LayerNorm {
    /// Weight 1, bias 0, eps 10⁻⁵.
    #[track_caller]
    pub fn new(b: &mut Builder, width: usize) -> LayerNorm {
        LayerNorm {
            weight: b.param("weight", &[width], Init::Constant(1.0)),
            bias: b.param("bias", &[width], Init::Constant(0.0)),
            eps: 1e-5,
        }
    }

    /// The same with a different eps.
    pub fn eps(self, eps: f64) -> LayerNorm {
        LayerNorm { eps, ..self }
    }
}

impl Layer for LayerNorm {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        x.layer_norm(&f.param(self.weight), &f.param(self.bias), self.eps)
    }
}

/// Root-mean-square normalisation: `x / √(mean(x²) + eps) · weight` over the last axis of x […, width]; `weight` (width).
///
/// # Examples
/// ```
/// # use lethe_nn::layers::RmsNorm;
/// # use lethe_nn::{Builder, Layer, predict};
/// # use lethe_tensor::{Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = RmsNorm::new(&mut b, 2);
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let x = Tensor::new(&Device::cpu(), [[1.0, 7.0]]); // √((1² + 7²) / 2) is 5
/// let y = predict(&theta, &state, &x, &|f, x| layer.forward(f, x)).to_vec::<f32>()?;
/// for (got, expected) in y.into_iter().zip([0.2f32, 1.4]) {
///     assert!((got - expected).abs() < 1e-5); // scaled, but not centred
/// }
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: ParamId,
    width: usize,
    eps: f64,
}

impl RmsNorm {
    /// Weight 1; eps is ε of `f32`, 1.19 · 10⁻⁷, as in PyTorch for that type.
    #[track_caller]
    pub fn new(b: &mut Builder, width: usize) -> RmsNorm {
        RmsNorm { weight: b.param("weight", &[width], Init::Constant(1.0)), width, eps: f64::from(f32::EPSILON) }
    }

    /// The same with a different eps.
    pub fn eps(self, eps: f64) -> RmsNorm {
        RmsNorm { eps, ..self }
    }
}

impl Layer for RmsNorm {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        assert!(x.shape().last() == Some(&self.width), "RmsNorm: x {:?} does not end in {}", x.shape(), self.width);
        x.rms_norm(&f.param(self.weight), self.eps)
    }
}
