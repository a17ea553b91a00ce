//! A layer whose values are made again in the backward pass.

use super::Layer;
use crate::Forward;
use lethe_autograd::Var;

/// A layer of which the tape keeps the input alone: see [`Forward::recompute`].
///
/// ```
/// use lethe_nn::layers::{EncoderLayer, Recompute, Sequential, TransformerConfig};
/// use lethe_nn::Builder;
///
/// let mut b = Builder::new();
/// let mut blocks = Sequential::new();
/// for _ in 0..12 {
///     blocks.push(&mut b, |b| Recompute(EncoderLayer::new(b, &TransformerConfig::new(64, 4))));
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Recompute<L>(
    /// The layer.
    pub L,
);

impl<L: Layer + Clone + 'static> Layer for Recompute<L> {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        let layer = self.0.clone();
        f.recompute(&[x], move |f, inputs| layer.forward(f, &inputs[0]))
    }
}
