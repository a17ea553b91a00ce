//! Reading and adding along an axis by index.

use super::{Plan, Spec, back_ends, bytes_of};
use crate::dtype::DType;

/// `out[o, j, i] = x[o, index[o, j, i], i]`, or, with one index for all (`shared`), `x[o, index[j], i]`. Inputs, contiguous:
/// x [outer, n, inner], any 32-bit or 64-bit type; index [outer, k, inner] or [k] (`U32` or `I32`; host-checked where it came from the
/// host: an index beyond `n` reads the last element). Output [outer, k, inner].
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
    /// Elements behind the axis.
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
    back_ends!(gather);
}

/// `out = base (or 0)`, then `out[o, index, i] += src[o, j, i]`, in ascending j. Inputs, contiguous: index, src [outer, k, inner], then
/// base [outer, n, inner] if `base`. Output [outer, n, inner]. Indices beyond `n` are passed over.
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
    /// Elements behind the axis.
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
    back_ends!(gather::scatter_add);
}
