//! Reductions, running sums, softmax.

use crate::conformance::case::Found;
use crate::conformance::case::{Case, Unknown, one};
use lethe_autograd::Var;

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    let a = &case.attrs;
    let x = || case.var("x");
    let over = |f: fn(&Var, &[isize], bool) -> Var| -> Result<Var, Unknown> {
        Ok(f(&x()?, &a.axes("axes")?, a.flag("keepdim")?))
    };
    let spread = |f: fn(&Var, &[isize], f64, bool) -> Var| -> Result<Var, Unknown> {
        let correction = a.f64_maybe("correction")?.unwrap_or(0.0);
        Ok(f(&x()?, &a.axes("axes")?, correction, a.flag("keepdim")?))
    };
    let y = match case.op {
        "sum" => over(Var::sum_axes)?,
        "mean" => over(Var::mean_axes)?,
        "max" => over(Var::max_axes)?,
        "min" => over(Var::min_axes)?,
        "prod" => over(Var::prod_axes)?,
        "logsumexp" => over(Var::logsumexp_axes)?,
        "var" => spread(Var::var_axes)?,
        "std" => spread(Var::std_axes)?,
        "norm" => x()?.norm(),
        "argmax" => Var::constant(&case.tensor("x")?.argmax(a.axis("axis")?, a.flag("keepdim")?)),
        "argmin" => Var::constant(&case.tensor("x")?.argmin(a.axis("axis")?, a.flag("keepdim")?)),
        "cumsum" => x()?.cumsum(a.axis("axis")?, a.flag("reverse")?),
        "softmax" => x()?.softmax(a.axis("axis")?),
        "log_softmax" => x()?.log_softmax(a.axis("axis")?),
        _ => return Ok(None),
    };
    Ok(Some(one("out", y)))
}
