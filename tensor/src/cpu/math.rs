//! Branch-free f32 elementary functions, generic over the instruction set. Coefficients: own minimax fits (Lawson-weighted
//! least squares on Chebyshev nodes, 40 digits). Errors in ULP over every 97th float of the whole range: see `check`.
use super::simd::Simd;

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

/// e^x - 1 for every x: beyond the range of the polynomial form it is e^x.
#[inline(always)]
pub fn expm1_full<S: Simd>(s: S, x: S::F) -> S::F {
    let near = expm1(s, s.min(s.splat(88.0), s.max(s.splat(-87.0), x)));
    s.select_lt(s.splat(88.0), x, exp(s, x), near)
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
    s.select_lt(s.splat(1e30), x, l, small)
}

/// max(x, 0) + ln(1 + e^-|x|).
#[inline(always)]
pub fn softplus<S: Simd>(s: S, x: S::F) -> S::F {
    let zero = s.splat(0.0);
    s.add(s.max(zero, x), log1p(s, exp(s, s.sub(zero, s.abs(x)))))
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
