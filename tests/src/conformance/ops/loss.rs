//! Losses.

use crate::conformance::case::Found;
use crate::conformance::case::{Answer, Attrs, Case, Unknown, one};
use lethe_autograd::Var;
use lethe_nn::loss::{Likelihood, Obf};

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    let a = &case.attrs;
    Ok(Some(match case.op {
        "cross_entropy" => one("loss", reduced(&rows(case, Likelihood::Softmax)?, a.str("reduction")?)?),
        "sigmoid_cross_entropy" => {
            let rows = rows(case, Likelihood::Sigmoid)?;
            let classes = *case.var("logits")?.shape().last().unwrap_or(&1);
            let rows = match a.str("class_reduction")? {
                "sum" => rows,
                "mean" => rows.mul_scalar(1.0 / classes as f64),
                other => return case.unknown(format!("class_reduction {other}")),
            };
            one("loss", reduced(&rows, a.str("batch_reduction")?)?)
        }
        "mse" => {
            let squares = case.var("pred")?.mse_loss(&case.var("target")?);
            one("loss", reduced(&squares, a.str("reduction")?)?)
        }
        "label_smoothing_targets" => smoothed_targets(case)?,
        "obf_loss" => obf(case)?,
        _ => return Ok(None),
    }))
}

fn reduced(rows: &Var, how: &str) -> Result<Var, Unknown> {
    Ok(match how {
        "mean" => rows.mean(),
        "sum" => rows.sum(),
        "none" => rows.clone(),
        other => return Err(Unknown(format!("reduction {other}"))),
    })
}

/// The loss of each row, summed over the classes.
fn rows(case: &Case<'_>, likelihood: Likelihood) -> Result<Var, Unknown> {
    let (logits, target) = (case.var("logits")?, case.var("target")?);
    let soft = match case.attrs.str("target")? {
        "index" => false,
        "soft" => true,
        other => return case.unknown(format!("target {other}")),
    };
    if target.is_tracked() || soft != target.dtype().is_float() {
        return case.unknown("gradients of targets, or targets of another type");
    }
    let smoothing = case.attrs.f64_maybe("label_smoothing")?.unwrap_or(0.0);
    Ok(logits.cross_entropy(target.tensor(), likelihood, smoothing))
}

fn smoothed_targets(case: &Case<'_>) -> Answer {
    let (classes, s) = (case.attrs.usize("classes")?, case.attrs.f64("smoothing")?);
    let labels = case.tensor("target")?.one_hot(classes, case.dtype);
    Ok(one("out", Var::constant(&labels.mul_scalar(1.0 - s).add_scalar(s / classes as f64))))
}

/// The objective of output bias forgetting that `lambda`, `gamma` and `likelihood` describe.
pub fn obf_objective(a: &Attrs<'_>) -> Result<Obf, Unknown> {
    let likelihood = match a.str("likelihood")? {
        "softmax" => Likelihood::Softmax,
        "sigmoid" => Likelihood::Sigmoid,
        other => return Err(Unknown(format!("likelihood {other}"))),
    };
    Ok(Obf::new(a.f64("lambda")?, a.f64("gamma")?, likelihood))
}

fn obf(case: &Case<'_>) -> Answer {
    let (logits, labels) = (case.var("logits")?, case.tensor("target")?);
    let objective = obf_objective(&case.attrs)?;
    let how = case.attrs.str("reduction")?;
    let z = logits.tensor();
    let bracket = objective.seed(z, &labels).mul_scalar(z.shape()[0] as f64);
    let linear = Var::constant(&bracket.mul(z)).sum_axes(&[-1], false);
    let mut outputs = one("loss", reduced(&objective.rows(&logits, &labels), how)?);
    outputs.push(("aux.alpha".into(), Var::constant(&objective.alpha(z, &labels).squeeze(-1))));
    outputs.push(("aux.linear_form".into(), reduced(&linear, how)?));
    Ok(outputs)
}
