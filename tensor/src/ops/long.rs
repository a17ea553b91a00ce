//! Lines that are longer than one kernel takes: cut into pieces of one length and a rest, whose results are joined.

use crate::tensor::Tensor;

impl Tensor {
    /// This [outer, n, inner] as [outer · pieces, `len`, inner], and the elements after the last whole piece, if there are any.
    pub(super) fn pieces(&self, len: usize) -> (Tensor, Option<Tensor>) {
        let [outer, n, inner] = <[usize; 3]>::try_from(self.shape()).expect("three axes");
        let whole = n / len * len;
        let pieces = self.slice(1, 0, whole).reshape(&[outer * (n / len), len, inner]);
        (pieces, (whole < n).then(|| self.slice(1, whole, n)))
    }
}

/// `f` of each part of the last axis of these [.., inner] that is at most `len` long, side by side.
pub(super) fn by_columns<const N: usize>(
    tensors: [&Tensor; N],
    len: usize,
    f: impl Fn([&Tensor; N]) -> Tensor,
) -> Tensor {
    let last = tensors[0].rank() - 1;
    let n = tensors[0].shape()[last];
    let of = |a: usize| {
        let parts = tensors.map(|t| t.slice(last as isize, a, n.min(a + len)));
        f(parts.each_ref())
    };
    let parts: Vec<Tensor> = (0..n).step_by(len).map(of).collect();
    Tensor::concat(&parts.iter().collect::<Vec<_>>(), -1)
}

/// How many of rows of `inner` elements `most` elements are; a multiple of 64 if they are many, so that parts start where a binding may.
pub(super) fn rows_of(most: usize, inner: usize) -> usize {
    let rows = most / inner.max(1);
    if rows > 64 { rows / 64 * 64 } else { rows }
}
