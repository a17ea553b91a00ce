//! Reductions over any axes.

use super::long::{by_columns, rows_of};
use super::{around, axis};
use crate::dtype::DType;
use crate::plan::{Reduce, ReduceOp, ScaledSquares};
use crate::run::execute_one;
use crate::tensor::Tensor;

/// Which axes are reduced, each once, in ascending order; no axes given means all.
#[track_caller]
fn chosen(op: &str, axes: &[isize], rank: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = if axes.is_empty() { (0..rank).collect() } else { vec![] };
    for a in axes {
        chosen.push(axis(op, *a, rank));
    }
    chosen.sort_unstable();
    let before = chosen.len();
    chosen.dedup();
    assert!(chosen.len() == before, "{op}: an axis is named twice in {axes:?}");
    chosen
}

impl Tensor {
    /// Runs of neighbouring axes are one plan each, the last run first.
    #[track_caller]
    fn reduce(&self, name: &str, op: ReduceOp, axes: &[isize], keepdim: bool, scale: f64) -> Tensor {
        self.check_float(name);
        let axes = chosen(name, axes, self.rank());
        let kept = |(i, n): (usize, &usize)| match axes.contains(&i) {
            true => keepdim.then_some(1),
            false => Some(*n),
        };
        let out: Vec<usize> = self.shape().iter().enumerate().filter_map(kept).collect();
        if axes.is_empty() {
            let t = if op == ReduceOp::SumSquares { self.square() } else { self.clone() };
            return if scale == 1.0 { t } else { t.mul_scalar(scale) };
        }
        let mut t = self.clone();
        let mut rest = &axes[..];
        while let Some(&last) = rest.last() {
            let run = (1..=rest.len()).take_while(|i| rest[rest.len() - i] + i == last + 1).count();
            let (left, now) = rest.split_at(rest.len() - run);
            rest = left;
            // Squares are summed once: what follows the first pass are sums of sums.
            let first = now.len() + left.len() == axes.len();
            let op = if op == ReduceOp::SumSquares && !first { ReduceOp::Sum } else { op };
            let done = rest.is_empty();
            t = t.reduce_run(op, now[0], last + 1, if done { scale } else { 1.0 }, done.then_some(&out[..]));
        }
        t
    }

    /// Axes `from .. to`, which become one of extent 1 each, or the result has the shape `out`.
    #[track_caller]
    fn reduce_run(&self, op: ReduceOp, from: usize, to: usize, scale: f64, out: Option<&[usize]>) -> Tensor {
        let mut shape = self.shape().to_vec();
        let n: usize = shape[from..to].iter().product();
        let [outer, inner] = [&shape[..from], &shape[to..]].map(|s| s.iter().product());
        shape[from..to].fill(1);
        let shape = out.map_or(shape, <[usize]>::to_vec);
        if n == 0 {
            let neutral = match op {
                ReduceOp::Sum | ReduceOp::SumSquares => 0.0,
                ReduceOp::Prod => 1.0,
                _ => panic!("{op:?}: an empty axis has no maximum or minimum (shape {:?})", self.shape()),
            };
            return Tensor::full(self.device(), self.computed_type(), &shape, neutral);
        }
        if n * inner > self.device().most_elements() && outer * n * inner > 0 {
            return self.reshape(&[outer, n, inner]).reduce_pieces(op, scale).reshape(&shape);
        }
        let plan = Reduce { op, dtype: self.computed_type(), outer, n, inner, scale, shape };
        execute_one(plan, &[&self.contiguous()])
    }

    /// The middle axis of this [outer, n, inner], of which a slice is more than a kernel sees at once.
    #[track_caller]
    fn reduce_pieces(&self, op: ReduceOp, scale: f64) -> Tensor {
        let most = self.device().most_elements();
        let rows = rows_of(most, self.shape()[2]);
        if rows < 2 {
            return by_columns([self], most / 2, |[t]| t.reduce_run(op, 1, 2, scale, None));
        }
        let (outer, inner) = (self.shape()[0], self.shape()[2]);
        let (pieces, rest) = self.pieces(rows);
        let done = pieces.reduce_run(op, 1, 2, 1.0, Some(&[outer, self.shape()[1] / rows, inner]));
        let parts: Vec<Tensor> = [done].into_iter().chain(rest.map(|t| t.reduce_run(op, 1, 2, 1.0, None))).collect();
        let op = if op == ReduceOp::SumSquares { ReduceOp::Sum } else { op };
        Tensor::concat(&parts.iter().collect::<Vec<_>>(), 1).reduce_run(op, 1, 2, scale, None)
    }

    /// The sum over `axes` (all, if none are named); over an empty axis, 0.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice, or the tensor is not of floats.
    #[track_caller]
    pub fn sum_axes(&self, axes: &[isize], keepdim: bool) -> Tensor {
        self.reduce("sum", ReduceOp::Sum, axes, keepdim, 1.0)
    }

    /// The mean over `axes` (all, if none are named).
    ///
    /// # Panics
    /// As [`Tensor::sum_axes`].
    #[track_caller]
    pub fn mean_axes(&self, axes: &[isize], keepdim: bool) -> Tensor {
        let n: usize = chosen("mean", axes, self.rank()).iter().map(|&a| self.shape()[a]).product();
        if n == 0 {
            return self.sum_axes(axes, keepdim).mul_scalar(f64::NAN);
        }
        self.reduce("mean", ReduceOp::Sum, axes, keepdim, 1.0 / n as f64)
    }

    /// The sum of squares over `axes` (all, if none are named).
    ///
    /// # Panics
    /// As [`Tensor::sum_axes`].
    #[track_caller]
    pub fn sum_squares_axes(&self, axes: &[isize], keepdim: bool) -> Tensor {
        self.reduce("sum_squares", ReduceOp::SumSquares, axes, keepdim, 1.0)
    }

    /// For sums of squares (this) a power of two that brings what was squared into a range where its squares neither over- nor underflow;
    /// 1 where they did not.
    ///
    /// # Panics
    /// If the tensor is not of floats.
    #[track_caller]
    pub fn scale_of_squares(&self) -> Tensor {
        self.check_float("scale_of_squares");
        // A sum within these bounds lost nothing: of 2³¹ elements below the least normal square, the sum is still 2³⁵ times smaller.
        let (low, high, up, down) = match self.dtype() {
            DType::F64 => (-800, 800, 600, -600),
            _ => (-60, 100, 90, -80),
        };
        let power = |e: i32| 2f64.powi(e);
        let number = |e: i32| self.scalar_like(power(e));
        let small = self.lt_scalar(power(low)).where_(&number(up), &number(0));
        self.gt_scalar(power(high)).where_(&number(down), &small)
    }

    /// The L2 norm of all elements: right also where their squares over- or underflow, which costs a second pass over them, on every device
    /// without waiting for it.
    ///
    /// # Panics
    /// If the tensor is not of floats.
    #[track_caller]
    pub fn norm(&self) -> Tensor {
        let x = self.contiguous();
        let sum = x.sum_squares().force().clone();
        let scale = sum.scale_of_squares().force().clone();
        let plan = ScaledSquares { dtype: self.computed_type(), n: x.numel() };
        let again = execute_one(plan, &[&x, &scale]);
        let one = scale.eq_scalar(1.0);
        one.where_(&sum.sqrt(), &again.sqrt().div(&scale))
    }

    /// The product over `axes` (all, if none are named); over an empty axis, 1.
    ///
    /// # Panics
    /// As [`Tensor::sum_axes`].
    #[track_caller]
    pub fn prod_axes(&self, axes: &[isize], keepdim: bool) -> Tensor {
        self.reduce("prod", ReduceOp::Prod, axes, keepdim, 1.0)
    }

    /// The largest over `axes` (all, if none are named).
    ///
    /// # Panics
    /// As [`Tensor::sum_axes`], and if one of the axes is empty.
    #[track_caller]
    pub fn max_axes(&self, axes: &[isize], keepdim: bool) -> Tensor {
        self.reduce("max", ReduceOp::Max, axes, keepdim, 1.0)
    }

    /// The smallest over `axes` (all, if none are named).
    ///
    /// # Panics
    /// As [`Tensor::max_axes`].
    #[track_caller]
    pub fn min_axes(&self, axes: &[isize], keepdim: bool) -> Tensor {
        self.reduce("min", ReduceOp::Min, axes, keepdim, 1.0)
    }

    /// The place of the first largest along an axis, as `U32`.
    ///
    /// # Panics
    /// If the axis does not exist or is empty, or the tensor is not of floats.
    #[track_caller]
    pub fn argmax(&self, dim: isize, keepdim: bool) -> Tensor {
        self.arg("argmax", ReduceOp::ArgMax, dim, keepdim)
    }

    /// The place of the first smallest along an axis, as `U32`.
    ///
    /// # Panics
    /// As [`Tensor::argmax`].
    #[track_caller]
    pub fn argmin(&self, dim: isize, keepdim: bool) -> Tensor {
        self.arg("argmin", ReduceOp::ArgMin, dim, keepdim)
    }

    #[track_caller]
    fn arg(&self, name: &str, op: ReduceOp, dim: isize, keepdim: bool) -> Tensor {
        self.check_float(name);
        let d = axis(name, dim, self.rank());
        let [outer, n, inner] = around(self.shape(), d);
        assert!(n > 0, "{name}: axis {d} of {:?} is empty", self.shape());
        let mut shape = self.shape().to_vec();
        if keepdim {
            shape[d] = 1;
        } else {
            shape.remove(d);
        }
        // Columns are shared by fewer threads than rows are.
        let (longest, most) = (self.device().longest_row(), self.device().most_elements());
        let longest = if inner > 1 { longest / 16 } else { longest };
        if (n > longest || n * inner > most) && outer * inner > 0 {
            return self.reshape(&[outer, n, inner]).arg_pieces(op).reshape(&shape);
        }
        let plan = Reduce { op, dtype: self.computed_type(), outer, n, inner, scale: 1.0, shape };
        execute_one(plan, &[&self.contiguous()])
    }

    /// The places along the middle axis of this [outer, n, inner], which one kernel does not take: the best of the best of each piece.
    #[track_caller]
    fn arg_pieces(&self, op: ReduceOp) -> Tensor {
        /// A piece of a long line keeps a workgroup busy.
        const PIECE: usize = 1 << 12;
        let most = self.device().most_elements();
        let &[outer, n, inner] = self.shape() else { unreachable!("three axes") };
        let rows = rows_of(most, inner).min(PIECE).min(n.div_ceil(2));
        if most / inner < 2 {
            return by_columns([self], most / 2, |[t]| t.arg("arg", op, 1, true));
        }
        let (pieces, rest) = self.pieces(rows);
        let best = |t: &Tensor| {
            let index = t.arg("arg", op, 1, true);
            (t.gather(1, &index), index)
        };
        let (values, places) = best(&pieces);
        let shape = [outer, n / rows, inner];
        let starts: Vec<u32> = (0..n / rows).map(|i| (i * rows) as u32).collect();
        let starts = Tensor::from_slice(self.device(), &starts, &[n / rows, 1]);
        let (mut values, mut places) = (values.reshape(&shape), places.reshape(&shape).add(&starts));
        if let Some((v, i)) = rest.as_ref().map(best) {
            values = Tensor::concat(&[&values, &v], 1);
            places = Tensor::concat(&[&places, &i.add_scalar((n / rows * rows) as f64)], 1);
        }
        places.gather(1, &values.arg("arg", op, 1, true))
    }

    /// Whether any element over `axes` (all, if none are named) is not 0, as 0 or 1 (`U32`); over an empty axis, 0.
    ///
    /// # Panics
    /// If an axis does not exist or is named twice.
    #[track_caller]
    pub fn any_axes(&self, axes: &[isize], keepdim: bool) -> Tensor {
        self.count_nonzero("any", axes, keepdim).gt_scalar(0.0)
    }

    /// Whether all elements over `axes` (all, if none are named) are not 0, as 0 or 1 (`U32`); over an empty axis, 1.
    ///
    /// # Panics
    /// As [`Tensor::any_axes`].
    #[track_caller]
    pub fn all_axes(&self, axes: &[isize], keepdim: bool) -> Tensor {
        self.eq_scalar(0.0).count_nonzero("all", axes, keepdim).eq_scalar(0.0)
    }

    /// Ones where an element is not 0, summed: positive if there is any, however they round.
    #[track_caller]
    fn count_nonzero(&self, op: &str, axes: &[isize], keepdim: bool) -> Tensor {
        let number = |x: f64| Tensor::full(self.device(), DType::F32, &[], x);
        self.eq_scalar(0.0).where_(&number(0.0), &number(1.0)).reduce(op, ReduceOp::Sum, axes, keepdim, 1.0)
    }

    /// The k largest elements along an axis, in descending order, and their places (`U32`); of equals the first comes first. NaN is larger
    /// than all numbers, as in [`Tensor::max_axes`]. k passes over the axis: meant for small k.
    ///
    /// # Panics
    /// If the axis does not exist or has fewer than k elements, or the tensor is not of floats.
    #[track_caller]
    pub fn topk(&self, k: usize, dim: isize) -> (Tensor, Tensor) {
        self.check_float("topk");
        let d = axis("topk", dim, self.rank());
        let n = self.shape()[d];
        assert!(k <= n, "topk: {k} of an axis of {n} in {:?}", self.shape());
        let mut along = vec![1; self.rank()];
        along[d] = n;
        let (places, low) = (Tensor::arange(self.device(), n).reshape(&along), self.scalar_like(f64::NEG_INFINITY));
        let mut free = Tensor::full(self.device(), DType::U32, self.shape(), 1.0);
        let mut index: Vec<Tensor> = vec![];
        for _ in 0..k {
            let best = free.where_(self, &low).max_axes(&[d as isize], true);
            let best_or_nan = best.eq(&best).where_(&self.eq(&best), &self.ne(self));
            // Only places that are free: among them −∞ may be the best there is.
            let hits = free.where_(&best_or_nan, &Tensor::full(self.device(), DType::U32, &[], 0.0));
            let first = hits.where_(&self.scalar_like(1.0), &self.scalar_like(0.0)).argmax(d as isize, true);
            free = places.eq(&first).where_(&Tensor::full(self.device(), DType::U32, &[], 0.0), &free);
            index.push(first);
        }
        if index.is_empty() {
            let mut shape = self.shape().to_vec();
            shape[d] = 0;
            return (
                Tensor::zeros(self.device(), self.computed_type(), &shape),
                Tensor::zeros(self.device(), DType::U32, &shape),
            );
        }
        let index = Tensor::concat(&index.iter().collect::<Vec<_>>(), d as isize);
        (self.gather(d as isize, &index), index)
    }

    /// Running sums along an axis; `reverse`: from the end.
    ///
    /// # Panics
    /// If the axis does not exist, or the tensor is not of floats.
    #[track_caller]
    pub fn cumsum(&self, dim: isize, reverse: bool) -> Tensor {
        self.check_float("cumsum");
        let d = axis("cumsum", dim, self.rank());
        let [outer, n, inner] = around(self.shape(), d);
        let most = self.device().most_elements();
        if n * inner > most && outer > 0 {
            return self.reshape(&[outer, n, inner]).cumsum_pieces(reverse).reshape(self.shape());
        }
        let dtype: DType = self.computed_type();
        let plan = crate::plan::Cumsum { dtype, outer, n, inner, reverse, shape: self.shape().to_vec() };
        execute_one(plan, &[&self.contiguous()])
    }

    /// Along the middle axis of this [outer, n, inner], of which a slice is more than a kernel sees at once: the pieces' own running sums, and
    /// those of their totals.
    #[track_caller]
    fn cumsum_pieces(&self, reverse: bool) -> Tensor {
        let most = self.device().most_elements();
        let &[_, n, inner] = self.shape() else { unreachable!("three axes") };
        let rows = rows_of(most, inner);
        if rows < 2 {
            return by_columns([self], most / 2, |[t]| t.cumsum(1, reverse));
        }
        let parts: Vec<Tensor> = (0..n).step_by(rows).map(|a| self.slice(1, a, n.min(a + rows))).collect();
        let sums: Vec<Tensor> = parts.iter().map(|t| t.sum_axes(&[1], true)).collect();
        let totals = Tensor::concat(&sums.iter().collect::<Vec<_>>(), 1).cumsum(1, reverse);
        let before = |i: usize| if reverse { Some(i + 1).filter(|i| *i < sums.len()) } else { i.checked_sub(1) };
        let moved = |(i, t): (usize, &Tensor)| {
            let sums = t.cumsum(1, reverse);
            before(i).map_or(sums.clone(), |i| sums.add(&totals.slice(1, i, i + 1)))
        };
        let all: Vec<Tensor> = parts.iter().enumerate().map(moved).collect();
        Tensor::concat(&all.iter().collect::<Vec<_>>(), 1)
    }
}

/// The common form of a reduction: over all axes, which leaves a scalar of shape `[]`. For `Tensor` and for `Var`.
#[doc(hidden)]
#[macro_export]
macro_rules! over_all_axes {
    ($ty:ty: $($(#[$doc:meta])* $name:ident = $over_axes:ident;)*) => { impl $ty { $(
        $(#[$doc])*
        ///
        /// # Panics
        /// As the form over axes.
        #[track_caller]
        pub fn $name(&self) -> $ty {
            self.$over_axes(&[], false)
        }
    )* } };
}

over_all_axes! { Tensor:
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
    /// Whether any element is not 0, as 0 or 1 (`U32`); of an empty tensor, 0.
    any = any_axes;
    /// Whether no element is 0, as 0 or 1 (`U32`); of an empty tensor, 1.
    all = all_axes;
}
