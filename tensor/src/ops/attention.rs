//! Scaled dot-product attention.

use super::attention_mask;
use super::attention_parts::{Cut, KEYS, Part, QUERIES, apart, joined, merged, ranges, sizes, unpacked};
use crate::plan::{Attention, AttentionBackward};
use crate::run::execute;
use crate::tensor::Tensor;

/// The plan of attention over q [batch, heads, queries, dim] and k, v [batch, heads, keys, dim].
///
/// # Panics
/// If q, k and v do not have these shapes, the mask does not broadcast to (batch, heads, queries, keys) or is neither `U32` nor of their type, or
/// types or devices differ.
#[track_caller]
pub fn plan(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>, scale: f64, causal: bool) -> Attention {
    q.check_float("attention");
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
        plan.mask = Some(attention_mask::describe(mask, &plan));
    }
    plan
}

/// The plan of attention over one packed projection qkv [batch, tokens, 3, heads, dim].
///
/// # Panics
/// If qkv does not have this shape.
#[track_caller]
pub fn packed_plan(qkv: &Tensor, scale: f64, causal: bool) -> Attention {
    qkv.check_float("attention");
    let &[batch, tokens, 3, heads, dim] = qkv.shape() else {
        panic!("attention: qkv {:?} is not (batch, tokens, 3, heads, dim)", qkv.shape())
    };
    let dtype = qkv.computed_type();
    let (queries, keys) = (tokens, tokens);
    Attention { dtype, batch, heads, queries, keys, dim, scale, causal, shift: 0, mask: None, packed: true }
}

/// Runs a plan of [`plan`] or [`packed_plan`]: (o, stats).
///
/// # Panics
/// If the inputs are not the plan's: q, k, v (or qkv), then the mask; or one query or key is larger than the GPU can bind.
#[track_caller]
pub fn forward(plan: &Attention, inputs: &[&Tensor], mask: Option<&Tensor>) -> (Tensor, Tensor) {
    inputs[0].device().check_room("attention", plan.dtype, &plan.output_shape());
    if let Some(cut) = Cut::of(plan, inputs[0].device()) {
        return forward_in_parts(plan, &cut, inputs, mask);
    }
    let mut all: Vec<Tensor> = inputs.iter().map(|t| t.contiguous()).collect();
    all.extend(mask.map(|m| attention_mask::dense(m, plan)));
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
        return backward_in_parts(plan, &cut, inputs, [o, stats, go], mask);
    }
    let mut all: Vec<Tensor> = inputs.iter().map(|t| t.contiguous()).collect();
    all.extend([o.contiguous(), stats.contiguous(), go.contiguous()]);
    all.extend(mask.map(|m| attention_mask::dense(m, plan)));
    execute(AttentionBackward(plan.clone()), &all.iter().collect::<Vec<_>>())
}

/// [`forward`] of a plan that is cut.
#[track_caller]
fn forward_in_parts(p: &Attention, cut: &Cut, inputs: &[&Tensor], mask: Option<&Tensor>) -> (Tensor, Tensor) {
    let Cut::Axis(axis, parts) = *cut else {
        let (o, stats) = forward(&apart(p), &unpacked(inputs[0]).each_ref(), mask);
        return (o.transpose(1, 2).contiguous(), stats);
    };
    let done: Vec<(Tensor, Tensor)> = ranges(sizes(p)[axis], parts)
        .map(|range| {
            let part = Part::new(p, axis, &range, mask);
            forward(&part.plan, &part.rows(inputs).iter().collect::<Vec<_>>(), part.mask.as_ref())
        })
        .collect();
    if axis == KEYS {
        return done.into_iter().reduce(|a, b| merged(p, a, b)).expect("there are parts");
    }
    let (o, stats): (Vec<Tensor>, Vec<Tensor>) = done.into_iter().unzip();
    (joined(&o).reshape(&p.output_shape()), joined(&stats).reshape(&[p.batch, p.heads, p.queries, 2]))
}

/// [`backward`] of a plan that is cut, given o, the statistics and the gradient of o.
#[track_caller]
fn backward_in_parts(
    p: &Attention,
    cut: &Cut,
    inputs: &[&Tensor],
    [o, stats, go]: [&Tensor; 3],
    mask: Option<&Tensor>,
) -> Vec<Tensor> {
    let Cut::Axis(axis, parts) = *cut else {
        let [o, go] = [o, go].map(|t| t.transpose(1, 2));
        let grads = backward(&apart(p), &unpacked(inputs[0]).each_ref(), &o, stats, &go, mask);
        let all = joined(&grads.iter().map(|g| g.transpose(1, 2)).collect::<Vec<_>>());
        let three = all.reshape(&[3, p.batch, p.queries, p.heads, p.dim]);
        return vec![three.permute(&[1, 2, 0, 3, 4]).contiguous()];
    };
    let done: Vec<Vec<Tensor>> = ranges(sizes(p)[axis], parts)
        .map(|range| {
            let part = Part::new(p, axis, &range, mask);
            let rows = part.rows(inputs);
            let [o, stats, go] = [o, stats, go].map(|t| part.of_queries(t));
            backward(&part.plan, &rows.iter().collect::<Vec<_>>(), &o, &stats, &go, part.mask.as_ref())
        })
        .collect();
    let gradient = |i: usize| {
        let parts: Vec<Tensor> = done.iter().map(|d| d[i].clone()).collect();
        // What all parts share gets a share of its gradient from each.
        if matches!((axis, i), (QUERIES, 1 | 2) | (KEYS, 0)) {
            return parts.into_iter().reduce(|a, b| a.add(&b).force().clone()).expect("there are parts");
        }
        joined(&parts).reshape(inputs[i].shape())
    };
    (0..3).map(gradient).collect()
}
