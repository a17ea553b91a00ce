//! Dropout.

use super::Layer;
use crate::{Builder, Forward};
use lethe_autograd::Var;

/// Zeroes elements with probability p while training, and scales the others by 1 / (1 − p). Any shape; nothing is done in evaluation.
#[derive(Clone, Debug)]
pub struct Dropout {
    p: f64,
    layer: u32,
}

impl Dropout {
    /// A layer of probability `p`.
    ///
    /// # Panics
    /// If `p` is not in [0, 1).
    #[track_caller]
    pub fn new(b: &mut Builder, p: f64) -> Dropout {
        assert!((0.0..1.0).contains(&p), "Dropout: the probability {p} is not in [0, 1)");
        Dropout { p, layer: b.dropout() }
    }
}

impl Layer for Dropout {
    #[track_caller]
    fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        match f.draw(self.layer) {
            Some(draw) if self.p > 0.0 => x.dropout(self.p, draw),
            _ => x.clone(),
        }
    }
}
