//! Reductions.

use crate::Var;
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

    /// The sum over `axes` (none named: all); `dx = dy`, broadcast.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn sum(&self, axes: &[isize], keepdim: bool) -> Var {
        let (shape, over) = (self.shape().to_vec(), axes.to_vec());
        let y = self.tensor().sum(axes, keepdim);
        Var::record("sum", &[self], y, move |dy| vec![Some(dy.back(&over, keepdim, &shape))])
    }

    /// The mean over `axes` (none named: all); `dx = dy / n`, broadcast.
    ///
    /// # Panics
    /// As [`Var::sum`].
    #[track_caller]
    pub fn mean(&self, axes: &[isize], keepdim: bool) -> Var {
        let (shape, over) = (self.shape().to_vec(), axes.to_vec());
        let y = self.tensor().mean(axes, keepdim);
        let scale = y.numel() as f64 / self.numel() as f64;
        Var::record("mean", &[self], y, move |dy| vec![Some(dy.mul_scalar(scale).back(&over, keepdim, &shape))])
    }

    /// The sum of squares over `axes` (none named: all); `dx = 2 x dy`.
    ///
    /// # Panics
    /// As [`Var::sum`].
    #[track_caller]
    pub fn sum_squares(&self, axes: &[isize], keepdim: bool) -> Var {
        let (x, over) = (self.clone(), axes.to_vec());
        let y = self.tensor().sum_squares(axes, keepdim);
        Var::record("sum_squares", &[self], y, move |dy| {
            vec![Some(&dy.mul_scalar(2.0).back(&over, keepdim, x.shape()) * &x)]
        })
    }

    /// The largest over `axes` (none named: all); equals share dy evenly.
    ///
    /// # Panics
    /// As [`Var::sum`], and of no elements.
    #[track_caller]
    pub fn max(&self, axes: &[isize], keepdim: bool) -> Var {
        self.extreme("max", self.tensor().max(axes, keepdim), axes, keepdim)
    }

    /// The smallest over `axes` (none named: all); equals share dy evenly.
    ///
    /// # Panics
    /// As [`Var::max`].
    #[track_caller]
    pub fn min(&self, axes: &[isize], keepdim: bool) -> Var {
        self.extreme("min", self.tensor().min(axes, keepdim), axes, keepdim)
    }

    #[track_caller]
    fn extreme(&self, op: &'static str, y: Tensor, axes: &[isize], keepdim: bool) -> Var {
        let (x, over, best) = (self.tensor().clone(), axes.to_vec(), y.clone());
        Var::record(op, &[self], y, move |dy| {
            let best = Var::constant(&best).back(&over, keepdim, x.shape());
            let hits = x.eq(best.tensor()).select(&x.scalar_like(1.0), &x.scalar_like(0.0));
            let share = hits.div(Var::constant(&hits.sum(&over, keepdim)).back(&over, keepdim, x.shape()).tensor());
            vec![Some(&dy.back(&over, keepdim, x.shape()) * &Var::constant(&share))]
        })
    }

    /// The product over `axes` (none named: all). `dx` is dy times the product of the others, also where one of them is 0.
    ///
    /// # Panics
    /// As [`Var::sum`].
    #[track_caller]
    pub fn prod(&self, axes: &[isize], keepdim: bool) -> Var {
        let (x, over) = (self.clone(), axes.to_vec());
        Var::record("prod", &[self], self.tensor().prod(axes, keepdim), move |dy| {
            let recorded = Var::recorded(&[dy, &x]);
            let others = if recorded { x.products_of_others(&over) } else { x.quotients(&over, keepdim) };
            vec![Some(&dy.back(&over, keepdim, x.shape()) * &others)]
        })
    }

    /// The product of the others for each element, by division: right in value, but not differentiable where an element is 0.
    fn quotients(&self, axes: &[isize], keepdim: bool) -> Var {
        let x = self.tensor();
        let (one, zero, is_zero) = (x.scalar_like(1.0), x.scalar_like(0.0), x.eq_scalar(0.0));
        let zeros = is_zero.select(&one, &zero);
        let count = Var::constant(&zeros.sum(axes, keepdim)).back(axes, keepdim, x.shape());
        // The product of what is not 0; its share is all of the others if nothing else is 0.
        let nonzero = is_zero.select(&one, x);
        let product = Var::constant(&nonzero.prod(axes, keepdim)).back(axes, keepdim, x.shape());
        Var::constant(&count.tensor().eq(&zeros).select(&product.tensor().div(&nonzero), &zero))
    }

    /// The same for n elements from n products of n − 1: differentiable everywhere.
    fn products_of_others(&self, axes: &[isize]) -> Var {
        let rank = self.rank();
        let reduced = |i: &usize| axes.is_empty() || axes.iter().any(|a| a.rem_euclid(rank as isize) as usize == *i);
        let (within, outside): (Vec<usize>, Vec<usize>) = (0..rank).partition(reduced);
        let extents = |axes: &[usize]| axes.iter().map(|&i| self.shape()[i]).collect::<Vec<_>>();
        let order: Vec<usize> = outside.iter().chain(&within).copied().collect();
        let [outer, n] = [&outside, &within].map(|a| extents(a).iter().product());
        let number = Tensor::arange(self.device(), n);
        let own = Var::constant(&number.unsqueeze(-1).eq(&number));
        let all = self.permute(&order).reshape(&[outer, 1, n]).expand(&[outer, n, n]);
        let others = own.where_(&Var::constant(&self.tensor().scalar_like(1.0)), &all).prod(&[-1], false);
        let mut back = vec![0; rank];
        order.iter().enumerate().for_each(|(i, &d)| back[d] = i);
        others.reshape(&extents(&order)).permute(&back)
    }

    /// The variance over `axes` (none named: all), with divisor n − correction.
    ///
    /// # Panics
    /// As [`Var::sum`].
    #[track_caller]
    pub fn var(&self, axes: &[isize], correction: f64, keepdim: bool) -> Var {
        let centred = self - &self.mean(axes, true);
        let sum = centred.sum_squares(axes, keepdim);
        let n = self.numel() as f64 / sum.numel() as f64;
        sum.mul_scalar(1.0 / (n - correction))
    }

    /// The standard deviation over `axes` (none named: all), with divisor n − correction; its gradient where it is 0 is 0.
    ///
    /// # Panics
    /// As [`Var::sum`].
    #[track_caller]
    pub fn std(&self, axes: &[isize], correction: f64, keepdim: bool) -> Var {
        let var = self.var(axes, correction, keepdim);
        let constant = |value: f64| Var::constant(&var.tensor().scalar_like(value));
        let none = Var::constant(&var.tensor().eq_scalar(0.0));
        none.where_(&constant(0.0), &none.where_(&constant(1.0), &var).sqrt())
    }

    /// ln Σ eˣ over `axes` (none named: all), without overflow; −∞ of nothing but −∞.
    ///
    /// # Panics
    /// As [`Var::max`].
    #[track_caller]
    pub fn logsumexp(&self, axes: &[isize], keepdim: bool) -> Var {
        let top = self.tensor().max(axes, true);
        // The shift is a constant of the derivative; an infinite one would make ∞ − ∞.
        let finite = top.abs().lt_scalar(f64::INFINITY).select(&top, &top.scalar_like(0.0));
        let shift = Var::constant(&finite);
        let sum = (self - &shift).exp().sum(axes, keepdim);
        let shape = sum.shape().to_vec();
        &sum.log() + &shift.reshape(&shape)
    }

    /// The L2 norm of all elements; its gradient at 0 is 0.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[track_caller]
    pub fn norm(&self) -> Var {
        let x = self.clone();
        let y = self.tensor().sum_squares(&[], false).sqrt();
        Var::record_with_result("norm", &[self], y, move |dy, y| {
            let zero = Var::constant(&y.tensor().eq_scalar(0.0));
            let one = Var::constant(&y.tensor().scalar_like(1.0));
            vec![Some(&(dy / &zero.where_(&one, y)) * &x)]
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
