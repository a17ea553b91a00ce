//! What reductions fold: sums, sums of squares, products and extremes, a vector at a time; and how results are stored.

use crate::cpu::math::{max_nan, min_nan};
use crate::cpu::simd::Simd;

/// An operation that many elements go into, in any order.
pub trait Fold: Copy + Sync {
    /// The result of no elements; also an element that changes nothing.
    const START: f32;
    /// Whether the plan's scale applies.
    const SCALES: bool;
    /// Partial results, and one more element each.
    fn push<S: Simd>(self, s: S, t: S::F, x: S::F) -> S::F;
    /// Two partial results each.
    fn join<S: Simd>(self, s: S, a: S::F, b: S::F) -> S::F;
    /// Two partial results.
    fn join_one(self, a: f32, b: f32) -> f32;
    /// The join of all lanes, by halves.
    #[inline(always)]
    fn across<S: Simd>(self, s: S, v: S::F) -> f32 {
        let mut x = s.lanes(v);
        let mut n = S::N;
        while n > 1 {
            n /= 2;
            for i in 0..n {
                x[i] = self.join_one(x[i], x[i + n]);
            }
        }
        x[0]
    }
}

/// Σ x
#[derive(Clone, Copy)]
pub struct Sum;
/// Σ x²
#[derive(Clone, Copy)]
pub struct Squares;
/// Π x
#[derive(Clone, Copy)]
pub struct Product;
/// The largest; NaN if there is one.
#[derive(Clone, Copy)]
pub struct Max;
/// The smallest; NaN likewise.
#[derive(Clone, Copy)]
pub struct Min;

macro_rules! folds {
    ($($T:ident $start:expr, $scales:literal, |$s:ident, $t:ident, $x:ident| $push:expr, |$a:ident, $b:ident| $join:expr, $one:expr;)*) => { $(
        impl Fold for $T {
            const START: f32 = $start;
            const SCALES: bool = $scales;
            #[inline(always)]
            fn push<S: Simd>(self, $s: S, $t: S::F, $x: S::F) -> S::F {
                $push
            }
            #[inline(always)]
            fn join<S: Simd>(self, $s: S, $a: S::F, $b: S::F) -> S::F {
                $join
            }
            #[inline(always)]
            fn join_one(self, $a: f32, $b: f32) -> f32 {
                $one
            }
        }
    )* };
}
folds! {
    Sum 0.0, true, |s, t, x| s.add(t, x), |a, b| s.add(a, b), a + b;
    Squares 0.0, true, |s, t, x| s.fma(x, x, t), |a, b| s.add(a, b), a + b;
    Product 1.0, false, |s, t, x| s.mul(t, x), |a, b| s.mul(a, b), a * b;
    Max f32::NEG_INFINITY, false, |s, t, x| max_nan(s, t, x), |a, b| max_nan(s, a, b), if a >= b || a.is_nan() { a } else { b };
    Min f32::INFINITY, false, |s, t, x| min_nan(s, t, x), |a, b| min_nan(s, a, b), if a <= b || a.is_nan() { a } else { b };
}

/// The fold of a run of elements, in four vectors side by side.
#[inline(always)]
pub fn row_fold<S: Simd, F: Fold>(s: S, f: F, x: &[f32]) -> f32 {
    let mut t = [s.splat(F::START); 4];
    let mut chunks = x.chunks_exact(4 * S::N);
    for c in &mut chunks {
        for i in 0..4 {
            t[i] = f.push(s, t[i], s.load(&c[i * S::N..]));
        }
    }
    for (i, c) in chunks.remainder().chunks(S::N).enumerate() {
        t[i] = f.push(s, t[i], s.load_part(c, F::START));
    }
    f.across(s, f.join(s, f.join(s, t[0], t[1]), f.join(s, t[2], t[3])))
}

/// How results are stored.
#[derive(Clone, Copy)]
pub struct Put {
    pub scale: f32,
    pub add: bool,
}

impl Put {
    /// As they are.
    pub const PLAIN: Put = Put { scale: 1.0, add: false };

    /// Stores a result.
    #[inline(always)]
    pub fn put(self, at: &mut f32, v: f32) {
        let v = v * self.scale;
        *at = if self.add { *at + v } else { v };
    }
}
