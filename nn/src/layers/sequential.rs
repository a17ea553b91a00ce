//! Layers one after the other.

use super::Layer;
use crate::{Builder, Forward};
use lethe_autograd::Var;
use std::fmt;
use std::sync::Arc;

/// `layer_n(… layer_1(layer_0(x)))`. Parameters have PyTorch's names: the layer's number, a dot, and the layer's own name (`0.weight`).
///
/// ```
/// use lethe_autograd::Var;
/// use lethe_nn::layers::{Activation, Linear, Sequential};
/// use lethe_nn::{Builder, Forward, Layer, Pass};
/// use lethe_tensor::{DType, Device, Tensor};
///
/// let mut b = Builder::new();
/// let net = Sequential::new()
///     .then(&mut b, |b| Linear::new(b, 4, 8))
///     .then(&mut b, |_| Activation::Relu)
///     .then_fn(|x| x.square())
///     .then(&mut b, |b| Linear::new(b, 8, 2));
/// let blueprint = b.finish();
/// let names: Vec<&str> = blueprint.layout().iter().map(|(_, p)| &*p.name).collect();
/// assert_eq!(names, ["0.weight", "0.bias", "3.weight", "3.bias"]);
///
/// let (theta, state) = blueprint.init(&Device::cpu(), 0);
/// let params = theta.constants();
/// let f = Forward::new(&params, &state, Pass::evaluate());
/// let x = Var::constant(&Tensor::ones(&Device::cpu(), DType::F32, &[3, 4]));
/// assert_eq!(net.forward(&f, &x).shape(), [3, 2]);
/// ```
#[derive(Clone, Default)]
pub struct Sequential {
    layers: Vec<Arc<dyn Layer>>,
}

impl Sequential {
    /// No layer yet: x itself.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// With one more layer, whose parameters lie under its number at the builder's level.
    #[track_caller]
    pub fn then<L: Layer + 'static>(mut self, b: &mut Builder, layer: impl FnOnce(&mut Builder) -> L) -> Sequential {
        self.push(b, layer);
        self
    }

    /// With a function as the next layer. It has a number too.
    pub fn then_fn(mut self, function: impl Fn(&Var) -> Var + Send + Sync + 'static) -> Sequential {
        self.layers.push(Arc::new(Function(function)));
        self
    }

    /// Adds a layer: [`Sequential::then`] for a loop.
    #[track_caller]
    pub fn push<L: Layer + 'static>(&mut self, b: &mut Builder, layer: impl FnOnce(&mut Builder) -> L) {
        let layer = b.within(&self.layers.len().to_string(), layer);
        self.layers.push(Arc::new(layer));
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there is no layer.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl Layer for Sequential {
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        self.layers.iter().fold(x.clone(), |x, layer| layer.forward(f, &x))
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequential({} layers)", self.layers.len())
    }
}

struct Function<F>(F);

impl<F: Fn(&Var) -> Var + Send + Sync> Layer for Function<F> {
    fn forward(&self, _: &Forward<'_>, x: &Var) -> Var {
        self.0(x)
    }
}
