//! Attention.

use crate::conformance::case::Found;
use crate::conformance::case::{Case, Unknown, one};
use crate::conformance::models;
use lethe_autograd::Var;

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
        (None, Some(bias)) => q.biased_attention(&k, &v, &bias, scale, causal),
        (Some(mask), Some(bias)) => {
            let hidden = Var::constant(&bias.tensor().scalar_like(f64::NEG_INFINITY));
            q.biased_attention(&k, &v, &mask.where_(&bias, &hidden), scale, causal)
        }
    })
}
