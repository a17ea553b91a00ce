//! Softmax and its logarithm.

use crate::graph::Var;

impl Var {
    /// eˣ / Σ eˣ along an axis; `dx = y (dy − Σ dy y)`.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Var {
        Var::record_with_result("softmax", &[self], self.tensor().softmax(dim), move |dy, y| {
            vec![Some(if Var::recorded(&[dy, y]) {
                y * &(dy - &(dy * y).sum_axes(&[dim], true))
            } else {
                Var::constant(&y.tensor().softmax_backward(dy.tensor(), dim, false))
            })]
        })
    }

    /// x − ln Σ eˣ along an axis; `dx = dy − eʸ Σ dy`.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Var {
        Var::record_with_result("log_softmax", &[self], self.tensor().log_softmax(dim), move |dy, y| {
            vec![Some(if Var::recorded(&[dy, y]) {
                dy - &(&y.exp() * &dy.sum_axes(&[dim], true))
            } else {
                Var::constant(&y.tensor().softmax_backward(dy.tensor(), dim, true))
            })]
        })
    }
}
