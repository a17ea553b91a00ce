//! Views: other shapes and strides over the same storage, and copies where a view cannot be.

use super::axis;
use crate::dtype::DType;
use crate::layout::numel;
use crate::plan::Copy;
use crate::run::execute_one;
use crate::tensor::Tensor;
use std::sync::Arc;

/// In a shape given to `reshape`: the extent that the number of elements leaves for this axis (-1 in NumPy and PyTorch).
pub const INFER: usize = usize::MAX;

impl Tensor {
    /// The same elements in row-major order in a new shape; one extent may be [`INFER`]. A copy is made only where
    /// strides cannot express it.
    ///
    /// # Panics
    /// If the numbers of elements differ.
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> Tensor {
        let mut shape = shape.to_vec();
        if let Some(free) = shape.iter().position(|n| *n == INFER) {
            shape[free] = 1;
            shape[free] = self.numel() / numel(&shape).max(1);
        }
        assert!(
            numel(&shape) == self.numel(),
            "reshape: {:?} has {} elements, {shape:?} has {}",
            self.shape(),
            self.numel(),
            numel(&shape)
        );
        if shape == self.shape() {
            return self.clone();
        }
        match self.layout().reshape(&shape) {
            Some(layout) => self.with_layout(layout),
            None => self.contiguous().reshape(&shape),
        }
    }

    /// Axis `i` of the result is axis `dims[i]`.
    ///
    /// # Panics
    /// If `dims` is not a permutation of the axes.
    #[track_caller]
    pub fn permute(&self, dims: &[usize]) -> Tensor {
        let mut seen = vec![false; self.rank()];
        let valid =
            dims.len() == self.rank() && dims.iter().all(|&d| d < seen.len() && !std::mem::replace(&mut seen[d], true));
        assert!(valid, "permute: {dims:?} is not a permutation of the {} axes", self.rank());
        self.with_layout(self.layout().permute(dims))
    }

    /// Two axes exchanged; they may be counted from the end.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn transpose(&self, a: isize, b: isize) -> Tensor {
        let mut dims: Vec<usize> = (0..self.rank()).collect();
        dims.swap(axis("transpose", a, self.rank()), axis("transpose", b, self.rank()));
        self.permute(&dims)
    }

    /// The last two axes exchanged.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn t(&self) -> Tensor {
        self.transpose(-2, -1)
    }

    /// Elements `start .. end` of an axis.
    ///
    /// # Panics
    /// If the range is not within the axis.
    #[track_caller]
    pub fn slice(&self, dim: isize, start: usize, end: usize) -> Tensor {
        self.slice_step(dim, start, end, 1)
    }

    /// Elements `start, start + step, …` below `end` of an axis.
    ///
    /// # Panics
    /// If the range is not within the axis, or the step is 0.
    #[track_caller]
    pub fn slice_step(&self, dim: isize, start: usize, end: usize, step: usize) -> Tensor {
        let d = axis("slice", dim, self.rank());
        let n = self.shape()[d];
        assert!(start <= end && end <= n, "slice: {start}..{end} is not within axis {d} of {n} elements");
        assert!(step > 0, "slice: the step is 0");
        self.with_layout(self.layout().slice(d, start, end, step))
    }

    /// Axes reversed.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn flip(&self, dims: &[isize]) -> Tensor {
        let mut layout = self.layout().clone();
        for dim in dims {
            layout = layout.flip(axis("flip", *dim, self.rank()));
        }
        self.with_layout(layout)
    }

    /// Broadcast to a shape, without a copy.
    ///
    /// # Panics
    /// If NumPy's rule does not allow it.
    #[track_caller]
    pub fn expand(&self, shape: &[usize]) -> Tensor {
        let Some(layout) = self.layout().expand(shape) else {
            panic!("expand: {:?} does not broadcast to {shape:?}", self.shape())
        };
        numel(shape); // a view takes no memory, but its elements must be countable
        self.with_layout(layout)
    }

    /// A new axis of one element before axis `dim` (or at the end).
    ///
    /// # Panics
    /// If `dim` is beyond the rank.
    #[track_caller]
    pub fn unsqueeze(&self, dim: isize) -> Tensor {
        let mut shape = self.shape().to_vec();
        shape.insert(axis("unsqueeze", dim, self.rank() + 1), 1);
        self.reshape(&shape)
    }

    /// Without an axis of one element.
    ///
    /// # Panics
    /// If the axis does not have exactly one element.
    #[track_caller]
    pub fn squeeze(&self, dim: isize) -> Tensor {
        let d = axis("squeeze", dim, self.rank());
        assert!(self.shape()[d] == 1, "squeeze: axis {d} of {:?} does not have exactly one element", self.shape());
        let mut shape = self.shape().to_vec();
        shape.remove(d);
        self.reshape(&shape)
    }

    /// The same elements, row-major: a copy unless they are so already.
    #[track_caller]
    pub fn contiguous(&self) -> Tensor {
        if self.layout().is_contiguous() {
            return self.clone();
        }
        execute_one(Copy { from: self.dtype(), to: self.dtype(), shape: self.shape().to_vec() }, &[self])
    }

    /// Converted to another type. Integers truncate towards zero, floats round to the nearest.
    ///
    /// # Panics
    /// If the device cannot hold the type.
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Tensor {
        super::create_check(self, dtype);
        if dtype == self.dtype() {
            return self.clone();
        }
        execute_one(Copy { from: self.dtype(), to: dtype, shape: self.shape().to_vec() }, &[self])
    }

    /// Whether two tensors are the same elements of the same storage, or one handle.
    pub(crate) fn same_view(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || self.unevaluated().is_none()
                && other.unevaluated().is_none()
                && self.dtype() == other.dtype()
                && self.layout() == other.layout()
                && self.storage().same(other.storage())
    }
}
