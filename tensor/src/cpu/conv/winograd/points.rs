//! The transforms of a line of a tile, generic over the vector: F(m, 3), after Winograd and Toom and Cook.
//!
//! y = Aᵀ[(G w) ⊙ (Bᵀ x)] with T = m + 2 points: 0, ±1, ∞ for m = 2, and 0, ±P, ±Q, ∞ for m = 4. Gradients are transposes of the same three
//! matrices: dw = Gᵀ[(A dy) ⊙ (Bᵀ x)]. Points of opposite sign share an even and an odd half, which halves the work.
//!
//! P = 11/16 and Q = 11/8 instead of the usual 1 and 2 give entries of similar size, and a quarter of the rounding error for the same operations.
//! They were chosen by measurement among pairs whose products are exact in single precision.

use crate::cpu::simd::Simd;

const P: f32 = 0.6875;
const Q: f32 = 1.375;
const P2: f32 = P * P;
const Q2: f32 = Q * Q;
/// 1 / Π (p − other points): the denominators of G.
const N0: f32 = 1.0 / (P2 * Q2);
const NP: f32 = 1.0 / (2.0 * P2 * (P2 - Q2));
const NQ: f32 = 1.0 / (2.0 * Q2 * (Q2 - P2));

/// `c[0] v[0] + c[1] v[1] + …`
#[inline(always)]
fn sum<S: Simd, const K: usize>(s: S, c: [f32; K], v: [S::F; K]) -> S::F {
    let mut t = s.mul(s.splat(c[0]), v[0]);
    for i in 1..K {
        t = s.fma(s.splat(c[i]), v[i], t);
    }
    t
}

/// `even + c odd` and `even − c odd`.
#[inline(always)]
fn pair<S: Simd>(s: S, even: S::F, c: f32, odd: S::F) -> (S::F, S::F) {
    (s.fma(s.splat(c), odd, even), s.fma(s.splat(-c), odd, even))
}

/// Bᵀ x.
#[inline(always)]
pub fn input<S: Simd, const T: usize>(s: S, x: [S::F; T]) -> [S::F; T] {
    let mut r = x;
    if T == 4 {
        r[0] = s.sub(x[0], x[2]);
        r[1] = s.add(x[1], x[2]);
        r[2] = s.sub(x[2], x[1]);
        r[3] = s.sub(x[3], x[1]);
    } else {
        let less = |c: f32, a: S::F, b: S::F| s.fma(s.splat(-c), b, a);
        (r[1], r[2]) = pair(s, less(Q2, x[4], x[2]), P, less(Q2, x[3], x[1]));
        (r[3], r[4]) = pair(s, less(P2, x[4], x[2]), Q, less(P2, x[3], x[1]));
        r[0] = s.fma(s.splat(P2 * Q2), x[0], less(P2 + Q2, x[4], x[2]));
        r[5] = s.fma(s.splat(P2 * Q2), x[1], less(P2 + Q2, x[5], x[3]));
    }
    r
}

/// Aᵀ v: the first m are the results.
#[inline(always)]
pub fn output<S: Simd, const T: usize>(s: S, v: [S::F; T]) -> [S::F; T] {
    let mut r = v;
    let (e, o) = (s.add(v[1], v[2]), s.sub(v[1], v[2]));
    if T == 4 {
        r[0] = s.add(v[0], e);
        r[1] = s.add(v[3], o);
    } else {
        let (f, p) = (s.add(v[3], v[4]), s.sub(v[3], v[4]));
        r[0] = s.add(v[0], s.add(e, f));
        r[1] = sum(s, [P, Q], [o, p]);
        r[2] = sum(s, [P2, Q2], [e, f]);
        r[3] = s.fma(s.splat(P2 * P), o, s.fma(s.splat(Q2 * Q), p, v[5]));
    }
    r
}

/// A dy of the first m.
#[inline(always)]
pub fn output_grad<S: Simd, const T: usize>(s: S, dy: [S::F; T]) -> [S::F; T] {
    let mut r = dy;
    if T == 4 {
        (r[1], r[2], r[3]) = (s.add(dy[0], dy[1]), s.sub(dy[0], dy[1]), dy[1]);
    } else {
        let plus = |c: f32, a: S::F, b: S::F| s.fma(s.splat(c), b, a);
        (r[1], r[2]) = pair(s, plus(P2, dy[0], dy[2]), P, plus(P2, dy[1], dy[3]));
        (r[3], r[4]) = pair(s, plus(Q2, dy[0], dy[2]), Q, plus(Q2, dy[1], dy[3]));
        r[5] = dy[3];
    }
    r
}

/// G w.
#[inline(always)]
pub fn weight<S: Simd, const T: usize>(s: S, w: [S::F; 3]) -> [S::F; T] {
    let mut r = [w[0]; T];
    if T == 4 {
        (r[1], r[2]) = pair(s, sum(s, [0.5, 0.5], [w[0], w[2]]), 0.5, w[1]);
    } else {
        r[0] = s.mul(s.splat(N0), w[0]);
        (r[1], r[2]) = pair(s, sum(s, [NP, NP * P2], [w[0], w[2]]), NP * P, w[1]);
        (r[3], r[4]) = pair(s, sum(s, [NQ, NQ * Q2], [w[0], w[2]]), NQ * Q, w[1]);
    }
    r[T - 1] = w[2];
    r
}

/// Gᵀ v.
#[inline(always)]
pub fn weight_grad<S: Simd, const T: usize>(s: S, v: [S::F; T]) -> [S::F; 3] {
    let (e, o) = (s.add(v[1], v[2]), s.sub(v[1], v[2]));
    if T == 4 {
        let half = s.splat(0.5);
        [s.fma(half, e, v[0]), s.mul(half, o), s.fma(half, e, v[3])]
    } else {
        let (f, p) = (s.add(v[3], v[4]), s.sub(v[3], v[4]));
        let last = sum(s, [NP * P2, NQ * Q2], [e, f]);
        [sum(s, [N0, NP, NQ], [v[0], e, f]), sum(s, [NP * P, NQ * Q], [o, p]), s.add(last, v[5])]
    }
}
