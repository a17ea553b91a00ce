//! The elementwise functions of one number, each in one place: what it is, its value in double precision, its form in vectors of `f32`, and its
//! form in a shader. The enumeration, the methods of tensors and the dispatch of every back end are made of this table.
//!
//! To add one: an entry here, its rule in `autograd/src/ops/elementwise.rs` and its case in `autograd/src/registry/elementwise.rs`; and a WGSL function
//! behind a flag in `shaders/wgsl/functions.wgsl`, if its text is more than an expression.

/// Hands the table to the macro named, an entry as
///
/// ```text
/// /// what it is
/// Variant as method,            or only `Variant`, if tensors have no method for it
///     exact |x| f64,            the reference, in double precision
///     simd |s, x| vector,       with the instruction set `s`, as `cpu::simd::Simd`
///     wgsl |a, ty| String,      of the operand's text and the type of computation
///     needs "FLAG";             or `needs ""`: the flag of the WGSL functions that the text calls
/// ```
macro_rules! unary_functions {
    ($consumer:ident) => {
        $consumer! {
            /// −x
            Neg as neg,
                exact |x| -x,
                simd |s, x| s.mul(x, s.splat(-1.0)),
                wgsl |a, ty| if ty == crate::dtype::DType::U32 { format!("0u - {a}") } else { format!("-{a}") },
                needs "";
            /// |x|
            Abs as abs,
                exact |x| x.abs(),
                simd |s, x| s.abs(x),
                wgsl |a, ty| format!("abs({a})"),
                needs "";
            /// −1, 0 or 1; NaN stays NaN
            Sign as sign,
                exact |x| if x == 0.0 || x.is_nan() { x } else { x.signum() },
                simd |s, x| crate::cpu::math::sign(s, x),
                wgsl |a, ty| match ty {
                    crate::dtype::DType::U32 => format!("min({a}, 1u)"),
                    crate::dtype::DType::I32 => format!("sign({a})"),
                    _ => format!("signum({a})"),
                },
                needs "SIGN";
            /// x²
            Square as square,
                exact |x| x * x,
                simd |s, x| s.mul(x, x),
                wgsl |a, ty| format!("{a} * {a}"),
                needs "";
            /// 1/x
            Recip as recip,
                exact |x| 1.0 / x,
                simd |s, x| s.div(s.splat(1.0), x),
                wgsl |a, ty| format!("1.0 / {a}"),
                needs "";
            /// √x
            Sqrt as sqrt,
                exact |x| x.sqrt(),
                simd |s, x| s.sqrt(x),
                wgsl |a, ty| format!("sqrt({a})"),
                needs "";
            /// 1/√x
            Rsqrt as rsqrt,
                exact |x| 1.0 / x.sqrt(),
                simd |s, x| s.div(s.splat(1.0), s.sqrt(x)),
                wgsl |a, ty| format!("inverseSqrt({a})"),
                needs "";
            /// eˣ
            Exp as exp,
                exact |x| x.exp(),
                simd |s, x| crate::cpu::math::exp(s, x),
                wgsl |a, ty| format!("exp_f({a})"),
                needs "EXP";
            /// eˣ − 1, accurate near zero
            Expm1 as expm1,
                exact |x| x.exp_m1(),
                simd |s, x| crate::cpu::math::expm1_full(s, x),
                wgsl |a, ty| format!("expm1_f({a})"),
                needs "EXPM1";
            /// ln x
            Log as log,
                exact |x| x.ln(),
                simd |s, x| crate::cpu::math::log(s, x),
                wgsl |a, ty| format!("log_f({a})"),
                needs "LOG";
            /// ln(1 + x), accurate near zero
            Log1p as log1p,
                exact |x| x.ln_1p(),
                simd |s, x| crate::cpu::math::log1p(s, x),
                wgsl |a, ty| format!("log1p_f({a})"),
                needs "LOG1P";
            /// sin x
            Sin as sin,
                exact |x| x.sin(),
                simd |s, x| crate::cpu::math::sin(s, x),
                wgsl |a, ty| format!("sine({a}, 0.0)"),
                needs "SIN";
            /// cos x
            Cos as cos,
                exact |x| x.cos(),
                simd |s, x| crate::cpu::math::cos(s, x),
                wgsl |a, ty| format!("sine({a}, 1.0)"),
                needs "COS";
            /// tanh x
            Tanh as tanh,
                exact |x| x.tanh(),
                simd |s, x| crate::cpu::math::tanh(s, x),
                wgsl |a, ty| format!("tanh_f({a})"),
                needs "TANH";
            /// 1/(1 + e⁻ˣ)
            Sigmoid as sigmoid,
                exact |x| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) },
                simd |s, x| crate::cpu::math::sigmoid(s, x),
                wgsl |a, ty| format!("sigmoid({a})"),
                needs "SIGMOID";
            /// ln(1 + eˣ), without overflow
            Softplus as softplus,
                exact |x| if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() },
                simd |s, x| crate::cpu::math::softplus(s, x),
                wgsl |a, ty| format!("softplus({a})"),
                needs "SOFTPLUS";
            /// The error function
            Erf as erf,
                exact |x| libm::erf(x),
                simd |s, x| crate::cpu::math::erf(s, x),
                wgsl |a, ty| format!("erf_f({a})"),
                needs "ERF";
            /// max(x, 0)
            Relu as relu,
                exact |x| if x.is_nan() { x } else { x.max(0.0) },
                simd |s, x| s.max(s.splat(0.0), x),
                wgsl |a, ty| match ty {
                    // By the bits of a negative number: a NaN stays one.
                    crate::dtype::DType::F32 => {
                        format!("select({a}, 0.0, bitcast<u32>({a}) > 0x80000000u && bitcast<u32>({a}) <= 0xff800000u)")
                    }
                    _ => format!("max({a}, {}(0))", crate::gpu::types::held_as(ty)),
                },
                needs "";
            /// x Φ(x), Φ the normal distribution: the exact GELU
            Gelu as gelu,
                exact |x| x * crate::normal::cdf(x),
                simd |s, x| crate::cpu::math::gelu(s, x),
                wgsl |a, ty| format!("gelu({a})"),
                needs "NORMAL";
            /// Φ(x) + x φ(x), the derivative of the GELU
            GeluGrad as gelu_grad,
                exact |x| crate::normal::cdf(x) + x * crate::normal::pdf(x),
                simd |s, x| crate::cpu::math::gelu_grad(s, x),
                wgsl |a, ty| format!("gelu_grad({a})"),
                needs "NORMAL";
            /// Φ⁻¹(x), the quantile function of the normal distribution, for x in (0, 1)
            NormalQuantile,
                exact |x| crate::normal::quantile(x),
                simd |s, x| crate::cpu::math::normal_quantile(s, x),
                wgsl |a, ty| format!("quantile({a})"),
                needs "QUANTILE";
            /// 1 − x for booleans
            Not,
                exact |x| f64::from(x == 0.0),
                simd |s, x| s.select_le(s.abs(x), s.splat(0.0), s.splat(1.0), s.splat(0.0)),
                wgsl |a, ty| {
                    let t = crate::gpu::types::held_as(ty);
                    format!("select({t}(0), {t}(1), {a} == {t}(0))")
                },
                needs "";
        }
    };
}
pub(crate) use unary_functions;
