//! Tables with a row for every block of [`ALIGNMENT`] elements of θ: what a kernel must know of parameters, at 1/64 of θ's size. A parameter
//! starts with a block, so no block belongs to two.

use lethe_autograd::{ALIGNMENT, Param};
use lethe_nn::Theta;
use lethe_tensor::Tensor;

/// A table (blocks, K) in θ's type: of each block, what `rows` says of its parameter, and then of the number of elements in it that are no padding.
pub(crate) fn table<const K: usize, R: Fn(usize) -> [f64; K]>(theta: &Theta, rows: impl Fn(&Param) -> R) -> Tensor {
    let layout = theta.layout();
    let blocks = layout.len() / ALIGNMENT;
    let mut table = vec![[0.0; K]; blocks];
    for (_, p) in layout.owned() {
        let row = rows(p);
        for (i, block) in table[p.offset / ALIGNMENT..p.range().end.div_ceil(ALIGNMENT)].iter_mut().enumerate() {
            *block = row((p.numel() - i * ALIGNMENT).min(ALIGNMENT));
        }
    }
    theta.values().constant_like(table.as_flattened(), &[blocks, K])
}

/// A vector of θ's layout as (blocks, 64), to meet such a table.
pub(crate) fn by_block(vector: &Tensor) -> Tensor {
    vector.reshape(&[vector.numel() / ALIGNMENT, ALIGNMENT])
}
