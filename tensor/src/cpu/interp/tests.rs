//! Every function of one number at every SIMD level against double precision, over bit patterns from the whole range of f32; and functions
//! of two and three numbers on the values that need care.

use super::super::levels::{Level, dispatch_at, levels};
use super::super::program::Src;
use super::super::testing::Random;
use super::*;

/// `op` of up to three operands, at a level.
fn apply(level: Level, op: Op, operands: [&[f32]; 3]) -> Vec<f32> {
    let n = operands[0].len();
    let mut out = vec![0.0; n];
    let src = operands.map(|x| if x.is_empty() { (std::ptr::null(), 0.0) } else { (x.as_ptr(), 0.0) });
    for from in (0..n).step_by(BLOCK) {
        let n = BLOCK.min(n - from);
        let src = src.map(|(p, c)| (if p.is_null() { p } else { p.wrapping_add(from) }, c));
        dispatch_at(level, Instruction { op, n, dst: out[from..].as_mut_ptr(), src, stream: false });
    }
    out
}

/// The distance from the exact value in units of the last place of f32.
fn ulp(got: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if got == rounded || got.is_nan() && exact.is_nan() {
        return 0.0;
    }
    let exponent = (exact.abs().max(f64::from(f32::MIN_POSITIVE)).to_bits() >> 52) as i32 - 1023;
    (f64::from(got) - exact).abs() / 2f64.powi(exponent - 23)
}

fn patterns() -> Vec<f32> {
    let mut x: Vec<f32> = (0..u32::MAX).step_by(9973).map(f32::from_bits).collect();
    x.extend([0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN, 1e-45, -1e-45]);
    x.extend([88.0, 88.72, 88.73, 88.8, -17.3, -20.0, -87.5, -103.9, -104.1, 8192.0, 8193.0, 1e10, 0.5, 0.925, 0.075]);
    let mut random = Random(7);
    for scale in [1.0, 4.0, 100.0, 8192.0] {
        x.extend(random.reals(20_000, scale).iter().map(|x| *x as f32));
    }
    x
}

/// The largest error of `op` in ULP, where the exact value is at least `least` in magnitude.
fn worst(level: Level, op: UnaryOp, x: &[f32], least: f64) -> (f64, f32) {
    let got = apply(level, Op::Unary(op, Src::Reg(0)), [x, &[], &[]]);
    let error = |(x, y): (&f32, &f32)| {
        let exact = op.exact(f64::from(*x));
        (if exact.abs() < least { 0.0 } else { ulp(*y, exact) }, *x)
    };
    x.iter().zip(&got).map(error).fold((0.0, 0.0), |a, b| if b.0 > a.0 || b.0.is_nan() { b } else { a })
}

#[test]
fn functions_keep_their_stated_errors() {
    use UnaryOp::*;
    let all = patterns();
    let inside: Vec<f32> = (1..1 << 23).step_by(61).map(|i| (i as f32 - 0.5) / (1 << 23) as f32).collect();
    let middle: Vec<f32> = all.iter().copied().filter(|x| x.abs() <= 5.0).collect();
    // (function, largest error in ULP, arguments, the least magnitude of a result that counts)
    let stated = [
        (Neg, 0.0, &all, 0.0),
        (Abs, 0.0, &all, 0.0),
        (Sign, 0.0, &all, 0.0),
        (Square, 0.0, &all, 0.0),
        (Recip, 0.0, &all, 0.0),
        (Sqrt, 0.0, &all, 0.0),
        (Rsqrt, 1.5, &all, 0.0),
        (Exp, 1.5, &all, 0.0),
        (Expm1, 3.0, &all, 0.0),
        (Log, 1.0, &all, 0.0),
        (Log1p, 3.0, &all, 0.0),
        (Sin, 2.5, &all, 0.0),
        (Cos, 2.5, &all, 0.0),
        (Tanh, 4.0, &all, 0.0),
        (Sigmoid, 2.5, &all, 0.0),
        (Softplus, 3.5, &all, 0.0),
        (Erf, 4.5, &all, 0.0),
        (Relu, 0.0, &all, 0.0),
        (Gelu, 13.0, &middle, 1e-3),
        (Gelu, 150.0, &all, 1e-30),
        (NormalQuantile, 5.0, &inside, 0.0),
        (Not, 0.0, &all, 0.0),
    ];
    for level in levels() {
        for (op, bound, x, least) in stated {
            let (error, at) = worst(level, op, x, least);
            assert!(error <= bound, "{level:?} {op:?}: {error} ULP at {at:e}, stated {bound}");
        }
        // The derivative of GELU has roots: its error is absolute.
        let got = apply(level, Op::Unary(GeluGrad, Src::Reg(0)), [&all, &[], &[]]);
        for (x, y) in all.iter().zip(got) {
            let exact = GeluGrad.exact(f64::from(*x));
            let near = (f64::from(y) - exact).abs() <= 4e-7 || y.is_nan() && exact.is_nan();
            assert!(near, "{level:?} GeluGrad({x:e}): {y:e}, not {exact:e}");
        }
    }
}

/// Pairs of the values that need care.
fn pairs() -> (Vec<f32>, Vec<f32>) {
    let care = [0.0, -0.0, 1.0, -1.0, 2.5, 1e-40, -3e38, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 16_777_216.0];
    care.iter().flat_map(|a| care.iter().map(move |b| (*a, *b))).unzip()
}

#[test]
fn functions_of_two_numbers_round_once() {
    use BinaryOp::*;
    let (a, b) = pairs();
    for level in levels() {
        for op in [Add, Sub, Mul, Div, Max, Min, Pow, Eq, Ne, Lt, Le] {
            let got = apply(level, Op::Binary(op, Src::Reg(0), Src::Reg(1)), [&a, &b, &[]]);
            for ((a, b), y) in a.iter().zip(&b).zip(got) {
                let exact = op.exact(f64::from(*a), f64::from(*b)) as f32;
                assert!(y == exact || y.is_nan() && exact.is_nan(), "{level:?} {op:?}({a}, {b}): {y}, not {exact}");
            }
        }
    }
}

#[test]
fn constants_take_any_place() {
    let (a, b) = pairs();
    let c: Vec<f32> = a.iter().rev().copied().collect();
    for level in levels() {
        for op in [Op::MulAdd(Src::Reg(0), Src::Reg(1), Src::Reg(2)), Op::Select(Src::Reg(0), Src::Reg(1), Src::Reg(2))]
        {
            let whole = apply(level, op, [&a, &b, &c]);
            for i in 0..a.len() {
                // The same element with each operand that may be constant as a constant.
                for constant in [0b001, 0b010, 0b100, 0b101, 0b110] {
                    let value = [a[i], b[i], c[i]];
                    let src: [_; 3] = std::array::from_fn(|k| match constant >> k & 1 {
                        1 => (std::ptr::null(), value[k]),
                        _ => (&raw const value[k], 0.0),
                    });
                    let mut y = 0.0;
                    dispatch_at(level, Instruction { op, n: 1, dst: &mut y, src, stream: true });
                    assert!(y == whole[i] || y.is_nan() && whole[i].is_nan(), "{level:?} {op:?} {value:?}: {y}");
                }
                let (a, b, c) = (f64::from(a[i]), f64::from(b[i]), f64::from(c[i]));
                let exact = match op {
                    Op::Select(..) => {
                        if a != 0.0 {
                            b
                        } else {
                            c
                        }
                    }
                    _ => a * b + c,
                };
                let y = f64::from(whole[i]);
                let near = (y - exact).abs() <= f64::from(f32::EPSILON) * (a * b).abs().max(c.abs()) + 1e-45;
                let infinite = y.is_infinite() && exact.abs() > f64::from(f32::MAX) * (1.0 - 1e-7);
                assert!(near || y == exact || y.is_nan() && exact.is_nan() || infinite, "{op:?}: {y}, not {exact}");
            }
        }
    }
}
