//! Functions of one element, and of pairs.

use crate::conformance::case::Found;
use crate::conformance::case::{Case, one};
use lethe_autograd::Var;

/// Functions of one tensor.
pub fn unary(case: &Case<'_>) -> Found {
    let f: fn(&Var) -> Var = match case.op {
        "exp" => Var::exp,
        "log" => Var::log,
        "log1p" => Var::log1p,
        "expm1" => Var::expm1,
        "sqrt" => Var::sqrt,
        "rsqrt" => Var::rsqrt,
        "reciprocal" => Var::recip,
        "sin" => Var::sin,
        "cos" => Var::cos,
        "erf" => Var::erf,
        "tanh" => Var::tanh,
        "sigmoid" => Var::sigmoid,
        "relu" => Var::relu,
        "gelu_tanh" => Var::gelu_tanh,
        "gelu_erf" => Var::gelu,
        "silu" => Var::silu,
        "softplus" => Var::softplus,
        "abs" => Var::abs,
        "square" => Var::square,
        "neg" => Var::neg,
        _ => return with_number(case),
    };
    Ok(Some(one("out", f(&case.var("x")?))))
}

/// Functions of one tensor and of numbers.
fn with_number(case: &Case<'_>) -> Found {
    let a = &case.attrs;
    let y = match case.op {
        "pow_scalar" => case.var("x")?.pow_scalar(a.f64("exponent")?),
        "leaky_relu" => case.var("x")?.leaky_relu(a.f64("slope")?),
        "clamp" => {
            let (low, high) = (a.f64_maybe("min")?, a.f64_maybe("max")?);
            case.var("x")?.clamp(low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY))
        }
        _ => return Ok(None),
    };
    Ok(Some(one("out", y)))
}

/// Functions of two tensors.
pub fn binary(case: &Case<'_>) -> Found {
    let f: fn(&Var, &Var) -> Var = match case.op {
        "add" => Var::add,
        "sub" => Var::sub,
        "mul" => Var::mul,
        "div" => Var::div,
        "maximum" => Var::maximum,
        "minimum" => Var::minimum,
        "pow" => Var::pow,
        "where" => {
            let y = case.var("cond")?.where_(&case.var("a")?, &case.var("b")?);
            return Ok(Some(one("out", y)));
        }
        "compare" => return compare(case),
        _ => return Ok(None),
    };
    Ok(Some(one("out", f(&case.var("a")?, &case.var("b")?))))
}

fn compare(case: &Case<'_>) -> Found {
    let (a, b) = (case.tensor("a")?, case.tensor("b")?);
    let y = match case.attrs.str("kind")? {
        "eq" => a.eq(&b),
        "ne" => a.ne(&b),
        "lt" => a.lt(&b),
        "le" => a.le(&b),
        "gt" => a.gt(&b),
        "ge" => a.ge(&b),
        kind => return case.unknown(format!("kind {kind}")),
    };
    Ok(Some(one("out", Var::constant(&y))))
}
