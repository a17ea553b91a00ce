//! Measures of the analysis, which run on the host whatever the device of the other cases.

use crate::conformance::case::Found;
use crate::conformance::case::{Answer, Case, Unknown};
use lethe::analysis::companion::companion;
use lethe::analysis::information::{Code, Information, codes, information};
use lethe::analysis::kendall::{Method, kendall, significance};
use lethe::analysis::threshold::Adjustment;
use lethe_autograd::Var;
use lethe_tensor::{DType, Device, Tensor};

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    Ok(Some(match case.op {
        "mutual_information" | "mutual_information_ensemble" => binned(case)?,
        "conditional_information_soft" => soft(case)?,
        "threshold_adjustment" => adjusted(case)?,
        "kendall_tau" => correlated(case)?,
        _ => return Ok(None),
    }))
}

/// The numbers of an input, whatever the case computes in.
fn numbers(case: &Case<'_>, name: &str) -> Result<Vec<f64>, Unknown> {
    let tensor = case.tensor(name)?;
    let read = match tensor.dtype() {
        DType::F64 => tensor.to_vec::<f64>(),
        DType::U32 => tensor.to_vec::<u32>().map(|v| v.into_iter().map(f64::from).collect()),
        _ => tensor.to_vec::<f32>().map(|v| v.into_iter().map(f64::from).collect()),
    };
    read.or_else(|error| case.unknown(error))
}

fn labels(case: &Case<'_>) -> Result<Vec<u32>, Unknown> {
    Ok(numbers(case, "y")?.into_iter().map(|y| y as u32).collect())
}

/// A named vector of results; an empty shape for a single number.
fn output(case: &Case<'_>, name: &str, values: &[f64], shape: &[usize]) -> (String, Var) {
    let values = Tensor::from_slice(&Device::cpu(), values, shape);
    (name.into(), Var::constant(&values.to_dtype(case.dtype)))
}

fn binned(case: &Case<'_>) -> Answer {
    let prob = case.tensor("prob")?;
    let classes = *prob.shape().last().unwrap_or(&1);
    // (n, classes), or a network after the other.
    let networks = if prob.rank() == 3 { prob.shape()[0] } else { 1 };
    let values: Vec<f32> = numbers(case, "prob")?.into_iter().map(|p| p as f32).collect();
    let (labels, thresholds) = (labels(case)?, numbers(case, "thresholds")?);
    let at = |t: &f64| -> Vec<Vec<Code>> {
        values.chunks_exact(values.len() / networks).map(|v| codes(v, classes, *t as f32)).collect()
    };
    let all: Vec<Vec<Vec<Code>>> = thresholds.iter().map(at).collect();
    let of = |what: fn(&Information) -> f64| -> Vec<f64> {
        all.iter().map(|codes| what(&information(codes, &labels))).collect()
    };
    let distinct = |codes: &Vec<Vec<Code>>| codes.concat().into_iter().collect::<std::collections::BTreeSet<_>>().len();
    let shape = [thresholds.len()];
    let distinct: Vec<u32> = all.iter().map(|codes| distinct(codes) as u32).collect();
    let distinct = Tensor::from_slice(&Device::cpu(), &distinct, &shape);
    Ok(vec![
        output(case, "i_x_yhat_given_y", &of(|i| i.sample_given_label), &shape),
        output(case, "i_yhat_y", &of(|i| i.label), &shape),
        ("distinct_codes".into(), Var::constant(&distinct)),
    ])
}

fn soft(case: &Case<'_>) -> Answer {
    let classes = *case.tensor("prob")?.shape().last().unwrap_or(&1);
    let c = companion(&numbers(case, "prob")?, classes, &labels(case)?);
    Ok(vec![output(case, "i_x_yhat_given_y", &[c.sample_given_label], &[]), output(case, "i_yhat_y", &[c.label], &[])])
}

fn adjusted(case: &Case<'_>) -> Answer {
    let (r, u, q, s) = (numbers(case, "r")?, numbers(case, "u")?, numbers(case, "q")?, numbers(case, "s")?);
    let Some(adjustment) = Adjustment::new(&r, &u) else { return case.unknown("a curve without information") };
    let exponents: Vec<f64> = s.iter().map(|s| adjustment.exponent(*s)).collect();
    let forgetting: Vec<f64> = s.iter().map(|s| adjustment.forgetting(&q, *s)).collect();
    let shape = [s.len()];
    Ok(vec![output(case, "r_of_s", &exponents, &shape), output(case, "forgetting", &forgetting, &shape)])
}

fn correlated(case: &Case<'_>) -> Answer {
    let (x, y) = (numbers(case, "x")?, numbers(case, "y")?);
    let Some(k) = kendall(&x, &y) else { return case.unknown("numbers without a correlation") };
    let score = Tensor::from_slice(&Device::cpu(), &[k.score as i32], &[]);
    let mut outputs =
        vec![output(case, "tau_a", &[k.tau_a], &[]), ("concordant_minus_discordant".into(), Var::constant(&score))];
    outputs.extend(k.tau_b.map(|tau| output(case, "tau_b", &[tau], &[])));
    let exact = significance(&x, &y, 0).filter(|s| s.method == Method::Exact);
    outputs.extend(exact.map(|s| output(case, "p_exact", &[s.p], &[])));
    Ok(outputs)
}
