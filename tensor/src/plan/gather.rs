//! Reading and adding along an axis by index.

use super::{Items, Plan, Run, Spec, bytes_of};
use crate::dtype::DType;

/// `out[o, j, i] = x[o, index[o, j, i], i]`, or, with one index for all (`shared`), `x[o, index[j], i]`. Inputs, contiguous:
/// x [outer, n, inner], any 32-bit or 64-bit type; index [outer, k, inner] or `[k]` (`U32`). An index beyond `n` is found by the
/// caller on the CPU; on a GPU it reads NaN, or all ones where x is of integers. Output [outer, k, inner].
#[derive(Clone, Debug)]
pub struct Gather {
    /// The type of x.
    pub dtype: DType,
    /// Elements before the axis.
    pub outer: usize,
    /// Elements along x's axis.
    pub n: usize,
    /// Elements along the index's axis.
    pub k: usize,
    /// Elements after the axis.
    pub inner: usize,
    /// Whether one index of `k` serves every (outer, inner).
    pub shared: bool,
    /// The output's shape.
    pub shape: Vec<usize>,
}

impl Plan for Gather {
    fn name(&self) -> &'static str {
        if self.shared { "index_select" } else { "gather" }
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.dtype)]
    }
    fn flops(&self) -> u64 {
        0
    }
    fn bytes(&self) -> u64 {
        2 * bytes_of(self.outer * self.k * self.inner, self.dtype) + 4 * self.k as u64
    }
    /// Slices before the axis; of a single one, places along the index, each of which may read the whole of x.
    fn items(&self) -> Option<Items<'_>> {
        let (index, n) = (if self.shared { 0 } else { self.inner }, self.n * self.inner);
        if self.outer > 1 {
            let shape = |outer| vec![outer, self.k, self.inner];
            let of = move |outer| -> Box<dyn Run> { Box::new(Gather { outer, shape: shape(outer), ..self.clone() }) };
            let outputs = vec![self.k * self.inner];
            return Some(Items { count: self.outer, inputs: vec![n, self.k * index], outputs, of: Box::new(of) });
        }
        let of = |k| -> Box<dyn Run> { Box::new(Gather { k, shape: vec![1, k, self.inner], ..self.clone() }) };
        let inputs = vec![0, index.max(1)];
        Some(Items { count: self.k, inputs, outputs: vec![self.inner], of: Box::new(of) })
    }
}

/// `out = base (or 0)`, then `out[o, index, i] += src[o, j, i]`, in ascending j. Inputs, contiguous: index, src [outer, k, inner], then
/// base [outer, n, inner] if `base`. Output [outer, n, inner]. An index beyond `n` is found by the caller on the CPU; on a GPU it
/// makes NaN of all places that it might have meant: its line along the axis, or with one index for all every line of its slice.
#[derive(Clone, Debug)]
pub struct ScatterAdd {
    /// `F32` or `F64`.
    pub dtype: DType,
    /// Elements before the axis.
    pub outer: usize,
    /// Elements along the output's axis.
    pub n: usize,
    /// Elements along the index's axis.
    pub k: usize,
    /// Elements after the axis.
    pub inner: usize,
    /// Whether one index of `k` serves every (outer, inner).
    pub shared: bool,
    /// Whether there is a base.
    pub base: bool,
    /// The output's shape.
    pub shape: Vec<usize>,
}

impl Plan for ScatterAdd {
    fn name(&self) -> &'static str {
        if self.shared { "index_add" } else { "scatter_add" }
    }
    fn outputs(&self) -> Vec<Spec> {
        vec![Spec::new(&self.shape, self.dtype)]
    }
    fn flops(&self) -> u64 {
        (self.outer * self.k * self.inner) as u64
    }
    fn bytes(&self) -> u64 {
        bytes_of(self.outer * self.inner * (self.k + self.n * (1 + usize::from(self.base))), self.dtype)
            + 4 * self.k as u64
    }
    fn items(&self) -> Option<Items<'_>> {
        let (k, n) = (self.k * self.inner, self.n * self.inner);
        let mut inputs = vec![if self.shared { 0 } else { k }, k];
        inputs.extend(self.base.then_some(n));
        let shape = |outer| vec![outer, self.n, self.inner];
        let of = move |outer| -> Box<dyn Run> { Box::new(ScatterAdd { outer, shape: shape(outer), ..self.clone() }) };
        Some(Items { count: self.outer, inputs, outputs: vec![n], of: Box::new(of) })
    }
}
