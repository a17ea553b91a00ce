//! A perceptron on flattened images.

use super::{Model, blueprint};
use crate::build::Blueprint;
use crate::layers::{Activation, Layer, Linear};
use crate::{Builder, Forward};
use lethe_autograd::Var;
use lethe_tensor::INFER;

/// The widths of a perceptron.
#[derive(Clone, Debug, PartialEq)]
pub struct MlpConfig {
    /// Elements of an image.
    pub inputs: usize,
    /// Units of each hidden layer.
    pub hidden: Vec<usize>,
    /// Classes.
    pub classes: usize,
    /// Between the layers.
    pub activation: Activation,
}

/// Linear layers with an activation between them.
///
/// # Examples
/// ```
/// use lethe_nn::layers::Activation;
/// use lethe_nn::models::{MlpClassifier, MlpConfig};
/// use lethe_nn::{Model, predict};
/// use lethe_tensor::{Device, Tensor};
/// let config = MlpConfig { inputs: 12, hidden: vec![5], classes: 3, activation: Activation::Relu };
/// let model = MlpClassifier::new(&config);
/// let (theta, state) = model.init(&Device::cpu(), 0);
/// assert_eq!(theta.layout().count(), (12 * 5 + 5) + (5 * 3 + 3));
/// let images = Tensor::randn(&Device::cpu(), &[7, 3, 2, 2], 0); // flattened to 12 numbers each
/// assert_eq!(predict(&theta, &state, &images, &|f, x| model.forward(f, x)).shape(), [7, 3]);
/// ```
pub struct MlpClassifier {
    blueprint: Blueprint,
    layers: Vec<Linear>,
    activation: Activation,
}

impl MlpClassifier {
    /// Xavier-uniform weights, biases 0.
    pub fn new(config: &MlpConfig) -> MlpClassifier {
        let mut b = Builder::new();
        let widths: Vec<usize> =
            [config.inputs].into_iter().chain(config.hidden.clone()).chain([config.classes]).collect();
        let layer = |(i, w): (usize, &[usize])| b.within(&format!("layers.{i}"), |b| Linear::xavier(b, w[0], w[1]));
        let layers = widths.windows(2).enumerate().map(layer).collect();
        MlpClassifier { blueprint: b.finish(), layers, activation: config.activation }
    }
}

impl Model for MlpClassifier {
    blueprint!();

    fn head(&self) -> String {
        format!("layers.{}", self.layers.len() - 1)
    }

    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let mut h = x.reshape(&[x.shape()[0], INFER]);
        for (i, layer) in self.layers.iter().enumerate() {
            h = layer.forward(f, &h);
            if i + 1 < self.layers.len() {
                h = self.activation.apply(&h);
            }
        }
        h
    }
}
