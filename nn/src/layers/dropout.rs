//! Dropout.

use crate::{Builder, Forward};
use lethe_autograd::Var;

/// Zeroes elements with probability p while training, and scales the others by 1 / (1 − p).
#[derive(Clone, Debug)]
pub struct Dropout {
    p: f64,
    layer: u32,
}

impl Dropout {
    /// A layer of probability `p`, in [0, 1).
    pub fn new(b: &mut Builder, p: f64) -> Dropout {
        Dropout { p, layer: b.dropout() }
    }

    /// Any x.
    #[track_caller]
    pub fn forward(&self, f: &Forward<'_>, x: &Var) -> Var {
        match f.draw(self.layer) {
            Some(draw) if self.p > 0.0 => x.dropout(self.p, draw),
            _ => x.clone(),
        }
    }
}
