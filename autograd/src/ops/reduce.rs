//! Reductions.

use crate::graph::Var;
use lethe_tensor::Tensor;

impl Var {
    /// This reduced result, broadcast back over the reduced axes of `shape`.
    fn back(&self, axes: &[isize], keepdim: bool, shape: &[usize]) -> Var {
        let kept = if keepdim || axes.is_empty() && self.rank() == shape.len() {
            self.clone()
        } else {
            let reduced =
                |i: usize| axes.is_empty() || axes.iter().any(|&a| a.rem_euclid(shape.len() as isize) as usize == i);
            let with_ones: Vec<usize> =
                shape.iter().enumerate().map(|(i, &n)| if reduced(i) { 1 } else { n }).collect();
            self.reshape(&with_ones)
        };
        kept.expand(shape)
    }

    /// The sum over `axes` (all, if none are named); `dx = dy`, broadcast.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn sum_axes(&self, axes: &[isize], keepdim: bool) -> Var {
        let (shape, over) = (self.shape().to_vec(), axes.to_vec());
        let y = self.tensor().sum_axes(axes, keepdim);
        Var::record("sum", &[self], y, move |dy| vec![Some(dy.back(&over, keepdim, &shape))])
    }

    /// The mean over `axes` (all, if none are named); `dx = dy / n`, broadcast.
    ///
    /// # Panics
    /// As [`Var::sum_axes`].
    #[track_caller]
    pub fn mean_axes(&self, axes: &[isize], keepdim: bool) -> Var {
        let (shape, over) = (self.shape().to_vec(), axes.to_vec());
        let y = self.tensor().mean_axes(axes, keepdim);
        let scale = y.numel() as f64 / self.numel() as f64;
        Var::record("mean", &[self], y, move |dy| vec![Some(dy.mul_scalar(scale).back(&over, keepdim, &shape))])
    }

    /// The sum of squares over `axes` (all, if none are named); `dx = 2 x dy`.
    ///
    /// # Panics
    /// As [`Var::sum_axes`].
    #[track_caller]
    pub fn sum_squares_axes(&self, axes: &[isize], keepdim: bool) -> Var {
        let (x, over) = (self.clone(), axes.to_vec());
        let y = self.tensor().sum_squares_axes(axes, keepdim);
        Var::record("sum_squares", &[self], y, move |dy| {
            vec![Some(&dy.mul_scalar(2.0).back(&over, keepdim, x.shape()) * &x)]
        })
    }

    /// The largest over `axes` (all, if none are named); equals share dy evenly.
    ///
    /// # Panics
    /// As [`Var::sum_axes`], and if one of the axes is empty.
    #[track_caller]
    pub fn max_axes(&self, axes: &[isize], keepdim: bool) -> Var {
        self.extreme("max", self.tensor().max_axes(axes, keepdim), axes, keepdim)
    }

    /// The smallest over `axes` (all, if none are named); equals share dy evenly.
    ///
    /// # Panics
    /// As [`Var::max_axes`].
    #[track_caller]
    pub fn min_axes(&self, axes: &[isize], keepdim: bool) -> Var {
        self.extreme("min", self.tensor().min_axes(axes, keepdim), axes, keepdim)
    }

    #[track_caller]
    fn extreme(&self, op: &'static str, y: Tensor, axes: &[isize], keepdim: bool) -> Var {
        let (x, over, best) = (self.tensor().clone(), axes.to_vec(), y.clone());
        Var::record(op, &[self], y, move |dy| {
            let best = Var::constant(&best).back(&over, keepdim, x.shape());
            let hits = x.eq(best.tensor()).where_(&x.scalar_like(1.0), &x.scalar_like(0.0));
            let share =
                hits.div(Var::constant(&hits.sum_axes(&over, keepdim)).back(&over, keepdim, x.shape()).tensor());
            // Selected, so that an infinite dy leaves no NaN where it does not go; a share that is no number stays one.
            let gets = share.eq_scalar(0.0).logical_not();
            vec![Some(share_of(&dy.back(&over, keepdim, x.shape()), &share).masked(&gets))]
        })
    }

    /// The product over `axes` (all, if none are named). `dx` is dy times the product of the others, also where one of them is 0.
    ///
    /// # Panics
    /// As [`Var::sum_axes`].
    #[track_caller]
    pub fn prod_axes(&self, axes: &[isize], keepdim: bool) -> Var {
        let (x, over) = (self.clone(), axes.to_vec());
        Var::record("prod", &[self], self.tensor().prod_axes(axes, keepdim), move |dy| {
            vec![Some(&dy.back(&over, keepdim, x.shape()) * &x.products_of_others(&over))]
        })
    }

    /// For each element the product of those before it and of those after it: no division, which would be wrong next to a 0 and where the
    /// whole product over- or underflows, and differentiable everywhere.
    fn products_of_others(&self, axes: &[isize]) -> Var {
        let rank = self.rank();
        let reduced = |i: &usize| axes.is_empty() || axes.iter().any(|a| a.rem_euclid(rank as isize) as usize == *i);
        let (within, outside): (Vec<usize>, Vec<usize>) = (0..rank).partition(reduced);
        let extents = |axes: &[usize]| axes.iter().map(|&i| self.shape()[i]).collect::<Vec<_>>();
        let order: Vec<usize> = outside.iter().chain(&within).copied().collect();
        let [outer, n] = [&outside, &within].map(|a| extents(a).iter().product());
        let lines = self.permute(&order).reshape(&[outer, n]);
        let before = |x: &Var, by: usize| x.pad(1, by, 0, 1.0).slice(1, 0, n);
        let behind = |x: &Var, by: usize| x.pad(1, 0, by, 1.0).slice(1, by, n + by);
        let (mut left, mut right, mut by) = (before(&lines, 1), behind(&lines, 1), 1);
        while by < n {
            (left, right) = (&left * &before(&left, by), &right * &behind(&right, by));
            by *= 2;
        }
        let others = &left * &right;
        let mut back = vec![0; rank];
        order.iter().enumerate().for_each(|(i, &d)| back[d] = i);
        others.reshape(&extents(&order)).permute(&back)
    }

    /// The variance over `axes` (all, if none are named), with divisor n − correction. Of no elements it is NaN, and so is that of n equal ones with
    /// a correction of n. Deviations whose squares would over- or underflow are scaled before.
    ///
    /// # Panics
    /// As [`Var::sum_axes`], and if there are elements, but the correction is above their number.
    #[track_caller]
    pub fn var_axes(&self, axes: &[isize], correction: f64, keepdim: bool) -> Var {
        let share = self.share_of_squares("var", axes, correction);
        self.centred(axes).shared_squares(axes, share, keepdim)
    }

    /// The deviations from the mean over `axes`. They are centred twice: what the rounding of the mean leaves is as large as they are where the mean
    /// is large.
    #[track_caller]
    pub(super) fn centred(&self, axes: &[isize]) -> Var {
        let rough = self - &self.mean_axes(axes, true);
        // A constant: what is left has a mean of 0 but for rounding, whatever x is. So no check of derivatives could notice a wrong one.
        let rest = Var::constant(&rough.tensor().mean_axes(axes, true));
        #[cfg(feature = "mutation")]
        let _unchanged = crate::mutation::unchanged();
        &rough - &rest
    }

    /// The sum of squares times a number, also where the squares or their sum over- or underflow; `dx = 2 share dy x`. The power of two that
    /// scales them is no part of the rule, in which its square might overflow.
    #[track_caller]
    fn shared_squares(&self, axes: &[isize], share: f64, keepdim: bool) -> Var {
        let (x, over, own) = (self.clone(), axes.to_vec(), self.tensor());
        let scale = own.sum_squares_axes(axes, true).scale_of_squares().force().clone();
        let sum = own.mul(&scale).sum_squares_axes(axes, keepdim);
        let scale = scale.reshape(sum.shape());
        let y = sum.mul_scalar(share).div(&scale).div(&scale);
        Var::record("var", &[self], y, move |dy| {
            vec![Some(&dy.mul_scalar(2.0 * share).back(&over, keepdim, x.shape()) * &x)]
        })
    }

    /// The standard deviation over `axes` (all, if none are named), with divisor n − correction, NaN as [`Var::var_axes`]; its gradient where it is 0
    /// is 0. Deviations whose squares would over- or underflow are scaled before.
    ///
    /// # Panics
    /// As [`Var::var_axes`].
    #[track_caller]
    pub fn std_axes(&self, axes: &[isize], correction: f64, keepdim: bool) -> Var {
        let share = self.share_of_squares("std", axes, correction);
        let centred = self.centred(axes);
        let scale = Var::constant(&centred.tensor().sum_squares_axes(axes, true).scale_of_squares());
        let var = (&centred * &scale).sum_squares_axes(axes, keepdim).mul_scalar(share);
        let constant = |value: f64| Var::constant(&var.tensor().scalar_like(value));
        let none = Var::constant(&var.tensor().eq_scalar(0.0));
        let root = none.where_(&constant(0.0), &none.where_(&constant(1.0), &var).sqrt());
        &root / &scale.reshape(root.shape())
    }

    /// 1 / (n − correction) of the n elements that each result of a reduction over `axes` is made of.
    #[track_caller]
    fn share_of_squares(&self, op: &str, axes: &[isize], correction: f64) -> f64 {
        let n = self.reduced_count(axes);
        if n == 0 {
            return f64::NAN;
        }
        assert!(correction <= n as f64, "{op}: a correction of {correction} is above the number of elements, {n}");
        1.0 / (n as f64 - correction)
    }

    /// The elements that each result of a reduction over `axes` is made of; axes that do not exist are left to the reduction to refuse.
    fn reduced_count(&self, axes: &[isize]) -> usize {
        if axes.is_empty() {
            self.numel()
        } else {
            axes.iter().filter_map(|a| self.shape().get(self.axis(*a))).product()
        }
    }

    /// ln Σ eˣ over `axes` (all, if none are named), without overflow. Over an empty axis, and where all elements are −∞, it is −∞, with gradient 0.
    ///
    /// # Panics
    /// As [`Var::sum_axes`].
    #[track_caller]
    pub fn logsumexp_axes(&self, axes: &[isize], keepdim: bool) -> Var {
        if self.reduced_count(axes) == 0 {
            return self.sum_axes(axes, keepdim).add_scalar(f64::NEG_INFINITY); // the sum over an empty axis is 0
        }
        let top = self.tensor().max_axes(axes, true);
        // The shift is a constant of the derivative; an infinite one would make ∞ − ∞.
        let finite = top.abs().lt_scalar(f64::INFINITY).where_(&top, &top.scalar_like(0.0));
        let shift = Var::constant(&finite);
        let sum = (self - &shift).exp().sum_axes(axes, keepdim);
        let constant = |value: f64| Var::constant(&sum.tensor().scalar_like(value));
        // The slope of the logarithm at 0 is infinite, and times that of e^−∞ it is NaN: it is cut off.
        let none = Var::constant(&sum.tensor().eq_scalar(0.0));
        let log = none.where_(&constant(f64::NEG_INFINITY), &none.where_(&constant(1.0), &sum).log());
        &log + &shift.reshape(log.shape())
    }

    /// The L2 norm of all elements, also where their squares over- or underflow ([`Tensor::norm`]); its gradient at 0 is 0, else
    /// `dx = dy (x / y)`.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn norm(&self) -> Var {
        let x = self.clone();
        Var::record_with_result("norm", &[self], self.tensor().norm(), move |dy, y| {
            let zero = Var::constant(&y.tensor().eq_scalar(0.0));
            let one = Var::constant(&y.tensor().scalar_like(1.0));
            vec![Some(dy * &(&x / &zero.where_(&one, y)))]
        })
    }

    /// Running sums along an axis; `dx` is the running sum of dy from the other end.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn cumsum(&self, dim: isize, reverse: bool) -> Var {
        let y = self.tensor().cumsum(dim, reverse);
        Var::record("cumsum", &[self], y, move |dy| vec![Some(dy.cumsum(dim, !reverse))])
    }
}

lethe_tensor::over_all_axes! { Var:
    /// The sum of all elements; of an empty tensor, 0.
    sum = sum_axes;
    /// The mean of all elements; of an empty tensor, NaN.
    mean = mean_axes;
    /// The sum of all elements' squares; of an empty tensor, 0.
    sum_squares = sum_squares_axes;
    /// The product of all elements; of an empty tensor, 1.
    prod = prod_axes;
    /// The largest element.
    max = max_axes;
    /// The smallest element.
    min = min_axes;
    /// The logarithm of the sum of all elements' exponentials; of an empty tensor, −∞.
    logsumexp = logsumexp_axes;
}

impl Var {
    /// The variance of all elements, without bias: the squared distances from the mean, divided by n − 1.
    ///
    /// # Panics
    /// If there are no elements.
    #[track_caller]
    pub fn var(&self) -> Var {
        self.var_axes(&[], 1.0, false)
    }

    /// The standard deviation of all elements: the root of [`Var::var`].
    ///
    /// # Panics
    /// As [`Var::var`].
    #[track_caller]
    pub fn std(&self) -> Var {
        self.std_axes(&[], 1.0, false)
    }
}

/// The part of dy that goes to each of those that equal an extreme. Random operands have no equals and their part is 1, so that finite
/// differences could not notice a wrong one; the tests of edges do.
fn share_of(dy: &Var, share: &Tensor) -> Var {
    #[cfg(feature = "mutation")]
    let _unchanged = crate::mutation::unchanged();
    dy * &Var::constant(share)
}
