//! Joining and padding.

use super::{around, axis};
use crate::layout::numel;
use crate::plan::{Assemble, Concat, Pad};
use crate::run::execute_one;
use crate::tensor::Tensor;

impl Tensor {
    /// Tensors one after the other along an axis.
    ///
    /// # Panics
    /// If there are none, or they differ in type, in rank or on an axis other than `dim`.
    #[track_caller]
    pub fn concat(tensors: &[&Tensor], dim: isize) -> Tensor {
        let first = tensors.first().expect("concat: there is nothing to join");
        let d = axis("concat", dim, first.rank());
        let mut shape = first.shape().to_vec();
        shape[d] = 0;
        for t in tensors {
            let mut other = t.shape().to_vec();
            assert!(other.len() == shape.len(), "concat: {:?} and {:?} differ in rank", first.shape(), t.shape());
            let extent = std::mem::replace(&mut other[d], shape[d]);
            assert!(
                other == shape && t.computed_type() == first.computed_type(),
                "concat: {} {:?} and {} {:?} differ beside axis {d}",
                first.dtype(),
                first.shape(),
                t.dtype(),
                t.shape()
            );
            shape[d] = shape[d].saturating_add(extent); // the largest extent has no shape
        }
        numel(&shape);
        let outer = around(&shape, d)[0];
        let blocks = tensors.iter().map(|t| around(t.shape(), d)[1..].iter().product()).collect();
        let inputs: Vec<Tensor> = tensors.iter().map(|t| t.contiguous()).collect();
        let plan = Concat { dtype: first.computed_type(), outer, blocks, shape };
        execute_one(plan, &inputs.iter().collect::<Vec<_>>())
    }

    /// Tensors of one shape along a new axis.
    ///
    /// # Panics
    /// As [`Tensor::concat`].
    #[track_caller]
    pub fn stack(tensors: &[&Tensor], dim: isize) -> Tensor {
        // A loop: a closure would not know the line of calling code.
        let mut wide = vec![];
        for t in tensors {
            wide.push(t.unsqueeze(dim));
        }
        Tensor::concat(&wide.iter().collect::<Vec<_>>(), dim)
    }

    /// New elements of `value` before and after an axis.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn pad(&self, dim: isize, before: usize, after: usize, value: f64) -> Tensor {
        let d = axis("pad", dim, self.rank());
        if before == 0 && after == 0 {
            return self.clone();
        }
        let [outer, n, inner] = around(self.shape(), d);
        let mut shape = self.shape().to_vec();
        shape[d] = n.saturating_add(before).saturating_add(after); // the largest extent has no shape
        numel(&shape);
        if self.numel() == 0 {
            return Tensor::full(self.device(), self.computed_type(), &shape, value);
        }
        let (before, after) = (before * inner, after * inner);
        let plan = Pad { dtype: self.computed_type(), outer, block: n * inner, before, after, value, shape };
        execute_one(plan, &[&self.contiguous()])
    }

    /// One vector of `len` elements from pieces, each put at its place; zero between them. Places must not overlap.
    ///
    /// # Panics
    /// If there are no pieces, one lies outside, two overlap, or their types differ.
    #[track_caller]
    pub fn assemble(pieces: &[(usize, &Tensor)], len: usize) -> Tensor {
        let first = pieces.first().expect("assemble: there are no pieces").1;
        let dtype = first.computed_type();
        let ranges: Vec<(usize, usize)> = pieces.iter().map(|(start, t)| (*start, t.numel())).collect();
        let mut order = ranges.clone();
        order.sort_unstable();
        let mut end = 0;
        for (start, n) in order {
            assert!(start >= end, "assemble: a piece of {n} at {start} overlaps the one before, which ends at {end}");
            assert!(n <= len && start <= len - n, "assemble: a piece of {n} at {start} lies outside {len} elements");
            end = start + n;
        }
        for (_, t) in pieces {
            first.same_type("assemble", t);
        }
        let inputs: Vec<Tensor> = pieces.iter().map(|(_, t)| t.contiguous()).collect();
        execute_one(Assemble { dtype, len, ranges }, &inputs.iter().collect::<Vec<_>>())
    }
}
