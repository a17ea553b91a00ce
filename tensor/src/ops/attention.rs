//! Scaled dot-product attention.

use super::attention_parts::Cut;
use crate::dtype::DType;
use crate::plan::{Attention, AttentionBackward, Mask, MaskKind};
use crate::run::execute;
use crate::tensor::Tensor;

/// The plan of attention over q [batch, heads, queries, dim] and k, v [batch, heads, keys, dim].
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn plan(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>, scale: f64, causal: bool) -> Attention {
    q.float("attention");
    q.same_type("attention", k);
    q.same_type("attention", v);
    let fits = q.rank() == 4
        && k.rank() == 4
        && k.shape() == v.shape()
        && q.shape()[..2] == k.shape()[..2]
        && q.shape()[3] == k.shape()[3];
    assert!(
        fits,
        "attention: q {:?}, k {:?}, v {:?} do not fit (batch, heads, tokens, dim)",
        q.shape(),
        k.shape(),
        v.shape()
    );
    let s = q.shape();
    let mut plan = Attention {
        dtype: q.computed_type(),
        batch: s[0],
        heads: s[1],
        queries: s[2],
        keys: k.shape()[2],
        dim: s[3],
        scale,
        causal,
        shift: 0,
        mask: None,
        packed: false,
    };
    if let Some(mask) = mask {
        plan.mask = Some(describe(mask, &plan));
    }
    plan
}

/// The plan of attention over one packed projection qkv [batch, tokens, 3, heads, dim].
///
/// # Panics
/// If the shape is another.
#[track_caller]
pub fn packed_plan(qkv: &Tensor, scale: f64, causal: bool) -> Attention {
    qkv.float("attention");
    let &[batch, tokens, 3, heads, dim] = qkv.shape() else {
        panic!("attention: qkv {:?} is not (batch, tokens, 3, heads, dim)", qkv.shape())
    };
    let dtype = qkv.computed_type();
    let (queries, keys) = (tokens, tokens);
    Attention { dtype, batch, heads, queries, keys, dim, scale, causal, shift: 0, mask: None, packed: true }
}

/// Broadcasts a mask and makes its key axis dense.
#[track_caller]
fn dense_mask(m: &Tensor, p: &Attention) -> Tensor {
    let full = [p.batch, p.heads, p.queries, p.keys];
    let direct = m.layout().expand(&full);
    let usable =
        direct.as_ref().is_some_and(|l| l.strides.iter().all(|s| *s >= 0) && (l.strides[3] == 1 || p.keys == 1));
    assert!(direct.is_some(), "attention: the mask {:?} does not broadcast to {full:?}", m.shape());
    if usable {
        return m.clone();
    }
    // Only the axis of keys is spread out; broadcasting over the others stays free.
    let mut shape = m.shape().to_vec();
    match shape.last_mut() {
        Some(last) => *last = p.keys,
        None => shape.push(p.keys),
    }
    crate::run::copy(&m.expand(&shape))
}

/// What a mask of these strides is for a plan.
#[track_caller]
pub(super) fn describe(m: &Tensor, p: &Attention) -> Mask {
    let kind = match m.computed_type() {
        DType::U32 => MaskKind::Bool,
        d if d == p.dtype => MaskKind::Additive,
        d => panic!("attention: a mask is u32 (1 = attend) or {} (added), this one is {d}", p.dtype),
    };
    let l = dense_mask(m, p).layout().expand(&[p.batch, p.heads, p.queries, p.keys]).expect("checked");
    Mask { kind, strides: [0, 1, 2].map(|i| if l.shape[i] == 1 { 0 } else { l.strides[i] as usize }) }
}

/// Runs a plan of [`plan`] or [`packed_plan`]: (o, stats).
///
/// # Panics
/// If the inputs are not the plan's: q, k, v (or qkv), then the mask; or one query or key is larger than the GPU can bind.
#[track_caller]
pub fn forward(plan: &Attention, inputs: &[&Tensor], mask: Option<&Tensor>) -> (Tensor, Tensor) {
    inputs[0].device().check_room("attention", plan.dtype, &plan.output_shape());
    if let Some(cut) = Cut::of(plan, inputs[0].device()) {
        return cut.forward(plan, inputs, mask);
    }
    let mut all: Vec<Tensor> = inputs.iter().map(|t| t.contiguous()).collect();
    all.extend(mask.map(|m| dense_mask(m, plan)));
    let mut out = execute(plan.clone(), &all.iter().collect::<Vec<_>>());
    let stats = out.swap_remove(1);
    (out.swap_remove(0), stats)
}

/// Its gradients: dq, dk, dv (or dqkv).
///
/// # Panics
/// If the inputs are not those of the forward pass.
#[track_caller]
pub fn backward(
    plan: &Attention,
    inputs: &[&Tensor],
    o: &Tensor,
    stats: &Tensor,
    go: &Tensor,
    mask: Option<&Tensor>,
) -> Vec<Tensor> {
    if let Some(cut) = Cut::of(plan, inputs[0].device()) {
        return cut.backward(plan, inputs, [o, stats, go], mask);
    }
    let mut all: Vec<Tensor> = inputs.iter().map(|t| t.contiguous()).collect();
    all.extend([o.contiguous(), stats.contiguous(), go.contiguous()]);
    all.extend(mask.map(|m| dense_mask(m, plan)));
    execute(AttentionBackward(plan.clone()), &all.iter().collect::<Vec<_>>())
}
