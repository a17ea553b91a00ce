//! Branch-free f32 elementary functions, generic over the instruction set. Coefficients: own minimax fits (Lawson-weighted least squares on
//! Chebyshev nodes, 40 digits). The tests state each function's error, over bit patterns from the whole range.

use super::simd::Simd;
use crate::normal;

/// Horner: the most accurate order, the longest chain.
#[inline(always)]
fn horner<S: Simd, const D: usize>(s: S, x: S::F, c: [f32; D]) -> S::F {
    let mut p = s.splat(c[D - 1]);
    for i in (0..D - 1).rev() {
        p = s.fma(p, x, s.splat(c[i]));
    }
    p
}

/// Even and odd halves in x^2: half the latency of Horner for one more product (the scheduler, not the pipes, is what fills).
#[inline(always)]
fn poly<S: Simd, const D: usize>(s: S, x: S::F, c: [f32; D]) -> S::F {
    let x2 = s.mul(x, x);
    let (mut p, mut q) = (s.splat(c[D - 1]), s.splat(c[D - 2]));
    for i in (0..D - 2).rev() {
        (p, q) = (q, s.fma(p, x2, s.splat(c[i])));
    }
    s.fma(p, x, q)
}

/// `(r * q, n)` with `e^x = 2^n (1 + r q)`: x = n ln 2 + r, |r| <= ln 2 / 2. `x` already clamped.
#[inline(always)]
fn exp_parts<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.fma(n, s.splat(-0.693_359_4), x); // 355/512: n * hi is exact
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let q = horner(s, r, [1.0, 0.5, 1.666641682e-01, 4.166612402e-02, 8.375057951e-03, 1.395455096e-03]);
    (s.mul(r, q), n)
}

/// e^x. Overflows to infinity, underflows gradually, NaN stays NaN.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.splat(89.0), s.max(s.splat(-104.0), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let q = horner(s, r, [1.0, 1.0, 0.5, 1.666641682e-01, 4.166612402e-02, 8.375057951e-03, 1.395455096e-03]);
    s.scale2(q, n)
}

/// e^x - 1 for x in [-87, 88]; relative error stays small near zero.
#[inline(always)]
pub fn expm1<S: Simd>(s: S, x: S::F) -> S::F {
    let (p, n) = exp_parts(s, x);
    let one = s.splat(1.0);
    let two_n = s.scale2(one, n);
    s.fma(p, two_n, s.sub(two_n, one))
}

/// e^x - 1 for every x. The power of two is halved, so that it does not overflow before the result does.
#[inline(always)]
pub fn expm1_full<S: Simd>(s: S, x: S::F) -> S::F {
    let (p, n) = exp_parts(s, s.min(s.splat(89.0), s.max(s.splat(-20.0), x)));
    let half = s.splat(0.5);
    let two_n = s.scale2(half, n);
    let e = s.fma(p, two_n, s.sub(two_n, half));
    s.add(e, e)
}

/// ln(1 + x): what rounding 1 + x loses is put back (Kahan).
#[inline(always)]
pub fn log1p<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    let u = s.add(one, x);
    let d = s.sub(u, one);
    let l = log(s, u);
    let corrected = s.mul(l, s.div(x, d));
    let small = s.select_le(s.abs(d), s.splat(0.0), x, corrected); // 1 + x = 1
    s.select_lt(s.splat(1e30), x, l, small) // also where x / d would be inf / inf
}

/// max(x, 0) + ln(1 + e^-|x|).
#[inline(always)]
pub fn softplus<S: Simd>(s: S, x: S::F) -> S::F {
    let zero = s.splat(0.0);
    s.add(s.max(zero, x), log1p(s, exp(s, s.sub(zero, s.abs(x)))))
}

/// −1, 0 or 1; NaN stays NaN.
#[inline(always)]
pub fn sign<S: Simd>(s: S, x: S::F) -> S::F {
    let zero = s.splat(0.0);
    s.select_lt(zero, x, s.splat(1.0), s.select_lt(x, zero, s.splat(-1.0), x))
}

/// The larger; NaN if either is.
#[inline(always)]
pub fn max_nan<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
    s.select_le(a, a, s.max(a, b), a)
}

/// The smaller; NaN if either is.
#[inline(always)]
pub fn min_nan<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
    s.select_le(a, a, s.min(a, b), a)
}

/// tanh x = e / (e + 2), e = e^{2x} - 1.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let a = s.min(s.splat(20.0), s.abs(s.add(x, x)));
    let e = expm1(s, a);
    s.copysign(s.div(e, s.add(e, s.splat(2.0))), x)
}

/// 1 / (1 + e^-x), from e = e^-|x| so that the left tail keeps its relative accuracy down to the subnormals.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let (zero, one) = (s.splat(0.0), s.splat(1.0));
    let e = exp(s, s.sub(zero, s.abs(x)));
    s.div(s.select_lt(x, zero, e, one), s.add(one, e))
}

/// erf x = 1 - e^{-P(|x|)} through expm1, P = -ln erfc: one formula, relative accuracy everywhere.
#[inline(always)]
pub fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    let a = s.min(s.splat(3.95), s.abs(x));
    let q = poly(
        s,
        a,
        [
            1.128379226e+00,
            6.366197467e-01,
            1.027726904e-01,
            -1.912439615e-02,
            -2.374176984e-04,
            1.779358834e-03,
            -7.261416176e-04,
            1.615382935e-04,
            -2.010016215e-05,
            1.088508498e-06,
        ],
    );
    let e = expm1(s, s.sub(s.splat(0.0), s.mul(a, q)));
    s.copysign(e, x)
}

/// Natural logarithm; log 0 = -inf, log of a negative number = NaN, log inf = inf.
#[inline(always)]
pub fn log<S: Simd>(s: S, x: S::F) -> S::F {
    let (m, e) = s.split(x);
    let f = s.sub(m, s.splat(1.0));
    let p = poly(
        s,
        f,
        [
            3.333345056e-01,
            -2.500009537e-01,
            1.999086142e-01,
            -1.664731205e-01,
            1.447839588e-01,
            -1.316119432e-01,
            1.046302095e-01,
            -4.507478327e-02,
        ],
    );
    let f2 = s.mul(f, f);
    let lo = s.fma(s.mul(f2, f), p, s.mul(f2, s.splat(-0.5)));
    let lo = s.fma(e, s.splat(-2.121_944_4e-4), lo);
    let r = s.fma(e, s.splat(0.693_359_4), s.add(f, lo));
    let zero = s.splat(0.0);
    let inf = s.splat(f32::INFINITY);
    // x < inf ? (0 < x ? r : special) : x  (NaN falls through to x)
    let neg = s.select_lt(x, zero, s.splat(f32::NAN), s.splat(f32::NEG_INFINITY));
    s.select_lt(x, inf, s.select_lt(zero, x, r, neg), x)
}

/// `(Phi(x), phi(x))`, the normal distribution and density: the two halves of exact GELU and its derivative, one exp and one
/// division together. Phi keeps its relative accuracy in the left tail, where 1 + erf cancels.
#[inline(always)]
pub fn normal<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let a = s.min(s.splat(15.0), s.abs(x)); // e = 0 from 14.5 on: -inf * 0 = NaN as in PyTorch
    let y = s.mul(s.mul(a, a), s.splat(-0.5 * std::f32::consts::LOG2_E));
    let n = s.round(y);
    let e = poly(
        s,
        s.sub(y, n),
        [1.0, 6.931472421e-01, 2.402223498e-01, 5.550308526e-02, 9.671875276e-03, 1.340725925e-03],
    );
    let e = s.scale2(e, n); // e^(-x^2/2)
    let t = s.div(s.splat(1.0), s.fma(a, s.splat(0.3), s.splat(1.0)));
    let g = poly(
        s,
        t,
        [
            1.196320057e-01,
            1.207121387e-01,
            1.001759544e-01,
            1.276917458e-01,
            -5.203394592e-02,
            2.045567036e-01,
            -1.561583877e-01,
            3.542372212e-02,
        ],
    ); // t g = Phi(-a) / e
    let tail = s.mul(s.mul(g, t), e);
    let phi = s.mul(e, s.splat(0.398_942_3));
    (s.select_lt(x, s.splat(0.0), tail, s.sub(s.splat(1.0), tail)), phi)
}

/// x Phi(x).
#[inline(always)]
pub fn gelu<S: Simd>(s: S, x: S::F) -> S::F {
    s.mul(x, normal(s, x).0)
}

/// Phi(x) + x phi(x).
#[inline(always)]
pub fn gelu_grad<S: Simd>(s: S, x: S::F) -> S::F {
    let (p, d) = normal(s, x);
    s.fma(x, d, p)
}

/// Up to here n, the number of quarter turns, has 13 bits, so that its products with 11-bit parts of pi/2 are exact even unfused.
const TURNS_EXACT: f32 = 8192.0;

/// `(r, n)` with x = n pi/2 + r, |r| <= pi/4 and a little, for |x| <= [`TURNS_EXACT`]: pi/2 in four parts (Cody and Waite), so that r keeps
/// its digits next to multiples of pi/2.
#[inline(always)]
fn quarter_turns<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let n = s.round(s.mul(x, s.splat(std::f32::consts::FRAC_2_PI)));
    let mut r = x;
    for part in [1.5703125, 4.837512969970703e-4, 7.549533620476723e-8, 2.563344068257090e-12] {
        r = s.fma(n, s.splat(-part), r);
    }
    (r, n)
}

/// The sine of r + n pi/2.
#[inline(always)]
fn sine_of_turned<S: Simd>(s: S, r: S::F, n: S::F) -> S::F {
    let t = s.mul(r, r);
    let p = horner(s, t, [-1.666666454e-01, 8.332724733e-03, -1.958285585e-04]);
    let sin = s.fma(s.mul(r, t), p, r);
    let q = horner(s, t, [4.166664540e-02, -1.388827945e-03, 2.454289634e-05]);
    let cos = s.fma(s.mul(t, t), q, s.fma(t, s.splat(-0.5), s.splat(1.0)));
    // n modulo 4, in -2 ..= 2
    let turn = s.fma(s.round(s.mul(n, s.splat(0.25))), s.splat(-4.0), n);
    let odd = s.abs(s.sub(s.abs(turn), s.splat(1.0)));
    let v = s.select_lt(odd, s.splat(0.5), cos, sin);
    let (half, minus) = (s.splat(0.5), s.sub(s.splat(0.0), v));
    let v = s.select_lt(turn, s.sub(s.splat(0.0), half), minus, v); // -1 and -2
    s.select_lt(s.splat(1.5), turn, minus, v) // 2
}

/// `v`, but `f(x)` in the lanes where |x| is beyond [`TURNS_EXACT`].
#[inline(always)]
fn beyond<S: Simd>(s: S, x: S::F, v: S::F, f: fn(f32) -> f32) -> S::F {
    let limit = s.splat(TURNS_EXACT);
    if s.any_lt(limit, s.abs(x)) { s.select_lt(limit, s.abs(x), s.each_lane(x, f), v) } else { v }
}

/// sin x; lane by lane in double precision beyond [`TURNS_EXACT`].
#[inline(always)]
pub fn sin<S: Simd>(s: S, x: S::F) -> S::F {
    let (r, n) = quarter_turns(s, x);
    let v = sine_of_turned(s, r, n);
    beyond(s, x, v, |x| f64::from(x).sin() as f32)
}

/// cos x, a quarter turn ahead of the sine.
#[inline(always)]
pub fn cos<S: Simd>(s: S, x: S::F) -> S::F {
    let (r, n) = quarter_turns(s, x);
    let v = sine_of_turned(s, r, s.add(n, s.splat(1.0)));
    beyond(s, x, v, |x| f64::from(x).cos() as f32)
}

/// A fit's coefficients as the vectors take them.
const fn narrow<const D: usize>(c: [f64; D]) -> [f32; D] {
    let mut r = [0.0; D];
    let mut i = 0;
    while i < D {
        r[i] = c[i] as f32;
        i += 1;
    }
    r
}

/// The quantile function of the normal distribution by the formula that defines it (`normal::quantile`): its three
/// quotients side by side, and one division.
#[inline(always)]
pub fn normal_quantile<S: Simd>(s: S, p: S::F) -> S::F {
    let (zero, one, five) = (s.splat(0.0), s.splat(1.0), s.splat(5.0));
    let q = s.sub(p, s.splat(0.5));
    let tail = s.sqrt(s.sub(zero, log(s, s.select_lt(q, zero, p, s.sub(one, p)))));
    let (near, far) = (s.sub(tail, s.splat(1.6)), s.sub(tail, five));
    let [num, den] = const { [narrow(normal::NEAR[0]), narrow(normal::NEAR[1])] };
    let (near_num, near_den) = (horner(s, near, num), horner(s, near, den));
    let [num, den] = const { [narrow(normal::FAR[0]), narrow(normal::FAR[1])] };
    let num = s.select_le(tail, five, near_num, horner(s, far, num));
    let den = s.select_le(tail, five, near_den, horner(s, far, den));
    let [central_num, central_den] = const { [narrow(normal::CENTRAL[0]), narrow(normal::CENTRAL[1])] };
    let r = s.fma(s.sub(zero, q), q, s.splat(0.180625));
    let (distance, limit) = (s.abs(q), s.splat(0.425));
    let num = s.select_le(distance, limit, s.mul(q, horner(s, r, central_num)), s.copysign(num, q));
    s.div(num, s.select_le(distance, limit, horner(s, r, central_den), den))
}
