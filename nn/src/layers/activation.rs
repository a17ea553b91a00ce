//! Functions between layers.

use super::Layer;
use crate::{Builder, Forward, Init};
use lethe_autograd::{ParamId, Var};

/// A function of each element, or along an axis; PyTorch's names and defaults. Any shape.
///
/// # Examples
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::layers::Activation;
/// use lethe_tensor::{Device, Tensor};
/// let x = Var::constant(&Tensor::new(&Device::cpu(), [-2.0, 0.0, 3.0]));
/// assert_eq!(Activation::Relu.apply(&x).to_vec::<f32>()?, [0.0, 0.0, 3.0]);
/// assert_eq!(Activation::LeakyRelu { slope: 0.5 }.apply(&x).to_vec::<f32>()?, [-1.0, 0.0, 3.0]);
/// assert_eq!(Activation::HardTanh.apply(&x).to_vec::<f32>()?, [-1.0, 0.0, 1.0]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
// Configs name those that act on each element: `activation = "gelu"`, `activation = { leaky-relu = { slope = 0.1 } }`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Activation {
    /// x
    Identity,
    /// max(x, 0)
    #[default]
    Relu,
    /// max(x, 0) held below 6
    Relu6,
    /// x where x > 0, else slope · x; PyTorch's slope is 0.01.
    LeakyRelu {
        /// The slope below 0.
        slope: f64,
    },
    /// x where x > 0, else α (eˣ − 1); PyTorch's α is 1.
    Elu {
        /// α.
        alpha: f64,
    },
    /// x where x > 0, else α (e^(x/α) − 1); PyTorch's α is 1.
    Celu {
        /// α.
        alpha: f64,
    },
    /// λ ELU(x) with α = 1.6733, λ = 1.0507
    Selu,
    /// x Φ(x), exact
    Gelu,
    /// x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))
    GeluTanh,
    /// x σ(x), or Swish
    Silu,
    /// x tanh(ln(1 + eˣ))
    Mish,
    /// tanh x
    Tanh,
    /// x held within [−1, 1]
    HardTanh,
    /// σ(x) = 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// ln σ(x)
    LogSigmoid,
    /// x/6 + ½ held within [0, 1]
    HardSigmoid,
    /// x · HardSigmoid(x)
    HardSwish,
    /// ln(1 + eˣ)
    Softplus,
    /// x / (1 + |x|)
    Softsign,
    /// eˣ / Σ eˣ along an axis
    #[cfg_attr(feature = "serde", serde(skip))]
    Softmax {
        /// The axis; −1 is the last.
        dim: isize,
    },
    /// x − ln Σ eˣ along an axis
    #[cfg_attr(feature = "serde", serde(skip))]
    LogSoftmax {
        /// The axis; −1 is the last.
        dim: isize,
    },
    /// a σ(b) for the two halves a, b of an axis, which becomes half as long
    #[cfg_attr(feature = "serde", serde(skip))]
    Glu {
        /// The axis; −1 is the last.
        dim: isize,
    },
}

impl Activation {
    /// The function's value.
    ///
    /// # Panics
    /// If x does not have the axis that the function takes, or that of [`Activation::Glu`] is odd.
    #[track_caller]
    pub fn apply(self, x: &Var) -> Var {
        match self {
            Activation::Identity => x.clone(),
            Activation::Relu => x.relu(),
            Activation::Relu6 => x.relu6(),
            Activation::LeakyRelu { slope } => x.leaky_relu(slope),
            Activation::Elu { alpha } => x.elu(alpha),
            Activation::Celu { alpha } => x.celu(alpha),
            Activation::Selu => x.selu(),
            Activation::Gelu => x.gelu(),
            Activation::GeluTanh => x.gelu_tanh(),
            Activation::Silu => x.silu(),
            Activation::Mish => x.mish(),
            Activation::Tanh => x.tanh(),
            Activation::HardTanh => x.hard_tanh(),
            Activation::Sigmoid => x.sigmoid(),
            Activation::LogSigmoid => x.log_sigmoid(),
            Activation::HardSigmoid => x.hard_sigmoid(),
            Activation::HardSwish => x.hard_swish(),
            Activation::Softplus => x.softplus(),
            Activation::Softsign => x.softsign(),
            Activation::Softmax { dim } => x.softmax(dim),
            Activation::LogSoftmax { dim } => x.log_softmax(dim),
            Activation::Glu { dim } => x.glu(dim),
        }
    }
}

impl Layer for Activation {
    #[track_caller]
    fn forward(&self, _: &Forward<'_>, x: &Var) -> Var {
        self.apply(x)
    }
}

/// x where x > 0, else slope · x, with learnt slopes: `weight` (1) for all elements, or one for each channel (axis 1) of x (n, c, …).
///
/// # Examples
/// ```
/// # use lethe_nn::layers::PRelu;
/// # use lethe_nn::{Builder, Layer, predict};
/// # use lethe_tensor::{Device, Tensor};
/// # let mut b = Builder::new();
/// let layer = PRelu::new(&mut b, 1); // one slope, 0.25 until it is trained
/// # let (theta, state) = b.finish().init(&Device::cpu(), 0);
/// let x = Tensor::new(&Device::cpu(), [[-4.0, 4.0]]);
/// let y = predict(&theta, &state, &x, &|f, x| layer.forward(f, x));
/// assert_eq!(y.to_vec::<f32>()?, [-1.0, 4.0]);
/// # Ok::<(), lethe_tensor::DeviceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PRelu {
    weight: ParamId,
    slopes: usize,
}

impl PRelu {
    /// With this number of slopes (1, or as many as channels), which are initially 0.25.
    ///
    /// # Panics
    /// If `slopes` is 0.
    #[track_caller]
    pub fn new(b: &mut Builder, slopes: usize) -> PRelu {
        assert!(slopes > 0, "PRelu: at least one slope is needed, got 0");
        PRelu { weight: b.param("weight", &[slopes], Init::Constant(0.25)), slopes }
    }
}

impl Layer for PRelu {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let weight = f.param(self.weight);
        if self.slopes == 1 {
            return x.prelu(&weight);
        }
        let fits = x.rank() >= 2 && x.shape()[1] == self.slopes;
        assert!(fits, "PRelu: x {:?} is not (n, {}, …)", x.shape(), self.slopes);
        let mut per_channel = vec![1; x.rank() - 1];
        per_channel[0] = self.slopes;
        x.prelu(&weight.reshape(&per_channel))
    }
}
