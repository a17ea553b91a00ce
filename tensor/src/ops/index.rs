//! Reading and adding by index.

use super::long::by_columns;
use super::{around, axis};
use crate::dtype::DType;
use crate::plan::{Gather, ScatterAdd};
use crate::run::execute_one;
use crate::tensor::Tensor;

#[track_caller]
fn check_index(op: &str, index: &Tensor) {
    assert!(index.dtype() == DType::U32, "{op}: an index is u32, this one is {}", index.dtype());
}

/// A contiguous index whose every entry names one of the `n` places of an axis. On a GPU this is not checked: an entry beyond the axis gives NaN.
#[track_caller]
fn checked_indices(op: &str, index: &Tensor, n: usize) -> Tensor {
    let index = index.contiguous();
    if let Some(found) = index.first_not_below(n, false) {
        panic!("{op}: the index {found} is out of range for an axis of {n} elements; indices are 0 to n − 1");
    }
    index
}

/// `t` cut to `extents` on every axis but `d`.
#[track_caller]
fn cut(op: &str, t: &Tensor, extents: &[usize], d: usize) -> Tensor {
    assert!(t.rank() == extents.len(), "{op}: x {:?} and index {extents:?} differ in rank", t.shape());
    let mut cut = t.clone();
    for (i, &n) in extents.iter().enumerate().filter(|(i, _)| *i != d) {
        assert!(n <= t.shape()[i], "{op}: the index {extents:?} is larger than x {:?} on axis {i}", t.shape());
        if n < t.shape()[i] {
            cut = cut.slice(i as isize, 0, n);
        }
    }
    cut
}

impl Tensor {
    /// `out[i, j, …] = x[…, index[i, j, …], …]`, the index standing on axis `dim`. The index (`U32`) has x's rank and may be smaller on the
    /// other axes. On a GPU an index beyond the axis reads NaN, or `u32::MAX` (−1) where x is of integers.
    ///
    /// # Panics
    /// If the index and x differ in rank, the index is larger than x on an axis other than `dim`, or the axis does not exist; on the CPU, if an index
    /// lies beyond the axis.
    #[track_caller]
    pub fn gather(&self, dim: isize, index: &Tensor) -> Tensor {
        check_index("gather", index);
        let d = axis("gather", dim, self.rank());
        let x = cut("gather", self, index.shape(), d);
        let ([outer, n, inner], k) = (around(x.shape(), d), index.shape()[d]);
        assert!(n > 0 || index.numel() == 0, "gather: axis {d} of x {:?} is empty", self.shape());
        let index = checked_indices("gather", index, n);
        let most = self.device().most_elements();
        if inner > most && index.numel() > 0 {
            // A single place of the axis is more than a kernel sees at once.
            let [x, i] = [(&x, n), (&index, k)].map(|(t, n)| t.reshape(&[outer, n, inner]));
            return by_columns([&x, &i], most, |[x, i]| x.gather(1, i)).reshape(index.shape());
        }
        let shape = index.shape().to_vec();
        let plan = Gather { dtype: self.computed_type(), outer, n, k, inner, shared: false, shape };
        execute_one(plan, &[&x.contiguous(), &index])
    }

    /// Elements of an axis by a 1-D index (`U32`): rows of a table, for example an embedding. On a GPU an index beyond the axis reads NaN, or
    /// `u32::MAX` (−1) where x is of integers.
    ///
    /// # Panics
    /// If the index does not have exactly one axis, or the axis does not exist or is empty; on the CPU, if an index lies beyond the axis.
    #[track_caller]
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Tensor {
        check_index("index_select", index);
        let d = axis("index_select", dim, self.rank());
        assert!(index.rank() == 1, "index_select: the index {:?} needs one axis", index.shape());
        let ([outer, n, inner], k) = (around(self.shape(), d), index.numel());
        assert!(n > 0 || k == 0, "index_select: axis {d} of x {:?} is empty", self.shape());
        let index = checked_indices("index_select", index, n);
        let mut shape = self.shape().to_vec();
        shape[d] = k;
        let most = self.device().most_elements();
        if inner > most && outer * k > 0 {
            let x = self.reshape(&[outer, n, inner]);
            return by_columns([&x], most, |[x]| x.index_select(1, &index)).reshape(&shape);
        }
        let plan = Gather { dtype: self.computed_type(), outer, n, k, inner, shared: true, shape };
        execute_one(plan, &[&self.contiguous(), &index])
    }

    /// `out = x; out[…, index, …] += src`, the index (`U32`) having src's shape and standing on axis `dim`; repeated indices accumulate. On a
    /// GPU an index beyond the axis makes NaN of its whole line along the axis: of all places that it might have meant.
    ///
    /// # Panics
    /// If x, the index and src differ in rank, the index is larger than src on any axis or than x on an axis other than `dim`, or x and src differ in
    /// type or device; on the CPU, if an index lies beyond the axis.
    #[track_caller]
    pub fn scatter_add(&self, dim: isize, index: &Tensor, src: &Tensor) -> Tensor {
        check_index("scatter_add", index);
        self.check_float("scatter_add");
        self.same_type("scatter_add", src);
        let d = axis("scatter_add", dim, self.rank());
        let src = cut("scatter_add", src, index.shape(), d);
        let src = if src.shape()[d] > index.shape()[d] { src.slice(dim, 0, index.shape()[d]) } else { src };
        assert!(src.shape() == index.shape(), "scatter_add: index {:?}, src {:?}", index.shape(), src.shape());
        let region = cut("scatter_add", self, index.shape(), d);
        let whole = region.shape() == self.shape();
        let ([outer, n, inner], k) = (around(region.shape(), d), index.shape()[d]);
        let shape = region.shape().to_vec();
        let (index, src) = (checked_indices("scatter_add", index, n), src.contiguous());
        let most = self.device().most_elements();
        if whole && inner > most && self.numel() > 0 {
            let [x, i, src] = [(self, n), (&index, k), (&src, k)].map(|(t, n)| t.reshape(&[outer, n, inner]));
            return by_columns([&x, &i, &src], most, |[x, i, src]| x.scatter_add(1, i, src)).reshape(self.shape());
        }
        let plan = ScatterAdd { dtype: self.computed_type(), outer, n, k, inner, shared: false, base: true, shape };
        if whole {
            return execute_one(plan, &[&index, &src, &self.contiguous()]);
        }
        // A smaller index: what is added to its region is padded to the whole.
        let mut added = region.zeros_like().scatter_add(dim, &index, &src);
        for (i, &n) in self.shape().iter().enumerate() {
            added = added.pad(i as isize, 0, n - added.shape()[i], 0.0);
        }
        self.add(&added)
    }

    /// `out = x; out[…, index[j], …] += src[…, j, …]` for a 1-D index (`U32`); repeated indices accumulate. On a GPU an index beyond the axis
    /// makes NaN of the whole result: of all places that it might have meant.
    ///
    /// # Panics
    /// If the axis does not exist, the index does not have exactly one axis, src's shape is not x's with the index's length on axis `dim`, or x and
    /// src differ in type or device; on the CPU, if an index lies beyond the axis.
    #[track_caller]
    pub fn index_add(&self, dim: isize, index: &Tensor, src: &Tensor) -> Tensor {
        self.index_add_to("index_add", dim, index, src, true)
    }

    /// [`Tensor::index_add`] to zeros of `extent` elements on the axis: the gradient of [`Tensor::index_select`].
    ///
    /// # Panics
    /// As [`Tensor::index_add`].
    #[track_caller]
    pub fn index_sum(src: &Tensor, dim: isize, index: &Tensor, extent: usize) -> Tensor {
        let d = axis("index_sum", dim, src.rank());
        let mut shape = src.shape().to_vec();
        shape[d] = extent;
        let zeros = Tensor::zeros(src.device(), src.computed_type(), &shape);
        zeros.index_add_to("index_sum", dim, index, src, false)
    }

    #[track_caller]
    fn index_add_to(&self, op: &str, dim: isize, index: &Tensor, src: &Tensor, base: bool) -> Tensor {
        check_index(op, index);
        self.check_float(op);
        self.same_type(op, src);
        let d = axis(op, dim, self.rank());
        let mut expected = self.shape().to_vec();
        expected[d] = index.numel();
        assert!(index.rank() == 1 && src.shape() == expected, "{op}: src {:?} is not {expected:?}", src.shape());
        let ([outer, n, inner], k) = (around(self.shape(), d), index.numel());
        let (shape, index, src) = (self.shape().to_vec(), checked_indices(op, index, n), src.contiguous());
        let most = self.device().most_elements();
        if inner > most && self.numel() > 0 {
            let [x, src] = [(self, n), (&src, k)].map(|(t, n)| t.reshape(&[outer, n, inner]));
            return by_columns([&x, &src], most, |[x, src]| x.index_add_to(op, 1, &index, src, base)).reshape(&shape);
        }
        let plan = ScatterAdd { dtype: self.computed_type(), outer, n, k, inner, shared: true, base, shape };
        if base { execute_one(plan, &[&index, &src, &self.contiguous()]) } else { execute_one(plan, &[&index, &src]) }
    }
}
