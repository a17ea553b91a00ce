//! Normalisations and dropout.

use crate::conformance::case::Found;
use crate::conformance::case::{Answer, Case, Unknown, one};
use lethe_autograd::Var;
use lethe_tensor::Tensor;

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    let a = &case.attrs;
    let x = || case.var("x");
    let y = match case.op {
        "layer_norm" => layer_norm(case)?,
        "rms_norm" => x()?.rms_norm(&affine(case, "weight", &last_axis(&x()?), 1.0), a.f64("eps")?),
        "group_norm" => {
            let channels = [x()?.shape()[1]];
            let (weight, bias) = (affine(case, "weight", &channels, 1.0), affine(case, "bias", &channels, 0.0));
            x()?.group_norm(a.usize("groups")?, &weight, &bias, a.f64("eps")?)
        }
        "batch_norm" => return batch_norm(case).map(Some),
        "dropout_with_mask" => {
            let kept = case.tensor("mask")?.to_dtype(case.dtype).mul_scalar(1.0 / (1.0 - a.f64("p")?));
            x()?.mul(&Var::constant(&kept))
        }
        _ => return Ok(None),
    };
    Ok(Some(one("out", y)))
}

fn last_axis(x: &Var) -> Vec<usize> {
    x.shape().last().copied().into_iter().collect()
}

/// A weight or bias; where the case has none, the one that changes nothing.
fn affine(case: &Case<'_>, arg: &str, shape: &[usize], neutral: f64) -> Var {
    case.maybe(arg).unwrap_or_else(|| Var::constant(&Tensor::full(case.device, case.dtype, shape, neutral)))
}

fn layer_norm(case: &Case<'_>) -> Result<Var, Unknown> {
    let shape = case.attrs.usizes("normalized_shape")?;
    let (weight, bias) = (affine(case, "weight", &shape, 1.0), affine(case, "bias", &shape, 0.0));
    Ok(case.var("x")?.layer_norm(&weight, &bias, case.attrs.f64("eps")?))
}

fn batch_norm(case: &Case<'_>) -> Answer {
    let (a, x) = (&case.attrs, case.var("x")?);
    let (weight, bias) = (case.var("weight")?, case.var("bias")?);
    let running = [case.tensor("running_mean")?, case.tensor("running_var")?];
    let (eps, momentum) = (a.f64("eps")?, a.f64_maybe("momentum")?);
    if !a.flag("training")? {
        return Ok(one("out", x.batch_norm_eval(&weight, &bias, [&running[0], &running[1]], eps)));
    }
    let momentum = momentum.ok_or_else(|| Unknown("no attribute momentum".into()))?;
    let out = x.batch_norm(&weight, &bias, [&running[0], &running[1]], eps, momentum);
    let names = ["new_running_mean", "new_running_var"];
    let moved = names.iter().zip(&out.running).map(|(name, t)| (name.to_string(), Var::constant(t)));
    Ok(moved.chain(one("out", out.y)).collect())
}
