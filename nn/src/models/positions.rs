//! Position embeddings of one grid of patches made to fit another: what changes when a transformer moves to images of a different size. Nothing else
//! in it depends on that size.

use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// Where a model keeps its position embeddings (1, leading + rows · columns, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// The parameter's name.
    pub name: &'static str,
    /// Tokens before those of the patches: a class token.
    pub leading: usize,
    /// Rows and columns of patches, row-major.
    pub grid: [usize; 2],
}

/// Embeddings (1, leading + h·w, width) of a grid `from` = (h, w) interpolated bilinearly over that grid to `to`, pixel centres aligned as in
/// resizing an image; the leading tokens, which have no place in the grid, stay as they are.
///
/// # Panics
/// If the embeddings are not (1, leading + h·w, width).
#[track_caller]
pub fn interpolate_positions(embeddings: &Tensor, leading: usize, from: [usize; 2], to: [usize; 2]) -> Tensor {
    let tokens = leading + from[0] * from[1];
    let &[1, found, width] = embeddings.shape() else { panic!("positions: {:?} is not (1, t, w)", embeddings.shape()) };
    assert!(found == tokens, "positions: {found} tokens are not {leading} and a grid of {from:?}");
    let all = Var::constant(embeddings);
    let grid = all.slice(1, leading, tokens).reshape(&[1, from[0], from[1], width]).permute(&[0, 3, 1, 2]);
    let grid = grid.interpolate_bilinear(to, false).permute(&[0, 2, 3, 1]).reshape(&[1, to[0] * to[1], width]);
    Var::concat(&[&all.slice(1, 0, leading), &grid], 1).tensor().clone()
}
