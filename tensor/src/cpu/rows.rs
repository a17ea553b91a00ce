//! Vector passes over rows that softmax and the cross-entropies share. A row function is written once and used in two ways: with vectors
//! along a long row, or on many short rows side by side, a row a lane, where a vector holds the same element of every row.

use super::long_sums::{Blocks, blocks};
use super::math;
use super::simd::Simd;

/// Rows of up to this many elements are worked on side by side.
pub const NARROW: usize = 16;

/// Room for [`NARROW`] elements of as many rows as a vector has lanes.
pub type Lanes = [f32; NARROW * 16];

/// How the partial results in the lanes of a vector become those of whole rows.
pub trait Along: Copy {
    /// How `len` elements are cut before they are summed.
    fn blocks(self, len: usize) -> Blocks;
    /// Adds the sum of a block to that of the blocks before (`before`, 0 at first): the sum of all so far.
    fn sum<S: Simd>(self, s: S, before: &mut f64, v: S::F) -> S::F;
    /// The largest.
    fn max<S: Simd>(self, s: S, v: S::F) -> S::F;
}

/// A vector holds consecutive elements of one row: the row's result goes to every lane. `LONG`: of more than
/// [`SHORT`](super::long_sums::SHORT) elements.
#[derive(Clone, Copy)]
pub struct AlongRow<const LONG: bool>;

impl<const LONG: bool> Along for AlongRow<LONG> {
    #[inline(always)]
    fn blocks(self, len: usize) -> Blocks {
        blocks(len, LONG)
    }
    #[inline(always)]
    fn sum<S: Simd>(self, s: S, before: &mut f64, v: S::F) -> S::F {
        *before += f64::from(s.sum(v));
        s.splat(*before as f32)
    }
    #[inline(always)]
    fn max<S: Simd>(self, s: S, v: S::F) -> S::F {
        s.splat(s.max_lane(v))
    }
}

/// A vector holds an element each of as many rows as it has lanes: every lane has its row's result already.
#[derive(Clone, Copy)]
pub struct AcrossRows;

impl Along for AcrossRows {
    #[inline(always)]
    fn blocks(self, len: usize) -> Blocks {
        blocks(len, false)
    }
    #[inline(always)]
    fn sum<S: Simd>(self, _: S, _: &mut f64, v: S::F) -> S::F {
        v // of the only block
    }
    #[inline(always)]
    fn max<S: Simd>(self, _: S, v: S::F) -> S::F {
        v
    }
}

/// Rows of `n` elements to lanes: element k of row r goes to `out[k * lanes + r]`.
#[inline(always)]
pub fn to_lanes(rows: &[f32], n: usize, lanes: usize, out: &mut Lanes) {
    for (r, row) in rows.chunks_exact(n).enumerate() {
        for (k, x) in row.iter().enumerate() {
            out[k * lanes + r] = *x;
        }
    }
}

/// The reverse of [`to_lanes`].
#[inline(always)]
pub fn from_lanes(lanes: &Lanes, n: usize, count: usize, rows: &mut [f32]) {
    for (r, row) in rows.chunks_exact_mut(n).enumerate() {
        for (k, x) in row.iter_mut().enumerate() {
            *x = lanes[k * count + r];
        }
    }
}

/// The largest element. A NaN need not be found: it comes out of the sum of exponentials. Two chains: one would wait for each comparison.
#[inline(always)]
pub fn largest<S: Simd>(s: S, a: impl Along, x: &[f32]) -> S::F {
    let mut tops = [s.splat(f32::NEG_INFINITY); 2];
    let mut pairs = x.chunks_exact(2 * S::N);
    for pair in &mut pairs {
        let (first, second) = pair.split_at(S::N);
        tops = [s.max(s.load(first), tops[0]), s.max(s.load(second), tops[1])];
    }
    for x in pairs.remainder().chunks(S::N) {
        tops[0] = s.max(s.load_part(x, f32::NEG_INFINITY), tops[0]);
    }
    a.max(s, s.max(tops[0], tops[1]))
}

/// `y = e^(x − top)`, and the sum of these. Nothing but NaN comes of a row of −∞ alone.
#[inline(always)]
pub fn exponentials<S: Simd>(s: S, a: impl Along, x: &[f32], top: S::F, y: &mut [f32]) -> S::F {
    let (mut total, mut before) = (s.splat(0.0), 0.0);
    for block in a.blocks(x.len()) {
        let mut sum = s.splat(0.0);
        for (x, y) in x[block.clone()].chunks(S::N).zip(y[block].chunks_mut(S::N)) {
            let e = math::exp(s, s.sub(s.load_part(x, f32::NEG_INFINITY), top));
            sum = s.add(sum, e);
            s.store_part(y, e);
        }
        total = a.sum(s, &mut before, sum);
    }
    total
}

/// The sum of `e^(x − top)` alone.
#[inline(always)]
pub fn sum_of_exponentials<S: Simd>(s: S, a: impl Along, x: &[f32], top: S::F) -> S::F {
    let (mut total, mut before) = (s.splat(0.0), 0.0);
    for block in a.blocks(x.len()) {
        let mut sum = s.splat(0.0);
        for x in x[block].chunks(S::N) {
            sum = s.add(sum, math::exp(s, s.sub(s.load_part(x, f32::NEG_INFINITY), top)));
        }
        total = a.sum(s, &mut before, sum);
    }
    total
}
