//! Attention.

use super::Found;
use crate::conformance::case::{Case, Unknown, one};
use crate::conformance::models;
use lethe_autograd::Var;
use lethe_tensor::{DType, Tensor};

/// The family's operations.
pub fn run(case: &Case<'_>) -> Found {
    let a = &case.attrs;
    let y = match case.op {
        "scaled_dot_product_attention" => attention(case)?,
        "multi_head_attention" => {
            let (heads, causal) = (a.usize("heads")?, a.flag("causal")?);
            let mask = case.maybe("mask").map(|m| m.tensor().clone());
            models::self_attention(&case.var("x")?, &|name| case.var(name), heads, mask.as_ref(), causal)?
        }
        "transformer_block" => {
            models::block(&case.var("x")?, &|name| case.var(name), a.usize("heads")?, a.f64("eps")?)?
        }
        "vit" => return models::vit(case).map(Some),
        "basic_residual_block" => return models::basic_residual_block(case).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(one("out", y)))
}

fn attention(case: &Case<'_>) -> Result<Var, Unknown> {
    let (q, k, v) = (case.var("q")?, case.var("k")?, case.var("v")?);
    let dim = *q.shape().last().ok_or_else(|| Unknown("attention over a number".into()))?;
    let scale = case.attrs.f64_maybe("scale")?.unwrap_or(1.0 / (dim as f64).sqrt());
    let causal = case.attrs.flag("causal")?;
    let (mask, bias) = (case.maybe("mask"), case.maybe("bias"));
    Ok(match (mask, bias) {
        (mask, None) => q.attention(&k, &v, mask.as_ref().map(Var::tensor), scale, causal),
        (None, Some(bias)) if !bias.is_tracked() => q.attention(&k, &v, Some(bias.tensor()), scale, causal),
        (mask, Some(bias)) => {
            let scores = &q.matmul(&k.t()).mul_scalar(scale) + &bias;
            let visible = visible(&scores, mask.as_ref().map(Var::tensor), causal);
            weights(&scores, visible.as_ref()).matmul(&v)
        }
    })
}

/// Which keys a query sees, 1 or 0; `None`: all.
fn visible(scores: &Var, mask: Option<&Tensor>, causal: bool) -> Option<Tensor> {
    let [queries, keys] = [scores.rank() - 2, scores.rank() - 1].map(|axis| scores.shape()[axis]);
    let number = |n: usize| Tensor::arange(scores.device(), n);
    let before = causal.then(|| number(keys).le(&number(queries).unsqueeze(-1)));
    match (before, mask) {
        (Some(b), Some(m)) => Some(b.mul(m).to_dtype(DType::U32)),
        (before, mask) => before.or(mask.cloned()),
    }
}

/// A bias that is differentiated is no mask of the engine's: the weights from a softmax, 0 where nothing is seen.
fn weights(scores: &Var, visible: Option<&Tensor>) -> Var {
    let Some(visible) = visible.map(Var::constant) else { return scores.softmax(-1) };
    let low = Var::constant(&scores.tensor().scalar_like(-1e30));
    let zero = Var::constant(&scores.tensor().scalar_like(0.0));
    visible.where_(&visible.where_(scores, &low).softmax(-1), &zero)
}
