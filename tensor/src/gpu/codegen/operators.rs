//! Elementwise operations as WGSL: types, conversions, functions of one operand and of two.

use crate::dtype::DType;
use crate::expr::{BinaryOp, UnaryOp};
use crate::functions::unary_functions;
use crate::gpu::types::held_as;

/// Integers saturate, also those of integers; 16-bit floats have been widened.
pub fn converted(value: &str, from: DType, to: DType) -> String {
    match (from, to) {
        _ if from == to => value.to_string(),
        (DType::F32, DType::I32) => format!("to_i32({value})"),
        (DType::F32, DType::U32) => format!("to_u32({value})"),
        (DType::I32, DType::U32) => format!("u32(max({value}, 0))"),
        (DType::U32, DType::I32) => format!("i32(min({value}, 0x7fffffffu))"),
        _ => format!("{}({value})", held_as(to)),
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $Op:ident $(as $method:ident)?, exact |$x:ident| $exact:expr, simd |$s:ident, $v:ident| $simd:expr,
       wgsl |$a:ident, $ty:ident| $wgsl:expr, needs $flag:literal;)*) => {
        /// A function of one operand.
        pub fn unary(op: UnaryOp, operand: &str, compute: DType) -> String {
            match op {
                $(UnaryOp::$Op => {
                    let ($a, $ty) = (operand, compute);
                    let _ = $ty;
                    $wgsl
                })*
            }
        }

        /// The flag of the WGSL functions that a function's text calls.
        pub fn flag(op: UnaryOp) -> Option<&'static str> {
            let flag = match op {
                $(UnaryOp::$Op => $flag,)*
            };
            Some(flag).filter(|f| !f.is_empty())
        }
    };
}
unary_functions!(texts);

/// An operation of two operands.
pub fn binary(op: BinaryOp, a: &str, b: &str, compute: DType) -> String {
    let t = held_as(compute);
    // A shader may compare as if there were no NaN: it is recognised by its bits.
    let numbers = if compute == DType::F32 { format!(" && !is_nan({a}) && !is_nan({b})") } else { String::new() };
    let truth = |sign: &str| format!("select({t}(0), {t}(1), {a} {sign} {b}{numbers})");
    if a == b && compute == DType::F32 {
        // A number is itself, whatever it is; a compiler that sees both sides to be one value need not look.
        match op {
            BinaryOp::Eq | BinaryOp::Le => return format!("select({t}(1), {t}(0), is_nan({a}))"),
            BinaryOp::Ne => return format!("select({t}(0), {t}(1), is_nan({a}))"),
            BinaryOp::Lt => return format!("{t}(0)"),
            _ => {}
        }
    }
    match op {
        BinaryOp::Add => format!("{a} + {b}"),
        BinaryOp::Sub => format!("{a} - {b}"),
        BinaryOp::Mul => format!("{a} * {b}"),
        BinaryOp::Div if compute == DType::F32 => format!("{a} / {b}"),
        BinaryOp::Div => format!("{a} / select({b}, {t}(1), {b} == {t}(0))"), // nothing is divided by 0
        BinaryOp::Max if compute == DType::F32 => format!("larger({a}, {b})"),
        BinaryOp::Min if compute == DType::F32 => format!("smaller({a}, {b})"),
        BinaryOp::Max => format!("max({a}, {b})"),
        BinaryOp::Min => format!("min({a}, {b})"),
        BinaryOp::Pow if compute == DType::F32 => format!("power({a}, {b})"),
        BinaryOp::Pow => converted(&format!("power(f32({a}), f32({b}))"), DType::F32, compute),
        BinaryOp::Eq => truth("=="),
        BinaryOp::Ne => format!("select({t}(1), {t}(0), {a} == {b}{numbers})"), // true for NaN
        BinaryOp::Lt => truth("<"),
        BinaryOp::Le => truth("<="),
    }
}
