//! Matrix products.

use crate::conformance::case::Found;
use crate::conformance::case::{Case, one};

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    let y = match case.op {
        "matmul" => {
            let operand = |arg, transposed| -> Result<_, _> {
                let v = case.var(arg)?;
                Ok(if case.attrs.flag(transposed)? { v.t() } else { v })
            };
            operand("a", "transpose_a")?.matmul(&operand("b", "transpose_b")?)
        }
        "linear" => case.var("x")?.linear(&case.var("weight")?, case.maybe("bias").as_ref()),
        _ => return Ok(None),
    };
    Ok(Some(one("out", y)))
}
