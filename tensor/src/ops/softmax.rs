//! Softmax and its logarithm along any axis.

use super::axis;
use crate::plan::{Softmax, SoftmaxBackward};
use crate::run::execute_one;
use crate::tensor::Tensor;

/// Exchanges an axis with the last one, runs `f` over rows, and exchanges back.
#[track_caller]
fn along(op: &str, x: &Tensor, dim: isize, f: impl FnOnce(&dyn Fn(&Tensor) -> Tensor) -> Tensor) -> Tensor {
    x.check_float(op);
    let d = axis(op, dim, x.rank());
    let to_last =
        |t: &Tensor| if d + 1 == t.rank() { t.contiguous() } else { t.transpose(d as isize, -1).contiguous() };
    let y = f(&to_last);
    if d + 1 == x.rank() { y } else { y.transpose(d as isize, -1) }
}

fn plan(rows: &Tensor, log: bool) -> Softmax {
    let n = *rows.shape().last().expect("an axis");
    Softmax { dtype: rows.computed_type(), log, rows: rows.numel() / n.max(1), n, shape: rows.shape().to_vec() }
}

/// Whether a row is longer than one kernel takes: it is then done in several steps.
fn is_long(rows: &Tensor) -> bool {
    rows.numel() > 0 && rows.shape()[rows.rank() - 1] > rows.device().longest_row()
}

#[track_caller]
fn forward(x: &Tensor, log: bool) -> Tensor {
    if is_long(x) {
        let below = x.sub(&x.max_axes(&[-1], true));
        let sum = below.exp().sum_axes(&[-1], true);
        return if log { below.sub(&sum.log()) } else { below.exp().div(&sum) };
    }
    execute_one(plan(x, log), &[x])
}

impl Tensor {
    /// eˣ / Σ eˣ along an axis.
    ///
    /// # Panics
    /// If the axis does not exist, or the tensor is not of floats.
    #[track_caller]
    pub fn softmax(&self, dim: isize) -> Tensor {
        along("softmax", self, dim, |rows| {
            let x = rows(self);
            forward(&x, false)
        })
    }

    /// x − ln Σ eˣ along an axis.
    ///
    /// # Panics
    /// If the axis does not exist, or the tensor is not of floats.
    #[track_caller]
    pub fn log_softmax(&self, dim: isize) -> Tensor {
        along("log_softmax", self, dim, |rows| {
            let x = rows(self);
            forward(&x, true)
        })
    }

    /// The gradient of [`Tensor::softmax`] (`log`: of [`Tensor::log_softmax`]), given its result (this tensor) and the result's gradient.
    ///
    /// # Panics
    /// If the axis does not exist, or the result and its gradient differ in shape, type or device.
    #[track_caller]
    pub fn softmax_backward(&self, dy: &Tensor, dim: isize, log: bool) -> Tensor {
        assert!(self.shape() == dy.shape(), "softmax_backward: y {:?} and dy {:?}", self.shape(), dy.shape());
        self.same_type("softmax_backward", dy);
        along("softmax_backward", self, dim, |rows| {
            let (y, dy) = (rows(self), rows(dy));
            if is_long(&y) {
                return match log {
                    true => dy.sub(&y.exp().mul(&dy.sum_axes(&[-1], true))),
                    false => y.mul(&dy.sub(&dy.mul(&y).sum_axes(&[-1], true))),
                };
            }
            execute_one(SoftmaxBackward(plan(&y, log)), &[&y, &dy])
        })
    }
}
